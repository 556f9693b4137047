"""From windows to segments: whose moment it is against a slow search, and the merging rule on windows one can read."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from strmctl.classify.timeline import NO_WINDOWS, Segment, Timeline, Windows, edges_of, segments_of, shown_at

CLASSES = ("hop", "run", "sit")


def windows(starts, ends, shares, refused=None):
    refused = np.zeros(len(starts), bool) if refused is None else refused
    return Windows(starts, ends, shares, refused, tuple(f"{number}.mp4" for number in range(len(starts))))


def ideal(truth, duration, window=2.0, stride=0.5):
    """Windows whose probabilities are the shares of a window that the classes fill, and refused where none does half.

    Args:
        truth: (start, end, position of the class).
        duration: duration of the video, seconds.
        window: length of a window.
        stride: from one to the next.
    """
    starts = stride * np.arange(int((duration - window) / stride + 1e-9) + 1)
    ends = starts + window
    shares = np.zeros((len(starts), len(CLASSES)))
    for start, end, cls in truth:
        shares[:, cls] += np.clip(np.minimum(ends, end) - np.maximum(starts, start), 0, None) / window
    return windows(starts, ends, (shares + 1e-3) / (shares + 1e-3).sum(axis=1, keepdims=True), shares.max(axis=1) < 0.5)


def one_hot(*answers, stride=1.0, window=1.0):
    """Windows with these answers; None is refused."""
    starts = float(stride) * np.arange(len(answers))
    refused = np.array([answer is None for answer in answers])
    return windows(starts, starts + window, np.eye(3)[[answer or 0 for answer in answers]], refused)


def found(given):
    return [(one.start, one.end, one.cls) for one in segments_of(given, CLASSES)]


@pytest.mark.parametrize(("window", "stride"), [(2, 0.5), (2, 2), (1, 0.3), (1.7, 0.9), (0.2, 0.1)])
def test_a_moment_is_of_the_window_whose_middle_is_nearest(window, stride):
    given = one_hot(*[0] * 40, stride=stride, window=window)
    last = given.ends[-1] + stride / 3  # one more ends with the video
    given = one_hot(*[0] * 41, stride=stride, window=window)
    given.starts[-1], given.ends[-1] = last - window, last
    edges = edges_of(given)
    assert edges[0] == 0 and edges[-1] == last and len(edges) == 42
    for second in np.linspace(0, last, 500)[1:-1] + 1e-4:
        nearest = np.abs((given.starts + given.ends) / 2 - second).argmin()
        assert edges[nearest] <= second < edges[nearest + 1]


@pytest.mark.parametrize("stride", [0.25, 0.5, 1])
def test_cuts_between_classes_are_found_to_half_a_stride(stride):
    truth = [(0, 6, 0), (6, 10, 1), (10, 15, 2), (15, 19, 0)]
    segments = found(ideal(truth, 19, stride=stride))
    assert [cls for *_, cls in segments] == [CLASSES[cls] for *_, cls in truth]
    for (start, end, _), (begin, last, _) in zip(segments, truth, strict=True):
        assert abs(start - begin) <= stride / 2 and abs(end - last) <= stride / 2


@pytest.mark.parametrize("truth", [[(3, 8, 0), (13, 20, 2)], [(0, 1.5, 1), (5, 6.5, 1), (23, 24, 0)], [(11, 12.1, 0)]])
def test_actions_longer_than_half_a_window_are_found_between_gaps(truth):
    segments = found(ideal(truth, 24, stride=0.25))
    assert [cls for *_, cls in segments] == [CLASSES[cls] for *_, cls in truth if cls != 9]
    for (start, end, _), (begin, last, _) in zip(segments, truth, strict=True):
        shared = min(end, last) - max(start, begin)
        assert shared / (max(end, last) - min(start, begin)) > 0.6


def test_refused_windows_are_gaps_and_without_them_there_are_none():
    truth = [(3, 8, 0), (13, 20, 2)]
    given = ideal(truth, 24)
    assert found(windows(given.starts, given.ends, given.probabilities, np.ones(len(given.starts), bool))) == []
    everything = found(windows(given.starts, given.ends, given.probabilities))
    assert everything[0][0] == 0 and everything[-1][1] == 24
    assert all(one[1] == other[0] for one, other in pairwise(everything))


def test_windows_side_by_side_are_segments_where_they_agree():
    assert found(one_hot(0, 0, 1, 0, None, 0, 2, 2, None)) == [
        *((0, 2, "hop"), (2, 3, "run"), (3, 4, "hop"), (5, 6, "hop"), (6, 8, "sit"))
    ]


@pytest.mark.parametrize("between", [1, None])
@pytest.mark.parametrize(("count", "kept"), [(1, False), (2, True), (3, True)])
def test_half_a_window_is_the_shortest_segment_and_the_shortest_gap(count, kept, between):
    given = one_hot(*[0] * 6, *[between] * count, *[0] * 6, stride=0.25)  # two strides are half a window
    segments = found(given)
    if not kept:
        assert segments == [(0, given.ends[-1], "hop")]
    else:
        begin, end = 0.375 + 6 * 0.25, 0.375 + (6 + count) * 0.25
        middle = [(begin, end, "run")] if between else []
        assert segments == [(0, begin, "hop"), *middle, (end, given.ends[-1], "hop")]


def test_a_short_segment_between_two_others_is_a_gap():
    given = one_hot(*[0] * 6, 1, *[2] * 6, stride=0.25)
    assert found(given) == [(0, 1.875, "hop"), (2.125, 4, "sit")]


def test_a_segment_has_the_mean_probability_of_its_class_over_time_and_the_example_in_its_middle():
    starts, ends = np.array([0.0, 1.0, 4.0]), np.array([1.0, 4.0, 5.0])
    shares = np.array([[0.6, 0.4, 0.0], [0.8, 0.2, 0.0], [0.1, 0.9, 0.0]])
    segments = segments_of(windows(starts, ends, shares), CLASSES)
    assert segments == (
        Segment(0, 3.5, "hop", pytest.approx((1.5 * 0.6 + 2 * 0.8) / 3.5), "1.mp4"),
        Segment(3.5, 5, "run", pytest.approx(0.9), "2.mp4"),
    )


def test_ten_hours_take_a_moment_and_no_window_is_none():
    random = np.random.Generator(np.random.Philox(1))
    starts, shares = 0.5 * np.arange(72_000), random.dirichlet(np.ones(3), 72_000)
    segments = segments_of(windows(starts, starts + 2, shares, shares.max(axis=1) < 0.4), CLASSES)
    assert len(segments) > 1000 and all(segment.end - segment.start >= 1 - 1e-6 for segment in segments)
    assert all(one.end <= other.start for one, other in pairwise(segments))
    assert segments_of(NO_WINDOWS, CLASSES) == ()


def test_what_is_shown_at_a_moment_is_the_segment_and_the_probability_then():
    given = ideal([(3, 8, 0), (8, 12, 1), (15, 20, 2)], 24)
    segments = segments_of(given, CLASSES)
    shown = shown_at(Timeline(Path("a.mp4"), CLASSES, 24.0, given, segments))
    middles = (given.starts + given.ends) / 2
    for second in np.arange(0, 24, 0.13):
        inside = [one for one in segments if one.start <= second < one.end]
        if inside:
            nearest = np.abs(middles - second - 1e-9).argmin()
            expected = given.probabilities[nearest, CLASSES.index(inside[0].cls)]
            assert shown(second) == (inside[0].cls, pytest.approx(expected))
        else:
            assert shown(second) is None
    assert shown(-1) is shown(24) is shown(1e9) is None
    assert shown_at(Timeline(Path("a.mp4"), CLASSES))(1) is None
