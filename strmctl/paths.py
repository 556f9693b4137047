"""Where things lie: shipped files, data sets, runs; and how a file is written so that a kill leaves no half of it."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parent


def shipped(*parts: str) -> Path:
    """A file or folder that comes with the tool, such as `shipped("recipes", "sprites.yaml")`.

    A wheel holds `recipes/`, `splits/` and `reports/` inside the package; a source tree holds them beside it.
    """
    inside = PACKAGE.joinpath(*parts)
    return inside if inside.exists() else PACKAGE.parent.joinpath(*parts)


@contextlib.contextmanager
def replacing(path: Path, *, via: Path | None = None) -> Iterator[Path]:
    """Gives a temporary name; what was written there takes the place of `path` when the block ends well.

    Args:
        path: the file to write; a symbolic link there is replaced, never followed.
        via: folder of the temporary file, on the same disk; None: that of `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if via is not None:
        via.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=via or path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        if error.filename is None or Path(error.filename) == temporary:  # a full disk names no file
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def alone(path: Path, *, wait: bool = True, shared: bool = False) -> Iterator[None]:
    """Holds other processes off; the system lets go of the lock when this one dies.

    Args:
        path: of a file that stands for the lock; who holds it alone may remove it.
        wait: for another process to end; else it is an error.
        shared: hold off only those that want to be alone.

    Raises:
        BlockingIOError: another process holds the lock, and this one is not to wait.
    """
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = path.open("w", encoding="utf-8")
        except FileNotFoundError:  # its folder was removed in this moment
            continue
        with file:
            try:
                import fcntl

                fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                raise
            except (ImportError, OSError):  # systems and disks that have no such locks
                pass
            else:
                if not _is_open(path, file.fileno()):  # who held it has removed it: the lock is another file now
                    continue
            yield
            return


def _is_open(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def write_text(path: Path, text: str) -> None:
    """Writes a whole text file at once, UTF-8, with `\\n` line ends."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, document: Any) -> None:
    """Writes a JSON document at once, indented."""
    write_text(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def write_csv(path: Path, columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Writes a table at once, with a header."""
    write_text(path, csv_text(columns, rows))


def csv_text(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """A table with a header as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
