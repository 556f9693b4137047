"""The frames of a clip as one uncompressed zip of JPEG images, whose bytes depend on nothing but the frames."""

from __future__ import annotations

import contextlib
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from strmctl.errors import DataError, OutputError
from strmctl.paths import replacing
from strmctl.provenance import sha256_of

FRAMES = "frames"  # folder of the zips


def member_name(position: int) -> str:
    """Name of a frame in its zip; `position` counts from 0, names from 00001."""
    return f"{position + 1:05d}.jpg"


def leads_out(name: str) -> bool:
    """Whether a path below a folder would lead out of it, or has an empty part."""
    return not {"", ".", ".."}.isdisjoint(name.split("/"))


def archive_path(folder: Path, clip: str) -> Path:
    """Where the frames of a clip lie. What Windows forbids in file names is written as `%` and its code.

    Raises:
        DataError: the id would lead out of the store.
    """
    if leads_out(clip):
        raise DataError(f"{clip!r} is not a clip id: it would lead out of the store")
    parts = clip.split("/")
    safe = [re.sub(r'[<>:"|?*\\%\x00-\x1f]', lambda match: f"%{ord(match[0]):02X}", part) for part in parts]
    return folder.joinpath(FRAMES, *safe[:-1], f"{safe[-1]}.zip")


def frames_in(path: Path) -> int:
    """Number of frames in a zip; 0 for a file that is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            return len(archive.infolist())
    except Exception:  # of bytes that are no zip, zipfile raises a dozen kinds of errors
        return 0


def check_no_links(store: Path, path: Path) -> None:
    """Makes sure that no symbolic link lies between a store and a path below it: it may lead anywhere.

    Raises:
        OutputError: the path or a folder above it is one.
    """
    while path != store:
        if path.is_symlink():
            raise OutputError(
                f"{path} is a symbolic link to {path.readlink()}: nothing is written through it",
                f"remove it; to keep frames on another disk, let `--data` name a folder there ({FRAMES}/ stays plain)",
            )
        path = path.parent


class ArchiveWriter:
    """Adds frames to a zip; the same frames give the same bytes at any time and on any machine.

    Attributes:
        frames: number of frames so far.
        sha256: SHA-256 of the finished file; empty before.
    """

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.frames = 0
        self.sha256 = ""

    def add(self, jpeg: bytes) -> None:
        """Adds the next frame."""
        entry = zipfile.ZipInfo(member_name(self.frames), date_time=(1980, 1, 1, 0, 0, 0))
        entry.create_system = 3  # the default differs between Windows and the rest
        entry.external_attr = 0o644 << 16
        self._archive.writestr(entry, jpeg)
        self.frames += 1


@contextlib.contextmanager
def writing_archive(path: Path, *, via: Path | None = None) -> Iterator[ArchiveWriter]:
    """Gives a writer; the zip takes its place when the block ends well, and leaves no trace when it does not.

    Args:
        path: path of the zip.
        via: folder that the zip is written in until it is whole; None: the one that it will lie in.
    """
    with replacing(path, via=via) as temporary:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            writer = ArchiveWriter(archive)
            yield writer
        writer.sha256 = sha256_of(temporary)
