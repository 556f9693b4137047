"""Which images of a folder are the frames of its clip: one series of names, such as `img_00001.jpg` to `img_00088.jpg`.

Optical flow, masks and thumbnails often lie beside the frames, under names that differ in more than a number.
"""

from __future__ import annotations

import fnmatch
import glob
import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from itertools import pairwise
from pathlib import PurePath

from strmctl.datasets.names import first_of
from strmctl.errors import DataError
from strmctl.frames.in_place.image_names import image_stem, same_frame

NAMED = 6  # series that a message names


class AmbiguousError(DataError):
    """Images of a folder that are no single clip, and a pattern that chooses one.

    Attributes:
        pattern: value of `--frames-pattern`; empty where none helps.
    """

    def __init__(self, message: str, pattern: str) -> None:
        choice = f"prepare again, with `--redo --frames-pattern {shlex.quote(pattern)}`"
        super().__init__(message, choice if pattern else "keep one image of each frame")
        self.pattern = pattern


def frames_among(names: Collection[str], pattern: str) -> list[str]:
    """The images of a folder's one series; a single image of another name beside them is none of the frames.

    Args:
        names: images of the folder, each with a number in its name; with a pattern, those that it fits.
        pattern: the pattern that chose them; empty: all were taken. Names that it fits with digits alone for each `*`
            come first: `*.png` is `00001.png`, and not `00001_mask.png` beside it.

    Raises:
        AmbiguousError: there are several series.
    """
    exactly = []
    if pattern:
        exact = _with_digits(pattern)
        exactly = [name for name in names if exact.fullmatch(name) or exact.fullmatch(image_stem(name))]
    found = _series(exactly or names, all_count=bool(exactly))
    if any(len(own) > 1 for own in found):
        found = [own for own in found if len(own) > 1]
    if len(found) > 1:
        by_label = sorted((-len(own), _label(own)) for own in found)
        counts = first_of([f"{label} ({-count})" for count, label in by_label], NAMED)
        raise AmbiguousError(f"{len(found)} series of images: {counts}", shortest_label(found))
    return found[0] if found else []


def shortest_label(series: Collection[Sequence[str]]) -> str:
    """The pattern of one series: mostly the frames', since what lies beside them is named after more."""
    return min(map(_label, series), key=lambda label: (len(label), label))


def one_of_each(names: Sequence[str]) -> str:
    """A pattern that takes one image of each frame; empty where several of one frame have the same suffix.

    Args:
        names: images of one series, in natural order.
    """
    suffixes = Counter(PurePath(name).suffix for name in names)
    best = max(suffixes, key=lambda suffix: suffixes[suffix])
    own = [name for name in names if PurePath(name).suffix == best]
    return "" if any(same_frame(*pair) for pair in pairwise(own)) else _label(own)


def series_among(names: Collection[str]) -> list[list[str]]:
    """The series that images of a folder make."""
    return _series(names, all_count=False)


def outside(names: Collection[str], pattern: str) -> list[str]:
    """The images of a folder that are none of its frames; none of them where it has several series."""
    try:
        frames = set(frames_among(dict.fromkeys(names), pattern))
    except DataError:
        return []
    return [name for name in dict.fromkeys(names) if name not in frames]


def _with_digits(pattern: str) -> re.Pattern[str]:
    """The pattern, with digits alone for each `*`."""
    parts = re.findall(r"\[.[^\]]*\]|.", pattern, re.DOTALL)
    parts = ["[0-9]+" if part == "*" else fnmatch.translate(part)[:-2] for part in parts]  # without the end, `\Z`
    return re.compile("".join(parts))


def _series(names: Collection[str], *, all_count: bool) -> list[list[str]]:
    """Names that differ in a number only.

    Where several numbers differ (`cam1_0001`, `frame_1_320x240`), a number that no two names share makes them one
    series. Else, unless all numbers count, the one that differs most does, and the others belong to the series.
    """
    alike: dict[tuple[str, ...], list[tuple[list[str], str]]] = defaultdict(list)  # text around the numbers -> names
    for name in names:
        parts = _parts(name)
        alike[tuple(parts[::2])].append(([digits.lstrip("0") for digits in parts[1::2]], name))
    result = []
    for own in alike.values():
        different = [len(set(column)) for column in zip(*(numbers for numbers, _ in own), strict=True)]
        most = max(different)
        if all_count or most == len(own):
            result.append([name for _, name in own])
            continue
        counting = max(at for at, count in enumerate(different) if count == most)
        groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for numbers, name in own:
            groups[(*numbers[:counting], *numbers[counting + 1 :])].append(name)
        result += groups.values()
    return result


def _label(names: Sequence[str]) -> str:
    """A pattern for the names of a series: `*` where their numbers differ; of a single name, for the last."""
    columns = list(zip(*map(_parts, names), strict=True))  # text, number, text …
    parts = [glob.escape(column[0]) if len(set(column)) == 1 else "*" for column in columns]
    if "*" not in parts:
        parts[-2] = "*"
    suffixes = {PurePath(name).suffix for name in names}
    return "".join(parts) + (suffixes.pop() if len(suffixes) == 1 else "")


def _parts(name: str) -> list[str]:
    """The text and the numbers of a name by turns, without the suffix; it begins and ends with text."""
    return re.split("([0-9]+)", image_stem(name))
