"""Frames that someone has extracted already, in a folder tree: a folder for each clip."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from strmctl.datasets.names import BAD_NAME, SEEN, UNFINISHED, UNREADABLE, readable
from strmctl.errors import DataError
from strmctl.frames.in_place.image_headers import MOST_BYTES
from strmctl.frames.in_place.image_names import OUTSIDE, Found, fault
from strmctl.frames.in_place.name_series import outside

NO_FILE = "not a regular file"


class FrameFolder:
    """Images in a folder tree; with a pattern, those that it fits."""

    def __init__(self, path: Path, pattern: str = "") -> None:
        self.path, self.pattern = path, pattern

    @functools.cached_property
    def found(self) -> Found:
        """Its clips, and what was left out.

        Raises:
            DataError: the folder cannot be read.
        """
        found, seen, waiting = Found([]), set(), [""]
        while waiting:
            folder = waiting.pop()
            try:
                status = os.stat(self.path / folder)  # noqa: PTH116 - Path.stat is the same, this is in a hot loop
                if (status.st_dev, status.st_ino) in seen:
                    found.ignore(folder, SEEN)
                    continue
                seen.add((status.st_dev, status.st_ino))
                folders, images = self._look_into(folder, found)
            except OSError as error:
                if not folder:
                    raise DataError(f"the folder {self.path} cannot be read: {error.strerror}") from error
                found.ignore(folder, f"{UNREADABLE}: {error.strerror}")
                continue
            waiting += sorted(folders, reverse=True)
            found.clips += [folder] if images else []
            for name in outside(images, self.pattern):
                found.ignore(f"{folder}/{name}", OUTSIDE)
        return found

    def _look_into(self, folder: str, found: Found) -> tuple[list[str], list[str]]:
        """The folders in a folder, and its images."""
        folders, images = [], []
        with os.scandir(self.path / folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                path = f"{folder}/{entry.name}" if folder else entry.name
                reason = fault(folder, entry.name, self.pattern)
                if reason is None:
                    continue
                if reason not in (BAD_NAME, UNFINISHED) and entry.is_dir():
                    folders.append(path)
                elif reason or not entry.is_file():
                    found.ignore(readable(path), reason or NO_FILE)
                else:
                    images.append(entry.name)
        return folders, images

    def members(self, clip: str) -> dict[str, str]:
        """The images of a clip: name -> name.

        Raises:
            DataError: there is no such folder, or it cannot be read.
        """
        if any(part in ("", ".", "..") for part in clip.split("/")):
            raise DataError(f"{clip!r} would lead out of the folder")
        try:
            with os.scandir(self.path / clip) as entries:
                images = (entry for entry in entries if fault(clip, entry.name, self.pattern) == "")
                return {entry.name: entry.name for entry in images if entry.is_file()}
        except OSError as error:
            raise DataError(f"its folder cannot be read: {error.strerror}") from error

    def contents(self, clip: str, names: Iterable[str]) -> Iterator[bytes]:
        """The image files, one at a time.

        Raises:
            DataError: one is missing or too large.
        """
        for name in names:
            try:
                with (self.path / clip / name).open("rb") as file:
                    if os.fstat(file.fileno()).st_size > MOST_BYTES:
                        raise DataError(f"{name} has more than {MOST_BYTES >> 20} MB")
                    content = file.read()
            except OSError as error:
                raise DataError(f"{name} cannot be read: {error.strerror}") from error
            yield content
