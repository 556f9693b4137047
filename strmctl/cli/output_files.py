"""Files that a command is asked to write: their kind must be that of their name, and none may be an input.

Where there is one for each of several videos, they are named after the videos.
"""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterable, Sequence
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


def file_of_each(option: str, path: Path | None, videos: Sequence[Path], what: str, *suffixes: str) -> dict[Path, Path]:
    """Video -> file to write of it; none without a path. Arguments as for `check_suffix`.

    A path without a suffix is a folder, in which each file is named after its video; several videos need one.

    Raises:
        UsageError: the path is a file of another kind, or one for several videos, or videos have the same name.
    """
    if path is None:
        return {}
    if path.suffix and not path.is_dir():
        check_suffix(option, path, what, *suffixes)
        if len(videos) > 1:
            hint = f"`{option} {shlex.quote(str(path.with_suffix('')))}` is a folder, with a file for each"
            raise UsageError(f"{option} {path} is one file, and there are {len(videos)} videos", hint)
        return dict.fromkeys(videos, path)
    first: dict[Path, Path] = {}  # file -> video
    for video in videos:
        file = path / f"{video.stem}{suffixes[0]}"
        if (other := first.setdefault(file, video)) is not video:
            raise UsageError(f"{option}: {other} and {video} would both be {file}", "label one of the two by itself")
    return {video: file for file, video in first.items()}


def check_outside(option: str, path: Path, folders: Iterable[Path]) -> None:
    """Makes sure that a video to write lies in no folder of videos that are read, for the next time it would be one.

    Args:
        option: option that names the file.
        path: the file.
        folders: the folders; what is none does not count.

    Raises:
        UsageError: it lies in one of them, by whatever name, or in a folder below.
    """
    for folder in folders:
        if os.path.isdir(folder) and path.resolve().is_relative_to(folder.resolve()):  # noqa: PTH112 - of any path
            raise UsageError(
                f"{option} {path} would be one of the videos in {folder} the next time", "write to another folder"
            )


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
