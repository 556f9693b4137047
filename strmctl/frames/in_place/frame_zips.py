"""Frames that someone has extracted already, in one zip file: a folder for each clip.

Nothing is unpacked. Of a member, only the place of its record in the central directory is kept (8 bytes): a zip of
frames has millions of members.
"""

from __future__ import annotations

import contextlib
import functools
import re
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from strmctl.datasets.names import BAD_NAME, UNFINISHED, is_left_out, is_unfinished, readable
from strmctl.errors import DataError
from strmctl.frames.in_place.image_names import OUTSIDE, Found, fault
from strmctl.frames.in_place.name_series import outside
from strmctl.frames.in_place.zip_records import ZipMember, central_directory, member_content, next_member

LEADS_OUT = "name would lead out of the archive"
LINK = "symbolic link in an archive"


class FrameZip:
    """Images in a zip file, which is opened anew for each clip: no handle to share between threads or processes.

    Attributes:
        path: path of the zip file.
        pattern: pattern that names of frames must fit; empty: any may be one.
        found: its clips, and what was left out.

    Raises:
        DataError: the zip is damaged or cannot be read.
    """

    def __init__(self, path: Path, pattern: str = "") -> None:
        self.path, self.pattern = path, pattern
        self._records: dict[str, array] = {}  # clip -> places of the records of its images
        self.found = Found(self._records.keys())
        clip, images, outsiders = "", [], {}  # the images of one clip mostly lie together
        torn = set()  # clips of which they do not
        with self._opened() as file:
            at, end, self._shift = central_directory(file)  # bytes that someone has put before the zip
            file.seek(at)
            while at < end:
                member = next_member(file)
                folder, name, reason = _place(member, pattern)
                if reason:
                    self.found.ignore(readable(member.raw.decode("utf-8", "replace")), reason)
                elif reason is not None:
                    if folder != clip:
                        outsiders[clip] = outside(images, pattern)
                        clip, images = folder, []
                        torn |= {folder} & self._records.keys()
                    images.append(name)
                    self._records.setdefault(folder, array("Q")).append(at)
                at = file.tell()
        outsiders[clip] = outside(images, pattern)
        outsiders |= {clip: outside(self.members(clip), pattern) for clip in torn}
        for clip, names in sorted(outsiders.items()):
            for name in names:
                self.found.ignore(f"{clip}/{name}", OUTSIDE)

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


def _place(member: ZipMember, pattern: str) -> tuple[str, str, str | None]:
    """The folder and the name of a member, and why it is not an image of a clip; see `fault`."""
    path = member.path
    if path is None or readable(path) != path:
        return "", "", BAD_NAME
    if path.startswith("/") or "\\" in path or re.match("[A-Za-z]:", path) or ".." in path.split("/"):
        return "", "", LEADS_OUT
    folder, _, name = path.removeprefix("./").rpartition("/")
    reason = _fault_of_folder(folder) if name else None
    if reason == "":
        folder = folder if all(folder.split("/")) else ""
        reason = fault(folder, name, pattern)
    return folder, name, LINK if reason == "" and member.is_link else reason


@functools.lru_cache(256)  # the members of a folder mostly lie together
def _fault_of_folder(folder: str) -> str | None:
    """Why no image in a folder is one of a clip, as `fault` says it."""
    names = folder.split("/")
    if any(map(is_left_out, names)):
        return None
    return UNFINISHED if any(map(is_unfinished, names)) else ""
