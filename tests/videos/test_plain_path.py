"""Paths that OpenCV and FFmpeg do not take, or take for something else, at the one place where they get them."""

import os
import shutil
import sys
import tempfile

import cv2
import numpy as np
import pytest

from strmctl.datasets.sprites import render
from strmctl.datasets.sprites.objects import SIDE
from strmctl.errors import DataError
from strmctl.videos.decode import decode
from strmctl.videos.plain_path import plain_path
from strmctl.videos.write_video import encode_mp4
from tests.small_world import evaluate, prepare, prepared, refused, train
from tests.videos_for_tests import pictures_of, strmctl, write_odd_video, write_video

BYTES = os.fsdecode(b"caf\xe9 \xff\xfe")
NAMES = [
    *(f"{BYTES}.mp4", "clip.caf\udce9", "clip_%03d.mp4", "%d%s%n.mp4", "100 %.mp4", "new\nline.mp4", "tab\t.mp4"),
    *(
        "http:x.mp4",
        "rtsp:",
        "concat:a|b.mp4",
        "file:x.mp4",
        "-rf.mp4",
        "0",
        "pipe:0",
        "日本語 🎬.mp4",
        "a\\b?c#d&e=f.mp4",
    ),
]
needs_odd_names = pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="file names are text there")


def frames_of(path):
    return [frame.copy() for frame in decode(path).frames]


@pytest.fixture(params=NAMES, ids=ascii)
def odd(request, tmp_path):
    """A video under an odd name, and its frames."""
    good = write_video(tmp_path / "good.mp4", seed=5)
    try:
        return shutil.copy(good, tmp_path / request.param), frames_of(good)
    except OSError:
        pytest.skip("this file system has no such names")


def test_a_video_is_decoded_whatever_it_is_called(odd):
    path, expected = odd
    np.testing.assert_array_equal(frames_of(path), expected)


@needs_odd_names
@pytest.mark.parametrize("name", [f"{BYTES}.mp4", "clip_%03d.mp4"])
def test_pyav_gets_the_same_paths(tmp_path, name):
    good = write_odd_video(tmp_path / "good.mp4", pictures_of(12), codec="libsvtav1")
    expected = frames_of(good)
    assert decode(good).decoder.startswith("PyAV")
    np.testing.assert_array_equal(frames_of(good.rename(tmp_path / name)), expected)


def test_a_pattern_is_a_name_and_no_row_of_images(tmp_path):
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"img_{number:03d}.jpg"), np.full((48, 64, 3), 50 * number, np.uint8))
    with pytest.raises(DataError, match="no such file"):
        decode(tmp_path / "img_%03d.jpg")
    (tmp_path / "img_002.jpg").rename(tmp_path / "img_%03d.jpg")
    assert len(frames_of(tmp_path / "img_%03d.jpg")) == 1


def test_what_is_no_regular_file_is_refused_at_once(tmp_path):
    (tmp_path / "folder.mp4").mkdir()
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "zero.mp4").symlink_to("/dev/zero")
    (tmp_path / "loop.mp4").symlink_to("loop.mp4")
    for name, reason in {
        "folder.mp4": "not a regular file",
        "pipe.mp4": "not a regular file",
        "zero.mp4": "not a regular file",
        "loop.mp4": "no such file",
        "x" * 300: "File name too long",
        "a\0b.mp4": "null byte",
        "none.mp4": "no such file",
        "folder.mp4/none.mp4": "no such file",
        "http:/127.0.0.1:9/x.mp4": "no such file",
        "0": "no such file",
    }.items():
        with pytest.raises(DataError, match=reason):
            decode(tmp_path / name)


def test_a_link_is_made_only_where_it_is_needed_and_does_not_stay(tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    with plain_path(tmp_path / "plain.mp4") as plain:
        assert plain == tmp_path / "plain.mp4" and not list((tmp_path / "temporary").iterdir())
    with plain_path(tmp_path / "50 %.mp4") as plain:
        assert plain.suffix == ".mp4" and plain.readlink() == tmp_path / "50 %.mp4"
    assert not list((tmp_path / "temporary").iterdir())


@pytest.mark.parametrize("folder", ["none", "100 %"])
def test_without_a_place_for_the_link_the_name_is_to_blame(tmp_path, monkeypatch, folder):
    video = write_video(tmp_path / "video.mp4").rename(tmp_path / "video_%d.mp4")
    if folder != "none":
        (tmp_path / folder).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / folder))
    with pytest.raises(DataError, match="not one that OpenCV takes") as caught:
        decode(video)
    assert caught.value.hint == "rename it"


@needs_odd_names
def test_the_whole_way_in_a_folder_whose_name_is_no_text(tmp_path, monkeypatch):
    top = tmp_path / BYTES
    prepared(tmp_path / "usual")
    (tmp_path / "usual").rename(top)
    data, runs = top / "new data", top / "runs"
    prepare(top / "my videos", "--name", "mine", "--split", top / "mine.yaml", "--data", data)
    monkeypatch.setattr(sys, "argv", ["strmctl", "train", "--runs", str(runs)])  # it stands in what is written
    for ran in (train(data, runs), evaluate(data, runs), evaluate(data, runs)):
        assert ran.code == 0, ran.err
    video = shutil.copy(top / "my videos" / "walk" / "1.mp4", top / f"{BYTES}.mp4")
    shown = strmctl("viz", "--video", video, "--runs", runs, "--device", "cpu", "--json")
    assert shown.code == 0 and shown.json()["video"] == str(video), shown.err
    assert (runs / "sprites" / "viz" / f"{BYTES}.png").is_file()
    refused(strmctl("viz", "--video", top / "none \udcff.mp4", "--runs", runs), 3, "no such file")
    checked = strmctl("data", "check", "--data", data, "--workers", 1)
    assert checked.code == 0, checked.err


@needs_odd_names
def test_sprites_are_rendered_into_such_a_folder(tmp_path):
    (tmp_path / BYTES).mkdir()
    frames = render.render_clip("up", 0)
    path = tmp_path / BYTES / "x.mp4"
    encode_mp4(path, frames, fps=render.FRAMES_PER_SECOND, size=(SIDE, SIDE), target=path)
    assert len(frames_of(tmp_path / BYTES / "x.mp4")) == len(frames)
