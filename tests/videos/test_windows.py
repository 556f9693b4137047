"""Windows of a video: the very clips that would be cut out there, decoded once, few of them in memory."""

import gc
import itertools
import math
import tracemalloc
from array import array

import cv2
import numpy as np
import pytest
import torch

from strmctl.errors import DataError, UsageError
from strmctl.videos import windows as module
from strmctl.videos.frame_positions import even_positions
from strmctl.videos.frame_times import timed
from strmctl.videos.pixels import centre_crop, decode_frames, to_shorter_side
from strmctl.videos.read_video import read_video
from strmctl.videos.video import Picture, Video
from strmctl.videos.windows import VideoWindows, check_window, shared_stride
from tests.videos_for_tests import write_odd_video, write_video

SHAPE = {"frames": 8, "size": 32}


def noise(count, size=(48, 36)):
    random = np.random.Generator(np.random.Philox(7))
    small = [random.integers(0, 256, (4, 5, 3), np.uint8) for _ in range(count)]
    return [cv2.resize(image, size, interpolation=cv2.INTER_CUBIC) for image in small]


def pixels(window):
    images = decode_frames([window.images[position] for position in window.positions])
    return centre_crop(to_shorter_side(images, 32), 32)


def cut_out(path, pictures, *, rate=None, **how):
    write_odd_video(path, pictures, codec="ffv1", **how)
    return read_video(path, frames=8, size=32, crop=32, rate=rate).pixels


@pytest.mark.parametrize("rate", [None, 4, 12, 30])
@pytest.mark.parametrize(("window", "stride"), [(2, 0.5), (1, 1), (2.5, 0.7), (0.5, 0.25), (1 / 3, 1 / 12)])
def test_a_window_is_the_clip_that_would_be_cut_out_there(tmp_path, window, stride, rate):
    pictures = noise(61)  # 12 a second
    path = write_odd_video(tmp_path / "whole.mkv", pictures, codec="ffv1")
    found = list(VideoWindows(path, window=window, stride=stride, rate=rate, **SHAPE))
    starts = np.arange(0, 61 / 12 - window + 1e-6, stride)
    assert [one.start for one in found][: len(starts)] == pytest.approx(starts)
    assert found[-1].end == pytest.approx(61 / 12, abs=2e-3) and len(found) - len(starts) in (0, 1)
    for number, one in enumerate(found):
        assert one.end - one.start == pytest.approx(window)
        inside = [image for at, image in enumerate(pictures) if one.start - 1e-3 <= at / 12 < one.end - 1e-3]
        cut = cut_out(tmp_path / f"{number}.mkv", inside, rate=rate)
        assert torch.equal(pixels(one), cut), (one.start, one.positions)
    assert all(one.first <= min(other.positions) for one, other in itertools.combinations(found, 2))


@pytest.mark.parametrize("rate", [None, 4, 8, 40])
def test_no_window_takes_a_frame_from_before_an_earlier_one_however_the_frame_rate_varies(tmp_path, monkeypatch, rate):
    for seed in range(20):
        random = np.random.Generator(np.random.Philox(seed))
        times = np.cumsum(random.choice([0.02, 0.1, 0.5, 3.0], 80, p=[0.5, 0.3, 0.15, 0.05])).tolist()
        monkeypatch.setattr(module, "decode", lambda path, times=times: fake(times, fps=80 / times[-1]))
        found = list(VideoWindows(tmp_path / "a.mp4", window=2, stride=0.5, rate=rate, **SHAPE))
        for one, other in itertools.pairwise(found):
            assert one.first <= other.first <= other.positions[0] and sorted(other.positions) == other.positions


def test_a_window_at_a_rate_keeps_its_length_and_takes_frames_from_its_middle(tmp_path):
    path = write_video(tmp_path / "a.avi", frames=120, fps=30, codec="MJPG")
    how = {"frames": 8, "size": 32, "rate": 7.5}
    first, *_, last = found = list(VideoWindows(path, window=2, stride=1, **how))
    assert [edge for one in found for edge in (one.start, one.end)] == pytest.approx([0, 2, 1, 3, 2, 4])
    assert first.positions == list(range(15, 44, 4)) and last.positions == list(range(75, 104, 4))
    short, *_ = VideoWindows(path, window=0.5, stride=0.5, **how)
    assert short.positions == even_positions(15, 8)  # too short for it
    shared = [one.positions for one in VideoWindows(path, window=2, stride=None, **how)]
    assert shared[1][0] == shared[0][4]  # 16 frames on


def test_a_video_that_does_not_say_its_rate_has_no_windows_at_one(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "decode", lambda path: fake([number / 10 for number in range(40)], fps=0.0))
    with pytest.raises(DataError, match=r"a\.mp4 cannot be read: it does not say how many frames per second"):
        VideoWindows(tmp_path / "a.mp4", window=2, stride=1, rate=4, **SHAPE)
    assert len(list(VideoWindows(tmp_path / "a.mp4", window=2, stride=1, **SHAPE))) == 3


