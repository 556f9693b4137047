"""Frames are turned and mirrored as the file asks for, as ffmpeg does it, by both decoders; late starts."""

import io
import itertools
import shutil
import struct
import subprocess

import cv2
import numpy as np
import pytest

from strmctl.errors import DataError
from strmctl.videos import decoder_opencv, decoder_pyav, matroska_header, mp4_header
from strmctl.videos.decode import decode
from strmctl.videos.extract import extract, parse_size
from strmctl.videos.orientation import oriented
from strmctl.videos.video import Video
from tests.videos_for_tests import write_video

ONE = 1 << 16
MATRICES = [
    *((a, 0, 0, d) for a, d in itertools.product((ONE, -ONE), repeat=2)),
    *((0, b, c, 0) for b, c in itertools.product((ONE, -ONE), repeat=2)),
]
AS_IT_IS = (ONE, 0, 0, ONE)
TRACKS = {0x18538067: {0x1654AE6B: {0xAE: {0xE0: {}}}}}  # the elements of a Matroska file that lead to a video track
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")


def with_matrix(path, matrix, film=AS_IT_IS):
    """The same file with another display matrix in the header of its track, and of the film."""
    content = path.read_bytes()
    for kind, before, (a, b, c, d) in ((b"tkhd", 40, matrix), (b"mvhd", 36, film)):
        begin = content.index(kind) + 4 + before
        # moved back to where coordinates are positive, as cameras write it
        x, y = (64 << 16 if a < 0 or c < 0 else 0), (48 << 16 if b < 0 or d < 0 else 0)
        content = content[:begin] + struct.pack(">9i", a, b, 0, c, d, 0, x, y, 1 << 30) + content[begin + 36 :]
    made = path.with_name(f"{matrix} {film}.mp4")
    made.write_bytes(content)
    return made


