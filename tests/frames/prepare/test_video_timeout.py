"""Videos at which the decoder hangs: failed rows after a time limit, while the others are done."""

import ctypes
import time
from dataclasses import replace

import pytest

from strmctl.frames.prepare import prepare as preparation
from strmctl.frames.prepare.one_clip import measure, settle
from strmctl.frames.prepare.prepare import Request, plan, prepare
from strmctl.frames.store.store import FrameStore
from strmctl.videos import decoder_opencv
from strmctl.videos.decoder_opencv import open_video
from tests.small_world import write_videos
from tests.videos_for_tests import strmctl

HANGS = ("hangs", "stops")
LIMIT = 1  # second

pytestmark = pytest.mark.slow


def open_or_hang(path, mirroring):
    """As OpenCV, but some files let it hang inside the C library, at once or after two frames, and one is slow."""
    video = open_video(path, mirroring)

    def pictures():
        for count, picture in enumerate(video.pictures):
            if path.stem == "stops" and count == 2:
                ctypes.PyDLL(None).sleep(600)
            time.sleep(0.15 if path.stem == "slow" else 0)
            yield picture

    if path.stem == "hangs":
        ctypes.PyDLL(None).sleep(600)
    return replace(video, pictures=pictures())


def hanging_settle(task):
    decoder_opencv.open_video = open_or_hang
    return settle(task)


def hanging_measure(task):
    decoder_opencv.open_video = open_or_hang
    return measure(task)


@pytest.fixture
def videos(tmp_path, monkeypatch):
    """Good videos of ten frames, two at which the decoder hangs, and one that takes longer than the limit."""
    write_videos(tmp_path / "videos", [f"run/{name}.mp4" for name in ("a", "b", "slow", *HANGS)])
    monkeypatch.setattr(preparation, "settle", hanging_settle)
    monkeypatch.setattr(preparation, "measure", hanging_measure)
    return tmp_path / "videos"


@pytest.mark.parametrize(("workers", "frames"), [(1, "all"), (2, "all"), (2, 8)])
def test_a_video_that_hangs_is_a_failed_row_and_the_rest_is_done(videos, tmp_path, workers, frames):
    words = ("--data", tmp_path, "--video-timeout", LIMIT, "--workers", workers, "--frames", frames)
    ran = strmctl("prepare", videos, "--name", "mine", *words)
    assert ran.code == 0 and "3 of 5 clips stored" in ran.err
    rows = FrameStore.open(tmp_path, "mine").by_id
    reason = f"it hangs: no further frame for {LIMIT} s"
    assert {clip: row.reason for clip, row in rows.items() if row.status == "failed"} == {
        f"run/{name}": reason for name in HANGS
    }
    assert rows["run/slow"].frames == (10 if frames == "all" else 8)  # for longer than the limit, frame by frame
    assert not list((tmp_path / "mine").rglob("*.part"))


def test_a_dry_run_does_not_hang_either(videos, tmp_path):
    result = plan(Request(f"{videos}", data_dir=tmp_path, name="mine"), video_timeout=LIMIT)
    assert result.clips == 5 and result.bytes > 0 and not (tmp_path / "mine").exists()


def test_a_video_that_hung_is_tried_again(videos, tmp_path, monkeypatch):
    request = Request(f"{videos}", data_dir=tmp_path, name="mine")
    assert len(prepare(request, video_timeout=LIMIT).failed) == 2
    monkeypatch.undo()
    again = prepare(request, video_timeout=LIMIT)
    assert (again.done, again.skipped, again.failed) == (5, 3, [])


@pytest.mark.parametrize("seconds", ["-1", "soon", "nan", "1e999", "100000"])
def test_a_limit_that_is_none(videos, tmp_path, seconds):
    ran = strmctl("prepare", videos, "--name", "mine", "--data", tmp_path, "--video-timeout", seconds)
    assert ran.code == 2 and "--video-timeout" in ran.err and not (tmp_path / "mine").exists()
