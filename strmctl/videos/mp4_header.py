"""What an MP4 or MOV file says of its first video track: its duration, edits included, and how it is shown.

Boxes are those of ISO/IEC 14496-12. A clip that was cut without re-encoding holds frames that an edit list hides, so
the number of its frames promises more than is shown.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from strmctl.videos.orientation import Matrix, right_angled

LARGEST_MOOV = 1 << 26  # bytes; the description of a film of hours is smaller


def shown_seconds(path: Path) -> float | None:
    """The duration in seconds, with what an edit list puts before; None when the file is no MP4, or does not say."""
    with contextlib.suppress(OSError, struct.error, ValueError, ZeroDivisionError), path.open("rb") as file:
        moov = _moov(file)
        scale, _ = _times(_content(moov, b"mvhd"))
        _, duration = _times(_track_header(moov), track=True)
        return duration / scale if duration else None
    return None


def display_matrix(path: Path) -> Matrix | None:
    """The part of the display matrix that turns and mirrors: the track's, then the film's; None when the file has none.

    Raises:
        DataError: it turns by something else than a right angle, or shears.
    """
    with contextlib.suppress(OSError, struct.error, ValueError), path.open("rb") as file:
        moov = _moov(file)
        track, film = _track_header(moov), _content(moov, b"mvhd")
        a, b, c, d = _matrix(track, 52 if track[0] else 40)
        e, f, g, h = _matrix(film, 48 if film[0] else 36)
        return right_angled((a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h))
    return None


def _matrix(header: bytes, begin: int) -> tuple[int, int, int, int]:
    a, b, _, c, d = struct.unpack_from(">5i", header, begin)
    return a, b, c, d


def _track_header(moov: bytes) -> bytes:
    """The header of the first video track."""
    for kind, track in _boxes(moov):
        if kind == b"trak" and _content(_content(track, b"mdia"), b"hdlr")[8:12] == b"vide":
            return _content(track, b"tkhd")
    raise ValueError("no video track")


def _moov(file: BinaryIO) -> bytes:
    """The box that describes the film; the others are skipped."""
    while header := file.read(8):
        size, kind = struct.unpack(">I4s", header)
        head = 8
        if size == 1:
            size, head = struct.unpack(">Q", file.read(8))[0], 16
        if kind == b"moov" and head <= size <= LARGEST_MOOV:
            return file.read(size - head)
        if size < head or kind == b"moov":
            break
        file.seek(size - head, 1)
    raise ValueError("no moov box")


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(kind, content) of the boxes in a box."""
    begin = 0
    while begin + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, begin)
        if size < 8:
            return
        yield kind, content[begin + 8 : begin + size]
        begin += size


def _content(box: bytes, wanted: bytes) -> bytes:
    for kind, content in _boxes(box):
        if kind == wanted:
            return content
    raise ValueError(f"no {wanted.decode()} box")


def _times(header: bytes, *, track: bool = False) -> tuple[int, int]:
    """(ticks per second or id of the track, duration in ticks) of a film's or a track's header."""
    form = (">4x2Q" if header[0] else ">4x2I") + "I" + ("4x" if track else "") + ("Q" if header[0] else "I")
    return struct.unpack_from(form, header)[2:]
