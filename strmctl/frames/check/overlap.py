"""What clips of a frame store share and should not: a class, a file, pixels, the video that they were cut from."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from strmctl.datasets.names import readable
from strmctl.datasets.splits import class_key
from strmctl.frames.check.clips import ClipCheck
from strmctl.frames.check.findings import Finding, SharedSources, counted, finding
from strmctl.frames.store.manifest import ClipRow, subset_rank
from strmctl.frames.store.store import FrameStore

NAMED = 6  # clips of a group that a message names; black videos may make a large one


def shared_findings(store: FrameStore) -> Iterator[Finding]:
    """Classes and clips that stand in the manifest more often than they may."""
    homes: dict[str, dict[str, str]] = defaultdict(dict)  # class key -> subset -> spelling
    for row in store.rows:
        if row.cls and row.subset:
            homes[class_key(row.cls)].setdefault(row.subset, row.cls)
    items = [
        " = ".join(f"{home[subset]} ({subset})" for subset in sorted(home, key=subset_rank))
        for home in homes.values()
        if len(home) > 1
    ]
    message = f"{counted(len(items), 'class')} in more than one subset"
    yield finding("shared_classes", items, message, f"run `{store.prepare_command}`")
    # a link to a file is that file; ids that differ in case only are one file on some disks
    ids = _groups(store.rows, [row.clip.casefold() for row in store.rows])
    files = _groups(store.rows, _real_paths(store))
    equations = list(map(_equation, ids + [group for group in files if group not in ids]))
    message = f"{counted(len(equations), 'clip')} or original videos stand in the manifest more than once"
    yield finding("shared_clips", equations, message, _keep_one(store))


def _real_paths(store: FrameStore) -> list[str]:
    """Where the original of each row really lies, as far as the manifest knows; nothing is looked up per clip."""
    asked, dataset = store.settings.get("request", {}), store.settings.get("dataset", store.name)
    videos = asked.get("videos") or asked.get("folder") or store.folder.parent / "videos" / dataset
    top = os.path.realpath(videos)  # links below it are followed in the column `target`, which is empty without one
    return [row.target or (row.source and readable(str(Path(top, row.source)))) for row in store.rows]


def _keep_one(store: FrameStore) -> str:
    elsewhere = store.settings.get("frames_from")
    one = f"keep the frames of one of each in {elsewhere}" if elsewhere else "keep one video of each"
    return f"{one} (or list those to keep with `--list FILE`), then run `{store.prepare_command}`"


def find_duplicates(store: FrameStore, looked: Mapping[str, ClipCheck]) -> list[list[ClipRow]]:
    """Groups of clips of which 8 evenly spaced frames have the same pixels."""
    return _groups(store.rows, [looked[row.clip].content if row.clip in looked else "" for row in store.rows])


def duplicate_findings(store: FrameStore, duplicates: Sequence[Sequence[ClipRow]]) -> Iterator[Finding]:
    """Such groups as problems, those that reach across subsets first."""
    for kind, across, where in (
        ("duplicates_across", True, "in different subsets"),
        ("duplicates_within", False, "in the same subset"),
    ):
        items = [_equation(group) for group in duplicates if (len({row.subset for row in group}) > 1) == across]
        message = f"{counted(len(items), 'group')} of clips {where} show the same, pixel by pixel"
        yield finding(kind, items, message, _keep_one(store))


def shared_sources(rows: Sequence[ClipRow]) -> tuple[SharedSources | None, list[Finding]]:
    """Source videos of the clips with a subset (None: no two clips are known to share one), and what to note about it.

    Those with clips in several subsets are a remark and no problem: published splits have some.
    """
    own = [row for row in rows if row.subset]
    if all(row.group in ("", row.clip) for row in own):
        return None, []
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for row in own:
        found[row.group or row.clip][row.subset] += 1
    shared = {group: dict(found[group]) for group in sorted(found) if len(found[group]) > 1}
    items = [
        f"{source} ({', '.join(f'{clips[subset]} {subset}' for subset in sorted(clips, key=subset_rank))})"
        for source, clips in shared.items()
    ]
    message = f"{len(shared):,} of {len(found):,} source videos have clips in more than one subset"
    return SharedSources(len(found), shared), [finding("shared_sources", items, message)]


def _groups(rows: Sequence[ClipRow], keys: Sequence[str]) -> list[list[ClipRow]]:
    """Rows of the same key together, where there are several; rows with an empty key are left out."""
    groups: dict[str, list[ClipRow]] = defaultdict(list)
    for row, key in zip(rows, keys, strict=True):
        if key:
            groups[key].append(row)
    return [group for group in groups.values() if len(group) > 1]


def _equation(group: Sequence[ClipRow]) -> str:
    shown = [f"{row.clip} ({', '.join(filter(None, (row.cls, row.subset)))})" for row in group[:NAMED]]
    return " = ".join([*shown, f"… ({len(group):,} clips)"] if len(group) > NAMED else shown)
