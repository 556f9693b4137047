"""The examples of the user's own classes, and the videos to label: which files they are."""

from __future__ import annotations

import contextlib
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from strmctl.datasets.catalogue import VIDEO_SUFFIXES, DataSet
from strmctl.datasets.lists import without_suffix
from strmctl.datasets.names import first_of, is_left_out, readable
from strmctl.datasets.scan import Scan, scan, source_in_name
from strmctl.datasets.splits import class_key
from strmctl.errors import DataError, UsageError
from strmctl.paths import names_in
from strmctl.provenance import sha256_of

FORM = "each class is a folder of videos, such as {}/wave/1.mp4 and {}/jump/1.mp4"
NAMED = 5  # files in a message


@dataclass(frozen=True)
class Example:
    """An example of a class.

    Attributes:
        clip: path of the file below the folder of the examples, `/`-separated.
        cls: class.
        path: path of the file.
        source: name that clips cut from the same video share.
        sha256: hash of the file's bytes; empty where it cannot be read.
        bytes: size of the file.
    """

    clip: str
    cls: str
    path: Path
    source: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Examples:
    """The examples of all classes.

    Attributes:
        folder: folder of the class folders.
        clips: the examples, sorted by path; of equal files of a class, the first.
        notes: what a user should know about them.
    """

    folder: Path
    clips: list[Example]
    notes: list[str]

    @property
    def classes(self) -> list[str]:
        """Names of the classes, sorted."""
        return sorted({example.cls for example in self.clips})

    def readable(self, unreadable: Mapping[str, str]) -> list[int]:
        """Positions of the clips that can be read.

        Args:
            unreadable: clip -> why it cannot be read.

        Raises:
            DataError: no clip of a class can be read.
        """
        found = [row for row, example in enumerate(self.clips) if example.clip not in unreadable]
        if lost := sorted({*self.classes} - {self.clips[row].cls for row in found}):
            clip = next(example.clip for example in self.clips if example.cls == lost[0])
            raise DataError(
                f"no example of class {lost[0]} can be read: {clip} {unreadable[clip]}",
                "give it videos that play, or move its folder away",
            )
        return found


def find_examples(folder: Path, group_by: str | None = None) -> Examples:
    """Finds the examples below a folder; the topmost folders are the classes.

    Args:
        folder: folder of class folders.
        group_by: regular expression of the source video in a clip's path below the folder: what its first group
            matches, or all that it matches. None: file names of the forms of UCF101 and HMDB51 tell it. A clip whose
            name does not is a source of its own.

    Raises:
        DataError: there are fewer than two classes, one is empty or spelled in two ways, or one file lies in two.
        UsageError: the regular expression is malformed, or fits no clip.
    """
    form = FORM.format(folder, folder)
    try:
        found = scan(DataSet("the examples", "examples", "class_folders"), None, folder)
    except DataError as error:
        raise DataError(error.message, f"{form}; suffixes known: {' '.join(VIDEO_SUFFIXES)}") from error
    names = sorted({clip.cls for clip in found.clips})
    _check_classes(folder, names, found, form)
    pattern = _pattern(group_by, [clip.source for clip in found.clips])
    clips = []
    for clip in sorted(found.clips, key=lambda clip: clip.source):
        path = folder / clip.source
        source = _source(pattern, clip.cls, clip.source)
        clips.append(Example(clip.source, clip.cls, path, source, _hash(path), clip.bytes))
    kept, notes = _without_copies(clips)
    notes += [f"not an example: {name} ({reason})" for reason, left in found.ignored.items() for name in left[:NAMED]]
    return Examples(folder, kept, [*notes, *found.unreadable])


