"""Data sets: where each is to be had, how its original files lie, and which clips of a folder belong to it."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from strmctl.data.splits import Split, class_key, read_annotation, read_list
from strmctl.errors import DataError, UsageError

VIDEO_SUFFIXES = (".avi", ".mp4", ".mkv", ".mov", ".webm", ".mpg", ".mpeg", ".m4v", ".wmv", ".flv", ".3gp")
TRAIN_ANNOTATIONS = ("train.json", "something-something-v2-train.json")
VALIDATION_ANNOTATIONS = ("validation.json", "something-something-v2-validation.json")

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # a line end in a name would break the manifest
NOT_A_VIDEO = "no video suffix"
NO_CLASS = "not in a class folder"
OTHER_CLASS = "class not in the split"
NOT_CHOSEN = "not among the clips of the split"
NOT_LISTED = "not on the list"
BAD_NAME = "file name is not valid Unicode or has control characters"


@dataclass(frozen=True)
class DataSet:
    """One data set.

    Attributes:
        name: what the user types.
        title: name for people.
        layout: `class_folders`; `ssv2`: one folder and annotations; `flat`: one folder, no classes.
        home: where it is to be had.
        size: pixels of the shorter side that frames are stored at by default.
        listed: the benchmark is 100 listed clips per class, not all clips of its classes.
        beside: names of files that belong to it besides the videos.
    """

    name: str
    title: str
    layout: Literal["class_folders", "ssv2", "flat"]
    home: str = ""
    size: int = 256
    listed: bool = False
    beside: tuple[str, ...] = ()


_ANNOTATIONS = TRAIN_ANNOTATIONS + VALIDATION_ANNOTATIONS
_SSV2_HOME = "https://www.qualcomm.com/developer/software/something-something-v-2-dataset"
_HMDB51_HOME = "https://serre-lab.clps.brown.edu/resource/hmdb-a-large-human-motion-database/"
_KINETICS = "https://github.com/cvdfoundation/kinetics-dataset (Kinetics-400)"
DATA_SETS = {
    entry.name: entry
    for entry in (
        DataSet("ucf101", "UCF101", "class_folders", "https://www.crcv.ucf.edu/data/UCF101.php"),
        DataSet("hmdb51", "HMDB51", "class_folders", _HMDB51_HOME),
        DataSet("kinetics100", "Kinetics-100", "class_folders", _KINETICS, listed=True),
        DataSet("ssv2", "Something-Something V2", "ssv2", _SSV2_HOME, beside=_ANNOTATIONS),
        DataSet("ssv2_small", "Something-Something V2 (CMN)", "ssv2", _SSV2_HOME, listed=True, beside=_ANNOTATIONS),
        DataSet("sprites", "Sprites", "class_folders", "`strmctl prepare sprites`", size=64, beside=("sprites.yaml",)),
    )
}


def is_folder(text: str) -> bool:
    """Whether a word names a folder rather than a data set: it holds a separator, or it exists and is no data set."""
    return bool({os.sep, os.altsep} & {*text}) or (text not in DATA_SETS and Path(text).exists())


def known_dataset(name: str) -> DataSet:
    """The data set of that name.

    Raises:
        UsageError: there is none.
    """
    if name in DATA_SETS:
        return DATA_SETS[name]
    hint = f"known: {', '.join(DATA_SETS)}; or a folder of videos: `strmctl prepare ./{name} --name NAME`"
    raise UsageError(f"unknown data set {name!r}", hint)


@dataclass(frozen=True)
class SourceClip:
    """One original video.

    Attributes:
        clip: id: path below the video folder, `/`-separated, without suffix unless two would collide.
        cls: class, in the split's spelling; empty without classes.
        subset: `train`, `val`, `test`, or empty without a split.
        group: what clips that were cut from the same source video share.
        source: path of the file below the video folder, `/`-separated.
    """

    clip: str
    cls: str
    subset: str
    group: str
    source: str


@dataclass
class Scan:
    """What a folder of original videos holds.

    Attributes:
        clips: the clips of the data set, sorted by id.
        ignored: reason -> files that were left out for it, sorted.
        missing: clips that a list or an annotation names and the folder does not hold.
    """

    clips: list[SourceClip] = field(default_factory=list)
    ignored: dict[str, list[str]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


Found = dict[str, str]  # source -> class
Ignored = dict[str, list[str]]  # reason -> sources


def scan(
    dataset: DataSet,
    split: Split | None,
    videos: Path,
    *,
    annotations: Path | None = None,
    list_file: Path | None = None,
) -> Scan:
    """Finds the clips of a data set below a folder.

    Args:
        dataset: decides the layout.
        split: its classes; None takes every class folder as a class.
        videos: folder of the original videos.
        annotations: folder of the annotation files (`ssv2` layout); searched for near the videos when None.
        list_file: text file with the clips to take, one `<class>/<clip>` or `<clip>` a line.

    Raises:
        DataError: a folder or file is missing, malformed, or holds no clip; says where the data set is to be had.
    """
    if not videos.is_dir():
        raise DataError(f"no folder of videos at {videos}", how_to_get(dataset))
    ignored: Ignored = defaultdict(list)
    files = list(_video_files(videos, dataset, ignored))
    missing: list[str] = []
    if dataset.layout == "flat":
        found = dict.fromkeys(files, "")
    elif dataset.layout == "class_folders":
        found = _in_class_folders(files, split, ignored)
    else:
        found, missing = _annotated(files, dataset, split, _annotation_files(dataset, videos, annotations), ignored)
    if list_file is not None:
        found, missing = _listed(found, list_file, ignored)
    if not found:
        reasons = "; ".join(f"{len(names)} files: {reason}" for reason, names in ignored.items() if names)
        raise DataError(f"no clip of {dataset.name} in {videos} ({reasons or 'it is empty'})", how_to_get(dataset))
    ids = clip_ids(list(found))
    clips = [
        SourceClip(ids[source], cls, split.subset_of(cls) if split else "", _group(dataset, cls, source, ids), source)
        for source, cls in found.items()
    ]
    clips.sort(key=lambda clip: clip.clip)
    return Scan(clips, {reason: sorted(names) for reason, names in ignored.items() if names}, missing)


def how_to_get(dataset: DataSet) -> str:
    """Where a data set is to be had and which option tells where its videos lie."""
    if not dataset.home:
        flat = "" if dataset.layout == "flat" else "want one folder per class; `--flat` takes videos without classes, "
        return f"{flat}suffixes known: {' '.join(VIDEO_SUFFIXES)}"
    option = "--videos DIR --annotations DIR" if dataset.layout == "ssv2" else "--videos DIR"
    return f"{dataset.title} is to be had from {dataset.home}; say where it lies with `{option}`"


def _video_files(videos: Path, dataset: DataSet, ignored: Ignored) -> Iterator[str]:
    """Paths of the video files below a folder, `/`-separated; hidden files and folders are not looked at."""
    seen, deep = set(), dataset.layout == "class_folders"
    for folder, folders, names in os.walk(videos, followlinks=True):
        real = os.path.realpath(folder)
        folders[:] = sorted(name for name in folders if not name.startswith(".")) if deep and real not in seen else []
        if real in seen:  # a link that leads back up
            continue
        seen.add(real)
        for name in sorted(names):
            path = Path(folder, name).relative_to(videos).as_posix()
            if name.startswith(".") or path in dataset.beside:
                continue
            if (readable := CONTROL.sub("?", path.encode("utf-8", "replace").decode())) != path:
                ignored[BAD_NAME].append(readable)
            elif PurePosixPath(name).suffix.lower() not in VIDEO_SUFFIXES:
                ignored[NOT_A_VIDEO].append(path)
            else:
                yield path


def _in_class_folders(files: Sequence[str], split: Split | None, ignored: Ignored) -> Found:
    """The class is the topmost folder that the split knows, or without a split the topmost folder."""
    known = split.by_key() if split else None
    found = {}
    for source in files:
        folders = PurePosixPath(source).parts[:-1]
        classes = folders[:1] if known is None else [known[key] for key in map(class_key, folders) if key in known]
        if classes:
            found[source] = classes[0]
        else:
            ignored[OTHER_CLASS if folders else NO_CLASS].append(source)
    return found


def _annotation_files(dataset: DataSet, videos: Path, folder: Path | None) -> tuple[Path, Path]:
    """The training and the validation annotation."""
    near = (
        [folder, folder / "labels"] if folder else [videos, videos.parent, videos / "labels", videos.parent / "labels"]
    )
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
) -> tuple[Found, list[str]]:
    """Clips of the split by the annotation files, and the ids of those that have no file."""
    known = split.by_key()
    by_id: dict[str, list[str]] = defaultdict(list)
    for source in files:
        by_id[PurePosixPath(source).stem].append(source)
    found, missing = {}, []
    for path, subsets in zip(annotations, (("train",), ("val", "test")), strict=True):
        for clip, template in read_annotation(path):
            cls = known.get(class_key(template))
            # SSv2-Full takes training classes from one file and novel ones from the other; the CMN split from both
            if cls is None or not (dataset.listed or split.subset_of(cls) in subsets):
                continue
            found.update(dict.fromkeys(by_id.get(clip, ()), cls))
            if clip not in by_id:
                missing.append(clip)
    ignored[NOT_CHOSEN] += [source for source in files if source not in found]
    return found, missing


def _listed(found: Found, path: Path, ignored: Ignored) -> tuple[Found, list[str]]:
    """The clips that a list names, and the lines that fit none."""
    by_name: dict[str, list[str]] = defaultdict(list)
    for source in found:
        by_name[PurePosixPath(source).name].append(source)
        by_name[PurePosixPath(source).stem].append(source)
    chosen, missing = {}, []
    for number, text in read_list(path):
        *folders, name = text.split("/")
        fits = by_name.get(name) or by_name.get(_without_video_suffix(name), [])
        if folders:
            fits = [source for source in fits if class_key(found[source]) == class_key(folders[-1])]
        if len(fits) > 1:
            hint = "write <class>/<clip>, with the suffix where needed"
            raise DataError(f"line {number} of {path} fits {len(fits)} clips: {text}", hint)
        if fits:
            chosen[fits[0]] = found[fits[0]]
        else:
            missing.append(text)
    ignored[NOT_LISTED] += [source for source in found if source not in chosen]
    return chosen, missing


def _without_video_suffix(name: str) -> str:
    path = PurePosixPath(name)
    return path.stem if path.suffix.lower() in VIDEO_SUFFIXES else name


def clip_ids(sources: Sequence[str]) -> dict[str, str]:
    """Source -> clip id: the path without suffix, or with it where two would be the same but for case."""
    ids = {source: str(PurePosixPath(source).with_suffix("")) for source in sources}
    while True:
        often = Counter(clip.casefold() for clip in ids.values())
        clashing = [source for source, clip in ids.items() if often[clip.casefold()] > 1 and clip != source]
        if not clashing:
            return ids
        ids.update({source: source for source in clashing})


def _group(dataset: DataSet, cls: str, source: str, ids: dict[str, str]) -> str:
    """What names the video that a clip was cut from, by the data set's own file names; else the clip itself."""
    stem = PurePosixPath(source).stem
    if dataset.name == "ucf101" and (match := re.search(r"_g(\d+)_c\d+$", stem)):
        return f"{cls}/g{match[1]}"
    tail = rf"_{re.escape(cls)}_[a-z]_(?:cm|nm)_np\d+_[a-z]+_[a-z]+_\d+"
    if dataset.name == "hmdb51" and (match := re.fullmatch(rf"(.+){tail}", stem, re.IGNORECASE)):
        return match[1]
    if dataset.name == "kinetics100" and (match := re.fullmatch(r"(.+)_\d+_\d+", stem)):
        return match[1]
    return ids[source]
