from pathlib import Path

import cv2
import numpy as np
import pytest

from strmctl.errors import UsageError
from strmctl.videos import decode as videos
from strmctl.videos import decoder_opencv, decoder_pyav
from strmctl.videos import extract as jpegs
from strmctl.videos.decode import decode
from strmctl.videos.extract import extract, parse_size, resize
from strmctl.videos.frame_positions import even_positions, positions_by_time
from tests.videos_for_tests import pictures_of, write_odd_video, write_video


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


def test_extract_gives_the_frames_as_jpeg(tmp_path):
    path = write_video(tmp_path / "a.avi", frames=20, codec="MJPG")
    every, some = [], []
    found = extract(path, size=48, quality=95, frames=None, keep=every.append)
    assert (found.decoded, found.video.width, found.positions, found.remarks) == (20, 64, list(range(20)), [])
    for jpeg, frame in zip(every, decode(path).frames, strict=True):
        pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert np.abs(pixels.astype(int) - frame).mean() < 8
    found = extract(path, size=48, quality=95, frames=8, keep=some.append)
    assert (found.decoded, found.positions) == (20, even_positions(20, 8))
    assert some == [every[position] for position in found.positions]


def test_quality_matters(tmp_path):
    path = write_video(tmp_path / "a.mp4", size=(128, 96))
    sizes = []
    for quality in (20, 95):
        images = []
        extract(path, size=96, quality=quality, frames=None, keep=images.append)
        sizes.append(sum(map(len, images)))
    assert 2 * sizes[0] < sizes[1]


def brightness(images):
    return [round(cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR).mean()) for image in images]


def passes(monkeypatch):
    """Counts how often videos are opened from now on."""
    opened = []
    monkeypatch.setattr(jpegs, "decode", lambda path: opened.append(path) or decode(path))
    return opened


def test_a_header_that_is_right_costs_one_pass_and_one_that_is_wrong_two(tmp_path, monkeypatch):
    path, opened, images = write_video(tmp_path / "a.avi", frames=40, codec="MJPG"), passes(monkeypatch), []
    extract(path, size=48, quality=95, frames=8, keep=images.append)
    assert len(opened) == 1
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    every, some = [], []
    whole = extract(path, size=48, quality=95, frames=None, keep=every.append)
    found = extract(path, size=48, quality=95, frames=8, keep=some.append)
    count = len(every)
    assert 10 < count < 30 and len(opened) == 4
    assert found.remarks == whole.remarks == [f"damaged: {count} of 40 frames"]
    assert found.positions == even_positions(count, 8) and some == [every[index] for index in found.positions]


def test_a_varying_frame_rate_is_sampled_by_time_and_all_keeps_every_frame(tmp_path):
    stamps = [*range(0, 2000, 100), *range(2000, 2200, 10)]  # 20 s at 1 frame/s, then 2 s at 10 frames/s
    path = write_odd_video(tmp_path / "a.mkv", pictures_of(40), stamps=stamps)
    every, some = [], []
    assert extract(path, size=48, quality=95, frames=None, keep=every.append).positions == list(range(40))
    found = extract(path, size=48, quality=95, frames=8, keep=some.append)
    assert found.positions == positions_by_time(np.array(stamps) / 100, 8) != even_positions(40, 8)
    assert some == [every[index] for index in found.positions]
    expected = [10 + 240 * index // 40 for index in found.positions]
    assert np.abs(np.array(brightness(some)) - expected).max() <= 8


def test_a_frame_that_is_shown_for_long_is_stored_as_often_as_it_is_taken(tmp_path):
    path = write_odd_video(tmp_path / "a.mkv", pictures_of(12), stamps=[0, 10, 20, *range(3000, 3090, 10)])
    images = []
    found = extract(path, size=48, quality=95, frames=8, keep=images.append)
    assert len(images) == 8 and found.positions.count(2) > 4 and len(set(images)) == len(set(found.positions))


def jpegs_in(path: Path) -> list[bytes]:
    """The JPEG images that an MJPG video consists of."""
    return [
        b"\xff\xd8" + part.rpartition(b"\xff\xd9")[0] + b"\xff\xd9" for part in path.read_bytes().split(b"\xff\xd8")[1:]
    ]


@pytest.mark.parametrize("frames", [None, 8])
@pytest.mark.parametrize("decoder", [decoder_opencv, decoder_pyav])
def test_frames_of_another_size_get_that_of_the_first(tmp_path, monkeypatch, frames, decoder):
    first = write_video(tmp_path / "a.avi", frames=10, codec="MJPG")
    wide = write_video(tmp_path / "b.avi", frames=10, codec="MJPG", size=(96, 48))
    path, images = tmp_path / "both.mjpeg", []
    path.write_bytes(b"".join([*jpegs_in(first)[:5], *jpegs_in(wide)[:5]]))
    monkeypatch.setattr(videos, "decoder_opencv", decoder)
    found = extract(path, size=32, quality=95, frames=frames, keep=images.append)
    sizes = {cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR).shape for image in images}
    assert sizes == {(32, 43, 3)} and found.decoded == 10 and len(images) == (frames or 10)
    # OpenCV brings the frames to the first one's size by itself and does not tell
    remark = ["its size changes from 64x48 to 96x48 by frame 6"]
    assert found.remarks == (remark if decoder is decoder_pyav else [])
