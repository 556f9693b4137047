import os

import cv2
import numpy as np
import pytest

from strmctl.data.videos import decode, extract, parse_size, positions_to_keep, resize
from strmctl.errors import DataError, UsageError
from tests.videos_for_tests import write_video


def test_decode_reads_every_frame_and_what_the_file_says(tmp_path):
    path = write_video(tmp_path / "a.avi", frames=11, size=(64, 48), fps=12, seed=3, codec="MJPG")
    video = decode(path)
    assert (video.width, video.height, video.fps, video.declared) == (64, 48, 12.0, 11)
    frames = list(video.frames)
    assert len(frames) == 11 and frames[0].shape == (48, 64, 3)
    capture = cv2.VideoCapture(str(path))
    for frame in frames:
        np.testing.assert_array_equal(frame, capture.read()[1])


def test_content_depends_on_the_seed(tmp_path):
    first, second = (next(decode(write_video(tmp_path / f"{seed}.mp4", seed=seed)).frames) for seed in (0, 1))
    assert np.abs(first.astype(int) - second).mean() > 10


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "the file is empty"), (b"not a video\n" * 99, "not a video that OpenCV can open")],
)
def test_what_is_no_video_has_a_short_reason(tmp_path, capfd, content, reason):
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        decode(path)
    assert caught.value.message == reason
    assert capfd.readouterr().err == ""


def test_a_cut_off_video_has_a_short_reason(tmp_path, capfd):
    path = write_video(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(DataError, match=r"not a video that OpenCV can open|OpenCV reads no frame"):
        decode(path)
    assert capfd.readouterr().err == ""


def test_a_container_without_frames(tmp_path):
    path = write_video(tmp_path / "a.avi", codec="MJPG", frames=3)
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"movi") + 4])
    with pytest.raises(DataError, match="OpenCV reads no frame"):
        decode(path)


def test_no_file_and_a_pipe(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        decode(tmp_path / "none.mp4")
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(DataError, match="not a regular file"):
        decode(tmp_path / "pipe.mp4")


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [
        ((240, 320), 256, (256, 341)),
        ((320, 240), 64, (85, 64)),
        ((720, 1280), 256, (256, 455)),
        ((240, 427), (256, 256), (256, 256)),
        ((64, 64), 64, (64, 64)),
        ((1000, 20), 16, (800, 16)),
    ],
)
def test_resize_gives_the_size_and_keeps_a_ramp(shape, size, expected):
    across = np.linspace(0, 255, shape[1])[None, :, None].repeat(shape[0], 0).repeat(3, 2).astype(np.uint8)
    small = resize(across, size)
    assert small.shape == (*expected, 3)
    # pixel centres: column j of the result looks at (j + 0.5) / width of the original
    at = (np.arange(expected[1]) + 0.5) / expected[1] * shape[1] - 0.5
    ramp = np.interp(at, np.arange(shape[1]), across[0, :, 0])
    assert np.abs(small[..., 0] - ramp).max() <= 255 / shape[1] + 1.5


def test_shrinking_a_lot_does_not_alias():
    stripes = np.zeros((480, 640, 3), np.uint8)
    stripes[:, np.arange(640) // 2 % 2 == 0] = 255  # finer than the result can show: it must turn grey
    small = resize(stripes, 48)
    assert np.abs(small.astype(int) - 128).max() <= 2


def test_sizes():
    assert parse_size("256") == 256 and parse_size("320x240") == (320, 240) and parse_size("64X64") == (64, 64)
    for text in ("", "big", "0", "-5", "5000", "256x", "1x2x3", "256.0"):
        with pytest.raises(UsageError, match="is not a size"):
            parse_size(text)


@pytest.mark.parametrize(("count", "frames"), [(100, 8), (17, 16), (16, 16), (5, 8), (1, 8), (310, 25)])
def test_positions_are_the_truncated_line(count, frames):
    expected = {int(index * (count - 1) / (frames - 1)) for index in range(frames)}
    assert positions_to_keep(count, frames) == expected
    assert len(expected) == min(count, frames)


def test_extract_gives_the_frames_as_jpeg(tmp_path):
    path = write_video(tmp_path / "a.avi", frames=20, codec="MJPG")
    every, some = [], []
    video, count = extract(path, size=48, quality=95, frames=None, keep=every.append)
    assert (count, video.width, len(every)) == (20, 64, 20)
    for jpeg, frame in zip(every, decode(path).frames, strict=True):
        pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert np.abs(pixels.astype(int) - frame).mean() < 8
    assert extract(path, size=48, quality=95, frames=8, keep=some.append)[1] == 20
    assert some == [every[position] for position in (0, 2, 5, 8, 10, 13, 16, 19)]


def test_quality_matters(tmp_path):
    path = write_video(tmp_path / "a.mp4", size=(128, 96))
    sizes = []
    for quality in (20, 95):
        images = []
        extract(path, size=96, quality=quality, frames=None, keep=images.append)
        sizes.append(sum(map(len, images)))
    assert 2 * sizes[0] < sizes[1]
