"""`strmctl viz` through the command line, on a run with random weights."""

from concurrent.futures import ThreadPoolExecutor

import cv2
import matplotlib.image
import numpy as np
import pytest

from strmctl.cli.commands import viz
from strmctl.episodes.clip_loader import ClipLoader
from strmctl.errors import ExitCode
from strmctl.explain.attention import attention_maps
from strmctl.frames.store.store import FrameStore
from strmctl.paths import write_text
from strmctl.recipe import load_recipe
from strmctl.runs.build import build_model
from strmctl.runs.checkpoint import load_run, save_tensors
from strmctl.runs.folder import point_latest
from strmctl.videos.read_video import VideoClip, read_video
from tests.small_world import refused
from tests.videos_for_tests import strmctl, write_video


@pytest.fixture
def run(tmp_path):
    """The folder of a run that was never trained."""
    return make_run(tmp_path / "runs" / "small")


def make_run(folder, *assignments):
    recipe = load_recipe("sprites", ["trm.dim=8", *assignments])
    write_text(folder / "recipe.yaml", recipe.to_yaml())
    save_tensors(folder / "weights.pt", build_model(recipe, pretrained=False).state_dict())
    point_latest(folder.parent, folder)
    return folder


@pytest.fixture
def video(tmp_path):
    return write_video(tmp_path / "clips" / "my clip.mp4")


def viz_of(video, run, *words):
    return strmctl("viz", "--video", video, "--runs", run.parent, "--device", "cpu", *words)


def test_the_picture_of_the_newest_run_and_its_path(video, run):
    older = make_run(run.parent / "older", "train.seed=1")
    point_latest(run.parent, run)
    result = viz_of(video, run)
    picture = run / "viz" / "my clip.png"
    assert (result.code, result.out, result.err) == (0, f"{picture}\n", "")
    assert matplotlib.image.imread(picture).shape == (1140, 1904, 4)
    assert not (older / "viz").exists()
    assert [path.name for path in picture.parent.iterdir()] == ["my clip.png"]

    before = picture.read_bytes()
    assert viz_of(video, run).code == 0
    assert picture.read_bytes() == before
    assert viz_of(video, run, "--run", "older").out == f"{older / 'viz' / 'my clip.png'}\n"
    assert (older / "viz" / "my clip.png").read_bytes() != before


def test_json_tells_what_was_drawn(video, run, tmp_path):
    out = tmp_path / "new folder" / "look.png"
    document = viz_of(video, run, "--json", "--out", out).json()
    maps = attention_maps(load_run(run, device="cpu").model, read_video(video, frames=8, size=64, crop=64).pixels)
    assert document == {
        "picture": str(out),
        "run": "small",
        "video": str(video),
        "frames": [1, 2, 4, 6, 8, 10, 12, 14],
        "fps": 12.0,
        "maps": {name: {"min": values.min(), "max": values.max()} for name, values in maps.items()},
    }
    assert out.is_file() and not (run / "viz").exists()


def test_a_model_sees_a_video_as_in_evaluation(tmp_path):
    videos = tmp_path / "videos"
    write_video(videos / "wide.mp4", frames=21, size=(96, 72), seed=3)
    words = ("prepare", videos, "--name", "mine", "--flat", "--size", 40, "--data", tmp_path, "--workers", 1)
    assert strmctl(*words).code == 0
    loader = ClipLoader(FrameStore.open(tmp_path, "mine"), frames=8, size=40, crop=32, flip=True)
    with ThreadPoolExecutor(1) as pool:
        expected = loader.load_many(["wide"], pool)[0]
    clip = read_video(videos / "wide.mp4", frames=8, size=40, crop=32)
    np.testing.assert_array_equal(clip.pixels.numpy(), expected.numpy())
    assert (clip.count, clip.fps, clip.positions) == (21, 12.0, [1, 3, 6, 8, 11, 13, 16, 19])


def test_a_short_video_is_drawn_with_frames_repeated(tmp_path, run):
    video = write_video(tmp_path / "short.avi", frames=5, codec="MJPG")
    result = viz_of(video, run, "--json")
    assert result.json()["frames"] == [0, 0, 1, 1, 2, 2, 3, 4]
    assert "short.avi has 5 frames and the model takes 8" in result.err


def test_captions_tell_the_time_where_the_video_knows_it():
    positions = [1, 15]
    assert viz.captions(VideoClip(None, positions, 17, 12.0)) == ["frame 1\n0.08 s", "frame 15\n1.25 s"]
    assert viz.captions(VideoClip(None, positions, 17, 0.0)) == ["frame 1", "frame 15"]


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "not a regular file"),
        (lambda path: path.write_text("not a video\n" * 100), "cannot be read"),
        (lambda path: path.write_bytes(b""), "the file is empty"),
        (lambda path: write_video(path, frames=1), "a single frame"),
        (lambda path: path.write_bytes(cv2.imencode(".png", np.full((64, 64, 3), 99, np.uint8))[1]), "a single frame"),
    ],
)
def test_what_is_no_video_is_a_data_error_that_names_it(tmp_path, run, make, problem):
    video = tmp_path / "odd.mp4"
    make(video)
    refused(viz_of(video, run), ExitCode.DATA, video, problem)
    assert not (run / "viz").exists()


def test_usage_errors(video, run):
    assert strmctl("viz", "--runs", run.parent).code == ExitCode.USAGE
    refused(viz_of(video, run, "--out", "look.jpg"), ExitCode.USAGE, "`--out look.png`")
