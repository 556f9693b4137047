"""Finding the clips of a data set below a folder of original videos."""

from __future__ import annotations

import contextlib
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import Protocol

from strmctl.datasets.catalogue import TRAIN_ANNOTATIONS, VALIDATION_ANNOTATIONS, VIDEO_SUFFIXES, DataSet, how_to_get
from strmctl.datasets.lists import ListedClips, match_list, nothing_fits, without_suffix
from strmctl.datasets.names import BAD_NAME, SEEN, UNFINISHED, UNREADABLE, is_left_out, is_unfinished, readable
from strmctl.datasets.splits import Split, class_key, read_annotation
from strmctl.errors import DataError

NOT_A_VIDEO = "no video suffix"
NO_CLASS = "not in a class folder"
OTHER_CLASS = "class not in the split"
NOT_CHOSEN = "not among the clips of the split"
NOT_LISTED = "not on the list"
HMDB51_TAIL = r"_[a-z]_(?:cm|nm)_np\d+_[a-z]+_[a-z]+_\d+"  # what follows the class in a file name


@dataclass(frozen=True)
class SourceClip:
    """One original video.

    Attributes:
        clip: clip id: path below the video folder, `/`-separated, without suffix unless two would collide.
        cls: class, in the split's spelling; empty without classes.
        subset: `train`, `val`, `test`, or empty without a split.
        group: name that clips cut from the same source video share.
        source: path of the file below the video folder, `/`-separated.
        target: path of the file itself where a symbolic link leads to it; else empty.
        bytes: size of the file; 0 for a folder of frames, and for a file that cannot be read.
    """

    clip: str
    cls: str
    subset: str
    group: str
    source: str
    target: str = ""
    bytes: int = 0


@dataclass
class Scan:
    """What a folder of original videos holds.

    Attributes:
        clips: the clips of the data set, sorted by id.
        ignored: reason -> files that were left out for this reason, sorted.
        unreadable: folders that could not be read, each with the reason, so that clips may be missing.
        missing: clips that a list or an annotation names but the folder does not hold.
        listed: class -> how many clips a list names and how many of these are missing.
        ignored_counts: reason -> number of files left out, where `ignored` names the first of very many.
    """

    clips: list[SourceClip] = field(default_factory=list)
    ignored: dict[str, list[str]] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    listed: dict[str, ListedClips] = field(default_factory=dict)
    ignored_counts: dict[str, int] = field(default_factory=dict)


class ClipFolders(Protocol):
    """Folders of extracted frames, such as `ExtractedFrames`: each of them is a clip."""

    @property
    def ignored(self) -> list[tuple[str, str]]:
        """Files that are left out, and why: (path, reason)."""

    @property
    def ignored_counts(self) -> dict[str, int]:
        """Reason -> number of files that are left out for it; of very many, `ignored` names the first."""

    def clips(self) -> list[str]:
        """Paths of the folders, `/`-separated, sorted."""


Found = dict[str, str]  # source -> class
Ignored = dict[str, list[str]]  # reason -> sources


