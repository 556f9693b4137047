"""Whether a frame store can be trusted: all clips of the benchmark, intact, in the right subset, each once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from strmctl.datasets.catalogue import DATA_SETS
from strmctl.datasets.names import is_left_out
from strmctl.datasets.splits import SUBSETS, load_split
from strmctl.errors import StrmctlError
from strmctl.frames.check.clips import ClipCheck, check_clips
from strmctl.frames.check.findings import CheckResult, ClassCount, Finding, counted, finding
from strmctl.frames.check.overlap import duplicate_findings, find_duplicates, shared_findings, shared_sources
from strmctl.frames.store.clip_zip import FRAMES, archive_path
from strmctl.frames.store.manifest import STORED, ClipRow, subset_rank
from strmctl.frames.store.settings import SETTINGS
from strmctl.frames.store.store import FrameStore
from strmctl.paths import files_below
from strmctl.progress import Progress, silent

Expected = dict[str, dict[str, int | None]]  # subset -> class -> clips in the published lists


def check(store: FrameStore, *, workers: int = 1, quick: bool = False, progress: Progress = silent) -> CheckResult:
    """Compares a store with its split, with its manifest, and its clips with each other.

    Args:
        store: the frames; nothing is written.
        workers: number of processes; 1 works in this one.
        quick: whether to read only the first and last frame of each clip: no checksum, nothing decoded, no duplicates.
        progress: called with (clips done, clips in all, what is wrong so far).
    """
    expected, remark = _expected_clips(store)
    looked = check_clips(store, workers=workers, quick=quick, progress=progress)
    classes = _count(store.rows, expected, looked)
    duplicates = None if quick else find_duplicates(store, looked)
    sources, note = shared_sources(store.rows)
    problems = [
        *_class_problems(store, classes, expected),
        *_clip_problems(store, looked),
        *shared_findings(store),
        *duplicate_findings(store, duplicates or []),
    ]
    notes = [
        Finding("split", int(remark != ""), remark, []),
        *_notes(store, classes, expected),
        *note,
        _unknown_files(store),
    ]
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
        problems=[problem for problem in problems if problem.count],
        notes=[note for note in notes if note.count],
    )


def _expected_clips(store: FrameStore) -> tuple[Expected, str]:
    """What a store's split expects, and a remark when that is not known; nothing for a store without a split."""
    named = store.settings.get("request", {}).get("split") or store.settings.get("split")
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
    return sorted(counts, key=lambda count: (subset_rank(count.subset), count.cls))


def _class_problems(store: FrameStore, classes: Sequence[ClassCount], expected: Expected) -> Iterator[Finding]:
    """Classes and clips of the split that are not there, and classes that the split does not have there."""
    elsewhere, again = store.settings.get("frames_from"), f"run `{store.prepare_command}`"
    put = f"put their frames into {elsewhere}" if elsewhere else "put their videos where the others lie"
    in_split = [count for count in classes if count.cls in expected.get(count.subset, {})]
    empty = [f"{count} ({counted(count.found, 'clip')} found)" for count in in_split if not count.usable]
    message = f"{len(empty)} of {counted(len(in_split), 'class')} of the split without a usable clip"
    yield finding("missing_classes", empty, message, f"{put}, then {again}")
    if _takes_all(store):
        yield _fewer("missing_clips", in_split, f"{put}, then {again}")
    unknown = [f"{count} ({counted(count.found, 'clip')})" for count in classes if expected and count not in in_split]
    message = f"{counted(len(unknown), 'class')} of the store not in the split, or in another subset there"
    yield finding("unknown_classes", unknown, message, again)
    other = []  # `train` and `eval` go by the settings
    for subset in SUBSETS:
        listed, split = set(store.settings.get("classes", {}).get(subset, ())), set(expected.get(subset, ()))
        other += [f"{subset}: {cls} (only in {SETTINGS})" for cls in sorted(listed - split)]
        other += [f"{subset}: {cls} (only in the split)" for cls in sorted(split - listed)]
    message = f"{counted(len(other), 'class')} only in {SETTINGS} or only in the split"
    yield finding("other_classes", other, message, again)


