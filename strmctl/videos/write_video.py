"""Videos that are written, whole or not at all: MPEG-4 in MP4, GIF, and copies with captions on their frames.

A copy has no sound. OpenCV writes frames at one rate, the video's. Where its own time stamps vary, a frame is repeated
or left out, so that each is shown when it was, to half a frame. The one file that knows Pillow, which comes with
matplotlib.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from strmctl.errors import OutputError
from strmctl.paths import replacing
from strmctl.videos.decode import decode
from strmctl.videos.frame_times import USUAL_FPS, timed
from strmctl.videos.plain_path import plain_path
from strmctl.videos.video import Video

FASTEST_GIF = 50.0  # frames per second: browsers slow down what is faster
COLOURS = 256  # of a frame of a GIF
SMALLEST, LARGEST_SIDE = 240, 4096  # pixels: shorter side on which a caption can be read, and what decoders take
FASTEST = 120.0  # frames per second; some files claim thousands

Caption = Callable[[float, int, int], np.ndarray | None]


def write_mp4(target: Path, frames: Iterable[np.ndarray], *, fps: float, size: tuple[int, int]) -> None:
    """Writes frames as a video, whole or not at all.

    Args:
        target: the file, with the suffix `.mp4`.
        frames: uint8 BGR (height, width, 3).
        fps: frames per second.
        size: width and height in pixels, even numbers.

    Raises:
        OutputError: OpenCV cannot write there.
    """
    with replacing(target, suffix=".mp4") as temporary:
        encode_mp4(temporary, frames, fps=fps, size=size, target=target)


def encode_mp4(path: Path, frames: Iterable[np.ndarray], *, fps: float, size: tuple[int, int], target: Path) -> None:
    """Writes frames to a path that becomes `target`, which errors name; see `write_mp4`."""
    with plain_path(path) as plain:
        writer = cv2.VideoWriter(str(plain), cv2.VideoWriter_fourcc(*"mp4v"), fps, size)
        if not writer.isOpened():
            raise OutputError(f"OpenCV cannot write {target}", "is the folder writable, and the disk not full?")
        count = 0
        try:
            for frame in frames:
                writer.write(frame)
                count += 1
        finally:
            writer.release()
        written = int(cv2.VideoCapture(str(plain)).get(cv2.CAP_PROP_FRAME_COUNT))
        if written != count:  # the writer reports no error
            hint = "is the disk full, or the size of files limited (`ulimit -f`)?"
            raise OutputError(f"OpenCV could not write the whole of {target}", hint)


def write_gif(target: Path, frames: Iterable[np.ndarray], *, fps: float) -> None:
    """Writes frames, uint8 RGB (height, width, 3), as a GIF that goes round.

    All frames are held in memory, a byte for each pixel; each has its own palette.
    """
    from PIL import Image

    pictures = (Image.fromarray(frame).quantize(COLOURS, dither=Image.Dither.NONE) for frame in frames)
    first = next(pictures)
    with replacing(target, suffix=".gif") as temporary:
        duration = round(1000 / min(fps, FASTEST_GIF))  # milliseconds
        first.save(temporary, format="GIF", save_all=True, append_images=pictures, duration=duration, loop=0)


def annotate(
    source: Path, target: Path, caption: Caption, *, seen: Callable[[float], None] = lambda second: None
) -> None:
    """Writes a copy of a video with captions, frame by frame, whole or not at all.

    A video with small frames is enlarged.

    Args:
        source: the video.
        target: the copy, with the suffix `.mp4`.
        caption: function of seconds from the beginning of the video, width and height of the frames in pixels, that
            gives the strip to lay over the lower end of the frame, uint8 BGRA (h, width, 4); None for none.
        seen: callable that receives how far the copy is, seconds.

    Raises:
        DataError: the video cannot be decoded.
        OutputError: the copy cannot be written.
    """
    video = decode(source)
    fps = round(min(video.fps or USUAL_FPS, FASTEST), 3)
    width, height = _even_size(video.width, video.height)

    def captioned() -> Iterator[np.ndarray]:
        for second, frame in _steady(video, fps, (width, height)):
            strip = caption(second, width, height)
            yield frame if strip is None else laid_over(frame, strip)
            seen(second)

    write_mp4(target, captioned(), fps=fps, size=(width, height))


def laid_over(frame: np.ndarray, strip: np.ndarray) -> np.ndarray:
    """A frame, uint8 BGR (H, W, 3), with a strip, uint8 BGRA (h, W, 4), over its lower end."""
    high = min(len(strip), len(frame))
    opacity = strip[-high:, :, 3:] / 255
    below = frame[-high:] * (1 - opacity) + strip[-high:, :, :3] * opacity
    return np.concatenate([frame[:-high], np.rint(below).astype(np.uint8)])


def _even_size(width: int, height: int) -> tuple[int, int]:
    """Width and height that the encoder takes, and on which a caption can be read."""
    scale = max(1, SMALLEST / min(width, height))
    scale = min(scale, LARGEST_SIDE / max(width, height))
    wide, high = (max(2, 2 * (int(side * scale + 1e-6) // 2)) for side in (width, height))
    return wide, high


def _steady(video: Video, fps: float, size: tuple[int, int]) -> Iterator[tuple[float, np.ndarray]]:
    """Frames at an even rate, with the time of each; at least one."""
    written, frame = 0, np.zeros((*size[::-1], 3), np.uint8)
    for time, picture in timed(video):
        due = round(time * fps)
        while written < due:  # what came before is shown until now
            yield written / fps, frame
            written += 1
        frame = _resized(picture.pixels(), size)
    yield written / fps, frame


def _resized(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    high, wide = frame.shape[:2]
    if (wide & ~1, high & ~1) == size:  # an odd row or column less
        return frame[: size[1], : size[0]]
    smaller = wide * high > size[0] * size[1]
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
