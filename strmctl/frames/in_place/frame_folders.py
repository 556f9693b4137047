"""Frames that someone has extracted already, in a folder tree: a folder for each clip."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from strmctl.datasets.names import BAD_NAME, readable
from strmctl.errors import DataError
from strmctl.frames.in_place.frame_names import MOST_BYTES, NO_CLIP_FOLDER, NOT_AN_IMAGE, Found, image_stem, is_left_out

SEEN = "link to a folder that is read under another name"
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
        found, seen, waiting = Found([], []), set(), [""]
        while waiting:
            folder = waiting.pop()
            try:
                status = os.stat(self.path / folder)  # noqa: PTH116 - Path.stat is the same, this is in a hot loop
                if (status.st_dev, status.st_ino) in seen:
                    found.ignored.append((folder, SEEN))
                    continue
                seen.add((status.st_dev, status.st_ino))
                folders, images = self._walk(folder, found.ignored)
            except OSError as error:
                if not folder:
                    raise DataError(f"the folder {self.path} cannot be read: {error.strerror}") from error
                found.ignored.append((folder, f"cannot be read: {error.strerror}"))
                continue
            waiting += sorted(folders, reverse=True)
            if images and folder:
                found.clips.append(folder)
        return found

    def _walk(self, folder: str, ignored: list[tuple[str, str]]) -> tuple[list[str], int]:
        """Folders in a folder, and how many images."""
        folders, images = [], 0
        with os.scandir(self.path / folder) as entries:
            for entry in entries:
                if is_left_out(entry.name):
                    continue
                path = f"{folder}/{entry.name}" if folder else entry.name
                if readable(entry.name) != entry.name:
                    ignored.append((readable(path), BAD_NAME))
                elif entry.is_dir():
                    folders.append(path)
                elif not image_stem(entry.name):
                    ignored.append((path, NOT_AN_IMAGE))
                elif not folder or not entry.is_file():
                    ignored.append((path, NO_CLIP_FOLDER if not folder else NO_FILE))
                else:
                    images += 1
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
                return {entry.name: entry.name for entry in entries if _is_image(entry.name) and entry.is_file()}
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


def _is_image(name: str) -> bool:
    return bool(image_stem(name)) and not is_left_out(name) and readable(name) == name
