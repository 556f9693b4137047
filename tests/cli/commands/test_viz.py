"""`strmctl viz` through the command line, on a run with random weights."""

from concurrent.futures import ThreadPoolExecutor

import cv2
import matplotlib.image
import numpy as np
import pytest

from strmctl.episodes.clip_loader import ClipLoader
from strmctl.errors import DataError, ExitCode
from strmctl.explain import motion
from strmctl.explain.attention import attention_maps
from strmctl.explain.subjects import clip_subject, video_subject
from strmctl.frames.store.store import FrameStore
from strmctl.report.pictures.overlay import overlay
from strmctl.runs.checkpoint import load_run
from strmctl.runs.folder import point_latest
from strmctl.videos.frame_positions import even_positions
from strmctl.videos.read_video import read_video
from tests.cli.commands.conftest import make_run
from tests.small_world import refused, small_recipe
from tests.videos_for_tests import strmctl, write_video


@pytest.fixture
def run(tmp_path):
    """The folder of a run that was never trained."""
    return make_run(tmp_path / "runs" / "small")


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
    assert matplotlib.image.imread(picture).shape == (1218, 2028, 4)
    assert not (older / "viz").exists()
    assert [path.name for path in picture.parent.iterdir()] == ["my clip.png"]

    before = picture.read_bytes()
    assert viz_of(video, run).code == 0
    assert picture.read_bytes() == before
    result = viz_of(video, run, "--run", "older")
    assert result.out == f"{older / 'viz' / 'my clip.png'}\n" and result.err == ""
    assert (older / "viz" / "my clip.png").read_bytes() != before


