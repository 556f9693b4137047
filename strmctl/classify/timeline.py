"""What happens when in a long video: the answers to windows that overlap, and the segments that they add up to.

How windows become segments:

1. The ends of all windows cut the video into cells. A cell has the mean probabilities of the windows that cover it.
2. A window that is refused as none of the classes stands for `none`, every other one for its probabilities. A cell's
   answer is the class with the largest mean, or none where the share of refused windows is as large.
3. Neighbouring cells with one answer are a segment.
4. A segment shorter than `SHORTEST` of a window is dropped; then two of one class that less than this lies between are
   one. A window tells little about what is much shorter than itself.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import prod
from pathlib import Path

import numpy as np

SHORTEST = 0.5  # of a window, what a segment and a gap last at least
DECIMALS = 6  # of seconds; times that agree in them are one


@dataclass(frozen=True)
class Segment:
    """A stretch of a video that shows one class.

    Attributes:
        start: where it begins, seconds.
        end: where it ends, seconds.
        cls: class.
        probability: mean probability of the class over its time, a fraction.
        nearest: most similar example of the window in its middle, below the folder of the examples.
    """

    start: float
    end: float
    cls: str
    probability: float
    nearest: str


@dataclass(frozen=True, eq=False)
class Windows:
    """What W windows of a video show. Times count from the beginning of the video, in seconds.

    Attributes:
        starts: where each window begins, `(W)`.
        ends: where each window ends, `(W)`.
        probabilities: of each of C classes in each window, `(W, C)`.
        refused: whether a window shows none of the classes, `(W)`.
        nearest: most similar example of each window, below the folder of the examples.
    """

    starts: np.ndarray
    ends: np.ndarray
    probabilities: np.ndarray
    refused: np.ndarray
    nearest: tuple[str, ...]


NO_WINDOWS = Windows(np.zeros(0), np.zeros(0), np.zeros((0, 0)), np.zeros(0, bool), ())


@dataclass(frozen=True, eq=False)
class Timeline:
    """What a long video shows.

    Attributes:
        video: path of the video.
        classes: names of the C classes, sorted.
        duration: where the last frame ends, seconds.
        windows: the windows in order; none of a video that cannot be read.
        segments: what the windows add up to, by `segments_of`, in order.
        reason: why the video cannot be read; empty where it was.
        notes: what a user should know about the video.
    """

    video: Path
    classes: tuple[str, ...]
    duration: float = 0.0
    windows: Windows = NO_WINDOWS
    segments: tuple[Segment, ...] = ()
    reason: str = ""
    notes: tuple[str, ...] = ()


def over_time(starts: np.ndarray, ends: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means of what windows say, over all windows that cover a moment.

    Args:
        starts: where each window begins, `(W)`, seconds.
        ends: where each window ends, `(W)`.
        values: what each window says, `(W, …)`.

    Returns:
        The edges of the M cells between which nothing changes, `(M + 1)`, and the means `(M, …)`; NaN where no window
        is.
    """
    starts, ends = starts.round(DECIMALS), ends.round(DECIMALS)
    edges = np.unique(np.concatenate([starts, ends]))
    first, last = np.searchsorted(edges, starts), np.searchsorted(edges, ends)
    rows = np.column_stack([np.ones(len(starts)), values.reshape(len(starts), prod(values.shape[1:]))])
    changes = np.zeros((len(edges), rows.shape[1]))
    np.add.at(changes, first, rows)
    np.add.at(changes, last, -rows)
    sums = changes.cumsum(axis=0)[:-1]  # (M, 1 + …)
    counts = sums[:, :1].round()
    means = np.divide(sums[:, 1:], counts, out=np.full_like(sums[:, 1:], np.nan), where=counts > 0)
    return edges, means.reshape(len(means), *values.shape[1:])


def segments_of(windows: Windows, classes: Sequence[str]) -> tuple[Segment, ...]:
    """The segments that windows add up to, by the rule at the top of this file.

    Args:
        windows: the windows.
        classes: names of the classes, as in their probabilities.
    """
    starts, ends, none = windows.starts, windows.ends, len(classes)
    if not len(starts):
        return ()
    edges, means = over_time(starts, ends, windows.probabilities)  # (M, C)
    shares = np.column_stack([windows.probabilities * ~windows.refused[:, None], windows.refused])
    votes = over_time(starts, ends, shares)[1]  # (M, C + 1)
    certain = votes[:, none] < votes.max(axis=1)  # where no window is, nothing is
    answers = np.where(certain, votes[:, :none].argmax(axis=1), none)
    lengths, middles = np.diff(edges), (starts + ends) / 2
    segments = []
    for begin, end, answer in _runs(answers.tolist(), none, edges, SHORTEST * float(np.median(ends - starts))):
        inside = means[begin:end, answer]
        covered = np.isfinite(inside)
        probability = np.average(inside[covered], weights=lengths[begin:end][covered])
        start, stop = float(edges[begin]), float(edges[end])
        closest = windows.nearest[int(np.abs(middles - (start + stop) / 2).argmin())]
        segments.append(Segment(start, stop, classes[answer], float(probability), closest))
    return tuple(segments)


def shown_at(timeline: Timeline) -> Callable[[float], tuple[str, float] | None]:
    """A function of seconds that gives the class which a video shows then, and its mean probability; None for none."""
    edges, means = over_time(timeline.windows.starts, timeline.windows.ends, timeline.windows.probabilities)
    begins = [one.start for one in timeline.segments]

    def shown(second: float) -> tuple[str, float] | None:
        segment = timeline.segments[max(0, bisect_right(begins, second) - 1)] if begins else None
        if segment is None or not segment.start <= second < segment.end:
            return None
        cell = int(np.searchsorted(edges, second, side="right")) - 1
        return segment.cls, float(means[cell, timeline.classes.index(segment.cls)])

    return shown


def _runs(answers: Sequence[int], none: int, edges: np.ndarray, least: float) -> list[tuple[int, int, int]]:
    """Runs (first cell, cell after the last, answer) of at least so many seconds, joined over shorter gaps."""
    kept: list[tuple[int, int, int]] = []
    end = 0
    for answer, cells in groupby(answers):
        begin, end = end, end + len(list(cells))
        if answer == none or _shorter(edges[end] - edges[begin], least):
            continue
        joins = kept and kept[-1][2] == answer and _shorter(edges[begin] - edges[kept[-1][1]], least)
        kept.append((kept.pop()[0] if joins else begin, end, answer))
    return kept


def _shorter(seconds: float, least: float) -> bool:
    return seconds < least - 10.0**-DECIMALS