def scan(
    dataset: DataSet,
    split: Split | None,
    videos: Path,
    *,
    annotations: Path | None = None,
    list_file: Path | None = None,
    extracted: ClipFolders | None = None,
) -> Scan:
    """Finds the clips of a data set below a folder.

    Args:
        dataset: data set, which decides the layout.
        split: classes of the data set; None takes every class folder as a class.
        videos: folder of the original videos.
        annotations: folder of the annotation files (`ssv2` layout); None: they are searched for near the videos.
        list_file: text file with the clips to take, one `<class>/<clip>` or `<clip>` a line.
        extracted: extracted frames that are used in place; then their folders are the clips.

    Raises:
        DataError: a folder or file is missing, malformed, or holds no clip; says where the data set can be found.
    """
    ignored: Ignored = defaultdict(list)
    unreadable: list[str] = []
    targets: dict[str, str] = {}
    many = extracted.ignored_counts if extracted is not None else {}
    if extracted is not None:
        files = extracted.clips()
        for name, reason in extracted.ignored:
            if reason.startswith(UNREADABLE):
                unreadable.append(f"{name}: {reason}")
            else:
                ignored[reason].append(name)
    elif videos.is_dir():
        files = list(_video_files(videos, dataset, ignored, unreadable, targets))
    else:
        raise DataError(f"no folder of videos at {videos}", how_to_get(dataset))
    missing: list[str] = []
    counts: dict[str, ListedClips] = {}
    annotated: dict[str, str] = {}
    if dataset.layout in ("flat", "tree"):
        found = dict.fromkeys(files, "")
    elif dataset.layout == "class_folders":
        # the class folder of extracted frames is the one above the clip: archives put others around them
        found = _in_class_folders(files, split, ignored, above=extracted is not None)
    else:
        near = _annotation_files(dataset, videos, annotations)
        found, missing, counts, annotated = _annotated(files, dataset, split, near, ignored)
    if list_file is not None:
        match = match_list(found, list_file, split.by_key().values() if split else (), annotated)
        if found and not match.chosen:
            raise nothing_fits(match, list_file, found)
        missing, counts = match.missing, match.counts
        ignored[NOT_LISTED] += [source for source in found if source not in match.chosen]
        found = match.chosen
    if not found:
        reasons = [f"{many.get(reason, len(names))} files: {reason}" for reason, names in ignored.items() if names]
        reasons = "; ".join([*reasons, *unreadable])
        raise DataError(f"no clip of {dataset.name} in {videos} ({reasons or 'it is empty'})", how_to_get(dataset))
    ids = clip_ids(list(found)) if extracted is None else folder_ids(list(found), dataset)
    clips = [
        SourceClip(
            clip=ids[source],
            cls=cls,
            subset=split.subset_of(cls) if split else "",
            group=_group(dataset, cls, source, ids),
            source=source,
            target=targets.get(source, ""),
            bytes=_size(videos / source) if extracted is None else 0,
        )
        for source, cls in found.items()
    ]
    clips.sort(key=lambda clip: clip.clip)
    kept = {reason: sorted(names) for reason, names in ignored.items() if names}
    ignored_counts = {reason: many.get(reason, len(names)) for reason, names in kept.items()}
    return Scan(clips, kept, sorted(unreadable), missing, counts, ignored_counts)


def _video_files(
    videos: Path, dataset: DataSet, ignored: Ignored, unreadable: list[str], targets: dict[str, str]
) -> Iterator[str]:
    """Paths of the video files below a folder, `/`-separated; hidden ones and those of a system are left out.

    Symbolic links are followed; `targets` receives where they lead, `unreadable` the folders that cannot be read.
    """

    def below(path: str | os.PathLike[str]) -> str:
        return readable(Path(path).relative_to(videos).as_posix())

    def failed(error: OSError) -> None:
        unreadable.append(f"{below(error.filename)}: {UNREADABLE}: {error.strerror}")

    seen, deep, top = set(), dataset.layout in ("class_folders", "tree"), os.path.realpath(videos)
    for folder, folders, names in os.walk(videos, followlinks=True, onerror=failed):
        real = os.path.realpath(folder)
        folders[:] = sorted(name for name in folders if not is_left_out(name)) if deep and real not in seen else []
        if real in seen:
            ignored[SEEN].append(below(folder))
            continue
        seen.add(real)
        halves = [name for name in folders if is_unfinished(name)]
        folders[:] = [name for name in folders if name not in halves]
        for name in sorted(names + halves):
            path = Path(folder, name).relative_to(videos).as_posix()
            if is_left_out(name) or path in dataset.beside:
                continue
            if readable(path) != path:
                ignored[BAD_NAME].append(readable(path))
            elif is_unfinished(name):
                ignored[UNFINISHED].append(path)
            elif PurePosixPath(name).suffix.lower() not in VIDEO_SUFFIXES:
                ignored[NOT_A_VIDEO].append(path)
            else:
                target = str(Path(real, name))
                if Path(target).is_symlink():
                    target = os.path.realpath(target)
                if target != str(Path(top, path)):
                    targets[path] = readable(target)
                yield path


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):  # a link that leads nowhere
        return path.stat().st_size
    return 0


def _in_class_folders(files: Sequence[str], split: Split | None, ignored: Ignored, *, above: bool) -> Found:
    """The class is the topmost folder that the split knows; without a split the topmost, or that `above` the clip."""
    known = split.by_key() if split else {}
    found = {}
    for source in files:
        folders = PurePosixPath(source).parts[:-1]
        classes = [known[key] for key in map(class_key, folders) if key in known]
        if split is None:
            classes = folders[-1:] if above else folders[:1]
        if classes:
            found[source] = classes[0]
        else:
            ignored[OTHER_CLASS if folders else NO_CLASS].append(source)
    return found


