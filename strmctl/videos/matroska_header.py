"""How a Matroska or WebM file asks for its first video track to be shown: its projection (RFC 9559).

A projection on a plane is mirrored by a yaw of 180 degrees, then turned counter-clockwise by its roll.
"""

from __future__ import annotations

import contextlib
import io
import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from strmctl.videos.orientation import Matrix, right_angled

HEADER, SEGMENT, TRACKS, TRACK = 0x1A45DFA3, 0x18538067, 0x1654AE6B, 0xAE
TRACK_TYPE, VIDEO = 0x83, 0xE0  # the type of a video track is 1
PROJECTION, PROJECTION_TYPE, YAW, PITCH, ROLL = 0x7670, 0x7671, 0x7673, 0x7674, 0x7675
LARGEST_TRACKS = 1 << 26  # bytes; the description of all tracks is smaller


def display_matrix(path: Path) -> Matrix | None:
    """The matrix that turns and mirrors; None when the file is no Matroska, has none, or shows a sphere.

    Raises:
        DataError: it turns by something else than a right angle.
    """
    with contextlib.suppress(OSError, EOFError, struct.error, ValueError), path.open("rb") as file:
        if _number(file, marked=True) != HEADER:
            return None
        file.seek(0)
        projection = _projection(_tracks(file))
        yaw, pitch, roll = (_float(projection.get(kind, b"")) for kind in (YAW, PITCH, ROLL))
        flat = not any(projection.get(PROJECTION_TYPE, b"")) and pitch == 0 and abs(yaw) in (0, 180)
        if flat and math.isfinite(roll):
            cos, sin = math.cos(math.radians(roll)), math.sin(math.radians(roll))
            return right_angled((-cos, sin, sin, cos) if yaw else (cos, -sin, sin, cos))
    return None


def _projection(tracks: bytes) -> dict[int, bytes]:
    """The fields of the first video track's projection; none when it has none."""
    for kind, content in _contents(tracks):
        if kind == TRACK:
            track = dict(_contents(content))
            if int.from_bytes(track.get(TRACK_TYPE, b""), "big") == 1:
                return dict(_contents(dict(_contents(track.get(VIDEO, b""))).get(PROJECTION, b"")))
    return {}


def _tracks(file: BinaryIO) -> bytes:
    """The element that describes the tracks; those before it are skipped."""
    for kind, size in _elements(file):
        if kind == TRACKS and size <= LARGEST_TRACKS:
            return file.read(size)
        if kind != SEGMENT:  # which holds all that follows
            file.seek(size, 1)
    return b""


def _contents(content: bytes) -> Iterator[tuple[int, bytes]]:
    """(kind, content) of the elements in an element."""
    file = io.BytesIO(content)
    for kind, size in _elements(file):
        yield kind, file.read(size)


def _elements(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """(kind, size in bytes) of the elements one after another; the caller reads or skips the content of each."""
    with contextlib.suppress(EOFError):
        while True:
            yield _number(file, marked=True), _number(file)


def _number(file: BinaryIO, *, marked: bool = False) -> int:
    """A number of 1 to 8 bytes: the zeros that it begins with say how many; `marked` keeps the one behind them."""
    if not (first := file.read(1)):
        raise EOFError
    length = 9 - first[0].bit_length()
    if length > 8:
        raise ValueError("a number of more than 8 bytes")
    value = int.from_bytes(first + file.read(length - 1), "big")
    return value if marked else value & ((1 << 7 * length) - 1)


def _float(content: bytes) -> float:
    return struct.unpack(">d" if len(content) == 8 else ">f", content)[0] if content else 0.0
