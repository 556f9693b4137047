"""From a video to the JPEG images that are stored: which of its frames, at which size."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from strmctl.errors import DataError, UsageError
from strmctl.videos.decode import decode
from strmctl.videos.frame_positions import even_positions, positions_by_time
from strmctl.videos.mp4_header import shown_seconds
from strmctl.videos.video import LARGEST, Video, check_rate

Size = int | tuple[int, int]  # pixels: shorter side, or (width, height)
SIDES = range(16, 4097)  # pixels, what a side may be
QUALITY = 90  # default quality of the JPEG images, 1 to 100
LONGEST = 65_500  # pixels, longest side of a JPEG image
HALVED, DOUBLED = 3, 1.5  # how many times too large a side is, see `resize`


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """OpenCV on one thread: processes share the work, and bytes must not depend on the machine."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


@dataclass(frozen=True)
class Extraction:
    """What was taken out of a video.

    Attributes:
        video: properties of the video; its pictures are used up.
        decoded: number of frames that were decoded.
        positions: positions of the frames that were kept, counted from 0, in order; a frame may be kept more than once.
        remarks: what is odd about the video, in a few words each.
    """

    video: Video
    decoded: int
    positions: list[int]
    remarks: list[str]


def extract(
    path: Path,
    *,
    size: Size,
    quality: int,
    frames: int | None,
    keep: Callable[[bytes], None],
    rate: float | None = None,
) -> Extraction:
    """Decodes a video and hands the JPEG images of its frames over, in order, one at a time.

    With a number of frames, the first pass keeps the frames that are to be taken according to the header. Where
    decoding shows fewer frames or other times, a second pass fetches those that are still missing.

    Args:
        path: video file.
        size: pixels, as in `resize`; all frames get the size that the first one gets.
        quality: quality of the JPEG images, 1 to 100.
        frames: number of frames to keep, evenly spaced, by time where the frame rate varies (`positions_by_time`); a
            shorter video keeps all. None keeps all.
        keep: function that receives each image.
        rate: number of the kept frames per second; a video that is too short for them may keep some more than once.
            None: they are spread over the whole video.

    Raises:
        DataError: the video cannot be decoded, or does not say its own rate; whatever `keep` raises passes through.
    """
    video = decode(path)
    check_rate(video, rate)
    encode = FrameEncoder(video, size, quality)
    if frames is None:
        last = math.nan
        for count, picture in enumerate(video.pictures, 1):
            keep(encode(picture.pixels(), count - 1))
            last = picture.time
        positions = list(range(count))
    else:
        how = (frames, rate, video.fps)
        guessed = set(even_positions(video.declared, *how)) if video.declared >= frames else set()
        images, times = {}, []
        for position, picture in enumerate(video.pictures):
            times.append(picture.time)
            if position in guessed:
                images[position] = encode(picture.pixels(), position)
        count, last = len(times), times[-1]
        positions = positions_by_time(times, *how) if rate or count >= frames else list(range(count))
        images |= fetch(path, set(positions) - images.keys(), encode)
        for position in positions:
            keep(images[position])
    return Extraction(video, count, positions, damage(path, video, count, last) + encode.remarks)


def damage(path: Path, video: Video, decoded: int, last: float) -> list[str]:
    """What a video lacks, as a remark; none where it is whole. Arguments as for `Video.lacks`."""
    damaged = decoded < video.declared and video.lacks(decoded, last, shown_seconds(path))
    return [f"damaged: {decoded} of {video.declared} frames"] if damaged else []


def fetch(path: Path, wanted: set[int], encode: FrameEncoder) -> dict[int, bytes]:
    """The images of single frames, by position."""
    images: dict[int, bytes] = {}
    if wanted:
        pictures = decode(path).pictures
        with contextlib.closing(pictures):
            for position, picture in enumerate(pictures):
                if position in wanted:
                    images[position] = encode(picture.pixels(), position)
                if len(images) == len(wanted):
                    break
    return images


class FrameEncoder:
    """Turns the frames of one video into JPEG images of one size.

    Args:
        video: the video.
        size: pixels, as in `resize`; all frames get the size that the first one gets.
        quality: quality of the JPEG images, 1 to 100.

    Attributes:
        remarks: what is odd about the frames so far, in a few words each.
    """

    def __init__(self, video: Video, size: Size, quality: int) -> None:
        self.video, self.quality = video, quality
        self.size = stored_size(video.width, video.height, size)
        if max(self.size) > LONGEST or self.size[0] * self.size[1] > LARGEST:  # the frame is long and thin
            stored = f"{self.size[0]}x{self.size[1]}"
            raise DataError(f"frames of {video.width}x{video.height} are too narrow: {stored} when they are stored")
        self.remarks: list[str] = []

    def __call__(self, frame: np.ndarray, position: int) -> bytes:
        """The image of a frame, uint8 BGR `(height, width, 3)`; `position` counts from 0."""
        height, width = frame.shape[:2]
        if (width, height) != (self.video.width, self.video.height) and not self.remarks:
            before = f"{self.video.width}x{self.video.height}"
            self.remarks.append(f"its size changes from {before} to {width}x{height} by frame {position + 1}")
        good, encoded = cv2.imencode(".jpg", resize(frame, self.size), (cv2.IMWRITE_JPEG_QUALITY, self.quality))
        if not good:
            raise DataError("OpenCV cannot write a frame as JPEG")
        return encoded.tobytes()


def stored_size(width: int, height: int, size: Size) -> tuple[int, int]:
    """(width, height) with the shorter side brought to `size` pixels, up or down; a pair is what it is."""
    if not isinstance(size, int):
        return size
    shorter = min(height, width)
    return max(1, round(width * size / shorter)), max(1, round(height * size / shorter))


def resize(frame: np.ndarray, size: Size) -> np.ndarray:
    """A frame with its shorter side brought to `size` pixels, up or down, or squashed to `size` = (width, height).

    Bilinear interpolation aliases when it makes an image much smaller. So what is more than three times too large is
    halved first, by the mean of two pixels; and what is then more than 1.5 times too large is brought to twice the size
    and halved, within 3 dB of INTER_AREA at 1.5 to 2.3 times its speed. What is less than 1.5 times too large is left
    to bilinear interpolation: on real footage it is nearer to an ideal filter there (`reports/prepare.md`).
    """
    height, width = frame.shape[:2]
    wide, high = stored_size(width, height, size)
    while width >= HALVED * wide or height >= HALVED * high:
        width = width // 2 if width >= HALVED * wide else width
        height = height // 2 if height >= HALVED * high else height
        frame = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
    near = wide * (1 + (width > DOUBLED * wide)), high * (1 + (height > DOUBLED * high))
    for target, filter_ in ((near, cv2.INTER_LINEAR), ((wide, high), cv2.INTER_AREA)):
        if frame.shape[1::-1] != target:
            frame = cv2.resize(frame, target, interpolation=filter_)
    return frame


def parse_size(text: str) -> Size:
    """`256`: pixels of the shorter side; `256x256`: width x height.

    Raises:
        UsageError: neither, or out of range.
    """
    with contextlib.suppress(ValueError):
        sides = [int(part) for part in text.lower().split("x")]
        if len(sides) in (1, 2) and all(side in SIDES for side in sides):
            return sides[0] if len(sides) == 1 else (sides[0], sides[1])
    hint = f"a side has {SIDES[0]} to {SIDES[-1]} pixels: 256 for the shorter side, 256x256 for width x height"
    raise UsageError(f"{text!r} is not a size", hint)
