"""Decoding videos with OpenCV, and turning their frames into JPEG images of the size that is stored."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from strmctl.errors import DataError, UsageError

# the complaints of FFmpeg and OpenCV about a damaged file would drown ours; the variable is read at the first video
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

DECODER = f"opencv {cv2.__version__}"
Size = int | tuple[int, int]  # pixels: shorter side, or (width, height)
SIDES = range(16, 4097)  # pixels, what a side may be

# one thread, no hardware: how many frames a damaged file gives must not depend on the machine
_OPEN = (
    *(cv2.CAP_PROP_N_THREADS, 1),
    *(cv2.CAP_PROP_HW_ACCELERATION, cv2.VIDEO_ACCELERATION_NONE),
)


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
class Video:
    """A video that is being decoded.

    Attributes:
        width: pixels, after the rotation that the file asks for.
        height: pixels, likewise.
        fps: frames per second; 0 when the file does not say.
        declared: how many frames the file says that it has; 0 when it does not say.
        frames: the decoded frames, uint8 BGR (height, width, 3), once.
    """

    width: int
    height: int
    fps: float
    declared: int
    frames: Iterator[np.ndarray]


def decode(path: Path) -> Video:
    """Opens a video and decodes its first frame; the others follow as `frames` is read.

    Raises:
        DataError: the reason in a few words, without the path.
    """
    _check_readable(path)
    # an absolute path, so that OpenCV takes no name for an address or an option
    capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG, _OPEN)
    if not capture.isOpened():
        raise DataError("not a video that OpenCV can open")
    first = _next_frame(capture)
    if first is None:
        raise DataError("OpenCV reads no frame")
    height, width = first.shape[:2]
    fps, declared = (_finite(capture.get(key)) for key in (cv2.CAP_PROP_FPS, cv2.CAP_PROP_FRAME_COUNT))
    return Video(width, height, round(fps, 3), int(declared), _frames(first, capture))


def _check_readable(path: Path) -> None:
    if not path.is_file():  # a pipe would keep OpenCV waiting for ever
        raise DataError("no such file" if not path.exists() else "not a regular file")
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}") from error
    if empty:
        raise DataError("the file is empty")


def _frames(first: np.ndarray, capture: cv2.VideoCapture) -> Iterator[np.ndarray]:
    frame: np.ndarray | None = first
    while frame is not None:
        yield frame
        frame = _next_frame(capture)
    capture.release()


def _next_frame(capture: cv2.VideoCapture) -> np.ndarray | None:
    try:
        good, frame = capture.read()
    except cv2.error as error:
        raise DataError(f"OpenCV fails to decode it: {error.err}") from error
    return frame if good else None


def _finite(value: float) -> float:
    return value if math.isfinite(value) and value > 0 else 0.0


def resize(frame: np.ndarray, size: Size) -> np.ndarray:
    """A frame with its shorter side brought to `size` pixels, up or down, or squashed to `size` = (width, height)."""
    height, width = frame.shape[:2]
    if isinstance(size, int):
        shorter = min(height, width)
        size = (max(1, round(width * size / shorter)), max(1, round(height * size / shorter)))
    # bilinear aliases beyond a factor of two; halving first, by the mean of 2×2, comes near to INTER_AREA and is six
    # times as fast (from 1280×720 to 455×256 on one core: 2,200 against 330 frames/s)
    while width >= 2 * size[0] and height >= 2 * size[1]:
        width, height = width // 2, height // 2
        frame = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
    return frame if (width, height) == size else cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR)


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


def positions_to_keep(count: int, frames: int) -> set[int]:
    """Positions, counted from 0, of `frames` evenly spaced frames: trunc(linspace(0, count - 1, frames))."""
    return set(np.linspace(0, count - 1, frames).astype(int).tolist())


def extract(
    path: Path,
    *,
    size: Size,
    quality: int,
    frames: int | None,
    keep: Callable[[bytes], None],
    choose: Callable[[int, int], Collection[int]] = positions_to_keep,
) -> tuple[Video, int]:
    """Decodes a video and hands the JPEG images of its frames over, in order, one at a time.

    Args:
        path: the video.
        size: see `resize`.
        quality: of the JPEG images, 1 to 100.
        frames: how many evenly spaced frames to keep; None keeps all.
        keep: takes each image.
        choose: of a video's number of frames and `frames`, the positions that are kept.

    Returns:
        The video (its frames used up) and how many frames were decoded.

    Raises:
        DataError: the video cannot be decoded; whatever `keep` raises passes through.
    """
    wanted = None
    if frames is not None:  # decoded twice rather than kept: a long video does not fit into memory
        wanted = set(choose(sum(1 for _ in decode(path).frames), frames))
    video, count = decode(path), 0
    for position, frame in enumerate(video.frames):
        count = position + 1
        if wanted is None or position in wanted:
            keep(_jpeg(resize(frame, size), quality))
    return video, count


def _jpeg(frame: np.ndarray, quality: int) -> bytes:
    good, encoded = cv2.imencode(".jpg", frame, (cv2.IMWRITE_JPEG_QUALITY, quality))
    if not good:
        raise DataError("OpenCV cannot write a frame as JPEG")
    return encoded.tobytes()
