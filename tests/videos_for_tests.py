"""Tiny videos that the tests make for themselves."""

from __future__ import annotations

import contextlib
import io
import json
import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from strmctl.cli.main import main

NOT_A_VIDEO = "not a video that OpenCV can open; PyAV: Invalid data found when processing input"


def write_video(  # noqa: PLR0917 - short calls make tests readable
    path: Path,
    frames: int = 16,
    size: tuple[int, int] = (64, 48),
    fps: float = 12,
    seed: int = 0,
    codec: str = "mp4v",
) -> Path:
    """Writes a video of a square that wanders over smooth noise; what it shows depends on the seed.

    Args:
        path: its suffix decides the container.
        frames: number of frames.
        size: (width, height) in pixels.
        fps: frames per second.
        seed: seed of all that is random.
        codec: four letters, `mp4v` or `MJPG`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.Generator(np.random.Philox(seed))
    width, height = size
    background = cv2.resize(random.integers(0, 200, (6, 8, 3), np.uint8), size, interpolation=cv2.INTER_CUBIC)
    colour = random.integers(0, 256, 3).tolist()
    start, step = random.uniform(0, 0.5, 2), random.uniform(-0.5, 0.5, 2)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), fps, size)
    assert writer.isOpened(), path
    for index in range(frames):
        x, y = ((start + step * index / frames) % 1 * (width, height)).astype(int)
        writer.write(cv2.rectangle(background.copy(), (x, y), (x + width // 5, y + height // 5), colour, -1))
    writer.release()
    return path


def write_odd_video(
    path: Path,
    pictures: Sequence[np.ndarray],
    *,
    codec: str = "mpeg4",
    stamps: Sequence[int] | None = None,
    second: Sequence[np.ndarray] = (),
) -> Path:
    """Writes a video with PyAV, of kinds that OpenCV does not write.

    Args:
        path: its suffix decides the container.
        pictures: frames, uint8 BGR.
        codec: such as `libsvtav1`, which OpenCV's wheel cannot decode.
        stamps: time of each frame in hundredths of a second; None: 12 frames a second.
        second: frames of a second video stream.
    """
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    rate = 100 if stamps else 12
    with av.open(str(path), "w") as container:
        streams = []
        for images in filter(len, (pictures, second)):
            stream = container.add_stream(codec, rate=rate)
            stream.height, stream.width = images[0].shape[:2]
            stream.pix_fmt, stream.codec_context.time_base = "yuv420p", Fraction(1, rate)
            stream.codec_context.open()
            streams.append((stream, images))
        for stream, images in streams:
            for index, image in enumerate(images):
                frame = av.VideoFrame.from_ndarray(image, format="bgr24")
                frame.pts, frame.time_base = stamps[index] if stamps else index, Fraction(1, rate)
                container.mux(stream.encode(frame))
        for stream, _ in streams:
            container.mux(stream.encode())
    return path


def pictures_of(count: int, size: tuple[int, int] = (64, 48)) -> list[np.ndarray]:
    """Frames whose brightness tells which one it is: 10, 10 + 240 / count, …"""
    return [np.full((size[1], size[0], 3), 10 + 240 * index // count, np.uint8) for index in range(count)]


def rotate_mp4(path: Path) -> Path:
    """Lets an mp4 file ask for a rotation by 90 degrees when it is shown."""
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 44  # version and flags, times, id, duration, layer, volume come before
    content[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    return path


class Ran(NamedTuple):
    """What a run of the command line gave."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """The JSON document on stdout."""
        return json.loads(self.out)


def strmctl(*words: str | Path) -> Ran:
    """Runs `strmctl` with these words in this process."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(word) for word in words])
        except SystemExit as end:
            code = int(end.code or 0)
    return Ran(code, out.getvalue(), err.getvalue())
