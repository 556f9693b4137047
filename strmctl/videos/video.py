"""A video that is being decoded, whoever decodes it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from strmctl.errors import DataError

LARGEST = 36_000_000  # pixels of a frame, a little over 8K; larger frames are not decoded, to keep memory bounded
MISSING = (2, 0.05)  # number and fraction of frames that a video may lack: edit lists and estimated counts are inexact


@dataclass(frozen=True)
class Picture:
    """A frame that was decoded.

    Attributes:
        time: seconds since the first frame; NaN when the file does not say.
        clock: seconds on the clock of the file, which may start late; NaN when it does not say.
        pixels: function that gives its pixels, uint8 BGR (height, width, 3), after the rotation that the file asks for;
            call it before asking for the next picture.
    """

    time: float
    clock: float
    pixels: Callable[[], np.ndarray]


@dataclass(frozen=True)
class Video:
    """A video that is being decoded.

    Attributes:
        width: width of the first frame in pixels, after the rotation that the file asks for.
        height: height of the first frame in pixels, likewise.
        fps: frames per second; 0 when the file does not say.
        declared: number of frames according to the file, or estimated from its duration; 0 when it does not say.
        decoder: name and version of the program.
        pictures: the frames, in the order in which they are shown, once.
        start: seconds of the duration that pass before the first frame.
    """

    width: int
    height: int
    fps: float
    declared: int
    decoder: str
    pictures: Iterator[Picture]
    start: float = 0.0

    @property
    def frames(self) -> Iterator[np.ndarray]:
        """The pixels of each frame, uint8 BGR (height, width, 3), once."""
        return (picture.pixels() for picture in self.pictures)

    def lacks(self, decoded: int, last: float, shown: float | None) -> bool:
        """Whether a video breaks off or lacks frames: clearly fewer than declared, and not up to its end.

        Args:
            decoded: number of frames that were decoded.
            last: time of the last of them in seconds; NaN when unknown.
            shown: duration in seconds according to the file; None: as long as the frames that it declares.
        """
        missing = self.declared - decoded
        if missing <= max(MISSING[0], MISSING[1] * self.declared):
            return False
        if not self.fps or not last > 0:
            return True
        end = (self.declared / self.fps if shown is None else shown) - self.start
        return end - last - 1 / self.fps > max(MISSING[0] / self.fps, MISSING[1] * end)


def check_size(width: int, height: int) -> None:
    """Refuses a frame that would take too much memory.

    Raises:
        DataError: it is larger than `LARGEST`.
    """
    if width * height > LARGEST:
        raise DataError(f"frames of {width}x{height} are too large (at most {LARGEST // 10**6} megapixels)")


def check_rate(video: Video, rate: float | None) -> None:
    """Refuses a video whose own rate is not known, where frames are taken at a rate.

    Raises:
        DataError: the file does not say it.
    """
    if rate is not None and not video.fps:
        raise DataError("cannot be read: it does not say how many frames per second it has, and the model needs that")


def positive(value: float | None) -> float:
    """A number from a header, or 0 when it makes no sense."""
    return float(value) if value is not None and math.isfinite(value) and value > 0 else 0.0