def test_json_tells_what_was_drawn(video, run, tmp_path, drawn):
    out = tmp_path / "new folder" / "look.png"
    document = viz_of(video, run, "--json", "--out", out).json()
    maps = attention_maps(load_run(run, device="cpu").model, read_video(video, frames=8, size=64, crop=64).pixels)
    assert document == {
        "picture": str(out),
        "run": "small",
        "method": "STRM",
        "video": str(video),
        "frames": [1, 2, 4, 6, 8, 10, 12, 14],
        "fps": 12.0,
        "maps": {name: {"min": values.min(), "max": values.max(), "places": [4, 4]} for name, values in maps.items()},
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


@pytest.mark.parametrize("rate", [6, 12])
def test_videos_and_clips_are_drawn_at_the_rate_of_the_recipe(data, store, rate):
    shape = small_recipe(f"input.rate={rate}").input
    clip = clip_subject(store, "walk/1", shape)
    video = video_subject(data.parent / "my videos" / "walk" / "1.mp4", shape)
    assert clip.positions == video.positions == even_positions(10, 8, rate, 12.0)
    assert (clip.positions == even_positions(10, 8)) == (rate == 6)  # too short for 6
    assert clip.times == video.times == [position / 12 for position in clip.positions]
    np.testing.assert_array_equal(clip.pixels.numpy(), video.pixels.numpy())
    with pytest.raises(DataError, match=r"input\.rate needs all frames"):
        store.settings["frames"] = 8
        clip_subject(store, "walk/1", shape)


def test_a_short_video_is_drawn_with_frames_repeated(tmp_path, run, drawn):
    video = write_video(tmp_path / "short.avi", frames=5, codec="MJPG")
    result = viz_of(video, run, "--json")
    assert result.json()["frames"] == [0, 0, 1, 1, 2, 2, 3, 4]
    assert "short.avi has 5 frames and the model takes 8" in result.err


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
    every = "--video FILE, --clip ID, --match CLIP or --from-eval FILE"
    refused(strmctl("viz", "--runs", run.parent), ExitCode.USAGE, every)
    for name in ("look.jpg", "look.webm", "look.png.txt"):
        stem = name.rpartition(".")[0]
        refused(viz_of(video, run, "--out", name), ExitCode.USAGE, "MP4 or GIF", f"`--out {stem}.png`")
    refused(viz_of(video, run, "--out", "look"), ExitCode.USAGE, "`--out look.png`")
    refused(viz_of(video, run, "--video", video, "--out", "look.png"), ExitCode.USAGE, "`--out look` is a folder")
    refused(viz_of(video, run, "--run", "small", "--contributions", "small"), ExitCode.USAGE, "leave out --run")
    refused(viz_of(video, run, "--run", "small", "--run", "small"), ExitCode.USAGE, "small is named twice")
    refused(viz_of(video, run, "--start", "-1"), ExitCode.USAGE, "--start is a number of seconds from 0")
    refused(viz_of(video, run, "--end", "nan"), ExitCode.USAGE, "--end is a number of seconds from 0")


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize(
    ("span", "inside", "stem"),
    [
        (("--start", 0.5), range(6, 16), "my clip_0.5-end.png"),
        (("--end", 0.76), range(10), "my clip_0-0.76s.png"),
        (("--start", 0.25, "--end", 0.5), range(3, 6), "my clip_0.25-0.5s.png"),
    ],
)
def test_a_span_is_what_a_model_sees_of_the_video_cut_there(video, run, span, inside, stem):
    document = viz_of(video, run, *span, "--json").json()
    assert document["frames"] == [inside[place] for place in even_positions(len(inside), 8)]
    assert document["picture"] == str(run / "viz" / stem)


def test_frames_of_a_span_are_those_of_the_video(video):
    whole, span = (read_video(video, frames=16, size=64, crop=64, end=end) for end in (None, 0.9))
    places = [whole.positions.index(position) for position in span.positions]
    np.testing.assert_array_equal(span.pixels.numpy(), whole.pixels[places].numpy())
    assert span.count == 11 and list(span.times) == pytest.approx([position / 12 for position in span.positions])


def test_spans_that_are_not_there(video, run, drawn):
    refused(viz_of(video, run, "--start", 9), ExitCode.USAGE, "--start 9 is beyond the end", "1.25 s", "`--start 0.25`")
    refused(viz_of(video, run, "--start", 9, "--end", 12), ExitCode.USAGE, "--start 9 is beyond the end")
    refused(viz_of(video, run, "--start", 1, "--end", 0.5), ExitCode.USAGE, "does not lie after", "leave `--end` out")
    refused(viz_of(video, run, "--start", 0.5, "--end", 0.55), ExitCode.USAGE, "has 1 frames", "leave `--end` out")
    refused(viz_of(video, run, "--start", 0.51, "--end", 0.55), ExitCode.USAGE, "has 0 frames")
    assert "has 4 frames and the model takes 8" in viz_of(video, run, "--start", 1).err


def side_by_side(data, several, *words):
    return strmctl("viz", "--data", data, "--runs", several, "--device", "cpu", *words)


def test_several_runs_have_a_row_each_with_the_name_of_the_method(data, several, drawn):
    names = ("otam", "trx", "ple", "strm")
    words = [word for name in names for word in ("--run", name)]
    document = side_by_side(data, several, "--clip", "mine/swim/1", *words, "--json").json()
    ((frames, rows), words) = drawn[0]
    labels = ["OTAM", "TRX", "TRM+PLE", "STRM"]
    assert [(row.name, row.words) for row in rows] == [(a, f"run {b}") for a, b in zip(labels, names, strict=True)]
    assert words["title"] == "mine/swim/1, seen by OTAM, TRX, TRM+PLE, STRM"
    loader = ClipLoader(FrameStore.open(data, "mine"), frames=8, size=32, crop=32, flip=False)
    np.testing.assert_array_equal(frames, loader.load("swim/1").permute(0, 2, 3, 1).numpy())
    for name, row, own in zip(names, rows, document["runs"], strict=True):
        maps = attention_maps(load_run(several / name, device="cpu").model, loader.load("swim/1"))
        np.testing.assert_array_equal(row.values, list(maps.values())[-1])
        assert own["run"] == name and list(own["maps"]) == list(maps)
    assert document["picture"] == str(several / "otam" / "viz" / "swim_1+trx+ple+strm.png")


def test_contributions_of_a_grid_and_of_runs(data, several, drawn):
    """Of each label of a grid the first run, in the order of the grid."""
    names = [
        [run["run"] for run in side_by_side(data, several, "--clip", "swim/1", *words, "--json").json()["runs"]]
        for words in (("--contributions", "grid"), ("--contributions", "ple", "--contributions", "grid"))
    ]
    assert names == [["trx", "strm"], ["ple", "trx", "strm"]]
    refused(
        side_by_side(data, several, "--clip", "swim/1", "--contributions", "gird"),
        ExitCode.USAGE,
        "no grid and no run named 'gird'",
        "did you mean grid?",
    )


def test_several_clips_have_a_picture_each_and_a_contact_sheet(data, several, tmp_path, drawn):
    video = write_video(tmp_path / "a video.mp4")
    words = ("--clip", "swim/1", "--clip", "mine/crawl/0", "--video", video, "--run", "strm")
    ran = side_by_side(data, several, *words, "--out", tmp_path / "new")
    names = ["a video.png", "swim_1.png", "crawl_0.png", "contact_sheet.png"]
    assert ran.out.split("\n")[:-1] == [str(tmp_path / "new" / name) for name in names]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(names)
    (rows,), _ = drawn[-1]
    clips = [video.parent.name + "/a video.mp4", "mine/swim/1", "mine/crawl/0"]
    assert [row.name for row in rows] == [name for clip in clips for name in (clip, "in the enriched frame (E)")]
    for (frames, maps), row in zip((given for given, _ in drawn[:-1]), rows[1::2], strict=True):
        whole = overlay(frames, maps[-1].scaled)  # 32 pixels, and 96 on the sheet
        np.testing.assert_array_equal(row.pictures, whole.repeat(3, axis=1).repeat(3, axis=2))


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("swim/9", ("no clip 'swim/9'", "did you mean swim/")),
        ("mine/swim/9", ("no clip 'swim/9'",)),
        ("swum/1", ("no clip 'swum/1'", "did you mean swim/1?")),
        ("1", ("'1' fits 8 clips", "name it in full")),
    ],
)
def test_unknown_clips(data, several, name, parts):
    refused(side_by_side(data, several, "--clip", name, "--run", "strm"), ExitCode.DATA, *parts)


