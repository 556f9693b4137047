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

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
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
    nearest: str = ""


def _none(*shape: int, kind: type = float) -> np.ndarray:
    return field(default_factory=lambda: np.zeros(shape, kind))


@dataclass(frozen=True, eq=False)
class Timeline:
    """What a long video shows, window by window. Times count from the beginning of the video, in seconds.

    Attributes:
        video: path of the video.
        classes: names of the C classes, sorted.
        duration: where the last frame ends.
        starts: where each window begins, `(W)`.
        ends: where each window ends, `(W)`.
        probabilities: of each class in each window, `(W, C)`.
        refused: whether a window shows none of the classes, `(W)`.
        nearest: most similar example of each window, below the folder of the examples.
        segments: what the windows add up to, by `segments_of`, in order.
        reason: why the video cannot be read; empty where it was.
        notes: what a user should know about the video.
    """

    video: Path
    classes: tuple[str, ...] = ()
    duration: float = 0.0
    starts: np.ndarray = _none(0)
    ends: np.ndarray = _none(0)
    probabilities: np.ndarray = _none(0, 0)
    refused: np.ndarray = _none(0, kind=bool)
    nearest: tuple[str, ...] = ()
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
    rows = np.column_stack([np.ones(len(starts)), values.reshape(len(starts), -1)])
    changes = np.zeros((len(edges), rows.shape[1]))
    np.add.at(changes, first, rows)
    np.add.at(changes, last, -rows)
    sums = changes.cumsum(axis=0)[:-1]  # (M, 1 + …)
    counts = sums[:, :1].round()
    means = np.divide(sums[:, 1:], counts, out=np.full_like(sums[:, 1:], np.nan), where=counts > 0)
    return edges, means.reshape(-1, *values.shape[1:])


def segments_of(
    starts: np.ndarray,
    ends: np.ndarray,
    probabilities: np.ndarray,
    refused: np.ndarray,
    classes: Sequence[str],
    nearest: Sequence[str] = (),
) -> tuple[Segment, ...]:
    """The segments that windows add up to, by the rule at the top of this file; arguments as in `Timeline`."""
    if not len(starts):
        return ()
    edges, means = over_time(starts, ends, probabilities)  # (M, C)
    shares = np.column_stack([probabilities * ~refused[:, None], refused])
    votes = over_time(starts, ends, shares)[1]  # (M, C + 1)
    none = len(classes)
    best = votes[:, :none].argmax(axis=1)
    answers = np.where(votes[:, none] < votes.max(axis=1), best, none)  # NaN is none
    runs, begin = [], 0
    for answer, cells in groupby(answers.tolist()):
        end = begin + len(list(cells))
        if answer != none:
            runs.append((begin, end, answer))
        begin = end
    least = SHORTEST * float(np.median(ends - starts)) - 10.0**-DECIMALS
    joined: list[tuple[int, int, int]] = []
    for begin, end, answer in runs:
        if edges[end] - edges[begin] < least:
            continue
        if joined and joined[-1][2] == answer and edges[begin] - edges[joined[-1][1]] < least:
            begin = joined.pop()[0]
        joined.append((begin, end, answer))
    lengths, middles = np.diff(edges), (starts + ends) / 2
    segments = []
    for begin, end, answer in joined:
        covered = np.isfinite(means[begin:end, answer])
        probability = np.average(means[begin:end, answer][covered], weights=lengths[begin:end][covered])
        middle = int(np.abs(middles - (edges[begin] + edges[end]) / 2).argmin())
        closest = nearest[middle] if nearest else ""
        segments.append(Segment(float(edges[begin]), float(edges[end]), classes[answer], float(probability), closest))
    return tuple(segments)
