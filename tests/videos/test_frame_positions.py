from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strmctl.draws import Draws
from strmctl.videos.frame_positions import even_positions, jittered_positions, positions_by_time


def slow_even(count, frames):
    start, end = 1, count - 2
    if end - start < frames:
        start, end = 0, count - 1
    return [int(start + (end - start) * i / (frames - 1)) for i in range(frames)]


@pytest.mark.parametrize("count", [8, 9, 10, 11, 12, 16, 17, 50, 333])
def test_test_frames_are_evenly_spaced(count):
    assert even_positions(count, 8) == slow_even(count, 8)


def test_test_frames_of_known_lengths():
    assert even_positions(16, 8) == [1, 2, 4, 6, 8, 10, 12, 14]
    assert even_positions(8, 8) == list(range(8))
    assert even_positions(10, 8) == [0, 1, 2, 3, 5, 6, 7, 9]  # 8 - 1 < 8: the whole clip
    assert even_positions(3, 8) == [0, 0, 0, 0, 1, 1, 1, 2]


@pytest.mark.parametrize(("count", "play"), [(8, 0), (12, 2), (16, 4), (18, 5), (100, 5)])
def test_training_frames_have_jittered_ends(count, play):
    seen = [jittered_positions(count, 8, Draws(count, i)) for i in range(400)]
    for positions in seen:
        assert len(positions) == 8
        assert positions == sorted(positions)
    whole = {0, count - 1}
    starts, ends = {positions[0] for positions in seen}, {positions[-1] for positions in seen}
    assert starts <= set(range(play + 1)) | whole
    assert ends <= set(range(count - 1 - play, count)) | whole
    if count >= 18:  # every start and end is drawn, both ends of the range included
        assert starts == set(range(play + 1))
        assert ends == set(range(count - 1 - play, count))


def test_training_frames_lie_in_the_clip_whatever_its_length():
    for count in range(2, 71):
        for frames in range(2, 65):
            positions = jittered_positions(count, frames, Draws(count, frames))
            assert len(positions) == frames and positions == sorted(positions)
            assert positions[0] >= 0 and positions[-1] < count
            if count <= frames:
                assert (positions[0], positions[-1]) == (0, count - 1)


@pytest.mark.parametrize(("count", "frames"), [(100, 8), (17, 16), (16, 16), (8, 8), (310, 25)])
@pytest.mark.parametrize("fps", [12.0, 29.97, 1000.0])
def test_even_time_stamps_change_nothing(count, frames, fps):
    exact = np.arange(count) / fps
    for times in (exact, 3.5 + exact, np.round(exact, 3) if fps < 100 else exact):  # Matroska rounds to milliseconds
        assert positions_by_time(times, frames) == even_positions(count, frames)


def test_time_stamps_that_make_no_sense_change_nothing():
    for times in ([float("nan")] * 40, [0.0] * 40, [float(i) for i in range(39, -1, -1)], [0, 5, 3, *range(7, 44)]):
        assert positions_by_time(times, 8) == even_positions(40, 8)


def slow_by_time(times, frames):
    """For each evenly spaced moment the last frame that has appeared by then."""
    first, last = times[1], times[-2]
    moments = [first + (last - first) * i / (frames - 1) for i in range(frames)]
    return [max(index for index, time in enumerate(times) if time <= moment) for moment in moments]


def test_a_varying_frame_rate_is_sampled_by_time():
    slow_then_fast = [*range(0, 20), *(20 + i / 10 for i in range(101))]  # 20 s at 1 frame/s, 10 s at 10 frames/s
    assert positions_by_time(slow_then_fast, 8) == slow_by_time(slow_then_fast, 8)
    assert positions_by_time(slow_then_fast, 8) != even_positions(121, 8)
    frozen = [0.0, 0.1, 0.2, 30.0, *(30 + i / 10 for i in range(1, 9))]  # one frame is shown for almost half a minute
    taken = positions_by_time(frozen, 8)
    assert taken == slow_by_time(frozen, 8) and taken.count(2) > 4 and len(taken) == 8


def test_a_dropped_frame_now_and_then_is_no_varying_rate():
    times = [index / 25 for index in range(100) if index != 50]
    assert positions_by_time(times, 8) == even_positions(99, 8)


def slow_at_rate(frames, rate, fps):
    """From the first frame on, for each moment the frame that is nearest to it; the later one of two."""
    rate, fps, positions = Fraction(str(rate)), Fraction(str(fps)), []
    for number in range(frames):
        moment, position = number / rate, 0
        while abs((position + 1) / fps - moment) <= abs(position / fps - moment):
            position += 1
        positions.append(position)
    return positions


FPS, RATES = [5, 10, 12, 23.976, 24, 25, 29.97, 30, 50, 60], [0.5, 2, 3.75, 4, 7.5, 10, 12, 15, 30]


@pytest.mark.parametrize("fps", FPS)
@pytest.mark.parametrize("rate", RATES)
def test_frames_at_a_rate_lie_in_the_middle_or_are_spread_over_a_clip_that_is_too_short(fps, rate):
    for frames in (2, 8, 16, 32):
        behind = slow_at_rate(frames, rate, fps)
        length = behind[-1] + 1
        for count in {2, 3, 9, 40, 75, 300, length - 1, length, length + 1, length + 2} - {0, 1}:
            found = even_positions(count, frames, rate, fps)
            if count < length:
                assert found == slow_even(count, frames)
                assert jittered_positions(count, frames, Draws(0), rate, fps) == jittered_positions(
                    count, frames, Draws(0)
                )
                continue
            assert [position - found[0] for position in found] == behind
            assert count - 1 - found[-1] - found[0] in (0, 1)


