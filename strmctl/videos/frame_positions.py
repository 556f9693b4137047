"""Which frames of a clip are taken, by position or by time.

The even spacing is that of the released STRM code, so that a store of eight frames holds those that a test would take
if all were stored.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from strmctl.draws import Draws

REGULAR = 0.5  # fraction of a frame's time; time stamps that stray less from an even beat count as even


def even_positions(count: int, frames: int) -> list[int]:
    """Evenly spaced positions, counted from 0: trunc(linspace(1, count - 2, frames)), or the whole of a short clip."""
    return _spaced(1, count - 2, count, frames)


def jittered_positions(count: int, frames: int, draws: Draws) -> list[int]:
    """Evenly spaced positions between jittered ends: start in [0, p], end in [count-1-p, count-1], ends included.

    p = min(5, (count - frames) / 2), rounded down; 0 for a clip that has fewer frames than are taken.
    """
    play = max(0, min(5, (count - frames) // 2))
    start, end = draws.integer(0, play), draws.integer(count - 1 - play, count - 1)
    return _spaced(start, end, count, frames)


def positions_by_time(times: Sequence[float], frames: int) -> list[int]:
    """Positions of the frames that are shown at evenly spaced times; a frame that is shown for long may occur twice.

    Where the time stamps are even or make no sense, they are those of `even_positions`.

    Args:
        times: seconds at which each frame appears.
        frames: number of frames to take.
    """
    even = even_positions(len(times), frames)
    stamps = np.asarray(times, dtype=np.float64)
    if len(stamps) < 3 or not np.all(np.diff(stamps) > 0):  # NaN fails as well
        return even
    beat = (stamps[-1] - stamps[0]) / (len(stamps) - 1)  # seconds per frame
    if np.abs(stamps - stamps[0] - beat * np.arange(len(stamps))).max() <= REGULAR * beat:
        return even
    wanted = np.linspace(stamps[even[0]], stamps[even[-1]], frames)
    return (np.searchsorted(stamps, wanted, side="right") - 1).tolist()


def _spaced(start: int, end: int, count: int, frames: int) -> list[int]:
    if end - start < frames:
        start, end = 0, count - 1
    return np.linspace(start, end, frames).astype(int).tolist()
