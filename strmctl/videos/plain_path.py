"""The border at which paths go to OpenCV and FFmpeg, which cannot take all, and take some for more than paths.

A path that is not UTF-8 ends the process inside OpenCV; `%03d` in a name stands for a row of images, one with a colon
for an address, one with a hyphen for an option.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from strmctl.errors import DataError


@contextlib.contextmanager
def plain_path(path: Path) -> Iterator[Path]:
    """Yields an absolute path of the file that says nothing else, by way of a link where its own would.

    Args:
        path: a file, which may be still to be written; it is opened before the block ends.

    Raises:
        DataError: its path has to be avoided, and no link can be made.
    """
    own = path.absolute()
    if _is_plain(own):
        yield own
        return
    with contextlib.ExitStack() as stack:
        try:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="strmctl-")))
            link = folder / f"video{path.suffix if path.suffix[1:].isalnum() and path.suffix.isascii() else ''}"
            link.symlink_to(own)
        except OSError as error:
            raise _unfit(f"and no link to it can be made: {error.strerror}") from error
        if not _is_plain(link):
            raise _unfit(f"nor is that of the folder of temporary files, {folder.parent}")
        yield link


def _is_plain(path: Path) -> bool:
    try:
        return "%" not in str(path) and bool(str(path).encode())
    except UnicodeEncodeError:  # bytes that are not UTF-8
        return False


def _unfit(reason: str) -> DataError:
    return DataError(f"its path is not one that OpenCV takes (UTF-8, no percent sign), {reason}", "rename it")
