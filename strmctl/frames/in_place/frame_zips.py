"""Frames that someone has extracted already, in one zip file: a folder for each clip.

Nothing is unpacked. Of a member, only the place of its record in the central directory is kept (8 bytes): a zip of
frames has millions of members.
"""

from __future__ import annotations

import contextlib
import re
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from strmctl.datasets.names import BAD_NAME, is_left_out, readable
from strmctl.errors import DataError
from strmctl.frames.in_place.image_names import Found, fault
from strmctl.frames.in_place.zip_records import ZipMember, central_directory, member_content, next_member

LEADS_OUT = "name would lead out of the archive"
LINK = "symbolic link in an archive"


class FrameZip:
    """Images in a zip file, which is opened anew for each clip: no handle to share between threads or processes.

    Attributes:
        path: path of the zip file.
        found: its clips, and what was left out.

    Raises:
        DataError: the zip is damaged or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._records: dict[str, array] = {}  # clip -> places of the records of its images
        self.found = Found(self._records.keys(), [])
        with self._opened() as file:
            at, end, self._shift = central_directory(file)  # bytes that someone has put before the zip
            file.seek(at)
            while at < end:
                member = next_member(file)
                folder, reason = _place(member)
                if reason:
                    self.found.ignored.append((readable(member.raw.decode("utf-8", "replace")), reason))
                elif reason is not None:
                    if folder not in self._records:
                        self._records[folder] = array("Q")
                    self._records[folder].append(at)
                at = file.tell()

    def members(self, clip: str) -> dict[str, ZipMember]:
        """The images of a clip: name -> record; of two of the same name the last, as programs that unpack do.

        Raises:
            DataError: the zip is damaged or cannot be read.
        """
        with self._opened() as file:
            result = {}
            for at in self._records.get(clip, ()):
                file.seek(at)
                member = next_member(file)
                result[(member.path or "").rpartition("/")[2]] = member
            return result

    def contents(self, clip: str, members: Iterable[ZipMember]) -> Iterator[bytes]:
        """The image files, one at a time, checked against their checksums.

        Raises:
            DataError: one is missing, damaged or too large.
        """
        with self._opened() as file:
            for member in members:
                try:
                    yield member_content(file, member, member.offset + self._shift)
                except DataError as error:
                    name = readable(member.path or "").rpartition("/")[2]
                    raise DataError(f"{name} {error}", error.hint) from error

    @contextlib.contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        try:
            with self.path.open("rb") as file:
                yield file
        except OSError as error:
            raise DataError(f"the zip file {self.path} cannot be read: {error}") from error


def _place(member: ZipMember) -> tuple[str, str | None]:
    """The folder of a member, and why it is not an image of a clip; see `fault`."""
    path = member.path
    if path is None or readable(path) != path:
        return "", BAD_NAME
    if path.startswith("/") or "\\" in path or re.match("[A-Za-z]:", path) or ".." in path.split("/"):
        return "", LEADS_OUT
    *folders, name = path.removeprefix("./").split("/")
    if not name or any(map(is_left_out, folders)):
        return "", None
    folder = "/".join(folders) if all(folders) else ""
    reason = fault(folder, name)
    return folder, LINK if reason == "" and member.is_link else reason
