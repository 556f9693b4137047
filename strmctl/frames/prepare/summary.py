"""What a run of `prepare` found and did, in numbers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from strmctl.datasets.lists import ListedClips
from strmctl.datasets.scan import Scan
from strmctl.datasets.splits import SUBSETS
from strmctl.frames.prepare.request import Job
from strmctl.frames.store.manifest import STORED, ClipRow


@dataclass(frozen=True)
class SubsetCount:
    """One subset of a store.

    Attributes:
        subset: `train`, `val`, `test`, or empty for clips without one.
        classes: class -> clips found; empty for clips without classes.
        expected: class -> clips in the published lists (None: not known); empty without a split.
        clips: number of clips found.
        short: number of these with fewer than 8 frames.
        failed: number of these without frames.
        frames: number of stored frames.
    """

    subset: str
    classes: dict[str, int]
    expected: dict[str, int | None]
    clips: int
    short: int
    failed: int
    frames: int


@dataclass(frozen=True, kw_only=True)
class PrepareResult:
    """What `prepare` did, or what `plan` says that it would do.

    Attributes:
        dataset: name of the data set.
        display_name: name of the store in results.
        store: folder of the store.
        dry_run: whether nothing was written.
        to_render: number of videos that are rendered first (sprites, dry run only).
        clips: number of clips found.
        done: number of clips whose frames are in the store, including those that were there before.
        skipped: number of these that were there before and are intact.
        short: ids of clips with fewer than 8 frames, which are kept but never sampled.
        failed: (clip, reason) of clips without frames.
        odd: (clip, reason) of clips with fewer frames than their file declares.
        ignored: reason -> files that were left out for it; of very many beside extracted frames, the first.
        ignored_counts: reason -> number of files that were left out for it.
        unreadable: folders of originals that could not be read, each with the reason.
        split_file: file of the split; empty for that of a data set, and without one.
        split_drawn: whether this run draws that split.
        unsplit_classes: class folders that a split drawn before does not name.
        missing_classes: classes of the split without a clip.
        missing_clips: clips that a list or an annotation names and the folder does not hold.
        listed: class -> how many clips the list names, and how many of these are missing.
        dropped: number of clips that left the manifest because their originals are gone or not listed; their frames
            stay on disk.
        bytes: size of the stored frames; in a dry run an estimate for all clips.
        seconds: time that it took.
        subsets: counts of each subset that has clips or expects them.
        shard: `i/n`; empty for the whole.
        free: free bytes on the disk of the store (dry run only).
        expected_seconds: time that it would take, estimated (dry run only).
    """

    dataset: str
    display_name: str
    store: Path
    dry_run: bool = False
    to_render: int = 0
    clips: int
    done: int
    skipped: int
    short: list[str]
    failed: list[tuple[str, str]]
    odd: list[tuple[str, str]]
    ignored: dict[str, list[str]]
    ignored_counts: dict[str, int]
    unreadable: list[str]
    split_file: str
    split_drawn: bool
    unsplit_classes: list[str]
    missing_classes: list[str]
    missing_clips: list[str]
    listed: dict[str, ListedClips]
    dropped: int
    bytes: int
    seconds: float
    subsets: list[SubsetCount]
    shard: str = ""
    free: int = 0
    expected_seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The same for machines: of ignored files their number, and the first few for each reason."""
        document = asdict(self)
        counts = document.pop("ignored_counts")
        return document | {
            "store": str(self.store),
            "short": len(self.short),
            "short_clips": self.short,
            "failed": [{"clip": clip, "reason": reason} for clip, reason in self.failed],
            "odd": [{"clip": clip, "reason": reason} for clip, reason in self.odd],
            "ignored": sum(counts.values()),
            "ignored_because": [
                {"reason": reason, "files": counts[reason], "first": files[:5]}
                for reason, files in self.ignored.items()
            ],
            "listed": {cls: count._asdict() for cls, count in self.listed.items()},
            "seconds": round(self.seconds, 3),
            "expected_seconds": round(self.expected_seconds, 3),
        }


def summarize(
    job: Job, found: Scan, rows: Sequence[ClipRow], known: dict[str, ClipRow], start: float, **values: Any
) -> PrepareResult:
    """Counts what the rows say.

    Args:
        job: what was to be done.
        found: what the folder of originals holds.
        rows: rows of the clips found.
        known: rows of the run before, by clip id.
        start: monotonic time at the start, seconds.
        values: `skipped`, `bytes` and other fields of the result that rows do not tell.
    """
    wanted = job.split.subsets if job.split else {}
    held = {row.cls for row in rows}
    rows = sorted(rows, key=lambda row: row.clip)
    counts = [_count(subset, rows, wanted) for subset in (*SUBSETS, "")]
    return PrepareResult(
        dataset=job.dataset.name,
        display_name=job.settings["display_name"],
        store=job.folder,
        clips=len(rows),
        done=sum(row.status in STORED for row in rows),
        short=[row.clip for row in rows if row.status == "short"],
        failed=[(row.clip, row.reason) for row in rows if row.status == "failed"],
        odd=[(row.clip, row.reason) for row in rows if row.status in STORED and row.reason],
        ignored=found.ignored,
        ignored_counts=found.ignored_counts,
        unreadable=found.unreadable,
        split_file=str(job.split_file or ""),
        split_drawn=bool(job.drawn),
        unsplit_classes=job.unsplit_classes(found),
        missing_classes=[cls for classes in wanted.values() for cls in classes if cls not in held],
        missing_clips=found.missing,
        listed=found.listed,
        dropped=len(known.keys() - {row.clip for row in rows}),
        seconds=time.monotonic() - start,
        subsets=[count for count in counts if count.clips or count.expected],
        **values,
    )


def _count(subset: str, rows: Sequence[ClipRow], wanted: dict[str, dict[str, int | None]]) -> SubsetCount:
    own = [row for row in rows if row.subset == subset]
    status = Counter(row.status for row in own)
    return SubsetCount(
        subset=subset,
        classes=dict(sorted(Counter(row.cls for row in own if row.cls).items())),
        expected=wanted.get(subset, {}),
        clips=len(own),
        short=status["short"],
        failed=status["failed"],
        frames=sum(row.frames for row in own),
    )
