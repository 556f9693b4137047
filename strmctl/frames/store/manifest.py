"""A row per clip of a frame store, with what it holds or why it holds nothing: the manifest, and the journal before it.

`prepare` adds the row of each finished clip to the journal, and writes the manifest when all clips are done.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, TextIO

from strmctl.datasets.splits import SUBSETS
from strmctl.errors import DataError
from strmctl.frames.store.clip_zip import leads_out
from strmctl.frames.store.settings import known_settings, prepare_command
from strmctl.paths import write_csv

MANIFEST = "manifest.csv"
JOURNAL = "manifest.journal.jsonl"
STORED = ("ok", "short")  # status of a clip with frames
DIGEST = re.compile("[0-9a-f]{64}")
LARGEST = 1 << 62  # no number of a row is as large
FEWEST_FRAMES = 8  # a clip with fewer is kept but never sampled


@dataclass(frozen=True)
class ClipRow:
    """One clip of a store, a row of its manifest.

    Attributes:
        clip: id; the frames lie in `frames/<clip>.zip`.
        cls: class; empty without classes. The column is called `class`.
        subset: `train`, `val`, `test`, or empty without a split.
        group: what clips cut from the same source video share.
        frames: number of stored frames.
        width: width of the original after rotation, pixels.
        height: height of the original after rotation, pixels.
        fps: frames per second of the original; 0 when unknown.
        source: path of the original below the video folder.
        target: where the original really lies when a symbolic link leads there; else empty.
        bytes: size of the original file; 0 for a folder of frames.
        decoder: program and version that decoded it.
        status: `ok`; `short`: fewer than 8 frames, kept but never sampled; `failed`: no frames.
        reason: why it failed, or what is odd about it.
        sha256: SHA-256 of the zip; empty when there is none.
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
KINDS = [{"int": int, "float": float, "str": str}[field.type] for field in fields(ClipRow)]


def subset_rank(subset: str) -> int:
    """Where a subset stands in lists; clips without one come last."""
    return SUBSETS.index(subset) if subset in SUBSETS else len(SUBSETS)


def write_manifest(folder: Path, rows: Iterable[ClipRow]) -> None:
    """Writes the manifest, sorted by clip id."""
    write_csv(folder / MANIFEST, COLUMNS, map(astuple, sorted(rows, key=lambda row: row.clip)))


def read_manifest(folder: Path, mend: str = "") -> list[ClipRow]:
    """The rows of a manifest; none when there is no manifest. `mend` is as for `read_settings`.

    Raises:
        DataError: the file cannot be read or is damaged.
    """
    return read_hashed_manifest(folder, mend)[0]


def read_hashed_manifest(folder: Path, mend: str = "") -> tuple[list[ClipRow], str]:
    """The rows of a manifest and its SHA-256, of the same moment; as `read_manifest`."""
    path = folder / MANIFEST
    mend = mend or f"run `{prepare_command(folder, known_settings(folder))} --redo`"
    try:
        content = path.read_bytes()
        header, *lines = list(csv.reader(io.StringIO(content.decode(), newline=""))) or [[]]
        if header != COLUMNS:
            raise ValueError(f"its columns are not {', '.join(COLUMNS)}")
        if not content.endswith(b"\n"):
            raise ValueError("its last line is cut")
        rows = list(map(_row, lines))
        if len({row.clip for row in rows}) < len(rows):
            raise ValueError("a clip stands twice")
        return rows, hashlib.sha256(content).hexdigest()
    except FileNotFoundError:
        return [], ""
    except OSError as error:
        raise DataError(f"the manifest {path} cannot be read: {error.strerror}", mend) from error
    except (ValueError, csv.Error) as error:  # a UnicodeDecodeError is a ValueError
        raise DataError(f"the manifest {path} is damaged: {error}", mend) from error


@contextlib.contextmanager
def writing_journal(path: Path) -> Iterator[Callable[[ClipRow], None]]:
    """Opens a journal, of which all lines stay; gives a function that adds a row, which is then on disk."""
    file = path.open("a", encoding="utf-8", newline="\n")
    try:
        add_line(file, "")  # ends a line that a kill or a full disk may have cut
        yield lambda row: add_line(file, json.dumps(astuple(row), ensure_ascii=False))
    finally:
        with contextlib.suppress(OSError):  # a full disk; the error that led here says so
            file.close()


def add_line(file: TextIO, line: str) -> None:
    """Adds a line to a file at once."""
    file.write(f"{line}\n")
    file.flush()


def read_journal(path: Path) -> dict[str, ClipRow]:
    """The rows of a journal by clip id, the last of each; none when there is no journal."""
    rows: dict[str, ClipRow] = {}
    with contextlib.suppress(FileNotFoundError):
        # `splitlines` would also split at characters that names may hold
        for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
            with contextlib.suppress(ValueError, TypeError, ArithmeticError, RecursionError):  # cut by a kill, say
                row = _row(json.loads(line))
                rows[row.clip] = row
    return rows


def _row(values: Sequence[Any]) -> ClipRow:
    """A row from its values in the order of the columns, as text or typed.

    Raises:
        ValueError: text stands where a number belongs, a value can be of no clip, or there are too few or too many.
        TypeError: a value is of another kind.
    """
    row = ClipRow(*[kind(value) for kind, value in zip(KINDS, values, strict=True)])
    if row.status not in (*STORED, "failed") or row.subset not in (*SUBSETS, ""):
        raise ValueError(f"clip {row.clip} has status {row.status!r} and subset {row.subset!r}")
    numbers = (row.frames, row.width, row.height, row.bytes)
    if not (min(numbers) >= 0 and max(numbers) < LARGEST and 0 <= row.fps < math.inf):
        raise ValueError(f"clip {row.clip} has a number below zero, or one that is beyond all bounds")
    if row.status != ("failed" if row.frames == 0 else "ok" if row.frames >= FEWEST_FRAMES else "short"):
        raise ValueError(f"clip {row.clip} has status {row.status} and {row.frames} frames")
    if not DIGEST.fullmatch(row.sha256) if row.frames else row.sha256:
        raise ValueError(f"clip {row.clip} has no valid SHA-256: {row.sha256!r:.70}")
    if leads_out(row.clip) or leads_out(row.source):
        raise ValueError(f"clip {row.clip!r}, source {row.source!r}, would lead out of the store or of the videos")
    return row