def test_frames_at_known_rates():
    assert even_positions(64, 16, 7.5, 30.0) == [1 + 4 * number for number in range(16)]
    assert even_positions(64, 16, 7.5, 29.97) == even_positions(64, 16, 7.5, 30.0)
    assert even_positions(61, 16, 7.5, 30.0) == [4 * number for number in range(16)]
    assert even_positions(60, 16, 7.5, 30.0) == even_positions(60, 16)
    assert even_positions(7, 8, 24.0, 12.0) == [1, 2, 2, 3, 3, 4, 4, 5]  # frames that are closer than the clip's own
    assert even_positions(40, 8, 4.0, 0.0) == even_positions(40, 8)


@given(
    count=st.integers(2, 2000),
    frames=st.integers(2, 64),
    rate=st.floats(1e-3, 1e3),
    fps=st.floats(1e-3, 1e3),
    seed=st.integers(0, 9),
)
@settings(derandomize=True, database=None, deadline=None, max_examples=400)
def test_frames_at_any_rate_lie_in_the_clip_each_within_half_a_frame_of_its_time(count, frames, rate, fps, seed):
    for positions in (
        even_positions(count, frames, rate, fps),
        jittered_positions(count, frames, Draws(seed), rate, fps),
    ):
        assert len(positions) == frames and positions == sorted(positions)
        assert positions[0] >= 0 and positions[-1] < count
        if (frames - 1) * fps / rate < count - 1:
            away = [position - positions[0] - number * fps / rate for number, position in enumerate(positions)]
            assert max(map(abs, away)) <= 0.5 + 1e-6


@pytest.mark.parametrize("rate", [1e-300, 5e-324, 1e300])
def test_rates_beyond_all_bounds_are_taken_as_they_are(rate):
    found = even_positions(40, 8, rate, 25.0)
    assert found == (even_positions(40, 8) if rate < 1 else [19] * 8)


def test_training_frames_at_a_rate_lie_anywhere_in_the_clip_and_reach_both_ends():
    seen = [jittered_positions(40, 8, Draws(number), 4.0, 12.0) for number in range(600)]
    assert {tuple(position - one[0] for position in one) for one in seen} == {tuple(range(0, 22, 3))}
    assert {one[0] for one in seen} == set(range(40 - 21))
    assert {one[-1] for one in seen} == set(range(21, 40))
    assert jittered_positions(22, 8, Draws(0), 4.0, 12.0) == list(range(0, 22, 3))


@pytest.mark.parametrize(("count", "frames"), [(100, 8), (61, 16), (60, 16), (8, 8), (5, 8), (2, 8)])
@pytest.mark.parametrize("fps", [12.0, 29.97, 30.0])
@pytest.mark.parametrize("rate", [3.75, 7.5, 48.0])
def test_even_time_stamps_give_the_frames_of_a_store(count, frames, fps, rate):
    exact = np.arange(count) / fps
    for times in (exact, 3.5 + exact, np.round(exact, 3), [float("nan")] * count):
        assert positions_by_time(times, frames, rate, fps) == even_positions(count, frames, rate, fps)


def slow_by_time_at_rate(times, frames, rate):
    """For each moment, 1/rate apart around the middle, the last frame that has appeared by then."""
    first = (times[0] + times[-1] - (frames - 1) / rate) / 2
    moments = [first + number / rate for number in range(frames)]
    return [max(index for index, time in enumerate(times) if time <= moment) for moment in moments]


@pytest.mark.parametrize("rate", [0.3, 0.5, 1.1, 4.0, 30.0])
def test_a_varying_frame_rate_is_sampled_by_time_at_a_rate_as_well(rate):
    slow_then_fast = [*range(0, 20), *(20 + i / 10 for i in range(101))]
    assert positions_by_time(slow_then_fast, 8, rate, 4.03) == slow_by_time_at_rate(slow_then_fast, 8, rate)
    few = slow_then_fast[15:25]
    if rate > 1:
        assert positions_by_time(few, 12, 3 * rate, 4.03) == slow_by_time_at_rate(few, 12, 3 * rate)
    assert positions_by_time(slow_then_fast, 8, 0.2, 4.03) == positions_by_time(slow_then_fast, 8)  # too short for it
    assert positions_by_time(few, 12, 0.2, 4.03) == even_positions(10, 12)


def test_a_time_that_is_that_of_a_frame_takes_this_frame():
    """0.1 s steps that rounding leaves a little early or late, in a video of another rate as a whole."""
    assert positions_by_time([place * 0.1 for place in range(19)], 8, 5, 12.0) == [2, 4, 6, 8, 10, 12, 14, 16]


def test_an_even_part_of_a_video_is_sampled_by_its_own_times():
    part = [float(second) for second in range(20)]  # of a video that has four frames per second on the whole
    assert positions_by_time(part, 8, 0.5, 4.0) == [2, 4, 6, 8, 10, 12, 14, 16]
