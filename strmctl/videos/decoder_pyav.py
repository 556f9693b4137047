"""Decoding by PyAV, which reads what OpenCV's wheel does not, such as AV1. No other file imports PyAV."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from strmctl.errors import DataError
from strmctl.videos.orientation import Matrix, oriented
from strmctl.videos.video import LARGEST, Picture, Video, check_size, positive

INSTALL = "`pip install 'strmctl[av]'` adds PyAV, which reads more kinds of video"


def open_video(path: Path, matrix: Matrix | None = None) -> Video:
    """Opens a video; its size is that of the header.

    Args:
        path: the file.
        matrix: display matrix of the file; None turns by the angle that FFmpeg reads.

    Raises:
        DataError: the reason in a few words, without the path.
    """
    try:
        import av
    except ImportError as error:
        raise DataError("PyAV, which might read it, is not installed", INSTALL) from error
    av.logging.set_level(None)
    try:
        # the scheme keeps a name from being taken for an address; titles may be in any encoding
        container = av.open(f"file:{path.absolute()}", metadata_errors="replace")
    except (av.FFmpegError, OSError, ValueError) as error:
        raise DataError(f"PyAV: {getattr(error, 'strerror', None) or type(error).__name__}") from error
    try:
        if not container.streams.video:
            raise DataError("PyAV: no video stream")
        stream = container.streams.video[0]
        context = stream.codec_context
        check_size(context.width or 0, context.height or 0)
        context.thread_count = 1
        context.options = {"max_pixels": str(LARGEST)}
        fps = positive(stream.average_rate)
        seconds = positive(float(stream.duration * stream.time_base) if stream.duration else None)
        declared = stream.frames or round(fps * seconds)
    except BaseException:
        container.close()
        raise
    decoder = f"PyAV {av.__version__}"
    return Video(context.width, context.height, round(fps, 3), declared, decoder, _pictures(container, stream, matrix))


def _pictures(container: Any, stream: Any, matrix: Matrix | None) -> Iterator[Picture]:
    import av

    begin: float | None = None

    with container, contextlib.suppress(av.FFmpegError, OSError, ValueError):  # damaged: what came so far counts
        for frame in container.decode(stream):
            clock = float("nan") if frame.time is None else frame.time
            begin = clock if begin is None else begin
            yield Picture(clock - begin, clock, lambda frame=frame: _pixels(frame, matrix))


def _pixels(frame: Any, matrix: Matrix | None) -> np.ndarray:
    pixels = frame.to_ndarray(format="bgr24")
    if matrix is not None:
        return oriented(pixels, matrix)
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90))) if frame.rotation else pixels
