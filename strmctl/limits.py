"""What the system limits: open files and processes, and what helps; control groups, those of containers and jobs."""

from __future__ import annotations

import errno
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

OPEN_FILES = 4096  # plenty for every command


def what_helps(code: int | None) -> str:
    """What helps against an error of the system that comes from one of its limits; empty for other errors.

    Args:
        code: number of the error, such as `errno.EMFILE`.
    """
    if code == errno.EMFILE:
        soft, hard = _limit("RLIMIT_NOFILE")
        more = min(hard or math.inf, max(OPEN_FILES, 2 * (soft or 0)))
        allow = f"`ulimit -n {more}` in this shell" if more > (soft or 0) else "only an administrator"
        return f"a process may have {soft} files open here; {allow} allows more"
    if code == errno.ENFILE:
        return "the whole system has too many files open: end other programs"
    if code == errno.EAGAIN:
        soft, _ = _limit("RLIMIT_NPROC")
        return f"processes and threads of a user are limited (`ulimit -u`{f': {soft}' if soft else ''}): end others"
    if code == errno.ENOMEM:
        limited = _limit("RLIMIT_AS")[0] is not None
        more = "`ulimit -v unlimited` in this shell allows a process more" if limited else "end other programs"
        return f"there is too little memory: {more}"
    if code == errno.EFBIG:
        return "the size of files is limited: `ulimit -f unlimited` in this shell allows larger ones"
    return ""


def _limit(name: str) -> tuple[int | None, int | None]:
    """The soft and the hard limit of this process; None for no limit, or where the system does not say."""
    try:
        import resource

        limits = resource.getrlimit(getattr(resource, name))
    except (ImportError, AttributeError, OSError, ValueError):
        return None, None
    soft, hard = (None if value == resource.RLIM_INFINITY else value for value in limits)
    return soft, hard


class Group(NamedTuple):
    """A control group.

    Attributes:
        folder: where the system shows its files.
        version: 1 or 2.
    """

    folder: Path
    version: int

    def words(self, *names: str) -> list[str]:
        """What stands in files of the group, such as `max 100000`, in words.

        Raises:
            OSError: there is no such file.
            UnicodeError: it is none of the system's.
        """
        return " ".join((self.folder / name).read_text(encoding="utf-8") for name in names).split()


def control_groups(controller: str, root: Path = Path("/")) -> Iterator[Group]:
    """The groups of this process, and those above, that limit `cpu` or `memory`, in both versions.

    Args:
        controller: what is limited.
        root: folder that holds the system's `proc` and `sys`.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError):
        return
    for line in lines:  # such as `0::/user.slice` or `4:cpu,cpuacct:/`
        _, controllers, group = f"{line}::".split(":", 3)[:3]
        if controllers and controller not in controllers.split(","):
            continue
        top = root / "sys/fs/cgroup" / controllers
        for above in (top / group.lstrip("/"), *(top / group.lstrip("/")).parents):
            if not above.is_relative_to(top):
                break
            yield Group(above, 1 if controllers else 2)
