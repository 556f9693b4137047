"""Which files below a folder or in a zip are images of a clip, and in which order they follow one another."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, NamedTuple

from strmctl.datasets.names import BAD_NAME, is_left_out, readable

NOT_AN_IMAGE = "no image suffix"
NO_CLIP_FOLDER = "not in a clip folder"

_IMAGE = re.compile(r"(.+)\.(?:jpe?g|png)", re.IGNORECASE | re.DOTALL)


class Found(NamedTuple):
    """What there is below a folder or in a zip.

    Attributes:
        clips: paths of the folders that hold images.
        ignored: files that were left out, and why: (path, reason).
    """

    clips: Collection[str]
    ignored: list[tuple[str, str]]


def image_stem(name: str) -> str:
    """The name without its image suffix; empty when it has none."""
    match = _IMAGE.fullmatch(name)
    return match[1] if match else ""


def fault(folder: str, name: str) -> str | None:
    """Why a file is not an image of a clip: empty when it is one, None when it is left out without a word."""
    if is_left_out(name):
        return None
    if readable(name) != name:
        return BAD_NAME
    if not image_stem(name):
        return NOT_AN_IMAGE
    return "" if folder else NO_CLIP_FOLDER


def natural_order(name: str) -> tuple[list[Any], str]:
    """Key that sorts numbers in names by value, and by the name itself where they are equal."""
    parts: list[Any] = re.split(r"([0-9]+)", name)
    for index in range(1, len(parts), 2):
        digits = parts[index].lstrip("0")
        parts[index] = (len(digits), digits)
    return parts, name
