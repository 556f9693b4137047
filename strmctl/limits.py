"""What the system refuses, such as one more open file or process, and what helps."""

from __future__ import annotations

import errno
import math

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
