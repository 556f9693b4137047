"""Which files below a folder or in a zip are images of a clip, and in which order they follow one another."""

from __future__ import annotations

import fnmatch
import functools
import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from strmctl.datasets.names import BAD_NAME, UNFINISHED, is_left_out, is_unfinished, readable

NOT_AN_IMAGE = "no image suffix"
NO_CLIP_FOLDER = "not in a clip folder"
NO_NUMBER = "no number in the name of the image"
NOT_CHOSEN = "--frames-pattern does not fit"
OUTSIDE = "outside the name series of its folder"
MOST_NAMED = 1000  # files of a reason that are named; with optical flow beside frames, there may be millions

_IMAGE = re.compile(r"(.+)\.(?:jpe?g|png)", re.IGNORECASE | re.DOTALL)


@dataclass
class Found:
    """What there is below a folder or in a zip.

    Attributes:
        clips: paths of the folders that hold images.
        ignored: files that were left out, and why: (path, reason); of each reason, the first.
        counts: reason -> number of all files that were left out for it.
    """

    clips: Collection[str]
    ignored: list[tuple[str, str]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def ignore(self, path: str, reason: str) -> None:
        """Counts a file that is left out."""
        self.counts[reason] += 1
        if self.counts[reason] <= MOST_NAMED:
            self.ignored.append((path, reason))


def image_stem(name: str) -> str:
    """The name without its image suffix; empty when it has none."""
    match = _IMAGE.fullmatch(name)
    return match[1] if match else ""


def fault(folder: str, name: str, pattern: str) -> str | None:
    """Why a file is not an image of a clip: empty when it is one, None when it is left out without a word.

    Args:
        folder: path of its folder; empty at the top.
        name: name of the file.
        pattern: pattern as of a shell, which names of frames must fit, small letters and capitals told apart;
            empty: any may be one.
    """
    reason = _fault_of_name(name, pattern)
    return NO_CLIP_FOLDER if reason == "" and not folder else reason


@functools.lru_cache(1 << 14)  # folders by the thousand have images of the same names
def _fault_of_name(name: str, pattern: str) -> str | None:
    if is_left_out(name):
        return None
    stem = image_stem(name)
    faults = {
        BAD_NAME: readable(name) != name,
        UNFINISHED: is_unfinished(name),
        NOT_AN_IMAGE: not stem,
        NO_NUMBER: not re.search("[0-9]", stem),
        NOT_CHOSEN: pattern and not fnmatch.fnmatchcase(name, pattern),
    }
    return next((reason for reason, applies in faults.items() if applies), "")


def natural_order(name: str) -> tuple[list[Any], str]:
    """Key that sorts numbers in names by value, and by the name itself where they are equal."""
    parts: list[Any] = re.split(r"([0-9]+)", name)
    for index in range(1, len(parts), 2):
        digits = parts[index].lstrip("0")
        parts[index] = (len(digits), digits)
    return parts, name


def same_frame(first: str, second: str) -> bool:
    """Whether two names claim the same frame: they differ in the suffix and in leading zeros at most."""
    return natural_order(image_stem(first))[0] == natural_order(image_stem(second))[0]
