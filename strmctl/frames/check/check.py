"""Whether a frame store can be trusted: all clips of the benchmark, intact, in the right subset, each once."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from strmctl.datasets.catalogue import DATA_SETS
from strmctl.datasets.splits import SUBSETS, load_split
from strmctl.errors import DataError, StrmctlError
from strmctl.frames.check.clips import ClipCheck, check_clips
from strmctl.frames.check.overlap import find_duplicates, of_duplicates, of_shared, of_sources, rank, shared_sources
from strmctl.frames.check.result import CheckResult, ClassCount, Finding, counted
from strmctl.frames.store.clip_zip import FRAMES, archive_path
from strmctl.frames.store.manifest import STORED, ClipRow
from strmctl.frames.store.settings import SETTINGS
from strmctl.frames.store.store import FrameStore
from strmctl.progress import Progress, silent

Expected = dict[str, dict[str, int | None]]  # subset -> class -> clips in the published lists


def check(
    store: FrameStore,
    *,
    workers: int = 1,
    quick: bool = False,
    progress: Progress = silent,
) -> CheckResult:
    """Compares a store with its split, with its manifest, and its clips with each other.

    Args:
        store: the frames; nothing is written.
        workers: processes; 1 works in this one.
        quick: open each clip and read its first and last frame only: no checksum, nothing decoded, no duplicates.
        progress: is told (clips done, clips in all, what is wrong so far).
    """
    expected, remark = expected_clips(store)
    looked = check_clips(store, workers=workers, quick=quick, progress=progress)
    classes = _count(store.rows, expected, looked)
    duplicates = None if quick else find_duplicates(store, looked)
    sources = shared_sources(store.rows)
    problems = [
        *_of_classes(store, classes, expected),
        *_of_names(store, expected),
        *_of_clips(store, looked),
        *of_shared(store),
        *of_duplicates(store, duplicates or []),
    ]
    notes = [Finding("split", 1, remark, [])] if remark else []
    notes += [*_remarks(store, classes, expected), *of_sources(sources), *_unknown_files(store)]
    return CheckResult(
        name=store.name,
        display_name=store.display_name,
        store=store.folder,
        quick=quick,
        clips=len(store.rows),
        stored=len(looked),
        classes=classes,
        duplicates=duplicates,
        sources=sources,
        problems=problems,
        notes=notes,
    )


def expected_clips(store: FrameStore) -> tuple[Expected, str]:
    """What a store's split expects, and a remark when that is not known; nothing for a store without a split."""
    asked, name = store.settings.get("request", {}), store.settings.get("split")
    named = asked.get("split") or name
    if not named:
        return {}, ""
    try:
        return load_split(named).subsets, ""
    except StrmctlError as error:
        listed = store.settings.get("classes", {})
        known = {subset: dict.fromkeys(listed.get(subset, ())) for subset in SUBSETS}
        return known, f"{error.message}: classes are taken from the store, without published numbers of clips"


def _count(rows: Sequence[ClipRow], expected: Expected, looked: Mapping[str, ClipCheck]) -> list[ClassCount]:
    by_class: dict[tuple[str, str], list[ClipRow]] = {
        (subset, cls): [] for subset, classes in expected.items() for cls in classes
    }
    for row in rows:
        by_class.setdefault((row.subset, row.cls), []).append(row)
    counts = []
    for (subset, cls), own in by_class.items():
        wrong = {row.clip for row in own if row.clip in looked and looked[row.clip].wrong}
        status = Counter(row.status for row in own)
        counts.append(
            ClassCount(
                subset=subset,
                cls=cls,
                expected=expected.get(subset, {}).get(cls),
                found=len(own),
                failed=status["failed"],
                short=status["short"],
                damaged=len(wrong),
                usable=sum(row.status == "ok" and row.clip not in wrong for row in own),
            )
        )
    return sorted(counts, key=lambda count: (rank(count.subset), count.cls))


def _of_classes(store: FrameStore, classes: Sequence[ClassCount], expected: Expected) -> Iterator[Finding]:
    """Classes and clips of the split that are not there, and classes that the split does not have there."""
    elsewhere = store.settings.get("frames_from")
    put = f"put their frames into {elsewhere}" if elsewhere else "put their videos where the others lie"
    add = f"{put}, then run `{store.prepare_command}`"
    of_split = [count for count in classes if count.cls in expected.get(count.subset, {})]
    empty = [f"{_place(count)} ({counted(count.found, 'clip')} found)" for count in of_split if not count.usable]
    if empty:
        message = f"{len(empty)} of {counted(len(of_split), 'class', 'classes')} of the split without a usable clip"
        yield Finding("missing_classes", len(empty), message, empty, add)
    if _takes_all(store) and (fewer := _fewer(of_split)):
        yield _finding_of_fewer("missing_clips", fewer, add)
    if expected:
        unknown = [count for count in classes if count.cls not in expected.get(count.subset, {})]
        items = [f"{_place(count)} ({counted(count.found, 'clip')})" for count in unknown]
        message = f"{counted(len(items), 'class', 'classes')} of the store not in the split, or in another subset there"
        if items:
            yield Finding("unknown_classes", len(items), message, items, f"run `{store.prepare_command}`")


