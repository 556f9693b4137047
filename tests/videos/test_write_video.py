"""Copies of videos with captions: each frame at its time, whatever the size, the rotation and the time stamps."""

import numpy as np
import pytest

from strmctl.errors import DataError, OutputError
from strmctl.videos import write_video as module
from strmctl.videos.decode import decode
from strmctl.videos.write_video import annotate, laid_over
from tests.videos_for_tests import pictures_of, rotate_mp4, write_odd_video, write_video


def strip(width, high=10, colour=(0, 0, 255, 255)):
    return np.full((high, width, 4), colour, np.uint8)


def levels(path):
    """Brightness in the middle of each frame, and its time."""
    video = decode(path)
    return [(round(one.time, 3), int(one.pixels()[video.height // 3, video.width // 2, 1])) for one in video.pictures]


@pytest.mark.parametrize("size", [(64, 48), (65, 49), (320, 240), (321, 241), (16, 200), (500, 18), (2, 2)])
def test_a_copy_has_all_frames_at_their_times_and_the_caption_below(tmp_path, size):
    path = write_odd_video(tmp_path / "a.mkv", pictures_of(20, size), codec="ffv1")
    asked, told = [], []

    def caption(second, width, height):
        asked.append(second)
        return strip(width) if second >= 1 else None

    annotate(path, tmp_path / "out.mp4", caption, seen=told.append)
    copy = decode(tmp_path / "out.mp4")
    assert copy.fps == 12 and copy.declared == 20 and asked == told == pytest.approx([at / 12 for at in range(20)])
    assert copy.width % 2 == copy.height % 2 == 0
    if min(size) >= 240:
        assert (copy.width, copy.height) == (size[0] & ~1, size[1] & ~1)
    else:
        assert min(copy.width, copy.height) >= 140 and max(copy.width, copy.height) <= 4096
        assert copy.width / copy.height == pytest.approx(size[0] / size[1], rel=0.05)
    for (time, level), (own, image) in zip(levels(tmp_path / "out.mp4"), enumerate(pictures_of(20)), strict=True):
        assert time == pytest.approx(own / 12, abs=1e-3) and abs(level - int(image[0, 0, 0])) < 12
    red = [frame[-5, frame.shape[1] // 2].tolist() for frame in decode(tmp_path / "out.mp4").frames]
    assert all(blue < 80 and green < 80 and red > 170 for blue, green, red in red[12:])
    assert all(max(pixel) - min(pixel) < 30 for pixel in red[:12])
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.mkv", "out.mp4"]


def test_a_turned_video_is_written_as_it_is_shown(tmp_path):
    path = rotate_mp4(write_video(tmp_path / "a.mp4", size=(320, 240)))
    annotate(path, tmp_path / "out.mp4", lambda *_: None)
    before, after = decode(path), decode(tmp_path / "out.mp4")
    assert (after.width, after.height) == (before.width, before.height) == (240, 320)
    for one, other in zip(before.frames, after.frames, strict=True):
        assert np.abs(one.astype(int) - other).mean() < 6


def test_frames_are_shown_when_they_were_where_the_rate_varies(tmp_path):
    stamps = [0, 4, 8, 12, 100, 104, 108, 250, 254]  # hundredths of a second
    path = write_odd_video(tmp_path / "a.mkv", pictures_of(9), codec="ffv1", stamps=stamps)
    annotate(path, tmp_path / "out.mp4", lambda *_: None)
    fps = decode(tmp_path / "out.mp4").fps
    own = [int(image[0, 0, 0]) for image in pictures_of(9)]
    for time, level in levels(tmp_path / "out.mp4"):
        possible = [at for at in range(9) if abs(own[at] - level) < 13]
        begins = [stamps[at] / 100 for at in possible]
        ends = [(stamps[at + 1] if at < 8 else 258) / 100 for at in possible]
        assert any(begin - 0.6 / fps <= time <= end + 0.6 / fps for begin, end in zip(begins, ends, strict=True))
    assert levels(tmp_path / "out.mp4")[-1][0] == pytest.approx(2.54, abs=1 / fps)


def test_a_video_that_starts_late_is_black_until_then(tmp_path):
    path = write_odd_video(tmp_path / "a.mkv", pictures_of(10)[1:], stamps=[200 + 10 * at for at in range(9)])
    annotate(path, tmp_path / "out.mp4", lambda *_: None)
    shown = levels(tmp_path / "out.mp4")
    assert all(level < 8 for time, level in shown if time < 1.99)
    assert all(level > 20 for time, level in shown if time > 2.01) and shown[-1][0] == pytest.approx(2.8, abs=0.05)


@pytest.mark.parametrize("fps", [5, 23.976, 29.97, 60, 240])
def test_the_frame_rate_stays_up_to_that_of_players(tmp_path, fps):
    path = write_video(tmp_path / "a.avi", frames=30, fps=fps, codec="MJPG")
    annotate(path, tmp_path / "out.mp4", lambda *_: None)
    copy = decode(tmp_path / "out.mp4")
    assert copy.fps == pytest.approx(min(fps, 120), rel=1e-3) and copy.declared == (30 if fps < 120 else 15)


def test_an_opaque_strip_covers_and_a_clear_one_does_not():
    frame = np.full((20, 6, 3), 100, np.uint8)
    half = laid_over(frame, strip(6, high=4, colour=(200, 0, 100, 51)))
    assert half[-4:].reshape(-1, 3).tolist() == [[120, 80, 100]] * 24 and (half[:-4] == 100).all()
    assert (laid_over(frame, strip(6, high=30))[..., 2] == 255).all()


def test_what_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    path = write_video(tmp_path / "a.mp4")
    with pytest.raises(DataError):
        annotate(tmp_path / "gone.mp4", tmp_path / "out.mp4", lambda *_: None)

    writer, count = module.cv2.VideoWriter, 0

    class Full:
        """Drops frames without an error, as on a full disk."""

        def __init__(self, *how):
            self.own = writer(*how)
            self.isOpened, self.release = self.own.isOpened, self.own.release

        def write(self, frame):
            nonlocal count
            count += 1
            if count < 5:
                self.own.write(frame)

    monkeypatch.setattr(module.cv2, "VideoWriter", Full)
    with pytest.raises(OutputError, match="could not write the whole"):
        annotate(path, tmp_path / "out.mp4", lambda *_: None)
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]
