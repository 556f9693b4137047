"""How many threads compute, and how they wait for each other."""

from __future__ import annotations

import contextlib
import math
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

# PyTorch's threads (GNU OpenMP) wait for each other by spinning, by default for milliseconds. Beside a busy foreign
# process, that is time taken from the thread that they wait for: 14 times slower than a single thread was measured.
SPINS = {"GOMP_SPINCOUNT": "3000"}
CHOICES = ("OMP_WAIT_POLICY", *SPINS)  # variables by which a user decides how threads wait


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
    """Cores that each control group of this process, or one above it, may use at a time; of both versions."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError):
        return
    for line in lines:  # such as `0::/user.slice` or `4:cpu,cpuacct:/`
        _, controllers, group = f"{line}::".split(":", 3)[:3]
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = root / "sys/fs/cgroup" / controllers
        for above in (top / group.lstrip("/"), *(top / group.lstrip("/")).parents):
            if not above.is_relative_to(top):
                break
            names = ("cpu.cfs_quota_us", "cpu.cfs_period_us") if controllers else ("cpu.max",)
            with contextlib.suppress(OSError, ValueError):  # no such file, or `max` or -1: no limit here
                quota, period = " ".join((above / name).read_text(encoding="utf-8") for name in names).split()
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
