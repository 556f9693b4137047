"""How many threads compute, and how they wait for each other."""

from __future__ import annotations

import contextlib
import math
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from strmctl.limits import control_groups

# PyTorch's threads (GNU OpenMP) wait for each other by spinning, by default for milliseconds. Beside a busy foreign
# process, that is time taken from the thread that they wait for: 14 times slower than a single thread was measured.
SPINS = {"GOMP_SPINCOUNT": "3000"}
CHOICES = ("OMP_WAIT_POLICY", *SPINS)  # variables by which a user decides how threads wait
LOADERS = "STRMCTL_LOADER_THREADS"
MOST_LOADERS = 16  # about a twentieth of the time that a clip takes is Python's, in which threads wait for each other


def wait_briefly() -> None:
    """Lets threads spin only briefly, unless the user chose otherwise; takes effect before torch is imported."""
    if not any(name in os.environ for name in CHOICES):
        os.environ.update(SPINS)


def use_threads(count: int | None) -> None:
    """Makes torch, imported or not, compute with a number of threads.

    Args:
        count: number of threads; None leaves the choice to OMP_NUM_THREADS, or else to torch, which takes the cores of
            this process's affinity but does not know of quotas.
    """
    if count is None and ("OMP_NUM_THREADS" in os.environ or available_cpus() == _affinity()):
        return
    count = count or available_cpus()
    os.environ["OMP_NUM_THREADS"] = str(count)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(count)


def loader_threads() -> int:
    """Number of threads that read frames: that of `STRMCTL_LOADER_THREADS`, or else this process's share of the cores.

    torchrun lets all processes of a machine have the same cores, and says how many processes there are; Slurm says how
    many cores each of its tasks has.
    """
    given = os.environ.get(LOADERS, "")
    if _is_count(given):
        return int(given)
    cpus, processes, own = (
        available_cpus(),
        *(os.environ.get(name, "") for name in ("LOCAL_WORLD_SIZE", "SLURM_CPUS_PER_TASK")),
    )
    cpus = min(cpus, int(own)) if _is_count(own) else cpus
    return max(1, min(MOST_LOADERS, cpus // int(processes) if _is_count(processes) else cpus))


def use_loader_threads(count: int | None) -> None:
    """Makes this process, and those that it starts, read frames in so many threads; None changes nothing."""
    if count is not None:
        os.environ[LOADERS] = str(count)


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) > 0


def available_cpus(root: Path = Path("/")) -> int:
    """Number of cores that are free to this process: those of its affinity, within the quota of its control groups.

    Args:
        root: folder that holds the system's `proc` and `sys`.
    """
    return max(1, math.floor(min([_affinity(), *_quotas(root)])))


def _affinity() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _quotas(root: Path) -> Iterator[float]:
    """Cores that each control group of this process, or one above it, may use at a time."""
    for group in control_groups("cpu", root):
        names = ("cpu.max",) if group.version == 2 else ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        with contextlib.suppress(OSError, ValueError):  # no such file, or `max` or -1: no limit here
            quota, period = group.words(*names)
            if int(quota) > 0:
                yield int(quota) / int(period)


@contextlib.contextmanager
def environment(values: Mapping[str, str | None]) -> Iterator[None]:
    """Sets environment variables, or removes those that are None, for processes that are started within the block."""
    before = {name: os.environ.get(name) for name in values}

    def change(to: Mapping[str, str | None]) -> None:
        for name, value in to.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    change(values)
    try:
        yield
    finally:
        change(before)