def _check_classes(folder: Path, names: Sequence[str], found: Scan, form: str) -> None:
    spelled = defaultdict(list)
    for name in names:
        spelled[class_key(name)].append(name)
    if alike := next((ways for ways in spelled.values() if len(ways) > 1), None):
        raise DataError(
            f"the examples in {folder} have classes that differ in spelling alone: {', '.join(alike)}",
            "put the videos of both into one folder, or give one another name",
        )
    inside = [name for name in names_in(folder) if not is_left_out(name) and (folder / name).is_dir()]
    if empty := [readable(name) for name in inside if name not in names]:  # as reasons name them
        reasons = [
            f"{path}: {reason}"
            for reason, paths in found.ignored.items()
            for path in paths
            if PurePosixPath(path).parts[0] in empty
        ]
        reasons += [text for text in found.unreadable if text.partition("/")[0].partition(":")[0] in empty]
        more = f" ({first_of(reasons, NAMED)})" if reasons else ""
        raise DataError(
            f"the examples in {folder} have no video of class {', '.join(empty)}{more}",
            "put videos into that folder, or move it away",
        )
    if len(names) < 2:
        raise DataError(f"the examples in {folder} have one class alone, {names[0]}", f"two are needed: {form}")


def _pattern(group_by: str | None, sources: Sequence[str]) -> re.Pattern[str] | None:
    if group_by is None:
        return None
    try:
        pattern = re.compile(group_by)
    except re.error as error:
        raise UsageError(f"the regular expression {group_by!r} is malformed: {error}") from error
    if not any(map(pattern.search, sources)):
        raise UsageError(f"the regular expression {group_by!r} fits no example: {first_of(sources, NAMED)}")
    return pattern


def _source(pattern: re.Pattern[str] | None, cls: str, path: str) -> str:
    if pattern is None:
        return source_in_name(cls, without_suffix(PurePosixPath(path).name)) or path
    match = pattern.search(path)
    if match is None:
        return path
    return (match[1] if pattern.groups else match[0]) or path


def _hash(path: Path) -> str:
    try:
        return sha256_of(path) if os.path.isfile(path) else ""  # noqa: PTH113 - likewise; a pipe would keep us waiting for ever
    except OSError:
        return ""


def _without_copies(clips: Sequence[Example]) -> tuple[list[Example], list[str]]:
    """The examples without further copies of files, and notes that name these.

    Raises:
        DataError: a file lies in two classes.
    """
    first: dict[str, Example] = {}
    kept, notes = [], []
    for example in clips:
        other = first.setdefault(example.sha256, example) if example.sha256 else example
        if other is example:
            kept.append(example)
        elif other.cls == example.cls:
            notes.append(f"{example.clip} is the same file as {other.clip} and counts once")
        else:
            raise DataError(
                f"the same video is an example of two classes: {other.clip} and {example.clip}",
                "remove one of the two",
            )
    return kept, notes


def find_videos(paths: Iterable[Path]) -> tuple[list[Path], list[str]]:
    """Videos to label: files as they are named, whatever their suffix, and all videos below folders.

    Returns:
        The videos, each once, and what a user should know about the folders.

    Raises:
        DataError: a folder holds no video.
    """
    videos: dict[Path, None] = {}
    notes = []
    for path in paths:
        if not os.path.isdir(path):  # noqa: PTH112 - of any path, such as a too long one
            videos[path] = None
            continue
        try:
            found = scan(DataSet("the videos to label", "videos", "tree"), None, path)
        except DataError as error:
            raise DataError(error.message, f"suffixes known: {' '.join(VIDEO_SUFFIXES)}") from error
        videos |= dict.fromkeys(path / clip.source for clip in sorted(found.clips, key=lambda clip: clip.source))
        notes += [f"{path}/{text}" for text in found.unreadable]
    return list(videos), notes


def copies(videos: Sequence[Path], examples: Examples) -> Mapping[Path, str]:
    """Videos that are also examples, whatever their name -> the example; only files of an equal size are read."""
    by_hash = {example.sha256: example.clip for example in examples.clips if example.sha256}
    sizes = {example.bytes for example in examples.clips if example.sha256}
    found = {}
    for video in videos:
        with contextlib.suppress(OSError, ValueError):  # reading it will say why
            if video.stat().st_size in sizes and (clip := by_hash.get(_hash(video))):
                found[video] = clip
    return found
