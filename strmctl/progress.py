"""Progress of long work, which is reported to a callable as (done, total, note)."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int, str], None]


def silent(done: int, total: int, note: str) -> None:
    """Ignores the progress."""
