"""Frames are turned and mirrored as the file asks for, as ffmpeg does it, by both decoders; late starts."""

import itertools
import shutil
import struct
import subprocess

import cv2
import numpy as np
import pytest

from strmctl.errors import DataError
from strmctl.videos import decoder_opencv, decoder_pyav
from strmctl.videos.decode import decode
from strmctl.videos.extract import extract, parse_size
from strmctl.videos.mp4_header import display_matrix
from strmctl.videos.orientation import is_mirrored, oriented
from strmctl.videos.video import Video
from tests.videos_for_tests import write_video

ONE = 1 << 16
MATRICES = [
    *((a, 0, 0, d) for a, d in itertools.product((ONE, -ONE), repeat=2)),
    *((0, b, c, 0) for b, c in itertools.product((ONE, -ONE), repeat=2)),
]
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")


def with_matrix(path, matrix):
    """The same file with another display matrix in the header of its track."""
    content = path.read_bytes()
    begin = content.index(b"tkhd") + 4 + 40
    a, b, c, d = matrix
    width, height = struct.unpack_from(">2i", content, begin + 36)
    # moved back to where coordinates are positive, as cameras write it
    x, y = (width if a < 0 or c < 0 else 0), (height if b < 0 or d < 0 else 0)
    rows = struct.pack(">9i", a, b, 0, c, d, 0, x, y, 1 << 30)
    made = path.with_name(f"{matrix}.mp4")
    made.write_bytes(content[:begin] + rows + content[begin + 36 :])
    return made


@pytest.fixture
def plain(tmp_path):
    return write_video(tmp_path / "plain.mp4", size=(64, 48), frames=3)


def first_frame(video: Video) -> np.ndarray:
    return next(video.pictures).pixels()


def by_pixel(frame, matrix):
    """The slow way: each pixel goes where the matrix says."""
    a, b, c, d = (sign // ONE for sign in matrix)
    height, width = frame.shape[:2]
    places = {(a * x + c * y, b * x + d * y): frame[y, x] for y in range(height) for x in range(width)}
    left, top = (min(place[axis] for place in places) for axis in (0, 1))
    shown = np.empty((height, width, 3) if a else (width, height, 3), np.uint8)
    for (x, y), pixel in places.items():
        shown[y - top, x - left] = pixel
    return shown


@pytest.mark.parametrize("matrix", MATRICES)
def test_every_orientation_by_both_decoders(plain, matrix):
    unturned = first_frame(decoder_opencv.open_video(plain))
    path = with_matrix(plain, matrix)
    assert display_matrix(path) == matrix
    expected = by_pixel(unturned, matrix)
    assert np.array_equal(oriented(unturned, matrix), expected)
    video = decode(path)
    assert (video.height, video.width) == expected.shape[:2]
    assert np.array_equal(first_frame(video), expected)
    pytest.importorskip("av", reason="the package av is not installed")
    mirroring = matrix if is_mirrored(matrix) else None
    found = first_frame(decoder_pyav.open_video(path, mirroring)).astype(int)
    assert found.shape == expected.shape and np.abs(found - expected).mean() < 2


@needs_ffmpeg
@pytest.mark.parametrize("matrix", MATRICES)
def test_every_orientation_as_ffmpeg_shows_it(plain, matrix):
    path = with_matrix(plain, matrix)
    picture = path.with_suffix(".png")
    subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-frames:v", "1", picture], check=True)
    expected, found = cv2.imread(str(picture)).astype(int), first_frame(decode(path)).astype(int)
    assert found.shape == expected.shape and np.abs(found - expected).mean() < 4  # rounding of colours


@pytest.mark.parametrize("matrix", [(46341, 46341, -46341, 46341), (ONE, 9000, 0, ONE), (ONE, 0, 0, 0)])
def test_what_no_right_angle_gives_is_named(plain, matrix):
    with pytest.raises(DataError, match="display matrix turns the picture by no right angle"):
        decode(with_matrix(plain, matrix))


@pytest.mark.parametrize("matrix", [(1, ONE, -ONE, 1), (-ONE, 2, -2, -ONE)])
def test_what_rounding_leaves_in_a_matrix_does_not_count(plain, matrix):
    exact = tuple(value if abs(value) > 2 else 0 for value in matrix)
    expected = by_pixel(first_frame(decoder_opencv.open_video(plain)), exact)
    assert np.array_equal(first_frame(decode(with_matrix(plain, matrix))), expected)


def test_a_matrix_of_zeros_and_a_file_without_one_are_shown_as_they_are(plain, tmp_path):
    expected = first_frame(decode(plain))
    assert np.array_equal(first_frame(decode(with_matrix(plain, (0, 0, 0, 0)))), expected)
    assert display_matrix(write_video(tmp_path / "x.avi", codec="MJPG")) is None


@needs_ffmpeg
@pytest.mark.parametrize("suffix", ["mkv", "mp4", "mov", "ts"])
def test_a_clip_that_starts_late_is_no_damaged_one_and_half_of_it_is(tmp_path, suffix):
    plain, late = write_video(tmp_path / "plain.mp4", frames=60), tmp_path / f"late.{suffix}"
    codec = ["-c", "copy"] if suffix != "ts" else ["-c:v", "mpeg2video", "-r", "24"]
    subprocess.run(["ffmpeg", "-v", "error", "-i", plain, *codec, "-output_ts_offset", "3600", late], check=True)
    how = {"size": parse_size("32"), "quality": 90, "frames": None, "keep": lambda image: None}
    whole = extract(late, **how)
    assert whole.decoded >= 60 and whole.remarks == []
    times = [picture.time for picture in decode(late).pictures]
    assert times[0] == pytest.approx(0, abs=0.1) and times[-1] < 10
    if suffix == "mkv":
        late.write_bytes(late.read_bytes()[: late.stat().st_size // 2])
        (remark,) = extract(late, **how).remarks
        assert remark.startswith("damaged")
