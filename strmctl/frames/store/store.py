"""The frame store: one uncompressed zip of JPEG frames per clip, and a manifest that says what each holds.

There is one file per clip, not one per frame: millions of small files are slow to copy and to list.
"""

from __future__ import annotations

import functools
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from strmctl.datasets.catalogue import DATA_SETS
from strmctl.errors import DataError, did_you_mean
from strmctl.frames.in_place.extracted import ExtractedFrames, opened
from strmctl.frames.store.clip_zip import archive_path, member_name
from strmctl.frames.store.manifest import MANIFEST, ClipRow, read_hashed_manifest
from strmctl.frames.store.settings import SETTINGS, known_settings, prepare_command, read_settings
from strmctl.frames.store.shards import shards_in, unfinished
from strmctl.paths import names_in
from strmctl.provenance import sha256_of


class FrameStore:
    """The frames of one data set, read only.

    Attributes:
        folder: folder of the store.
        name: name of that folder.
        settings: what `store.json` says: dataset, title, size, quality, frames, classes of each subset, and under
            `request` the folders and files that it was made from.
        rows: one per clip, sorted by id.
        by_id: the same rows by clip id.
        manifest_sha256: SHA-256 of the manifest; stores with the same one hold the same frames.

    Example:
        >>> store = strmctl.FrameStore.open(Path("data"), "mine")
        >>> store.clips("val")
        {'sit': ['sit/0', 'sit/1', 'sit/2'], 'stand': ['stand/0', 'stand/1', 'stand/2']}
    """

    def __init__(self, folder: Path, settings: dict[str, Any], rows: list[ClipRow], manifest_sha256: str) -> None:
        self.folder, self.settings, self.rows, self.manifest_sha256 = folder, settings, rows, manifest_sha256
        self.name = folder.name
        self.by_id = {row.clip: row for row in rows}

    @classmethod
    def open(cls, data_dir: Path, name: str) -> FrameStore:
        """Opens `<data_dir>/<name>`.

        Raises:
            DataError: it is missing, unfinished or damaged; the hint is the command that mends it.
        """
        folder = data_dir / name
        settings = read_settings(folder)
        mend = prepare_command(folder, settings)
        if not (folder / MANIFEST).exists():
            if shards := shards_in(folder):
                waiting = unfinished(folder)
                state = f"waits for its shards {', '.join(waiting)}" if waiting else "is not merged"
                then = "when they are done, " if waiting else ""
                hint = f"{then}run `{prepare_command(folder, known_settings(shards[0].folder))} --merge`"
                raise DataError(f"the frame store {folder} {state}", hint)
            if settings or folder.exists() or name in DATA_SETS:
                state = "is not finished" if folder.exists() else "does not exist"
                raise DataError(f"the frame store {folder} {state}", f"run `{mend}`")
            here = cls.names(data_dir)
            hint = f"{did_you_mean(here, name)}frame stores here: {', '.join(here) or 'none yet'}; to make it: `{mend}`"
            raise DataError(f"the frame store {folder} does not exist", hint)
        if not settings:
            raise DataError(f"the frame store {folder} has no {SETTINGS}", f"run `{mend} --redo`")
        return cls(folder, settings, *read_hashed_manifest(folder))

    @staticmethod
    def names(data_dir: Path) -> list[str]:
        """The finished frame stores in a data folder."""
        return [name for name in names_in(data_dir) if os.path.exists(data_dir / name / MANIFEST)]  # noqa: PTH110 - false for a folder that is not for us

    @property
    def display_name(self) -> str:
        """What results call it, such as `kinetics100 (all clips)`."""
        return self.settings.get("display_name", self.name)

    @property
    def prepare_command(self) -> str:
        """The command that made it and that mends it."""
        return prepare_command(self.folder, self.settings)

    @property
    def keeps_all(self) -> bool:
        """Whether all frames of each video are stored, one after the other."""
        return not self.settings.get("frames_from") and self.settings.get("frames", "all") == "all"

    @property
    def groups(self) -> dict[str, str]:
        """Clip id -> what clips cut from the same source video share; a clip without a group is its own."""
        return {row.clip: row.group or row.clip for row in self.rows}

    def clips(self, subset: str) -> dict[str, list[str]]:
        """Class -> ids of the clips of a subset that can be sampled, all sorted."""
        result: dict[str, list[str]] = {}
        for row in self.rows:
            if row.subset == subset and row.status == "ok":
                result.setdefault(row.cls, []).append(row.clip)
        return {cls: sorted(result[cls]) for cls in sorted(result)}

    def read(self, clip: str, positions: Sequence[int]) -> list[bytes]:
        """Images of a clip (JPEG, or PNG where frames lie elsewhere) by position, counted from 0; safe for threads.

        Raises:
            DataError: the clip or a frame is missing or damaged.
        """
        try:
            frames = self.by_id[clip].frames
            if self._elsewhere is not None:
                source = self.by_id[clip].source
                _check_count(len(self._elsewhere.images(source)), frames)
                return self._elsewhere.read(source, positions)
            with zipfile.ZipFile(archive_path(self.folder, clip)) as archive:
                _check_count(len(archive.infolist()), frames)
                return [archive.read(member_name(position)) for position in positions]
        except (DataError, UnicodeEncodeError):  # a name that this locale cannot write
            raise
        except Exception as error:  # of bytes that are no zip, zipfile raises a dozen kinds of errors
            message = f"the frames of clip {clip} in {self.folder} are missing or damaged: {error}"
            raise DataError(message, f"`{self.prepare_command}` extracts them again") from error

    def digest(self, clip: str) -> str:
        """SHA-256 of a clip's frames as they are on disk; it equals the manifest's when they are intact.

        Raises:
            OSError: they cannot be read.
        """
        if self._elsewhere is not None:
            return self._elsewhere.digest(self.by_id[clip].source)
        return sha256_of(archive_path(self.folder, clip))

    @functools.cached_property
    def _elsewhere(self) -> ExtractedFrames | None:
        """Frames that somebody has extracted and that are used where they lie."""
        path = self.settings.get("frames_from")
        return opened(Path(path), self.settings.get("frames_pattern") or "") if path else None


def _check_count(found: int, expected: int) -> None:
    if found != expected:
        raise ValueError(f"there are {found} frames, and the manifest says {expected}")
