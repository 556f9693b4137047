"""Files that a command is asked to write: their kind must be that of their name, and none may be an input."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterable
from pathlib import Path

from strmctl.errors import UsageError


def check_suffix(option: str, path: Path | None, what: str, *suffixes: str) -> None:
    """Makes sure that a file has a suffix of its kind, for a path with another one may be that of a video.

    Args:
        option: option that names the file.
        path: the file; None where the option is not given.
        what: clause that names the kind, such as `the table is a CSV file`.
        suffixes: suffixes of the kind, in lower case, the usual one first.

    Raises:
        UsageError: it has not.
    """
    if path is not None and path.suffix.lower() not in suffixes:
        hint = f"`{option} {shlex.quote(str(path.with_suffix(suffixes[0])))}`"
        raise UsageError(f"{option} {path}: {what}", hint)


def check_inputs(option: str, path: Path | None, inputs: Iterable[Path]) -> None:
    """Makes sure that a file to write is none of those that are read, by whatever name.

    Args:
        option: option that names the file.
        path: the file; None where the option is not given.
        inputs: files that are read; they need not exist.

    Raises:
        UsageError: it is one of them.
    """
    if path is None or not path.exists():
        return
    for other in inputs:
        with contextlib.suppress(OSError, ValueError):  # reading it will say why
            if os.path.samefile(path, other):  # noqa: PTH121 - of any path, such as a too long one
                raise UsageError(f"{option} {path} would overwrite an input, {other}", "write to another file")
