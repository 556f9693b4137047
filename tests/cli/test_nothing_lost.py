"""Folders that cannot be written, disks that are full, trainings that cannot begin: what was there before stays."""

import contextlib
import shutil

import pytest

from strmctl.datasets.sprites.render import render
from strmctl.errors import OutputError
from tests.small_world import evaluate, refused, refused_in_json, snapshot, train, write_videos
from tests.videos_for_tests import strmctl, write_video


@contextlib.contextmanager
def full_disk(largest):
    """No file can grow beyond so many bytes: writing fails as on a full disk (EFBIG rather than ENOSPC)."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("change", "code", "parts"),
    [
        ("train.way=20", 2, ("20-way episodes need 20 classes, but the train split has 3", "train.way")),
        ("train.shot=9", 2, ("9-shot episodes with 1 queries per class need 10 clips", "hop (3)")),
        ("validation.shot=9", 2, ("the val split has classes with fewer: sit (3)",)),
        ("backbone.weights=/none/weights.pt", 3, ("/none/weights.pt", "--set backbone.weights=PATH")),
    ],
)
def test_a_training_that_cannot_begin_leaves_the_newest_run_the_newest(data, runs, change, code, parts):
    before = snapshot(runs)
    refused(train(data, runs, changes=(change,)), code, *parts)
    assert snapshot(runs) == before
    assert evaluate(data, runs).code == 0


@pytest.mark.parametrize("place", ["a file", "/sys/strmctl"])  # nor can the administrator make one in /sys
def test_a_folder_that_cannot_be_written(data, runs, tmp_path, place):
    bad = tmp_path / place
    (tmp_path / "a file").write_text("in the way")
    before = snapshot(tmp_path)
    refused(train(data, bad), 1, bad)
    refused_in_json(train(data, bad, "--recipe", "sprites", "--json"), 1, str(bad))
    videos = data.parent / "my videos"
    refused(strmctl("prepare", videos, "--name", "x", "--data", bad, "--workers", 1), 1, bad)
    video = write_video(tmp_path.parent / f"{tmp_path.name}.mp4")
    refused(strmctl("viz", "--video", video, "--runs", runs, "--out", bad / "x.png"), 1, bad)
    assert snapshot(tmp_path) == before


def shown_and_not_kept(ran, path):
    """A result that could not be written: its table stands on stdout, and the error names the file."""
    assert ran.code == 1 and ran.out.startswith("Run sprites on mine")
    refused(ran._replace(out=""), 1, path)


def test_a_file_where_results_should_go(data, runs):
    shutil.rmtree(runs / "sprites" / "eval")
    (runs / "sprites" / "eval").write_text("a file")
    before = snapshot(runs)
    shown_and_not_kept(evaluate(data, runs), runs / "sprites" / "eval")
    assert snapshot(runs) == before


def test_a_disk_that_is_full_while_training(data, runs):
    before = snapshot(runs)
    with full_disk(50_000):  # bytes; weights.pt is larger
        ran = train(data, runs)
    refused(ran, 1, runs / "sprites-2" / "weights.pt")
    del before["latest"]
    assert before.items() <= snapshot(runs).items()
    assert not list(runs.rglob("*.part")) and not (runs / "sprites-2" / "weights.pt").exists()
    assert strmctl("train", "--resume", "--name", "sprites-2", "--data", data, "--runs", runs).code == 0


def test_a_disk_that_is_full_while_testing(data, runs):
    before = snapshot(runs)
    with full_disk(500):  # bytes
        ran = evaluate(data, runs, "--seed", 0, "--episodes", 30)
    shown_and_not_kept(ran, runs / "sprites" / "eval" / "test_2way_1q_s0_n30")
    assert snapshot(runs) == before


def test_a_disk_that_is_full_while_drawing(data, runs, tmp_path):
    video = write_video(tmp_path / "x.mp4")
    assert strmctl("viz", "--video", video, "--runs", runs).code == 0
    before = snapshot(runs)
    with full_disk(10_000):  # bytes
        ran = strmctl("viz", "--video", video, "--runs", runs)
    refused(ran, 1, runs / "sprites" / "viz" / "x.png")
    assert snapshot(runs) == before


def test_a_disk_that_is_full_while_preparing(tmp_path):
    videos = tmp_path / "videos"
    write_videos(videos, ["a.mp4"])
    write_video(videos / "b.mp4", frames=60, size=(160, 120))
    words = ("prepare", videos, "--name", "x", "--flat", "--data", tmp_path, "--size", 32, "--workers", 1)
    with full_disk(30_000):  # bytes; only the first clip fits
        ran = strmctl(*words)
    refused(ran, 1, tmp_path / "x" / "frames" / "b.zip")
    assert (tmp_path / "x" / "frames" / "a.zip").is_file() and not list((tmp_path / "x").rglob("*.part"))
    document = strmctl(*words, "--json").json()
    assert (document["done"], document["skipped"]) == (2, 1)


def test_a_disk_that_is_full_while_rendering(tmp_path):
    with full_disk(2000), pytest.raises(OutputError, match=r"000\.mp4"):  # bytes; a video is larger
        render(tmp_path / "cut", classes=("up",), clips=1)
    render(tmp_path / "cut", classes=("up",), clips=1)  # again, with room
    render(tmp_path / "whole", classes=("up",), clips=1)
    assert (tmp_path / "cut" / "up" / "000.mp4").read_bytes() == (tmp_path / "whole" / "up" / "000.mp4").read_bytes()