def element(kind, content):
    """An element of a Matroska file."""
    return kind.to_bytes((kind.bit_length() + 7) // 8, "big") + (1 << 56 | len(content)).to_bytes(8, "big") + content


def with_projection(content, projection, place=TRACKS):
    """The same Matroska file with a projection of its first video track; checksums are left out."""
    if not place:
        return content + element(0x7670, projection)
    result, file = b"", io.BytesIO(content)
    for kind, size in matroska_header._elements(file):
        inner = file.read(size)
        if kind != 0xBF:
            result += element(kind, with_projection(inner, projection, place[kind]) if kind in place else inner)
    return result


def pose(yaw=0.0, pitch=0.0, roll=0.0, *, form=">f", kind=0):
    """A projection."""
    angles = {0x7673: yaw, 0x7674: pitch, 0x7675: roll}
    fields = [element(key, struct.pack(form, angle)) for key, angle in angles.items()]
    return element(0x7671, bytes([kind])) + b"".join(fields)


@pytest.fixture
def matroska(tmp_path):
    """Makes a Matroska file with a projection."""
    content = write_video(tmp_path / "plain.mkv", size=(64, 48), frames=3, codec="MJPG").read_bytes()

    def make(projection):
        path = tmp_path / "posed.mkv"
        path.write_bytes(with_projection(content, projection))
        return path

    return make


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


def shown_by_both(path, header, expected):
    """Both decoders show this picture."""
    video = decode(path)
    assert (video.height, video.width) == expected.shape[:2]
    assert np.array_equal(first_frame(video), expected)
    pytest.importorskip("av", reason="the package av is not installed")
    found = first_frame(decoder_pyav.open_video(path, header.display_matrix(path))).astype(int)
    assert found.shape == expected.shape and np.abs(found - expected).mean() < 2


@pytest.mark.parametrize("matrix", MATRICES)
def test_every_orientation_by_both_decoders(plain, matrix):
    unturned = first_frame(decoder_opencv.open_video(plain))
    path = with_matrix(plain, matrix)
    found = mp4_header.display_matrix(path)
    assert found == (None if matrix == AS_IT_IS else tuple(value * ONE for value in matrix))
    expected = by_pixel(unturned, matrix)
    assert np.array_equal(oriented(unturned, matrix), expected)
    shown_by_both(path, mp4_header, expected)


@pytest.mark.parametrize(("matrix", "film"), list(itertools.product(MATRICES, MATRICES[1::3])))
def test_the_matrix_of_the_film_comes_after_that_of_the_track(plain, matrix, film):
    expected = by_pixel(by_pixel(first_frame(decoder_opencv.open_video(plain)), matrix), film)
    shown_by_both(with_matrix(plain, matrix, film), mp4_header, expected)


@pytest.mark.parametrize("yaw", [0.0, 180.0, -180.0])
@pytest.mark.parametrize("roll", [0.0, 90.0, 180.0, -90.0, 270.0])
def test_every_pose_of_a_matroska_file_by_both_decoders(matroska, yaw, roll):
    unturned = first_frame(decoder_opencv.open_video(matroska(b"")))
    expected = np.rot90(unturned[:, ::-1] if yaw else unturned, round(roll / 90))
    for form in (">f", ">d"):
        shown_by_both(matroska(pose(yaw, roll=roll, form=form)), matroska_header, expected)


@pytest.mark.parametrize(
    "projection", [b"", pose(yaw=90), pose(pitch=5, roll=90), pose(180, kind=1), pose(roll=np.nan)]
)
def test_a_matroska_file_that_shows_a_sphere_or_says_nothing_is_shown_as_it_is(matroska, projection):
    expected = first_frame(decoder_opencv.open_video(matroska(b"")))
    assert np.array_equal(first_frame(decode(matroska(projection))), expected)


def test_a_matroska_file_that_turns_by_no_right_angle_is_named(matroska):
    with pytest.raises(DataError, match="display matrix turns the picture by no right angle"):
        decode(matroska(pose(180, roll=30)))


@pytest.mark.parametrize("matrix", MATRICES)
def test_a_matroska_file_says_what_the_mp4_said_that_ffmpeg_made_it_of(plain, matrix):
    av = pytest.importorskip("av", reason="the package av is not installed")
    made = plain.with_suffix(".mkv")
    with av.open(with_matrix(plain, matrix)) as source, av.open(made, "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    with av.open(made) as container:
        sides = [bytes(side) for side in next(container.decode(video=0)).side_data if side.type.name == "DISPLAYMATRIX"]
    if matrix != AS_IT_IS and not sides:
        pytest.skip("this FFmpeg writes no projections")
    a, b, _, c, d = struct.unpack_from("<5i", sides[0]) if sides else (*AS_IT_IS[:2], 0, *AS_IT_IS[2:])
    assert (a, b, c, d) == matrix
    expected = by_pixel(first_frame(decoder_opencv.open_video(plain)), matrix)
    shown_by_both(made, matroska_header, expected)


@pytest.mark.parametrize(
    "content", [b"\x1a", b"\x1a\x45\xdf\xa3", b"\x1a\x45\xdf\xa3\x00", b"\x1a\x45\xdf\xa3\x80\x18\x53"]
)
def test_a_header_that_breaks_off_says_nothing(tmp_path, content):
    (tmp_path / "x.mkv").write_bytes(content)
    assert matroska_header.display_matrix(tmp_path / "x.mkv") is None


@needs_ffmpeg
@pytest.mark.parametrize(
    ("matrix", "film"),
    [*((matrix, AS_IT_IS) for matrix in MATRICES), *itertools.product(MATRICES[2::3], [*MATRICES[1:], (0, 0, 0, 0)])],
)
def test_every_orientation_as_ffmpeg_shows_it(plain, matrix, film):
    path = with_matrix(plain, matrix, film)
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
    assert mp4_header.display_matrix(write_video(tmp_path / "x.avi", codec="MJPG")) is None


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
