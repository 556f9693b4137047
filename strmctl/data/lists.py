"""Lists of clips, as they are published, matched with the files that are there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from strmctl.data.datasets import VIDEO_SUFFIXES
from strmctl.data.splits import class_key, read_list
from strmctl.errors import DataError


class ListedClips(NamedTuple):
    """How many clips of a class a list names, and how many of them are not there."""

    listed: int
    missing: int


@dataclass
class ListMatch:
    """What a list chooses among the files that are there.

    Attributes:
        chosen: source -> class of the clips that it names.
        missing: its lines that fit no file, in their order.
        counts: class -> how many clips it names and how many of these are missing.
    """

    chosen: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    counts: dict[str, ListedClips] = field(default_factory=dict)


def match_list(found: Mapping[str, str], path: Path) -> ListMatch:
    """Chooses the clips that a list names.

    Args:
        found: source (path below the video folder) -> class.
        path: text file, one `<class>/<clip>` or `<clip>` a line.

    Raises:
        DataError: the list cannot be read, or a line fits several clips.
    """
    by_name: dict[str, list[str]] = defaultdict(list)
    for source in found:
        by_name[PurePosixPath(source).name].append(source)
        by_name[PurePosixPath(source).stem].append(source)
    match = ListMatch()
    for number, text in read_list(path):
        *folders, name = text.split("/")
        fits = by_name.get(name) or by_name.get(_without_video_suffix(name), [])
        if folders:
            fits = [source for source in fits if class_key(found[source]) == class_key(folders[-1])]
        if len(fits) > 1:
            hint = "write <class>/<clip>, with the suffix where needed"
            raise DataError(f"line {number} of {path} fits {len(fits)} clips: {text}", hint)
        if fits:
            match.chosen[fits[0]] = found[fits[0]]
        else:
            match.missing.append(text)
    return match


def _without_video_suffix(name: str) -> str:
    path = PurePosixPath(name)
    return path.stem if path.suffix.lower() in VIDEO_SUFFIXES else name
