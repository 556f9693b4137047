"""The records of a zip file, read one at a time.

Python's zipfile keeps all of them, which takes most of a kilobyte for each; this keeps none.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from strmctl.errors import DataError
from strmctl.frames.in_place.image_headers import MOST_BYTES

_COMPLETE = "fetch or copy the zip file again; `unzip -t FILE` tells whether it is whole"
_MAXIMUM = 0xFFFFFFFF  # of a 32-bit field in a zip: the value stands in the extra field

# records of the zip format (APPNOTE.TXT of PKWARE, 4.3 and 4.4)
_LOCAL = struct.Struct("<4s5H3L2H")
_RECORD = struct.Struct("<4s6H3L5H2L")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")
_END = struct.Struct("<4s4H2LH")


class ZipMember(NamedTuple):
    """A record of a zip's central directory; `raw` is the name as it stands there, `size` and `packed` are in bytes."""

    raw: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    is_link: bool

    @property
    def path(self) -> str | None:
        """The name as text; None when it is not valid."""
        with contextlib.suppress(UnicodeDecodeError):
            return self.raw.decode()
        return None if self.flags & 0x800 else self.raw.decode("cp437")  # many write UTF-8 without saying so


def central_directory(file: BinaryIO) -> tuple[int, int, int]:
    """Where the central directory of a zip begins and ends, and how many bytes someone has put before the zip.

    Raises:
        DataError: it is not a zip file, not a whole one, or one in several parts.
    """
    size = file.seek(0, os.SEEK_END)
    start = file.seek(max(0, size - _END.size - 0xFFFF))  # a comment may follow
    tail = file.read()
    found = tail.rfind(b"PK\5\6")
    if found < 0 or found + _END.size > len(tail):
        raise DataError(f"{file.name} is not a zip file, or the end of it is missing", _COMPLETE)
    _, disk, first_disk, _, _, length, offset, _ = _END.unpack_from(tail, found)
    end = start + found
    if end >= _END64.size + _LOCATOR64.size:
        file.seek(end - _END64.size - _LOCATOR64.size)
        large = file.read(_END64.size + _LOCATOR64.size)
        if large[:4] == b"PK\6\6" and large[_END64.size :][:4] == b"PK\6\7":
            *_, disk, first_disk, _, _, length, offset = _END64.unpack_from(large)
            end -= len(large)
    if disk or first_disk:
        raise DataError(f"{file.name} is one part of a zip file in several parts", "join them: `zip -s 0 IN --out OUT`")
    if end < length + offset:
        raise DataError(f"{file.name} is damaged: its directory is not where it should be", _COMPLETE)
    return end - length, end, end - length - offset


def next_member(file: BinaryIO) -> ZipMember:
    """The record of the central directory at the file's position; the file is then at the next one.

    Raises:
        DataError: there is none.
    """
    header = file.read(_RECORD.size)
    if len(header) < _RECORD.size or header[:4] != b"PK\1\2":
        raise DataError(f"the directory of {file.name} is damaged", _COMPLETE)
    values = _RECORD.unpack(header)
    _, made_by, _, flags, method, _, _, crc, packed, size, named, extra, comment, _, _, attributes, offset = values
    text = file.read(named + extra + comment)
    if _MAXIMUM in (packed, size, offset):
        long = _long_values(text[named : named + extra])
        size, packed, offset = (next(long, value) if value == _MAXIMUM else value for value in (size, packed, offset))
    is_link = made_by >> 8 == 3 and attributes >> 28 == 0xA  # made on Unix
    return ZipMember(text[:named], flags, method, crc, packed, size, offset, is_link)


def _long_values(extra: bytes) -> Iterator[int]:
    """The 64-bit values in the extra field of a record."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            values = extra[at + 4 : at + 4 + length]
            yield from struct.unpack(f"<{len(values) // 8}Q", values[: len(values) // 8 * 8])
        at += 4 + length


def member_content(file: BinaryIO, member: ZipMember, offset: int) -> bytes:
    """What is packed in a member whose local record is `offset` bytes from the start of the file.

    Raises:
        DataError: it is missing, damaged, too large, or packed in a way that cannot be read; the message lacks the
            name, which the caller puts before it.
    """
    if member.flags & 1:
        raise DataError("is encrypted", "unpack the zip file with its password, and name the folder")
    if member.method not in (0, 8):
        raise DataError(f"is packed by method {member.method}", "unpack the zip file, and name the folder")
    if max(member.packed, member.size) > MOST_BYTES:
        raise DataError(f"has more than {MOST_BYTES >> 20} MB")
    size = os.fstat(file.fileno()).st_size
    file.seek(min(offset, size))  # the directory may give an offset that no file can have
    header = file.read(_LOCAL.size)
    # reading allocates as many bytes as are asked for, whether they are there or not
    if member.packed > size - offset or len(header) < _LOCAL.size or header[:4] != b"PK\3\4":
        raise DataError("is not where the directory of the zip file says", _COMPLETE)
    file.seek(sum(_LOCAL.unpack(header)[-2:]), os.SEEK_CUR)
    content = file.read(member.packed)
    if member.method == 8:
        try:
            content = zlib.decompressobj(-15).decompress(content, member.size + 1)
        except zlib.error as error:
            raise DataError(f"is damaged: {error}", _COMPLETE) from error
    if len(content) != member.size or zlib.crc32(content) != member.crc:
        raise DataError("is damaged: its checksum differs", _COMPLETE)
    return content
