"""Which names below a folder or in a zip are images of a clip, and in which order they follow one another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

NOT_AN_IMAGE = "no image suffix"
NO_CLIP_FOLDER = "not in a clip folder"

MOST_BYTES = 1 << 28  # of one image file
_IMAGE = re.compile(r"(.+)\.(?:jpe?g|png)", re.IGNORECASE | re.DOTALL)
_LEFT_OUT = ("__macosx", "thumbs.db", "desktop.ini")  # what systems put beside files, in lower case


@dataclass
class Found:
    """What there is below a folder or in a zip.

    Attributes:
        clips: paths of the folders that hold images, a list or the keys of a dict.
        ignored: files that were left out, and why: (path, reason).
    """

    clips: Any
    ignored: list[tuple[str, str]]


def image_stem(name: str) -> str:
    """The name without its image suffix; empty when it has none."""
    match = _IMAGE.fullmatch(name)
    return match[1] if match else ""


def is_left_out(name: str) -> bool:
    """Whether it is hidden, or what a system puts beside files."""
    return name.startswith(".") or name.lower() in _LEFT_OUT


def natural_order(name: str) -> tuple[list[Any], str]:
    """Key that sorts numbers in names by value, and by the name itself where they are equal."""
    parts: list[Any] = re.split(r"([0-9]+)", name)
    for index in range(1, len(parts), 2):
        digits = parts[index].lstrip("0")
        parts[index] = (len(digits), digits)
    return parts, name
