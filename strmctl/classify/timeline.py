"""What happens when in a long video: the answers to windows that overlap, and the segments that they add up to.

How windows become segments:

1. A moment has the answer of the window whose middle is nearest: its best class, or none where it is refused.
2. Moments in a row with one answer are a segment.
3. A segment shorter than `SHORTEST` of a window is dropped; then two of one class that less than this lies between are
   one. A window tells little about what is much shorter than itself.

The middle decides, for a mean over all windows that cover a moment reaches a window to either side: of montages of
clips of a second it found fewer, and the more so, the longer the window.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
        probability: mean over its time of the probability of the class, a fraction.
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


def edges_of(windows: Windows) -> np.ndarray:
    """The times between which the middle of one window is nearest, `(W + 1)`, seconds: window w has edges w and w + 1.

    The first window and the last reach to their own ends.
    """
    middles = (windows.starts + windows.ends) / 2
    return np.concatenate([windows.starts[:1], (middles[:-1] + middles[1:]) / 2, windows.ends[-1:]])


def segments_of(windows: Windows, classes: Sequence[str]) -> tuple[Segment, ...]:
    """The segments that windows add up to, by the rule at the top of this file.

    Args:
        windows: the windows.
        classes: names of the classes, as in their probabilities.
    """
    if not len(windows.starts):
        return ()
    edges, none = edges_of(windows), len(classes)
    lengths = np.diff(edges)
    answers = np.where(windows.refused, none, windows.probabilities.argmax(axis=1))
    least = SHORTEST * float(np.median(windows.ends - windows.starts))
    segments = []
    for begin, end, answer in _runs(answers.tolist(), none, edges, least):
        probability = np.average(windows.probabilities[begin:end, answer], weights=lengths[begin:end])
        start, stop = float(edges[begin]), float(edges[end])
        middle = int(np.searchsorted(edges, (start + stop) / 2, side="right")) - 1
        segments.append(Segment(start, stop, classes[answer], float(probability), windows.nearest[middle]))
    return tuple(segments)


def shown_at(timeline: Timeline) -> Callable[[float], tuple[str, float] | None]:
    """A function of seconds that gives the class which a video shows then, and its probability then; None for none."""
    edges = edges_of(timeline.windows)
    begins = [one.start for one in timeline.segments]

    def shown(second: float) -> tuple[str, float] | None:
        segment = timeline.segments[max(0, bisect_right(begins, second) - 1)] if begins else None
        if segment is None or not segment.start <= second < segment.end:
            return None
        window = int(np.searchsorted(edges, second, side="right")) - 1
        return segment.cls, float(timeline.windows.probabilities[window, timeline.classes.index(segment.cls)])

    return shown


def _runs(answers: Sequence[int], none: int, edges: np.ndarray, least: float) -> list[tuple[int, int, int]]:
    """Runs (first window, window after the last, answer) of at least so many seconds, joined over shorter gaps."""
    kept: list[tuple[int, int, int]] = []
    end = 0
    for answer, group in groupby(answers):
        begin, end = end, end + len(list(group))
        if answer == none or _shorter(edges[end] - edges[begin], least):
            continue
        joins = kept and kept[-1][2] == answer and _shorter(edges[begin] - edges[kept[-1][1]], least)
        kept.append((kept.pop()[0] if joins else begin, end, answer))
    return kept


def _shorter(seconds: float, least: float) -> bool:
    return seconds < least - 10.0**-DECIMALS
