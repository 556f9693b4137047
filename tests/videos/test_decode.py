import os
import resource
import struct
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from strmctl.errors import DataError
from strmctl.videos import decoder_opencv, decoder_pyav
from strmctl.videos.decode import decode
from tests.videos_for_tests import NOT_A_VIDEO, pictures_of, rotate_mp4, write_odd_video, write_video

DECODERS = (decoder_opencv, decoder_pyav)


def test_decode_reads_every_frame_and_what_the_file_says(tmp_path):
    path = write_video(tmp_path / "a.avi", frames=11, size=(64, 48), fps=12, seed=3, codec="MJPG")
    video = decode(path)
    assert (video.width, video.height, video.fps, video.declared) == (64, 48, 12.0, 11)
    frames = list(video.frames)
    assert len(frames) == 11 and frames[0].shape == (48, 64, 3)
    capture = cv2.VideoCapture(str(path))
    for frame in frames:
        np.testing.assert_array_equal(frame, capture.read()[1])


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "the file is empty"), (b"not a video\n" * 99, NOT_A_VIDEO)],
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
    with pytest.raises(DataError, match=r"^(not a video that OpenCV can open|OpenCV reads no frame); PyAV"):
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


def test_pyav_reads_what_opencv_does_not(tmp_path):
    pictures = pictures_of(20, (128, 96))
    path = write_odd_video(tmp_path / "a.mkv", pictures, codec="libsvtav1")
    assert next(decoder_opencv.open_video(path).pictures, None) is None
    video = decode(path)
    assert (video.decoder, video.width, video.height, video.fps) == (f"PyAV {av.__version__}", 128, 96, 12.0)
    frames = list(video.frames)
    assert len(frames) == 20 and all(
        np.abs(frame.astype(int) - picture).mean() < 6 for frame, picture in zip(frames, pictures, strict=True)
    )


def test_without_pyav_the_reason_says_so(tmp_path, monkeypatch):
    path = write_odd_video(tmp_path / "a.mkv", pictures_of(10, (128, 96)), codec="libsvtav1")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(DataError, match="OpenCV reads no frame; PyAV, which might read it, is not installed") as caught:
        decode(path)
    assert "strmctl[av]" in caught.value.hint


def both(path: Path) -> list[list[np.ndarray]]:
    """The frames of a video by each decoder."""
    return [[picture.pixels() for picture in decoder.open_video(path).pictures] for decoder in DECODERS]


def test_rotation_is_applied_by_both(tmp_path):
    plain = list(decode(write_video(tmp_path / "plain.mp4")).frames)
    path = rotate_mp4(write_video(tmp_path / "turned.mp4"))
    assert (decode(path).width, decode(path).height) == (48, 64)
    for frames in both(path):
        assert len(frames) == 16
        for frame, original in zip(frames, plain, strict=True):
            assert np.abs(frame.astype(int) - np.rot90(original, -1)).mean() < 2


def test_both_take_the_first_video_stream(tmp_path):
    path = write_odd_video(tmp_path / "a.mp4", pictures_of(12), second=pictures_of(30, (320, 240)))
    for frames in both(path):
        assert [frame.shape for frame in frames] == [(48, 64, 3)] * 12


def test_both_give_the_times_of_the_frames(tmp_path):
    stamps = [0, 10, 20, 150, 160, 170, 300, 310, 320, 330]
    path = write_odd_video(tmp_path / "a.mkv", pictures_of(10), stamps=stamps)
    for decoder in DECODERS:
        times = [picture.time for picture in decoder.open_video(path).pictures]
        np.testing.assert_allclose(times, np.array(stamps) / 100, atol=2e-3)


@pytest.mark.parametrize("side", [40_000, 12_000])
def test_a_header_that_declares_huge_frames_takes_no_memory(tmp_path, side):
    path = write_video(tmp_path / "a.avi", codec="MJPG", frames=10)
    content = path.read_bytes().replace(struct.pack("<2I", 64, 48), struct.pack("<2I", side, side))
    path.write_bytes(content.replace(struct.pack(">2H", 48, 64), struct.pack(">2H", side, side)))  # of each JPEG
    assert path.read_bytes().count(struct.pack(">2H", side, side)) >= 10
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB
    with pytest.raises(DataError, match=r"are too large|OpenCV reads no frame; PyAV reads no frame"):
        decode(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_frames_that_grow_beyond_all_bounds_end_the_video(tmp_path):
    path = write_video(tmp_path / "a.avi", codec="MJPG", frames=10)
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(
        content[:middle] + content[middle:].replace(struct.pack(">2H", 48, 64), struct.pack(">2H", 12_000, 12_000))
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB
    for frames in both(path):
        assert 1 <= len(frames) < 10 and {frame.shape for frame in frames} == {(48, 64, 3)}
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def test_tags_in_another_encoding_are_no_matter(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "caf__"
        stream = container.add_stream("libsvtav1", rate=12)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for picture in pictures_of(10, (128, 96)):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode())
    path.write_bytes(path.read_bytes().replace(b"caf__", b"caf\xe9\xff"))
    assert sum(1 for _ in decode(path).frames) == 10
