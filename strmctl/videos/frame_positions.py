"""Which frames of a clip are taken, by position or by time: spread over the whole clip, or so many a second.

The even spacing is that of the released STRM code, so that a store of eight frames holds those that a test would take
if all were stored. A rate, in frames per second, needs `fps`, those of the clip itself. Where a clip is too short for
that, or its `fps` is not known (0), frames are spread over it as without a rate.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from strmctl.draws import Draws

EXACT = 1e-6  # seconds, more than rounding and less than any frame
REGULAR = 0.5  # fraction of a frame's time; time stamps that stray less from an even beat count as even


def even_positions(count: int, frames: int, rate: float | None = None, fps: float = 0.0) -> list[int]:
    """Evenly spaced positions, counted from 0: trunc(linspace(1, count - 2, frames)), or the whole of a short clip.

    With a rate, they lie in the middle of the clip, each the nearest to its time.
    """
    if offsets := _offsets(count, frames, rate, fps):
        start = (count - 1 - offsets[-1]) // 2
        return [start + offset for offset in offsets]
    return _spaced(1, count - 2, count, frames)


def jittered_positions(count: int, frames: int, draws: Draws, rate: float | None = None, fps: float = 0.0) -> list[int]:
    """Evenly spaced positions between jittered ends: start in [0, p], end in [count-1-p, count-1], ends included.

    p = min(5, (count - frames) / 2), rounded down; 0 for a clip that has fewer frames than are taken. With a rate, they
    lie anywhere in the clip.
    """
    if offsets := _offsets(count, frames, rate, fps):
        start = draws.integer(0, count - 1 - offsets[-1])
        return [start + offset for offset in offsets]
    play = max(0, min(5, (count - frames) // 2))
    start, end = draws.integer(0, play), draws.integer(count - 1 - play, count - 1)
    return _spaced(start, end, count, frames)


def positions_by_time(times: Sequence[float], frames: int, rate: float | None = None, fps: float = 0.0) -> list[int]:
    """Positions of the frames that are shown at evenly spaced times; a frame that is shown for long may occur twice.

    Where the time stamps are even or make no sense, they are those of `even_positions`; so they are where frames are
    spread over fewer.

    Args:
        times: seconds at which each frame appears.
        frames: number of frames to take.
        rate: number of them per second; None: they are spread over all times.
        fps: frames per second according to the file.
    """
    stamps, count = np.asarray(times, dtype=np.float64), len(times)
    if count < 3 or not np.all(np.diff(stamps) > 0):  # NaN fails as well
        return even_positions(count, frames, rate, fps)
    # seconds per frame; a part of a video, even in itself, may have another rate than all of it
    beat = 1 / fps if rate is not None and fps else (stamps[-1] - stamps[0]) / (count - 1)
    if np.abs(stamps - stamps[0] - beat * np.arange(count)).max() <= REGULAR * beat:
        return even_positions(count, frames, rate, fps)
    if rate is not None:
        room = stamps[-1] - stamps[0] - (frames - 1) / rate  # seconds
        if room < 0:
            return positions_by_time(times, frames)
        wanted = stamps[0] + room / 2 + np.arange(frames) / rate + EXACT  # many are the very time of a frame
    else:
        even = even_positions(count, frames)
        if count < frames:
            return even
        wanted = np.linspace(stamps[even[0]], stamps[even[-1]], frames)
    return (np.searchsorted(stamps, wanted, side="right") - 1).tolist()


def fits(count: int, frames: int, rate: float, fps: float) -> bool:
    """Whether a clip is long enough for frames at a rate, and has as many a second as are taken."""
    return bool(_offsets(count, frames, rate, fps)) and fps >= rate


def _offsets(count: int, frames: int, rate: float | None, fps: float) -> list[int]:
    """How far the frames at a rate lie behind the first of them; empty without a rate, or where they do not fit."""
    if rate is None or fps == 0 or (frames - 1) * fps / rate + 0.5 >= count:
        return []
    return np.floor(np.arange(frames) * fps / rate + 0.5).astype(int).tolist()


def _spaced(start: int, end: int, count: int, frames: int) -> list[int]:
    if end - start < frames:
        start, end = 0, count - 1
    return np.linspace(start, end, frames).astype(int).tolist()
