"""Decoding a video: by OpenCV, and by PyAV what OpenCV cannot read. Both take the first video stream, on one thread."""

from __future__ import annotations

import contextlib
import errno
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from strmctl.errors import DataError
from strmctl.limits import what_helps
from strmctl.videos import decoder_opencv, decoder_pyav, matroska_header, mp4_header
from strmctl.videos.plain_path import plain_path
from strmctl.videos.video import Picture, Video
from strmctl.workers import alive

NOWHERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)  # a path that leads to nothing


def decode(path: Path) -> Video:
    """Opens a video and decodes its first frame; the others follow as they are asked for.

    A file that breaks off or is damaged further on ends early, without an error; see `Video.lacks`.

    Each frame is a sign of life of a process with a time limit, see `strmctl.workers`.

    Raises:
        DataError: the reason in a few words, without the path.
        OSError: a limit of the system, such as one on open files, keeps the video from being read.
    """
    _check_readable(path)
    matrix = mp4_header.display_matrix(path) or matroska_header.display_matrix(path)
    late = _counts_late_starts(path)
    with plain_path(path) as plain:
        try:
            return _started(decoder_opencv.open_video(plain, matrix), late=late)
        except DataError as first:
            try:
                return _started(decoder_pyav.open_video(plain, matrix), late=late)
            except DataError as second:
                raise DataError(f"{first}; {second}", second.hint) from second


def _counts_late_starts(path: Path) -> bool:
    """Whether the duration that a file declares counts from 0, and not from its first frame: MP4, Matroska, WebM."""
    with path.open("rb") as file:
        head = file.read(8)
    return head.startswith(b"\x1a\x45\xdf\xa3") or head[4:] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")


def _started(video: Video, *, late: bool) -> Video:
    """The video with the size and the start of its first frame; decoding it shows whether there is one.

    `late` says whether the duration counts the time before.
    """
    first = next(video.pictures, None)
    if first is None:
        raise DataError(f"{video.decoder.split()[0]} reads no frame")
    pixels = first.pixels()
    height, width = pixels.shape[:2]

    def pictures() -> Iterator[Picture]:
        with contextlib.closing(video.pictures):
            yield Picture(first.time, first.clock, lambda: pixels)
            for picture in video.pictures:
                alive()
                yield picture

    start = first.clock if late and first.clock > 0 else 0.0
    return replace(video, width=width, height=height, start=start, pictures=pictures())


def _check_readable(path: Path) -> None:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would keep the decoder waiting for ever
            raise DataError("not a regular file")
        with path.open("rb") as file:
            empty = not file.read(1)
    except (OSError, ValueError) as error:  # a path may hold a NUL
        if getattr(error, "errno", None) in NOWHERE:
            raise DataError("no such file") from error
        if what_helps(getattr(error, "errno", None)):  # the file is not to blame
            raise
        raise DataError(f"cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if empty:
        raise DataError("the file is empty")