def _annotation_files(dataset: DataSet, videos: Path, folder: Path | None) -> tuple[Path, Path]:
    """The training and the validation annotation."""
    around = [folder] if folder else [videos, videos.parent]
    near = [*around, *(base / "labels" for base in around)]
    result = []
    for names in (TRAIN_ANNOTATIONS, VALIDATION_ANNOTATIONS):
        path = next((base / name for base in near for name in names if (base / name).is_file()), None)
        if path is None:
            places = ", ".join(str(base) for base in near)
            raise DataError(f"no annotation file {' or '.join(names)} in {places}", how_to_get(dataset))
        result.append(path)
    return result[0], result[1]


def _annotated(
    files: Sequence[str], dataset: DataSet, split: Split, annotations: tuple[Path, Path], ignored: Ignored
) -> tuple[Found, list[str], dict[str, ListedClips], dict[str, str]]:
    """Clips of the split by the annotation files, ids of those without a file, counts per class, class of each id."""
    known = split.by_key()
    by_id: dict[str, list[str]] = defaultdict(list)
    for source in files:
        by_id[without_suffix(PurePosixPath(source).name)].append(source)
    found, missing, counts, annotated = {}, [], {}, {}
    for path, subsets in zip(annotations, (("train",), ("val", "test")), strict=True):
        for clip, template in read_annotation(path):
            cls = known.get(class_key(template))
            annotated[clip] = cls or template
            # SSv2-Full takes training classes from one file and novel ones from the other; the CMN split from both
            if cls is None or not (dataset.listed or split.subset_of(cls) in subsets):
                continue
            found.update(dict.fromkeys(by_id.get(clip, ()), cls))
            before = counts.get(cls, ListedClips(0, 0))
            counts[cls] = ListedClips(before.listed + 1, before.missing + (clip not in by_id))
            if clip not in by_id:
                missing.append(clip)
    ignored[NOT_CHOSEN] += [source for source in files if source not in found]
    return found, missing, counts, annotated


def clip_ids(sources: Sequence[str]) -> dict[str, str]:
    """Source -> clip id: the path without suffix, or with it where two would be the same but for case."""
    ids = {source: str(PurePosixPath(source).with_suffix("")) for source in sources}
    while True:
        often = Counter(clip.casefold() for clip in ids.values())
        clashing = [source for source, clip in ids.items() if often[clip.casefold()] > 1 and clip != source]
        if not clashing:
            return ids
        ids.update({source: source for source in clashing})


def folder_ids(sources: Sequence[str], dataset: DataSet) -> dict[str, str]:
    """Source -> clip id of folders of frames: without the folders that an archive puts around all of them."""
    kept = 2 if dataset.layout == "class_folders" else 1  # class and clip, or the clip alone
    around = [PurePosixPath(source).parts[:-kept] for source in sources]
    levels = zip(*around, strict=False)
    shared = sum(1 for _ in takewhile(lambda level: len(set(level)) == 1, levels))
    return {source: "/".join(PurePosixPath(source).parts[shared:]) for source in sources}


def _group(dataset: DataSet, cls: str, source: str, ids: dict[str, str]) -> str:
    """Name of the video that a clip was cut from, taken from the data set's own file names; else that of the clip."""
    stem = without_suffix(PurePosixPath(source).name)  # a folder of frames may have a dot in its name
    if dataset.name == "ucf101":
        return _ucf101_source(cls, stem) or ids[source]
    if dataset.name in ("hmdb51", "jhmdb"):
        return _hmdb51_source(cls, stem) or ids[source]
    if dataset.name == "kinetics100" and (match := re.fullmatch(r"(.+)_\d+_\d+", stem)):
        return match[1]
    return ids[source]


def source_in_name(cls: str, stem: str) -> str | None:
    """Name of the video that a clip was cut from, where its file is named as in UCF101 or HMDB51; else None.

    In a class with another name than that of HMDB51, what precedes the other parts of the file name tells the video.
    """
    if found := _ucf101_source(cls, stem) or _hmdb51_source(cls, stem):
        return found
    match = re.fullmatch(rf"(.+){HMDB51_TAIL}", stem)
    return match[1] if match else None


def _ucf101_source(cls: str, stem: str) -> str | None:
    match = re.search(r"_g(\d+)_c\d+$", stem)
    return f"{cls}/g{match[1]}" if match else None


def _hmdb51_source(cls: str, stem: str) -> str | None:
    match = re.fullmatch(rf"(.+)_{re.escape(cls)}{HMDB51_TAIL}", stem, re.IGNORECASE)
    return match[1] if match else None