def _of_names(store: FrameStore, expected: Expected) -> Iterator[Finding]:
    """Classes that the settings have and the split has not, or the other way round: `train` and `eval` go by these."""
    items = []
    for subset in SUBSETS:
        listed, of_split = set(store.settings.get("classes", {}).get(subset, ())), set(expected.get(subset, ()))
        items += [f"{subset}: {cls} (only in {SETTINGS})" for cls in sorted(listed - of_split)]
        items += [f"{subset}: {cls} (only in the split)" for cls in sorted(of_split - listed)]
    if items:
        message = f"{counted(len(items), 'class', 'classes')} in one of {SETTINGS} and the split only"
        yield Finding("other_classes", len(items), message, items, f"run `{store.prepare_command}`")


def _fewer(counts: Iterable[ClassCount]) -> list[ClassCount]:
    return [count for count in counts if count.expected is not None and count.found < count.expected]


def _finding_of_fewer(kind: str, fewer: Sequence[ClassCount], mend: str) -> Finding:
    missing = sum(count.expected - count.found for count in fewer)
    items = [f"{_place(count)} ({count.found} of {count.expected})" for count in fewer]
    message = f"{counted(missing, 'clip')} fewer than published, in {counted(len(fewer), 'class', 'classes')}"
    return Finding(kind, missing, message, items, mend)


def _takes_all(store: FrameStore) -> bool:
    """Whether the store means to hold all published clips: the user's own list may ask for fewer."""
    known = DATA_SETS.get(store.settings.get("dataset", ""))
    return "list" not in store.settings.get("request", {}) or bool(known and known.listed)


def _of_clips(store: FrameStore, looked: Mapping[str, ClipCheck]) -> Iterator[Finding]:
    """Clips without frames, and clips whose frames are not what they should be."""
    elsewhere, again = store.settings.get("frames_from"), f"run `{store.prepare_command}`"
    images = f"mend the images in {elsewhere}, then {again}" if elsewhere else ""
    failed = [f"{row.clip}: {row.reason}" for row in store.rows if row.status not in STORED]
    if failed:
        mend = images or f"replace their videos, then {again}"
        yield Finding("failed", len(failed), f"{counted(len(failed), 'clip')} without frames", failed, mend)
    for kinds, message, mend in (
        (("damaged",), "whose frames are missing or damaged", images or again),
        (("unreadable", "crashed"), "whose frames cannot be read", images or f"run `{store.prepare_command} --redo`"),
    ):
        items = [f"{row.clip}: {looked[row.clip].reason}" for row in store.rows if _is_wrong(row, looked, kinds)]
        if items:
            yield Finding(kinds[0], len(items), f"{counted(len(items), 'clip')} {message}", items, mend)


def _is_wrong(row: ClipRow, looked: Mapping[str, ClipCheck], kinds: Sequence[str]) -> bool:
    return row.clip in looked and looked[row.clip].wrong in kinds


def _remarks(store: FrameStore, classes: Sequence[ClassCount], expected: Expected) -> Iterator[Finding]:
    """What is no mistake and yet worth knowing about clips and classes."""
    short = [f"{row.clip}: {row.frames} frames" for row in store.rows if row.status == "short"]
    if short:
        yield Finding(
            "short", len(short), f"{counted(len(short), 'clip')} of fewer than 8 frames: never sampled", short
        )
    odd = [f"{row.clip}: {row.reason}" for row in store.rows if row.status in STORED and row.reason]
    if odd:
        yield Finding("odd", len(odd), f"{counted(len(odd), 'clip')} with a remark", odd)
    if not _takes_all(store) and (fewer := _fewer(classes)):
        yield _finding_of_fewer("not_listed", fewer, "")
    more = [count for count in classes if count.expected is not None and count.found > count.expected]
    if more:
        clips = sum(count.found - count.expected for count in more)
        message = f"{counted(clips, 'clip')} more than published, in {counted(len(more), 'class', 'classes')}"
        items = [f"{_place(count)} ({count.found}, published {count.expected})" for count in more]
        yield Finding("more_clips", clips, message, items)
    unknown = [
        _place(count) for count in classes if count.expected is None and count.cls in expected.get(count.subset, {})
    ]
    if unknown:
        message = f"{counted(len(unknown), 'class', 'classes')} without a published number of clips"
        yield Finding("not_published", len(unknown), message, unknown)


def _unknown_files(store: FrameStore) -> Iterator[Finding]:
    """Files among the frames that no row speaks of."""
    known = set()
    for row in store.rows:
        try:
            known |= {str(archive_path(store.folder, row.clip))} if row.status in STORED else set()
        except DataError:  # no clip id: said elsewhere
            continue
    unknown = []
    for folder, _, names in os.walk(store.folder / FRAMES):
        paths = [os.path.join(folder, name) for name in names]  # noqa: PTH118 - a million of them
        unknown += [Path(path).relative_to(store.folder).as_posix() for path in paths if path not in known]
    if unknown:
        message = f"{counted(len(unknown), 'file')} among the frames of no clip of the manifest"
        yield Finding("unknown_files", len(unknown), message, sorted(unknown))


def _place(count: ClassCount) -> str:
    return f"{count.subset}: {count.cls}" if count.subset else count.cls
