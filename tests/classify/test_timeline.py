"""From windows to segments: means over time against a slow sum, and the merging rule on windows that one can read."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from strmctl.classify.timeline import NO_WINDOWS, Segment, Timeline, Windows, over_time, segments_of, shown_at

CLASSES = ("hop", "run", "sit")


def windows(count, window=2.0, stride=0.5):
    starts = stride * np.arange(count)
    return starts, starts + window


def ideal(truth, duration, window=2.0, stride=0.5):
    """Windows whose probabilities are the shares of a window that the classes fill, and refused where none does half.

    Args:
        truth: (start, end, position of the class).
        duration: of the video, seconds.
    """
    starts, ends = windows(int((duration - window) / stride + 1e-9) + 1, window, stride)
    shares = np.zeros((len(starts), len(CLASSES)))
    for start, end, cls in truth:
        shares[:, cls] += np.clip(np.minimum(ends, end) - np.maximum(starts, start), 0, None) / window
    refused = shares.max(axis=1) < 0.5
    return starts, ends, (shares + 1e-3) / (shares + 1e-3).sum(axis=1, keepdims=True), refused


def found(starts, ends, shares, refused):
    names = ("a.mp4",) * len(starts)
    segments = segments_of(Windows(starts, ends, shares, refused, names), CLASSES)
    return [(segment.start, segment.end, segment.cls) for segment in segments]


@pytest.mark.parametrize(("window", "stride"), [(2, 0.5), (2, 2), (1, 0.3), (1.7, 0.9), (0.2, 0.1)])
def test_means_over_time_are_those_of_each_moment(window, stride):
    random = np.random.Generator(np.random.Philox(3))
    starts, ends = windows(40, window, stride)
    starts, ends = np.append(starts, starts[-1] + stride / 3), np.append(ends, ends[-1] + stride / 3)
    values = random.uniform(size=(41, 3))
    edges, means = over_time(starts, ends, values)
    assert edges[0] == 0 and edges[-1] == pytest.approx(ends[-1]) and np.diff(edges).min() > 1e-6
    for left, right, mean in zip(edges[:-1], edges[1:], means, strict=True):
        middle = (left + right) / 2
        assert mean == pytest.approx(values[(starts < middle) & (middle < ends)].mean(axis=0), rel=1e-9)


def test_where_no_window_is_there_is_no_mean():
    edges, means = over_time(np.array([0.0, 5.0]), np.array([1.0, 6.0]), np.array([0.25, 0.75]))
    assert edges.tolist() == [0, 1, 5, 6] and means[[0, 2]].tolist() == [0.25, 0.75] and np.isnan(means[1])
    shares = np.array([[0.9, 0.1, 0.0], [0.8, 0.1, 0.1]])
    assert found(np.array([0.0, 5.0]), np.array([1.0, 6.0]), shares, np.zeros(2, bool)) == [
        (0, 1, "hop"),
        (5, 6, "hop"),
    ]


@pytest.mark.parametrize("stride", [0.25, 0.5, 1])
def test_cuts_between_classes_are_found_where_they_are(stride):
    truth = [(0, 6, 0), (6, 10, 1), (10, 15, 2), (15, 19, 0)]
    segments = found(*ideal(truth, 19, stride=stride))
    assert segments == [(start, end, CLASSES[cls]) for start, end, cls in truth]


def test_refused_windows_leave_gaps():
    truth = [(3, 8, 0), (13, 20, 2)]
    segments = found(*ideal(truth, 24))
    assert [cls for *_, cls in segments] == ["hop", "sit"]
    for (start, end, _), (begin, last, _) in zip(segments, truth, strict=True):
        assert abs(start - begin) <= 0.5 and abs(end - last) <= 0.5
    starts, ends, shares, refused = ideal(truth, 24)
    assert found(starts, ends, shares, np.ones_like(refused)) == []
    everything = found(starts, ends, shares, np.zeros_like(refused))
    assert everything[0][0] == 0 and everything[-1][1] == 24  # nothing is refused, so there is no gap


def test_as_many_refused_as_the_best_class_has_is_a_gap():
    starts, ends = np.array([0.0, 0.0]), np.array([1.0, 1.0])
    shares = np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    assert found(starts, ends, shares, np.array([False, True])) == []
    assert found(starts, ends, shares, np.array([False, False])) == [(0, 1, "hop")]


def one_hot(*answers):
    """One window of a second after another; None is refused."""
    refused = np.array([answer is None for answer in answers])
    shares = np.eye(3)[[0 if answer is None else answer for answer in answers]]
    return shares, refused


def test_windows_side_by_side_are_segments_where_they_agree():
    starts, ends = windows(9, window=1, stride=1)
    shares, refused = one_hot(0, 0, 1, 0, None, 0, 2, 2, None)
    assert found(starts, ends, shares, refused) == [
        *((0, 2, "hop"), (2, 3, "run"), (3, 4, "hop"), (5, 6, "hop"), (6, 8, "sit"))
    ]


@pytest.mark.parametrize(("length", "kept"), [(0.4, False), (0.5, True), (0.6, True)])
def test_half_a_window_is_the_shortest_segment_and_the_shortest_gap(length, kept):
    # windows of one second, and a moment that windows of `length` alone see
    starts = np.array([0.0, 1.0, 1 + 1, 2 + length, 3 + length])
    ends = np.array([1.0, 2.0, 2 + length, 3 + length, 4 + length])
    shares, refused = one_hot(0, 0, 1, 0, 0)
    whole = found(starts, ends, shares, refused)
    assert (len(whole) == 3) == kept and (kept or whole == [(0, pytest.approx(4 + length), "hop")])
    shares, refused = one_hot(0, 0, None, 0, 0)
    whole = found(starts, ends, shares, refused)
    assert (len(whole) == 2) == kept and {cls for *_, cls in whole} == {"hop"}


def test_a_segment_has_the_mean_probability_of_its_class_over_time_and_the_example_in_its_middle():
    starts, ends = np.array([0.0, 1.0, 4.0]), np.array([1.0, 4.0, 5.0])
    shares = np.array([[0.6, 0.4, 0.0], [0.8, 0.2, 0.0], [0.1, 0.9, 0.0]])
    segments = segments_of(Windows(starts, ends, shares, np.zeros(3, bool), ("a", "b", "c")), CLASSES)
    assert segments == (
        Segment(0, 4, "hop", pytest.approx((0.6 + 3 * 0.8) / 4), "b"),
        Segment(4, 5, "run", pytest.approx(0.9), "c"),
    )


def test_ten_hours_take_a_moment_and_no_window_is_none():
    random = np.random.Generator(np.random.Philox(1))
    starts, ends = windows(72_000)
    shares = random.dirichlet(np.ones(3), 72_000)
    refused = shares.max(axis=1) < 0.4
    segments = segments_of(Windows(starts, ends, shares, refused, ("a.mp4",) * 72_000), CLASSES)
    assert len(segments) > 1000 and all(segment.end - segment.start >= 1 - 1e-6 for segment in segments)
    assert all(one.end <= other.start for one, other in pairwise(segments))
    assert segments_of(NO_WINDOWS, CLASSES) == ()


def test_what_is_shown_at_a_moment_is_the_segment_and_its_share_then():
    windows = Windows(*ideal([(3, 8, 0), (8, 12, 1), (15, 20, 2)], 24), ("a.mp4",) * 45)
    segments = segments_of(windows, CLASSES)
    shown = shown_at(Timeline(Path("a.mp4"), CLASSES, 24.0, windows, segments))
    edges, means = over_time(windows.starts, windows.ends, windows.probabilities)
    for second in np.arange(0, 24, 0.13):
        inside = [one for one in segments if one.start <= second < one.end]
        if inside:
            cell = next(cell for cell in range(len(means)) if edges[cell] <= second < edges[cell + 1])
            expected = means[cell, CLASSES.index(inside[0].cls)]
            assert shown(second) == (inside[0].cls, pytest.approx(expected))
        else:
            assert shown(second) is None
    assert shown(-1) is shown(24) is shown(1e9) is None
    assert shown_at(Timeline(Path("a.mp4"), CLASSES))(1) is None
