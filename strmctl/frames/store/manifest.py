"""The manifest of a frame store: a row per clip, with what it holds or why it holds nothing."""

from __future__ import annotations

import contextlib
import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, TextIO

from strmctl.errors import DataError
from strmctl.frames.store.settings import prepare_command, read_settings
from strmctl.paths import write_csv

STORED = ("ok", "short")  # what the status of a clip with frames may be
FEWEST_FRAMES = 8  # a clip with fewer is kept but never sampled
MANIFEST = "manifest.csv"


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
        target: where the original really lies when a symbolic link leads there; else empty.
        bytes: size of the original file; 0 for a folder of frames.
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
    target: str
    bytes: int
    decoder: str
    status: str
    reason: str
    sha256: str


COLUMNS = ["class" if field.name == "cls" else field.name for field in fields(ClipRow)]


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


def _redo(folder: Path) -> str:
    return f"run `{prepare_command(folder, read_settings(folder))} --redo`"


class Journal:
    """Lines that are added to a file, each of them on disk before the next clip is waited for."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        file.write("\n")  # ends a line that a kill or a full disk may have cut
        file.flush()

    def add(self, row: ClipRow) -> None:
        """Adds the row of a finished clip."""
        self._file.write(json.dumps(astuple(row), ensure_ascii=False) + "\n")
        self._file.flush()


@contextlib.contextmanager
def writing_journal(path: Path) -> Iterator[Journal]:
    """Opens a journal; what it holds stays."""
    file = path.open("a", encoding="utf-8", newline="\n")
    try:
        yield Journal(file)
    finally:
        with contextlib.suppress(OSError):  # a full disk; the error that led here says so
            file.close()


def read_journal(path: Path) -> dict[str, ClipRow]:
    """The rows of a journal by clip id, the last of each; none when there is no journal."""
    rows: dict[str, ClipRow] = {}
    with contextlib.suppress(FileNotFoundError):
        # `splitlines` would split at what a name may hold
        for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
            with contextlib.suppress(ValueError, TypeError):  # the line that a kill cut
                row = row_from_values(json.loads(line))
                rows[row.clip] = row
    return rows
