"""Frames that someone has extracted already, in a folder tree: a folder for each clip."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from strmctl.datasets.names import BAD_NAME, SEEN, UNREADABLE, readable
from strmctl.errors import DataError
from strmctl.frames.in_place.image_headers import MOST_BYTES
from strmctl.frames.in_place.image_names import Found, fault

NO_FILE = "not a regular file"


class FrameFolder:
    """Images in a folder tree."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @functools.cached_property
    def found(self) -> Found:
        """Its clips, and what was left out.

        Raises:
            DataError: the folder cannot be read.
        """
        clips, ignored, seen, waiting = [], [], set(), [""]
        while waiting:
            folder = waiting.pop()
            try:
                status = os.stat(self.path / folder)  # noqa: PTH116 - Path.stat is the same, this is in a hot loop
                if (status.st_dev, status.st_ino) in seen:
                    ignored.append((folder, SEEN))
                    continue
                seen.add((status.st_dev, status.st_ino))
                folders, has_images = self._look_into(folder, ignored)
            except OSError as error:
                if not folder:
                    raise DataError(f"the folder {self.path} cannot be read: {error.strerror}") from error
                ignored.append((folder, f"{UNREADABLE}: {error.strerror}"))
                continue
            waiting += sorted(folders, reverse=True)
            clips += [folder] if has_images else []
        return Found(clips, ignored)

    def _look_into(self, folder: str, ignored: list[tuple[str, str]]) -> tuple[list[str], bool]:
        """The folders in a folder, and whether it holds images."""
        folders, has_images = [], False
        with os.scandir(self.path / folder) as entries:
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                reason = fault(folder, entry.name)
                if reason is None:
                    continue
                if reason != BAD_NAME and entry.is_dir():
                    folders.append(path)
                elif reason or not entry.is_file():
                    ignored.append((readable(path), reason or NO_FILE))
                else:
                    has_images = True
        return folders, has_images

    def members(self, clip: str) -> dict[str, str]:
        """The images of a clip: name -> name.

        Raises:
            DataError: there is no such folder, or it cannot be read.
        """
        if any(part in ("", ".", "..") for part in clip.split("/")):
            raise DataError(f"{clip!r} would lead out of the folder")
        try:
            with os.scandir(self.path / clip) as entries:
                return {
                    entry.name: entry.name for entry in entries if fault(clip, entry.name) == "" and entry.is_file()
                }
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