def _fewer(kind: str, counts: Sequence[ClassCount], mend: str) -> Finding:
    """Classes with fewer clips than published."""
    fewer = [count for count in counts if count.expected is not None and count.found < count.expected]
    missing = sum(count.expected - count.found for count in fewer)
    items = [f"{count} ({count.found} of {count.expected})" for count in fewer]
    message = f"{counted(missing, 'clip')} fewer than published, in {counted(len(fewer), 'class')}"
    return Finding(kind, missing, message, items, mend)


def _takes_all(store: FrameStore) -> bool:
    """Whether the store is meant to hold all published clips: the user's own list may ask for fewer."""
    known = DATA_SETS.get(store.settings.get("dataset", ""))
    return "list" not in store.settings.get("request", {}) or bool(known and known.listed)


def _clip_problems(store: FrameStore, looked: Mapping[str, ClipCheck]) -> Iterator[Finding]:
    """Clips without frames, and clips whose frames are not what they should be."""
    elsewhere, again = store.settings.get("frames_from"), f"run `{store.prepare_command}`"
    images = f"mend the images in {elsewhere}, then {again}" if elsewhere else ""
    failed = [f"{row.clip}: {row.reason}" for row in store.rows if row.status not in STORED]
    mend = images or f"replace their videos, then {again}"
    yield finding("failed", failed, f"{counted(len(failed), 'clip')} without frames", mend)
    for kinds, message, mend in (
        (("damaged",), "whose frames are missing or damaged", images or again),
        (("unreadable", "crashed"), "whose frames cannot be read", images or f"run `{store.prepare_command} --redo`"),
    ):
        wrong = [row.clip for row in store.rows if row.clip in looked and looked[row.clip].wrong in kinds]
        items = [f"{clip}: {looked[clip].reason}" for clip in wrong]
        yield finding(kinds[0], items, f"{counted(len(items), 'clip')} {message}", mend)


def _notes(store: FrameStore, classes: Sequence[ClassCount], expected: Expected) -> Iterator[Finding]:
    """What is worth knowing about clips and classes, though it is no mistake."""
    short = [f"{row.clip}: {row.frames} frames" for row in store.rows if row.status == "short"]
    yield finding("short", short, f"{counted(len(short), 'clip')} of fewer than 8 frames: never sampled")
    odd = [f"{row.clip}: {row.reason}" for row in store.rows if row.status in STORED and row.reason]
    yield finding("odd", odd, f"{counted(len(odd), 'clip')} with a remark")
    if not _takes_all(store):
        yield _fewer("not_listed", classes, "")
    more = [count for count in classes if count.expected is not None and count.found > count.expected]
    clips = sum(count.found - count.expected for count in more)
    message = f"{counted(clips, 'clip')} more than published, in {counted(len(more), 'class')}"
    yield Finding(
        "more_clips", clips, message, [f"{count} ({count.found}, published {count.expected})" for count in more]
    )
    unknown = [
        str(count) for count in classes if count.expected is None and count.cls in expected.get(count.subset, {})
    ]
    yield finding("not_published", unknown, f"{counted(len(unknown), 'class')} without a published number of clips")


def _unknown_files(store: FrameStore) -> Finding:
    """Files among the frames that belong to no row."""
    known = {str(archive_path(store.folder, row.clip)) for row in store.rows if row.status in STORED}
    own = (path for path in files_below(store.folder / FRAMES) if not is_left_out(path.name))
    unknown = [path.relative_to(store.folder).as_posix() for path in own if str(path) not in known]
    message = f"{counted(len(unknown), 'file')} among the frames of no clip of the manifest"
    return finding("unknown_files", sorted(unknown), message)
