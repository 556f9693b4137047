"""What clips of a frame store share and should not: a class, a file, pixels, the video that they were cut from."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from strmctl.datasets.names import readable
from strmctl.datasets.splits import SUBSETS, class_key
from strmctl.frames.check.clips import ClipCheck
from strmctl.frames.check.result import Finding, SharedSources, counted
from strmctl.frames.store.manifest import ClipRow
from strmctl.frames.store.store import FrameStore

NAMED = 6  # clips of a group that a message names; black videos may make a large one


def rank(subset: str) -> int:
    """Where a subset stands in lists; those without one come last."""
    return (*SUBSETS, "").index(subset) if subset in SUBSETS else len(SUBSETS)


def of_shared(store: FrameStore) -> Iterator[Finding]:
    """Classes and clips that stand in the manifest more often than they may."""
    homes: dict[str, dict[str, str]] = defaultdict(dict)  # class key -> subset -> spelling
    for row in store.rows:
        if row.cls and row.subset:
            homes[class_key(row.cls)].setdefault(row.subset, row.cls)
    items = [
        " = ".join(f"{home[subset]} ({subset})" for subset in sorted(home, key=rank))
        for home in homes.values()
        if len(home) > 1
    ]
    if items:
        yield Finding(
            "shared_classes",
            len(items),
            f"{counted(len(items), 'class', 'classes')} in more than one subset",
            items,
            f"run `{store.prepare_command}`",
        )
    # a link to a file is that file; ids that differ in case only are one file on some disks
    ids = _groups(store.rows, [row.clip.casefold() for row in store.rows])
    files = _groups(store.rows, _real_paths(store))
    groups = ids + [group for group in files if group not in ids]
    if groups:
        message = f"{counted(len(groups), 'clip')} or original videos stand in the manifest more than once"
        yield Finding("shared_clips", len(groups), message, list(map(_equation, groups)), _keep_one(store))


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
    rows = [row for row in store.rows if row.clip in looked and looked[row.clip].content]
    return _groups(rows, [looked[row.clip].content for row in rows])


def of_duplicates(store: FrameStore, duplicates: Sequence[Sequence[ClipRow]]) -> Iterator[Finding]:
    """Such groups as problems, those that reach across subsets first."""
    for kind, across, where in (
        ("duplicates_across", True, "in different subsets"),
        ("duplicates_within", False, "in the same subset"),
    ):
        items = [_equation(group) for group in duplicates if (len({row.subset for row in group}) > 1) == across]
        if items:
            message = f"{counted(len(items), 'group')} of clips {where} show the same, pixel by pixel"
            yield Finding(kind, len(items), message, items, _keep_one(store))


def shared_sources(rows: Sequence[ClipRow]) -> SharedSources | None:
    """Source videos of the clips with a subset; None when no two clips are known to share one."""
    own = [row for row in rows if row.subset]
    if all(row.group in ("", row.clip) for row in own):
        return None
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for row in own:
        found[row.group or row.clip][row.subset] += 1
    shared = {group: dict(found[group]) for group in sorted(found) if len(found[group]) > 1}
    return SharedSources(len(found), shared)


def of_sources(sources: SharedSources | None) -> Iterator[Finding]:
    """Those that reach across subsets, as a remark: published splits have some."""
    if sources and sources.shared:
        message = f"{len(sources.shared):,} of {sources.total:,} source videos have clips in more than one subset"
        items = [
            f"{source} ({', '.join(f'{clips[subset]} {subset}' for subset in sorted(clips, key=rank))})"
            for source, clips in sources.shared.items()
        ]
        yield Finding("shared_sources", len(items), message, items)


def _groups(rows: Sequence[ClipRow], keys: Sequence[str]) -> list[list[ClipRow]]:
    """Rows of the same key together, where there are several; empty keys are none."""
    groups: dict[str, list[ClipRow]] = defaultdict(list)
    for row, key in zip(rows, keys, strict=True):
        if key:
            groups[key].append(row)
    return [group for group in groups.values() if len(group) > 1]


def _equation(group: Sequence[ClipRow]) -> str:
    shown = [f"{row.clip} ({', '.join(filter(None, (row.cls, row.subset)))})" for row in group[:NAMED]]
    return " = ".join([*shown, f"… ({len(group):,} clips)"] if len(group) > NAMED else shown)
