"""Frames that someone has extracted already, in one zip file: a folder for each clip.

Nothing is unpacked. Of a member, only the place of its record in the central directory is kept (8 bytes): a zip of
frames has millions of members.
"""

from __future__ import annotations

import contextlib
import re
import threading
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from strmctl.datasets.names import BAD_NAME, readable
from strmctl.errors import DataError
from strmctl.frames.in_place.frame_names import NO_CLIP_FOLDER, NOT_AN_IMAGE, Found, image_stem, is_left_out
from strmctl.frames.in_place.zip_records import ZipMember, central_directory, member_content, next_member

LEADS_OUT = "name would lead out of the archive"
LINK = "symbolic link in an archive"


class FrameZip:
    """Images in a zip file, which is opened anew for each clip: no handle to share between threads or processes."""

    def __init__(self, path: Path) -> None:
        self.path, self._lock = path, threading.Lock()
        self._found: Found | None = None
        self._shift = 0  # bytes that someone has put before the zip

    @property
    def found(self) -> Found:
        """Its clips, with the places of their records, and what was left out.

        Raises:
            DataError: the zip is damaged or cannot be read.
        """
        with self._lock:
            self._found = self._found or self._read_directory()
            return self._found

    def _read_directory(self) -> Found:
        found = Found({}, [])
        with self._opened() as file:
            at, end, self._shift = central_directory(file)
            file.seek(at)
            while at < end:
                member = next_member(file)
                folder, reason = _place(member)
                if reason:
                    found.ignored.append((readable(member.raw.decode("utf-8", "replace")), reason))
                elif folder:
                    if folder not in found.clips:
                        found.clips[folder] = array("Q")
                    found.clips[folder].append(at)
                at = file.tell()
        return found

    def members(self, clip: str) -> dict[str, ZipMember]:
        """The images of a clip: name -> record; of two of the same name the last, as programs that unpack do.

        Raises:
            DataError: the zip is damaged or cannot be read.
        """
        with self._opened() as file:
            result = {}
            for at in self.found.clips.get(clip, ()):
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


def _place(member: ZipMember) -> tuple[str, str]:
    """Folder of a member that is an image, and why it is left out; neither when nobody needs to know."""
    path = member.path
    if path is None or readable(path) != path:
        return "", BAD_NAME
    if path.startswith("/") or "\\" in path or re.match("[A-Za-z]:", path) or ".." in path.split("/"):
        return "", LEADS_OUT
    *folders, name = path.removeprefix("./").split("/")
    if not name or any(map(is_left_out, (*folders, name))):
        return "", ""
    if not image_stem(name):
        return "", NOT_AN_IMAGE
    if member.is_link:
        return "", LINK
    return ("/".join(folders), "") if all(folders) and folders else ("", NO_CLIP_FOLDER)
