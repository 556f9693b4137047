"""Lines of a list of clips, as lists are published.

A line is a path: `<class>/<clip>`, `<clip>`, or any folders before the clip, with or without suffix, and perhaps with
numbers after it (`ApplyEyeMakeup/v_x_g01_c01.avi 1`). The list may be a Kinetics CSV instead.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from strmctl.data.datasets import VIDEO_SUFFIXES
from strmctl.data.splits import class_key
from strmctl.errors import DataError

COLUMN = re.compile(r"(.*[^\s,])[\s,]+-?\d+(?:\.\d+)?")  # a label or a number of frames after the clip
ID_COLUMN = "youtube_id"  # what a Kinetics CSV is known by
SUFFIXES = frozenset(VIDEO_SUFFIXES)


class ListLine(NamedTuple):
    """One line of a list.

    Attributes:
        number: counted from 1.
        text: the line.
        folder: its folders as written, `/`-separated.
        home: what two spellings of its class share, or of its folders where none is called like a class.
        names: the clip's name as it is, and without one to all numbers that follow it.
    """

    number: int
    text: str
    folder: str
    home: str
    names: list[str]

    @property
    def name(self) -> str:
        """The clip's name with all that follows it."""
        return self.names[0]

    def likely(self, usual: int) -> list[str]:
        """The first `usual` names, or all where the last has a suffix: what stands behind that is no name."""
        shortest = self.names[-1]
        return self.names[:usual] if without_suffix(shortest) == shortest else self.names


def read_lines(path: Path, classes: Collection[str]) -> Iterator[ListLine]:
    """The lines of a list of clips.

    Args:
        path: text file, one clip a line, or a Kinetics CSV.
        classes: `class_key` of each class.

    Raises:
        DataError: not a text file, or a row of a CSV without id.
    """
    homes: dict[str, str] = {}  # lists have few folders and many lines
    for number, text in _clips_of(path):
        *folders, name = [part for part in text.split("/") if part not in ("", ".")] or [text]
        folder = "/".join(folders)
        if folder not in homes:
            keys = (class_key(part) for part in reversed(folders))
            homes[folder] = next((key for key in keys if key in classes), class_key(folder))
        yield ListLine(number, text, folder, homes[folder], _names(name))


def _names(name: str) -> list[str]:
    names = [name]
    while shorter := COLUMN.fullmatch(names[-1]):
        names.append(shorter[1])
    return names


def without_suffix(name: str) -> str:
    """A file name without video suffix; `x.mp4.avi`, which is what some converters leave, has two."""
    stem, dot, suffix = name.rpartition(".")
    return without_suffix(stem) if dot + suffix.lower() in SUFFIXES else name


def read_list(path: Path) -> Iterator[tuple[int, str]]:
    """(line number, text) of each line of a list of clips; blank lines and comments are skipped.

    A comment is a `#` on its own or before a blank: HMDB51 has clips that are called `#20_Rhythm_…`.

    Raises:
        DataError: not a text file.
    """
    try:
        lines = path.read_bytes().decode("utf-8-sig").split("\n")  # a name may hold what else `splitlines` splits at
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the list {path} cannot be read: {error}") from error
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text and text.split(maxsplit=1)[0] != "#":
            yield number, text


def _clips_of(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a list; the rows of a Kinetics CSV become `<class>/<id>_<start>_<end>`.

    Raises:
        DataError: not a text file, or a row without id.
    """
    header: list[str] | None = None
    for index, (number, text) in enumerate(read_list(path)):
        if index == 0 and ID_COLUMN in text.split(","):
            header = text.split(",")
        elif header is None:
            yield number, text
        else:
            row = dict(zip(header, next(csv.reader([text])), strict=False))
            if not row.get(ID_COLUMN):
                raise DataError(f"line {number} of {path} has no {ID_COLUMN}: {text}")
            clip, times = row[ID_COLUMN], [row.get(column, "") for column in ("time_start", "time_end")]
            if all(time.isdecimal() for time in times):
                clip += "".join(f"_{int(time):06d}" for time in times)
            yield number, f"{row['label']}/{clip}" if row.get("label") else clip