def test_time_stamps_decide_where_the_frame_rate_varies(tmp_path):
    random = np.random.Generator(np.random.Philox(5))
    stamps = np.cumsum(random.choice([4, 8, 30], 60)).tolist()  # hundredths of a second
    stamps = [stamp - stamps[0] for stamp in stamps]
    pictures = noise(60)
    path = write_odd_video(tmp_path / "whole.mkv", pictures, codec="ffv1", stamps=stamps)
    found = list(VideoWindows(path, window=2, stride=0.5, **SHAPE))
    assert len(found) >= 10
    for number, one in enumerate(found[:-1]):
        inside = [at for at in range(60) if one.start - 1e-3 <= stamps[at] / 100 < one.end - 1e-3]
        own = [stamps[at] - stamps[inside[0]] for at in inside]
        cut = cut_out(tmp_path / f"{number}.mkv", [pictures[at] for at in inside], stamps=own)
        assert torch.equal(pixels(one), cut)


@pytest.mark.parametrize("frames", [4, 8, 16])
@pytest.mark.parametrize("fps", [1, 5, 12, 24, 25, 29.97, 30, 60, 240])
@pytest.mark.parametrize("window", [0.5, 1, 2, 10, 60])
def test_a_stride_that_is_not_given_is_about_a_quarter_and_windows_share_frames(window, fps, frames):
    if window * fps < 2:
        return
    stride, quarter, count = shared_stride(window, fps, frames), window / 4, round(window * fps)

    def taken_per_second(step):
        """Distinct frames of forty windows, per second that they go on."""
        places = [math.ceil(number * step * fps - 1e-6) + place for number in range(40) for place in positions]
        return len(set(places)) / (40 * step)

    positions = even_positions(math.ceil(window * fps - 1e-3), frames)
    assert stride * fps == pytest.approx(round(stride * fps)) and stride <= window
    if count >= 8:
        near = [step / fps for step in range(1, count) if quarter / 1.25 <= step / fps <= quarter * 1.25]
        assert quarter / 1.25 - 0.51 / fps <= stride <= quarter * 1.25 + 0.51 / fps
        assert all(taken_per_second(stride) <= 1.1 * taken_per_second(step) for step in near)
    if frames >= 8 and count >= 16 * frames:  # far from taking every frame
        assert taken_per_second(stride) < 0.75 * taken_per_second(quarter)


def test_a_window_without_a_stride_suits_the_video(tmp_path):
    path = write_video(tmp_path / "a.avi", frames=120, fps=30, codec="MJPG")
    found = list(VideoWindows(path, window=2, stride=None, **SHAPE))
    assert [one.start for one in found] == pytest.approx([0, 16 / 30, 32 / 30, 48 / 30, 2])
    assert len({place for one in found[:4] for place in one.positions}) == 8 + 3 * 3
    slow = write_video(tmp_path / "slow.avi", frames=20, fps=1, codec="MJPG")
    assert [one.start for one in VideoWindows(slow, window=2, stride=None, **SHAPE)] == list(range(19))
    assert shared_stride(2, 0, 8) == 0.5


def test_times_are_those_of_players_where_a_video_starts_late(tmp_path):
    path = write_odd_video(tmp_path / "late.mkv", noise(40), codec="ffv1", stamps=[300 + 10 * at for at in range(40)])
    late = VideoWindows(path, window=2, stride=1, **SHAPE)
    assert [one.start for one in late] == [3, 4, 5] and late.end == pytest.approx(7, abs=0.1)


def test_a_still_of_ten_seconds_is_seen_in_every_window(tmp_path):
    stamps = [0, 10, 20, 30, 1045, 1055, 1065]
    path = write_odd_video(tmp_path / "still.mkv", noise(7), codec="ffv1", stamps=stamps)
    found = {round(one.start, 3): one.positions for one in VideoWindows(path, window=1, stride=0.5, **SHAPE)}
    assert found[0.0] == [0, 0, 0, 1, 1, 2, 2, 3] and found[0.5] == [3] * 8 == found[9.0]
    assert set(found[9.5]) == {3, 4}  # one frame appears, and another was there before


def test_the_last_window_ends_with_the_video_and_a_short_video_is_one(tmp_path):
    path = write_video(tmp_path / "a.mp4", frames=40, fps=10)
    ends = [(one.start, one.end) for one in VideoWindows(path, window=1.5, stride=1, **SHAPE)]
    assert ends == [(0, 1.5), (1, 2.5), (2, 3.5), (pytest.approx(2.5), pytest.approx(4))]
    ends = [one.end for one in VideoWindows(path, window=2, stride=1, **SHAPE)]
    assert ends == pytest.approx([2, 3, 4])
    short = VideoWindows(path, window=5, stride=1, **SHAPE)
    (only,) = short
    assert (only.start, only.end) == (0, pytest.approx(4)) and short.remarks == ["its 4 s are shorter than a window"]
    assert torch.equal(pixels(only), read_video(path, frames=8, size=32, crop=32).pixels)
    assert short.expected == pytest.approx(4) and short.decoded == 40


