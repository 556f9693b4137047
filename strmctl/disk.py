"""Room on the disk: an estimate before the work, and a stop before the disk is full."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from strmctl.errors import OutputError

FULL = (errno.ENOSPC, errno.EDQUOT)  # what the system says of a full disk or quota
RESERVE = 64_000_000  # bytes that are left free, so that journal and manifest can still be written
LESS = "make room, or store less: `--frames 8`, a smaller `--size` or `--quality` (with `--redo`)"


def free_bytes(folder: Path) -> int:
    """Bytes that can still be written below a folder, which need not exist yet."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def check_room(folder: Path, needed: int, *, done: int, total: int) -> None:
    """Makes sure that there is room for what is still to be written, and for a reserve.

    Args:
        folder: folder below which it is written.
        needed: estimated bytes; 0 always fits.
        done: number of finished clips.
        total: number of all clips.

    Raises:
        OutputError: there is too little room.
    """
    free = free_bytes(folder)
    if needed and free < needed + RESERVE:
        raise OutputError(
            f"the disk of {folder} has {megabytes(free)} free, and about {megabytes(needed)} more are needed "
            f"besides {megabytes(RESERVE)} that stay free: "
            f"stopped after {done} of {total} clips, which are kept",
            f"{LESS}; then the same command goes on",
        )


def megabytes(number: int) -> str:
    """Bytes as people write them: `3.2 MB`, `1.4 GB`."""
    return f"{number / 1e6:.1f} MB" if number < 1e9 else f"{number / 1e9:.1f} GB"
