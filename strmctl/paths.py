"""Shipped files, locks, and files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import csv
import errno
import io
import json
import os
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from strmctl.errors import DataError, Note, UsageError

PACKAGE = Path(__file__).resolve().parent


def shipped(*parts: str) -> Path:
    """A file or folder that comes with the tool, such as `shipped("recipes", "sprites.yaml")`.

    A wheel holds `recipes/`, `splits/` and `reports/` inside the package; a source tree holds them beside it.
    """
    inside = PACKAGE.joinpath(*parts)
    return inside if inside.exists() else PACKAGE.parent.joinpath(*parts)


def with_home(path: str) -> str:
    """A path in which `~` or `~user` at the beginning is spelled out, as a shell does; `--data=~/x` hides it from one.

    Raises:
        UsageError: there is no such user, or no path can look like this.
    """
    if "\0" in path:  # from a recipe; no shell passes it on
        raise UsageError(f"{path!r} is no path: it holds a NUL")
    spelled = os.path.expanduser(path)  # noqa: PTH111 - where a Path raises, this says nothing
    if spelled.startswith("~") and not os.path.lexists(spelled):
        first = path.partition(os.sep)[0]
        raise UsageError(f"{path}: the home folder {first} is not known", f"a file of this name is ./{path}")
    return spelled


@contextlib.contextmanager
def replacing(path: Path, *, via: Path | None = None, suffix: str = "") -> Iterator[Path]:
    """Yields a temporary path; what is written there replaces `path` when the block ends without an error.

    Args:
        path: the file to write; a symbolic link there is replaced, never followed.
        via: folder of the temporary file, on the same disk; None for the folder of `path`.
        suffix: end of the temporary name, for writers that choose a format by it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if via is not None:
        via.mkdir(parents=True, exist_ok=True)
    try:
        handle, name = tempfile.mkstemp(prefix=".", suffix=f".part{suffix}", dir=via or path.parent)
    except OSError as error:
        error.filename = str(path)
        raise
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
def alone(path: Path, *, wait: bool = True, shared: bool = False, waiting: str = "") -> Iterator[bool]:
    """Holds a lock against other processes; the system releases it when this process dies.

    Yields whether the lock is held: where the file system has none, a `Note` says so, once per process.

    Args:
        path: file that stands for the lock; a process that holds it alone may remove it.
        wait: whether to wait while another process holds the lock; otherwise that is an error.
        shared: whether other shared holders are let in.
        waiting: note that says what is waited for, where it may take long.

    Raises:
        BlockingIOError: another process holds the lock, and `wait` is False.
    """
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = path.open("a", encoding="utf-8")
        except FileNotFoundError:  # the folder was removed at this moment
            continue
        with file:
            try:
                _lock(file.fileno(), wait=wait, shared=shared, waiting=waiting)
            except BlockingIOError:
                raise
            except (ImportError, OSError) as error:
                _say_that_there_are_no_locks(path.parent, error)
                yield False
                return
            if not _is_open(path, file.fileno()):  # its holder removed it: the lock is another file now
                continue
            yield True
            return


def _lock(descriptor: int, *, wait: bool, shared: bool, waiting: str) -> None:
    import fcntl  # Windows has none

    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        if not wait:
            raise
        if waiting:
            warnings.warn(waiting, Note, stacklevel=2)
        fcntl.flock(descriptor, kind)


_without_locks: list[Path] = []  # folders in which a lock was wanted in vain


def _say_that_there_are_no_locks(folder: Path, error: Exception) -> None:
    if not _without_locks:
        reason = getattr(error, "strerror", None) or "this system has none"
        message = (
            f"no file can be locked in {folder} ({reason}): nothing keeps a second command from writing the same "
            "data or run at the same time, so start one at a time"
        )
        warnings.warn(message, Note, stacklevel=2)
    _without_locks.append(folder)


def _is_open(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a whole file at once."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def names_in(folder: Path) -> list[str]:
    """The sorted names in a folder; none when there is no such folder. `Path.glob` would be silent about any fault.

    Raises:
        DataError: the folder cannot be read.
    """
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 - names are all that is wanted
    except OSError as error:
        _tell_unreadable(error)
        return []


def files_below(folder: Path) -> Iterator[Path]:
    """What lies in a folder and in those below it, apart from folders; nothing when there is no such folder.

    Raises:
        DataError: one of the folders cannot be read.
    """
    for place, folders, names in os.walk(folder, onerror=_tell_unreadable):
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]  # noqa: PTH118, PTH114 - a million of them
        yield from (Path(place, name) for name in sorted(names + links))


def _tell_unreadable(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        hint = "give this user the right to read it" if error.errno == errno.EACCES else ""
        raise DataError(f"the folder {error.filename} cannot be read: {error.strerror}", hint) from error


def write_text(path: Path, text: str) -> None:
    """Writes a whole text file at once, UTF-8, with `\\n` line ends; odd bytes of a path in it become `\\udc…`."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_json(path: Path, document: Any) -> None:
    """Writes a JSON document at once, indented."""
    write_text(path, json_text(document) + "\n")


def json_text(document: Any, encoding: str = "utf-8") -> str:
    """A JSON document, indented; with escapes where an encoding lacks a letter, as UTF-8 lacks a path's odd bytes."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return json.dumps(document, indent=2)
    return text


def read_json(path: Path, hint: str = "") -> Any:
    """The content of a JSON file.

    Args:
        path: the file.
        hint: what to do when it cannot be read.

    Raises:
        DataError: the file is missing or cannot be read, or is no JSON document; the message names it.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}", hint) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is damaged, it is no JSON document: {error}", hint) from error


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
