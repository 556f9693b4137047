"""The lock of a run: whoever trains, imports or otherwise writes it holds the lock for as long as it writes.

Locks lie beside the runs, in `runs/.locks`, so that a run can be locked before its folder appears.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from strmctl.errors import UsageError
from strmctl.paths import alone, write_text

LOCKS = ".locks"  # folder below that of the runs


@contextlib.contextmanager
def occupied(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Keeps other writers of a run out for a block.

    Args:
        folder: folder of the run, which need not exist yet.
        wait: whether to wait while another process writes the run; otherwise that is an error.

    Raises:
        UsageError: another process writes the run; says which.
    """
    folder = folder.resolve()  # a run may be reached through a link
    runs = folder.parent
    lock, holder = (runs / LOCKS / f"{folder.name}.{kind}" for kind in ("lock", "holder"))
    empty = [runs / LOCKS, *(() if runs.exists() else (runs,))]
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(alone(lock, wait=wait))
        except BlockingIOError as error:
            raise UsageError(
                f"run {folder.name} in {runs} is being written by another process{_words(holder)}",
                "wait for it to end, or stop it and run the same command again",
            ) from error
        try:
            write_text(holder, f"{os.getpid()} on {platform.node()}: {shlex.join(['strmctl', *sys.argv[1:]])}")
            yield
        finally:
            holder.unlink(missing_ok=True)
            lock.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # there are other locks, or now a run
                for made in empty:
                    made.rmdir()


def _words(holder: Path) -> str:
    """What the holder of a lock said about itself, if anything."""
    try:
        return f", {holder.read_text(encoding='utf-8', errors='replace')}"
    except OSError:
        return ""
