"""`bench prepare` measures both ways on the same videos, and its figures follow from its measurements."""

import shutil
import subprocess
import tempfile

import cv2
import numpy as np
import pytest

from strmctl.bench import preparation as module
from strmctl.bench.preparation import bench_prepare, ratios, videos_below
from strmctl.bench.prepare_ways import Preparing, Way, ffmpeg_command
from strmctl.errors import DataError, UsageError
from strmctl.frames.prepare.prepare import Request, prepare
from strmctl.frames.store.store import FrameStore
from tests.videos_for_tests import write_video

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")


@pytest.fixture
def videos(tmp_path):
    """Three videos at three depths, of 12, 10 and 9 frames, and a file that is none."""
    folder = tmp_path / "videos"
    write_video(folder / "a.avi", frames=12, seed=0)
    write_video(folder / "one" / "b.mp4", frames=10, seed=1)
    write_video(folder / "two" / "deep" / "c c.AVI", frames=9, seed=2)
    (folder / "one" / "text.mp4").write_text("not a video\n" * 50)
    return folder


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Where temporary folders are made; tests look whether it is empty again."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_ratios_are_those_of_the_medians():
    peers, one, two = Way(None, None), Way(1, None), Way(2, 8)
    assert ratios({peers: [9.0, 6.0, 100.0], one: [4.0, 3.0, 2.0], two: [1.0, 2.0]}) == {peers: 1.0, one: 3.0, two: 6.0}
    assert ratios({one: [4.0], two: [2.0]}) == {one: None, two: None}


def test_videos_are_found_at_any_depth(videos, tmp_path):
    assert videos_below(videos) == ["a.avi", "one/b.mp4", "one/text.mp4", "two/deep/c c.AVI"]
    with pytest.raises(DataError, match=r"no folder of videos at .*none"):
        videos_below(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no videos at .*empty"):
        videos_below(tmp_path / "empty")


@needs_ffmpeg
def test_both_ways_work_on_the_same_videos(videos, temporary, monkeypatch):
    reports, seen = [], []
    original_run = Preparing.run

    def run(self, way):
        seen.append((way, sorted(path.resolve().name for path in self.links.iterdir())))
        return original_run(self, way)

    monkeypatch.setattr(Preparing, "run", run)
    found = bench_prepare(videos, size=32, workers=[1], repeats=2, progress=lambda *now: reports.append(now))
    good = ["a.avi", "b.mp4", "c c.AVI"]
    ways = [Way(None, None), Way(1, None), Way(1, 8)]
    assert seen[0] == (Way(None, None), [*good, "text.mp4"])
    assert seen[1:] == [(Way(1, None), good)] + 2 * [(way, good) for way in ways]  # they take turns
    assert (found["clips"], found["frames"], found["clips_of_other_length"]) == (3, 31, 0)
    first = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    assert found["ffmpeg"] in first.split()
    (left_out,) = found["left_out"]
    assert left_out["video"] == "one/text.mp4" and left_out["reason"].startswith("ffmpeg: ")
    assert found["summary"] == {"avi 64×48, 12 frames/s": 2, "mp4 64×48, 12 frames/s": 1}
    shapes = [(way["workers"], way["frames"], way["stored_frames"]) for way in found["ways"]]
    assert shapes == [(None, "all", 31), (1, "all", 31), (1, 8, 24)]
    for way in found["ways"]:
        assert 0 < way["seconds_min"] <= way["seconds"] <= way["seconds_max"]
        assert way["clips_per_second"] == pytest.approx(3 / way["seconds"], rel=1e-12)
        assert way["frames_per_second"] == pytest.approx(31 / way["seconds"], rel=1e-12)
        assert way["ratio"] == pytest.approx(found["ways"][0]["seconds"] / way["seconds"], rel=1e-12)
    assert [now[:2] for now in reports] == [(step, 7) for step in range(8)]
    assert list(temporary.iterdir()) == []
    assert sorted(path.name for path in videos.rglob("*") if path.is_file()) == [*good, "text.mp4"]


@needs_ffmpeg
@pytest.mark.parametrize("size", [(96, 64), (50, 70), (48, 48)])
def test_both_ways_give_the_same_frames(tmp_path, size):
    path = write_video(tmp_path / "videos" / "a.avi", frames=9, size=size, codec="MJPG")
    subprocess.run(ffmpeg_command(path, 32, 2), cwd=tmp_path, check=True)
    theirs = [cv2.imread(str(image)) for image in sorted(tmp_path.glob("*.jpg"))]
    prepare(Request(what=f"{tmp_path}/videos/", data_dir=tmp_path, name="mine", flat=True, size="32"))
    images = FrameStore.open(tmp_path, "mine").read("a", range(9))
    ours = [cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR) for image in images]
    assert len(theirs) == len(ours) == 9
    for their, our in zip(theirs, ours, strict=True):
        assert their.shape == our.shape and min(our.shape[:2]) == 32
        assert np.abs(their.astype(int) - our).mean() < 8


