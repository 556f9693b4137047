"""Frames that someone has extracted already: a folder for each clip, in a folder tree or in one zip file.

Nothing is copied or unpacked.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from strmctl.datasets.names import first_of
from strmctl.errors import DataError
from strmctl.frames.in_place.frame_folders import FrameFolder
from strmctl.frames.in_place.frame_zips import FrameZip
from strmctl.frames.in_place.image_headers import MOST_PIXELS, image_header
from strmctl.frames.in_place.image_names import NOT_CHOSEN, natural_order, same_frame
from strmctl.frames.in_place.name_series import (
    NAMED,
    AmbiguousError,
    frames_among,
    one_of_each,
    series_among,
    shortest_label,
)
from strmctl.workers import alive

LISTINGS = 256  # clips whose image names are remembered


@dataclass(frozen=True)
class ClipFrames:
    """What the frames of a clip are like.

    Attributes:
        frames: number of images.
        width: width of the first image, pixels.
        height: height of the first image, pixels.
        sha256: SHA-256 over name, length and content of all images in their order.
        reason: what is wrong with some of the images; empty when all of them can be used together.
    """

    frames: int
    width: int
    height: int
    sha256: str
    reason: str


class ExtractedFrames:
    """The frames below a folder or in a zip file, read only; threads may use it at the same time.

    Attributes:
        path: path of the folder or the zip file.
        pattern: pattern as of a shell, which names of frames must fit; empty: a folder's one series of names.

    Raises:
        DataError: there is neither, or the zip is damaged.
    """

    def __init__(self, path: Path, pattern: str = "") -> None:
        if not (path.is_dir() or path.is_file()):  # reading a pipe would wait for ever
            raise DataError(f"no frames at {path}", "name a folder or a zip file with a folder of images for each clip")
        self.path, self.pattern = path, pattern
        self._source = FrameFolder(path, pattern) if path.is_dir() else FrameZip(path, pattern)
        self._listing = functools.lru_cache(LISTINGS)(self._list)

    def clips(self) -> list[str]:
        """Paths of all folders that hold images, `/`-separated, sorted.

        Raises:
            DataError: the folder cannot be read.
        """
        return sorted(self._source.found.clips)

    def check_pattern(self) -> None:
        """Makes sure that an image fits the pattern, or that there are no images at all.

        Raises:
            DataError: none does, though there are images; or the folder cannot be read.
        """
        others = [path.rpartition("/") for path, reason in self.ignored if reason == NOT_CHOSEN]
        if others and not self.clips():
            folder = others[0][0]
            names = sorted((name for where, _, name in others if where == folder), key=natural_order)
            message = f"no image in {self.path} fits --frames-pattern {self.pattern!r}; {folder} holds "
            pattern = shortest_label(series_among(names))
            raise DataError(
                message + first_of(names, NAMED), f"`--frames-pattern {shlex.quote(pattern)}` fits some of them"
            )

    @property
    def ignored(self) -> list[tuple[str, str]]:
        """Files that were left out, and why: (path, reason), sorted; system files and hidden ones are not named."""
        return sorted(self._source.found.ignored)

    @property
    def ignored_counts(self) -> dict[str, int]:
        """Reason -> number of files that were left out for it; of very many, `ignored` names the first."""
        return dict(self._source.found.counts)

    def images(self, clip: str) -> list[str]:
        """Names of a clip's images in natural order: `9.jpg` before `10.jpg`.

        Raises:
            DataError: there is no such clip, its images are of several series, or two claim to be the same frame.
        """
        with self._naming(clip):
            return list(self._listing(clip))

    def read(self, clip: str, positions: Sequence[int]) -> list[bytes]:
        """Image files of a clip by position, counted from 0.

        Raises:
            DataError: the clip or an image is missing or damaged.
        """
        with self._naming(clip):
            members = list(self._listing(clip).values())
            if beyond := [position for position in positions if not 0 <= position < len(members)]:
                raise DataError(f"there is no frame {beyond[0] + 1} of {len(members)}")
            return list(self._source.contents(clip, [members[position] for position in positions]))

    def describe(self, clip: str) -> ClipFrames:
        """Reads all images of a clip, without decoding them; each is a sign of life, see `strmctl.workers`.

        Raises:
            DataError: none of them can be used; the reason in a few words, without the path.
        """
        listing, digest, faults, first = self._listing(clip), hashlib.sha256(), Counter(), None
        for name, content in zip(listing, self._source.contents(clip, listing.values()), strict=True):
            alive()
            digest.update(f"{name}\n{len(content)}\n".encode() + content)
            header = image_header(content)
            if header is None:
                if content and first is None:
                    raise DataError(f"{name} is neither a JPEG nor a PNG image")
                faults["no images" if content else "empty"] += 1
                continue
            if header.is_huge:
                limit = f"more than {MOST_PIXELS // 10**6} megapixels"
                raise DataError(f"{name} declares {header.size} pixels, {limit}")
            first = first or header
            if header.is_cut_off(content):
                faults["cut off"] += 1
            if header.size != first.size:
                faults[f"not {first.size}: sizes differ"] += 1
        if first is None:
            raise DataError("all images are empty")
        reason = "; ".join(f"{count} of {len(listing)} images are {fault}" for fault, count in faults.items())
        return ClipFrames(len(listing), first.width, first.height, digest.hexdigest(), reason)

    def digest(self, clip: str) -> str:
        """The `sha256` of `describe`.

        Raises:
            DataError: as in `describe`.
        """
        return self.describe(clip).sha256

    @contextlib.contextmanager
    def _naming(self, clip: str) -> Iterator[None]:
        try:
            yield
        except DataError as error:
            raise DataError(f"the frames of clip {clip} in {self.path} cannot be read: {error}", error.hint) from error

    def _list(self, clip: str) -> dict[str, Any]:
        """Image name -> where it lies, in natural order."""
        members = self._source.members(clip)
        if not members:
            raise DataError("there are no images")
        names = sorted(frames_among(members, self.pattern), key=natural_order)
        for first, second in pairwise(names):
            if same_frame(first, second):
                raise AmbiguousError(f"{first} and {second} are the same frame", one_of_each(names))
        return {name: members[name] for name in names}


@functools.lru_cache(4)
def opened(path: Path, pattern: str = "") -> ExtractedFrames:
    """The same object for a path throughout a process: the directory of a zip with millions of members takes seconds.

    Raises:
        DataError: as in `ExtractedFrames`.
    """
    return ExtractedFrames(path, pattern)
