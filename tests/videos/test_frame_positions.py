import numpy as np
import pytest

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