@needs_ffmpeg
def test_quality_decides_the_bytes_of_each_side(tmp_path):
    write_video(tmp_path / "videos" / "a.avi", frames=9, size=(160, 128))

    def stored(**qualities):
        found = bench_prepare(tmp_path / "videos", size=128, workers=[1], frames=None, repeats=1, **qualities)
        return [way["bytes_per_stored_frame"] for way in found["ways"]]

    fine, coarse, other = stored(), stored(peer_quality=20), stored(quality=50)
    assert coarse[0] < 0.7 * fine[0] and coarse[1] == fine[1]
    assert other[1] < 0.9 * fine[1] and other[0] == fine[0]


def test_nothing_is_left_behind(videos, temporary):
    def stop(done, total, note):
        if done == 2:
            assert list(temporary.iterdir())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench_prepare(videos, size=32, workers=[1], repeats=2, peers=False, progress=stop)
    assert list(temporary.iterdir()) == []


def test_a_video_that_fails_later_is_named(videos, temporary):
    def spoil(done, total, note):
        if done == 1:
            (videos / "one" / "b.mp4").write_bytes(b"")

    with pytest.raises(DataError, match=r"one/b.mp4 was prepared once; now prepare, 1 worker, all frames fails"):
        bench_prepare(videos, size=32, workers=[1], repeats=1, peers=False, progress=spoil)
    assert list(temporary.iterdir()) == []


def test_without_ffmpeg(videos, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DataError, match="no ffmpeg on the PATH") as caught:
        bench_prepare(videos)
    assert "apt-get install ffmpeg" in caught.value.hint and "--no-peer" in caught.value.hint
    found = bench_prepare(videos, size=32, workers=[1], repeats=1, peers=False)
    assert [(way["workers"], way["frames"], way["ratio"]) for way in found["ways"]] == [(1, "all", None), (1, 8, None)]
    assert (found["ffmpeg"], found["peer_quality"], found["clips_of_other_length"]) == (None, None, None)
    (left_out,) = found["left_out"]
    assert left_out["video"] == "one/text.mp4" and left_out["reason"].startswith("prepare: ")


def test_the_default_is_one_worker_and_one_per_cpu(videos, monkeypatch):
    ran = []
    monkeypatch.setattr(module, "available_cpus", lambda: 3)
    original = Preparing._prepare
    monkeypatch.setattr(Preparing, "_prepare", lambda self, n, frames: (ran.append(n), original(self, 1, frames))[1])
    found = bench_prepare(videos, size=32, repeats=1, peers=False)
    assert ran == [3, 1, 3, 1, 3] and found["cpus"] == 3
    assert [way["workers"] for way in found["ways"]] == [1, 3, 1, 3]


def test_what_makes_no_sense_is_refused_before_any_work(videos, monkeypatch):
    monkeypatch.setattr(Preparing, "run", lambda self, way: pytest.fail("work was done"))
    for wrong in ({"frames": 7}, {"size": 5}, {"quality": 0}, {"workers": [0]}, {"repeats": 0}):
        with pytest.raises(UsageError):
            bench_prepare(videos, peers=False, **wrong)


def test_no_video_that_can_be_prepared(videos, temporary):
    (videos / "one" / "b.mp4").unlink()
    with pytest.raises(DataError, match=r"none of the videos below .* can be prepared; text.mp4: prepare: "):
        bench_prepare(videos / "one", workers=[1], peers=False)
    assert list(temporary.iterdir()) == []
