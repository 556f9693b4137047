"""The frame store: one uncompressed zip of JPEG frames per clip, and a manifest that says what each holds.

One file per clip, not one per frame: file systems and copying tools suffer under millions of small files.
"""

from __future__ import annotations

import contextlib
import csv
import json
import re
import shlex
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from strmctl.data.datasets import DATA_SETS, DataSet
from strmctl.errors import DataError
from strmctl.paths import replacing, write_csv, write_json
from strmctl.provenance import sha256_of

SCHEMA = 1
STORED = ("ok", "short")  # what the status of a clip with frames may be
FEWEST_FRAMES = 8  # a clip with fewer is kept but never sampled
MANIFEST, SETTINGS, FRAMES = "manifest.csv", "store.json", "frames"
ASKED = ("videos", "annotations", "list", "split")  # options of `prepare` that name a folder or a file
DEFAULTS = {"quality": 90, "frames": "all", "seed": 0}  # of `prepare`, for what the settings say


@dataclass(frozen=True)
class ClipRow:
    """One clip of a store, a row of its manifest.

    Attributes:
        clip: id; the frames lie in `frames/<clip>.zip`.
        cls: class; empty without classes. The column is called `class`.
        subset: `train`, `val`, `test`, or empty without a split.
        group: what clips cut from the same source video share.
        frames: stored frames.
        width: pixels of the original, after rotation.
        height: pixels of the original, after rotation.
        fps: frames per second of the original; 0 when unknown.
        source: path of the original below the video folder.
        decoder: program and version that decoded it.
        status: `ok`; `short`: fewer than 8 frames, kept but never sampled; `failed`: no frames.
        reason: why it failed, or what is odd about it.
        sha256: of the zip; empty when there is none.
    """

    clip: str
    cls: str
    subset: str
    group: str
    frames: int
    width: int
    height: int
    fps: float
    source: str
    decoder: str
    status: str
    reason: str
    sha256: str


COLUMNS = ["class" if field.name == "cls" else field.name for field in fields(ClipRow)]


class FrameStore:
    """The frames of one data set, read only.

    Attributes:
        name: of its folder below the data folder.
        settings: what `store.json` says: dataset, title, size, quality, frames, classes of each subset, and under
            `request` the folders and files that it was made from.
        rows: one per clip, sorted by id.
        by_id: the same by clip id.
        manifest_sha256: of the manifest; two stores with the same one hold the same frames.
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
        if not (folder / MANIFEST).is_file():
            state = "is not finished" if settings else "does not exist"
            raise DataError(f"the frame store {folder} {state}", f"run `{mend}`")
        if not settings:
            raise DataError(f"the frame store {folder} has no readable {SETTINGS}", f"run `{mend} --redo`")
        return cls(folder, settings, read_manifest(folder), sha256_of(folder / MANIFEST))

    @staticmethod
    def names(data_dir: Path) -> list[str]:
        """The finished frame stores in a data folder."""
        return sorted(path.parent.name for path in data_dir.glob(f"*/{MANIFEST}"))

    @property
    def display_name(self) -> str:
        """What results call it, such as `kinetics100 (all clips)`."""
        return self.settings.get("display_name", self.name)

    @property
    def prepare_command(self) -> str:
        """The command that made it and that mends it."""
        return prepare_command(self.folder, self.settings)

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
        """JPEG images of a clip's frames by position, counted from 0; threads may call it at the same time.

        Raises:
            DataError: the clip or a frame is missing or damaged.
        """
        try:
            with zipfile.ZipFile(archive_path(self.folder, clip)) as archive:
                return [archive.read(member_name(position)) for position in positions]
        except (OSError, KeyError, EOFError, zipfile.BadZipFile) as error:
            message = f"the frames of clip {clip} in {self.folder} are missing or damaged: {error}"
            raise DataError(message, f"`{self.prepare_command}` extracts them again") from error


def prepare_command(folder: Path, settings: dict[str, Any]) -> str:
    """The command that makes or mends a store, with every option that differs from its default."""
    dataset, name, asked = settings.get("dataset", folder.name), folder.name, settings.get("request", {})
    known = DATA_SETS.get(dataset)
    values = {
        "--name": name if known is None or name != dataset else None,
        "--data": folder.parent if folder.parent != Path("data") else None,
        **{f"--{option}": asked.get(option) for option in ASKED},
        **{f"--{option}": _unless(default, settings.get(option)) for option, default in DEFAULTS.items()},
        "--size": _unless(str(known.size if known else DataSet.size), settings.get("size")),
    }
    words = ["strmctl", "prepare", dataset if known else asked.get("folder", "FOLDER")]
    for option, value in values.items():
        words += [option, str(value)] if value is not None else []
    return shlex.join([*words, "--flat"] if asked.get("flat") else words)


def _unless(default: Any, value: Any) -> Any:
    return None if value == default else value


def member_name(position: int) -> str:
    """Name of a frame in its zip; `position` counts from 0, names from 00001."""
    return f"{position + 1:05d}.jpg"


def archive_path(folder: Path, clip: str) -> Path:
    """Where the frames of a clip lie. What Windows forbids in file names is written as `%` and its code.

    Raises:
        DataError: the id would lead out of the store.
    """
    parts = clip.split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise DataError(f"{clip!r} is not a clip id: it would lead out of the store")
    safe = [re.sub(r'[<>:"|?*\\%\x00-\x1f]', lambda match: f"%{ord(match[0]):02X}", part) for part in parts]
    return folder.joinpath(FRAMES, *safe[:-1], f"{safe[-1]}.zip")


class ArchiveWriter:
    """Adds frames to a zip; the same frames give the same bytes at any time and on any machine."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.frames = 0
        self.sha256 = ""  # of the finished file

    def add(self, jpeg: bytes) -> None:
        """Adds the next frame."""
        entry = zipfile.ZipInfo(member_name(self.frames), date_time=(1980, 1, 1, 0, 0, 0))
        entry.create_system = 3  # the default differs between Windows and the rest
        entry.external_attr = 0o644 << 16
        self._archive.writestr(entry, jpeg)
        self.frames += 1


