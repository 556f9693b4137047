"""The journal of a run: a line per finished clip, so that a killed run goes on where it was."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path
from typing import TextIO

from strmctl.data.manifest import ClipRow, row_from_values


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