def test_a_video_that_breaks_off_has_the_windows_before_and_a_remark(tmp_path):
    content = write_video(tmp_path / "whole.avi", frames=120, codec="MJPG").read_bytes()
    (tmp_path / "half.avi").write_bytes(content[: len(content) // 2])
    half = VideoWindows(tmp_path / "half.avi", window=1, stride=0.5, **SHAPE)
    found = list(half)
    assert 3 < half.end < 7 and found[-1].end == pytest.approx(half.end)
    assert half.remarks == [f"damaged: {half.decoded} of 120 frames, up to {half.end:.1f} s"]


@pytest.mark.parametrize(
    ("window", "stride", "message"),
    [(0.1, 0.05, "a window of 0.1 s needs two"), (2, 0.05, "a stride of 0.05 s is less than one")],
)
def test_windows_below_a_frame_are_refused(tmp_path, window, stride, message):
    path = write_video(tmp_path / "a.mp4")
    with pytest.raises(DataError, match=message):
        VideoWindows(path, window=window, stride=stride, **SHAPE)


def test_a_frame_that_cannot_be_had_ends_the_video_and_what_came_before_counts(tmp_path, monkeypatch):
    def pictures(count):
        for number in range(30):

            def pixels(number=number):
                if number == count:
                    raise DataError("no pixels")
                return np.full((48, 64, 3), number, np.uint8)

            yield Picture(number / 10, number / 10, pixels)

    for count in (0, 1, 20):
        monkeypatch.setattr(module, "decode", lambda path, n=count: Video(64, 48, 10.0, 30, "fake", pictures(n)))
        windows = VideoWindows(tmp_path / "a.mp4", window=1, stride=0.5, **SHAPE)
        if count < 2:
            with pytest.raises(DataError, match=r"a\.mp4 cannot be read: no pixels"):
                list(windows)
        else:
            assert [one.end for one in windows] == [1, 1.5, 2] and windows.remarks == ["no pixels after 1.9 s"]


def test_one_frame_is_no_clip(tmp_path):
    with pytest.raises(DataError, match="has a single frame"):
        list(VideoWindows(write_video(tmp_path / "one.mp4", frames=1), window=2, stride=1, **SHAPE))


@pytest.mark.parametrize(
    ("window", "stride", "message"),
    [
        *(
            (value, 0.5, "the window must be a number of seconds above 0")
            for value in (0, -1, float("nan"), float("inf"))
        ),
        *((2, value, "the stride must be a number of seconds above 0") for value in (0, -0.5, float("nan"))),
        (301, 1, "300 seconds at most"),
        (2, 2.1, "leaves gaps"),
    ],
)
def test_windows_that_make_no_sense_are_refused(window, stride, message):
    with pytest.raises(UsageError, match=message):
        check_window(window, stride)


def fake(times, size=(64, 48), fps=10.0, declared=0):
    """A decoder of frames at these times, each of another colour."""

    def pictures():
        for number, time in enumerate(times):
            yield Picture(time, time, lambda number=number: np.full((*size[::-1], 3), number % 251, np.uint8))

    return Video(*size, fps, declared, "fake", pictures())


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        ([0, 0.1, 0.2, 0.3], [0, 0.1, 0.2, 0.3]),
        ([float("nan")] * 4, [0, 0.1, 0.2, 0.3]),
        ([0, 0.2, 0.1, 0.4], [0, 0.2, 0.3, 0.4]),  # out of order
        ([0, 0, 0, 0], [0, 0.1, 0.2, 0.3]),
        ([0, 0.1, 5000, 5000.2, 5000.3], [0, 0.1, 0.2, 0.4, 0.5]),  # a clock that was set
        ([100, 100.1, 3, 3.1], [100, 100.1, 100.2, 100.3]),
        ([0, 0.1, 60, 60.1], [0, 0.1, 60, 60.1]),  # a still
    ],
)
def test_times_grow_whatever_the_stamps(stamps, expected):
    assert [time for time, _ in timed(fake(stamps))] == pytest.approx(expected)


def test_ten_hours_are_decoded_once_and_few_frames_are_kept(tmp_path, monkeypatch):
    seconds, decoded = 36_000, 0

    def times():
        nonlocal decoded
        for number in range(seconds // 5):
            decoded += 1
            yield 5 * number

    monkeypatch.setattr(module, "decode", lambda path: fake(times(), fps=0.2, declared=seconds // 5))
    (tmp_path / "long.mp4").write_bytes(b"x")
    windows = VideoWindows(tmp_path / "long.mp4", window=60, stride=15, **SHAPE)
    assert windows.expected == seconds
    gc.collect()
    tracemalloc.start()
    ends = array("d")
    for one in windows:
        ends.append(one.end)
        if len(ends) == 100:
            before = tracemalloc.get_traced_memory()[0]
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert ends.tolist() == list(range(60, seconds + 1, 15)) and decoded == seconds // 5
    assert after - before < 60_000  # bytes, a third of them the ends