def test_clips_of_a_store_are_drawn_whole(data, several):
    refused(side_by_side(data, several, "--clip", "swim/1", "--start", 1), ExitCode.USAGE, "leave `--start` out")


@pytest.mark.parametrize(
    ("other", "key"),
    [
        ("long", "input.frames is 8 and 10"),
        ("large", "input.size is 32 and 40"),
        ("rate", "input.rate is null and 12.0"),
    ],
)
def test_runs_that_take_other_frames_do_not_stand_side_by_side(data, several, other, key):
    ran = side_by_side(data, several, "--clip", "swim/1", "--run", "strm", "--run", "trx", "--run", other)
    refused(ran, ExitCode.USAGE, f"strm and {other} take different inputs: {key}", "a single `--run`")


@pytest.mark.parametrize("suffix", [".gif", ".MP4"])
def test_maps_in_motion_show_every_frame_of_a_span(video, run, tmp_path, suffix):
    out = tmp_path / f"look{suffix}"
    document = viz_of(video, run, "--start", 0.4, "--out", out, "--json").json()
    reader, count = cv2.VideoCapture(str(out)), 0
    while reader.read()[0]:
        count += 1
    assert document["picture"] == str(out) and count == 11 and document["frames"][0] == 6
    assert reader.get(cv2.CAP_PROP_FPS) == pytest.approx(12 if suffix != ".gif" else 12.5)  # hundredths of a second


def test_a_gif_of_many_frames_is_refused(data, several, tmp_path, monkeypatch):
    monkeypatch.setattr(motion, "LONGEST_GIF", 9)
    words = ("--clip", "swim/1", "--run", "otam", "--out", tmp_path / "look.gif")
    hint = f"`--out {tmp_path / 'look.mp4'}`"
    refused(side_by_side(data, several, *words), ExitCode.USAGE, "9 frames at most, and mine/swim/1 has 10", hint)
    assert side_by_side(data, several, *words[:-1], tmp_path / "look.mp4").code == 0
