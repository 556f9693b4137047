"""A video that is being decoded, whoever decodes it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from strmctl.errors import DataError

LARGEST = 36_000_000  # pixels of a frame, a little over 8K; what declares more is not decoded, to keep memory bounded
MISSING = (2, 0.05)  # frames and fraction that a video may lack: edit lists and estimated counts are inexact


@dataclass(frozen=True)
class Picture:
    """A frame that was decoded.

    Attributes:
        time: seconds since the start of the video; NaN when the file does not say.
        pixels: gives its pixels, uint8 BGR (height, width, 3), after the rotation that the file asks for; to be called
            before the next picture is asked for.
    """

    time: float
    pixels: Callable[[], np.ndarray]


@dataclass(frozen=True)
class Video:
    """A video that is being decoded.

    Attributes:
        width: pixels of the first frame, after the rotation that the file asks for.
        height: pixels, likewise.
        fps: frames per second; 0 when the file does not say.
        declared: how many frames the file says that it has, or an estimate from its duration; 0 when it does not say.
        decoder: program and version.
        pictures: the frames, in the order in which they are shown, once.
    """

    width: int
    height: int
    fps: float
    declared: int
    decoder: str
    pictures: Iterator[Picture]

    @property
    def frames(self) -> Iterator[np.ndarray]:
        """The pixels of each frame, uint8 BGR (height, width, 3), once."""
        return (picture.pixels() for picture in self.pictures)

    def lacks(self, decoded: int) -> bool:
        """Whether that many frames are clearly fewer than the file declares."""
        return self.declared - decoded > max(MISSING[0], MISSING[1] * self.declared)


def check_size(width: int, height: int) -> None:
    """Refuses a frame that would take too much memory.

    Raises:
        DataError: it is larger than `LARGEST`.
    """
    if width * height > LARGEST:
        raise DataError(f"frames of {width}x{height} are too large (at most {LARGEST // 10**6} megapixels)")


def positive(value: float | None) -> float:
    """A number of a header, or 0 when it makes no sense."""
    return float(value) if value is not None and math.isfinite(value) and value > 0 else 0.0
