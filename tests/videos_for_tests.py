"""Tiny videos that the tests make for themselves."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from strmctl.cli.main import main


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
        seed: of all that is random.
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