@contextlib.contextmanager
def writing_archive(path: Path) -> Iterator[ArchiveWriter]:
    """Gives a writer; the zip takes its place when the block ends well, and leaves no trace when it does not."""
    with replacing(path) as temporary:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            writer = ArchiveWriter(archive)
            yield writer
        writer.sha256 = sha256_of(temporary)


def write_manifest(folder: Path, rows: Iterable[ClipRow]) -> None:
    """Writes the manifest, sorted by clip id."""
    write_csv(folder / MANIFEST, COLUMNS, map(astuple, sorted(rows, key=lambda row: row.clip)))


def read_manifest(folder: Path) -> list[ClipRow]:
    """The rows of a manifest; none when there is no manifest.

    Raises:
        DataError: the file is damaged.
    """
    path = folder / MANIFEST
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *lines = list(csv.reader(file)) or [[]]
    except FileNotFoundError:
        return []
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"the manifest {path} is damaged: {error}", _redo(folder)) from error
    if header != COLUMNS:
        raise DataError(f"the manifest {path} has other columns than {', '.join(COLUMNS)}", _redo(folder))
    try:
        return [row_from_values(line) for line in lines]
    except (ValueError, TypeError) as error:
        raise DataError(f"the manifest {path} is damaged: {error}", _redo(folder)) from error


def row_from_values(values: Sequence[Any]) -> ClipRow:
    """A row from its values in the order of the columns, as text or typed.

    Raises:
        ValueError: a number is none, or values are missing.
    """
    kinds = {"int": int, "float": float, "str": str}
    return ClipRow(*[kinds[field.type](value) for field, value in zip(fields(ClipRow), values, strict=True)])


def read_settings(folder: Path) -> dict[str, Any]:
    """What `store.json` says; empty when it is missing or damaged."""
    try:
        content = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def write_settings(folder: Path, settings: dict[str, Any]) -> None:
    """Writes `store.json`."""
    write_json(folder / SETTINGS, {"schema": SCHEMA, **settings})


def _redo(folder: Path) -> str:
    return f"run `{prepare_command(folder, read_settings(folder))} --redo`"
