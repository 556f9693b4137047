"""How this process gets memory: what it frees is kept for the next tensor, rather than returned to the system."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

from strmctl.limits import control_groups

# The C library returns large blocks to the system when a tensor is freed, and the next tensor pays for fresh pages:
# more processor time than the arithmetic of a small network. The numbers are those of glibc's mallopt.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4
LARGEST = (1 << 31) - 1  # bytes at the end of the heap that may stay unused
HUGE_PAGES = "THP_MEM_ALLOC_ENABLE"  # whether torch asks for pages of 2 MiB; it looks at its first tensor
LARGE = 32 << 20  # bytes; the largest M_MMAP_THRESHOLD
MAPPINGS = 65536  # glibc's own M_MMAP_MAX
CHOICES = ("MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES")


def keep_memory() -> None:
    """Keeps freed memory, unless the user chose otherwise; call it before torch is imported.

    Only glibc has these settings; with another C library, this changes nothing.
    """
    if any(name in os.environ for name in CHOICES) or not _has_glibc():
        return
    library = ctypes.CDLL(None)
    if library.mallopt(M_MMAP_MAX, 0) and library.mallopt(M_TRIM_THRESHOLD, LARGEST):
        os.environ.setdefault(HUGE_PAGES, "1")


def return_memory() -> None:
    """Returns large blocks to the system when they are freed, unless the user chose otherwise.

    What is kept fits tensors of other sizes badly: half as much memory again was measured. Fresh pages take some time.
    """
    if any(name in os.environ for name in CHOICES) or not _has_glibc():
        return
    library = ctypes.CDLL(None)
    if library.mallopt(M_MMAP_THRESHOLD, LARGE):
        library.mallopt(M_MMAP_MAX, MAPPINGS)


def keep_within_free_memory() -> None:
    """Lets this process have no more than is free now: what is too large ends it alone, and no other. Only on Linux."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        if free := free_bytes():
            resource.setrlimit(resource.RLIMIT_DATA, (free, resource.getrlimit(resource.RLIMIT_DATA)[1]))


def machine_bytes(root: Path = Path("/")) -> int:
    """Memory that this process may use: that of the machine, or less where its control groups have less.

    Args:
        root: folder that holds the system's `proc` and `sys`.
    """
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([physical, *(limit for limit, _ in _limits(root))])


def free_bytes(root: Path = Path("/")) -> int | None:
    """Memory that this process can still get without swapping: of the machine, and within its control groups.

    Args:
        root: folder that holds the system's `proc` and `sys`.

    Returns:
        Bytes; None where the system does not say, which Linux does.
    """
    try:
        lines = (root / "proc/meminfo").read_text(encoding="utf-8").splitlines()
        available = next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable"))
    except (OSError, ValueError, StopIteration):
        return None
    return min([available, *(max(0, limit - used) for limit, used in _limits(root))])


def _limits(root: Path) -> Iterator[tuple[int, int]]:
    """Bytes that each control group of this process, or one above it, may use, and those that it uses.

    What it has read from files and can forget is not used.
    """
    for group in control_groups("memory", root):
        names = (
            ("memory.max", "memory.current")
            if group.version == 2
            else ("memory.limit_in_bytes", "memory.usage_in_bytes")
        )
        with contextlib.suppress(OSError, ValueError):  # no such file, or `max`: no limit here
            limit, used = map(int, group.words(*names))
            forgets = 0
            with contextlib.suppress(OSError, ValueError):
                words = group.words("memory.stat")
                forgets = int(words[words.index("inactive_file" if group.version == 2 else "total_inactive_file") + 1])
            yield limit, used - forgets


def _has_glibc() -> bool:
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc")
    except (AttributeError, ValueError, OSError):
        return False
