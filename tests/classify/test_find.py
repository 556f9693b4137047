"""Actions in a long video: features of windows against clips cut out there, and segments against known cut points."""

import weakref
from itertools import pairwise

import numpy as np
import pytest
import torch

from strmctl.classify import windows as module
from strmctl.classify.classifier import Classifier
from strmctl.classify.find import find_segments, length_note
from strmctl.classify.timeline import segments_of
from strmctl.classify.windows import embed_windows
from strmctl.errors import UsageError
from strmctl.model.enrichment import Maps
from strmctl.progress import silent
from strmctl.runs.build import build_model
from strmctl.videos import windows as windows_module
from strmctl.videos.pixels import decode_frames
from strmctl.videos.video import Picture, Video
from strmctl.videos.windows import VideoWindows
from tests.classify.small import recipe_file, small_recipe
from tests.videos_for_tests import write_odd_video, write_video

COLOURS = {"blue": (255, 40, 40), "green": (40, 220, 40), "red": (40, 40, 255)}


def plain(cls, count, seed):
    """Frames of one colour, each of another brightness."""
    random = np.random.Generator(np.random.Philox(seed))
    base = np.array(COLOURS[cls])
    return [np.full((36, 48, 3), base * random.uniform(0.8, 1), np.uint8) for _ in range(count)]


def montage(path, *parts):
    """A video of 12 frames a second that shows (class, seconds) one after another; the truth as (start, end, class)."""
    pictures, truth = [], []
    for seed, (cls, seconds) in enumerate(parts, 50):
        start = len(pictures) / 12
        pictures += plain(cls, round(12 * seconds), seed)
        truth.append((start, len(pictures) / 12, cls))
    write_odd_video(path, pictures)
    return truth


@pytest.fixture(scope="module")
def coloured(tmp_path_factory):
    """A classifier of colours, each with three examples of a second."""
    folder = tmp_path_factory.mktemp("coloured")
    for seed, (cls, number) in enumerate((cls, number) for cls in COLOURS for number in range(3)):
        write_odd_video(folder / "examples" / cls / f"{number}.mp4", plain(cls, 12, seed))
    recipe_file(folder / "small.yaml")
    return made(folder, reject=None)


def made(folder, **how):
    return Classifier.from_examples(
        folder / "examples", recipe=folder / "small.yaml", runs=folder / "runs", device="cpu", **how
    )


def overlap(one, other):
    """Temporal intersection over union of two stretches."""
    shared = min(one[1], other[1]) - max(one[0], other[0])
    return max(0.0, shared) / (max(one[1], other[1]) - min(one[0], other[0]))


def test_segments_are_where_the_montage_has_them(coloured, tmp_path):
    truth = montage(tmp_path / "long.mp4", ("red", 4), ("blue", 3), ("green", 5), ("red", 2.5), ("blue", 4))
    steps = []
    found = coloured.timeline(tmp_path / "long.mp4", window=1, progress=lambda *step: steps.append(step))
    assert [segment.cls for segment in found.segments] == [cls for *_, cls in truth]
    for segment, (start, end, _) in zip(found.segments, truth, strict=True):
        assert overlap((segment.start, segment.end), (start, end)) > 0.85
        assert segment.probability > 0.5 and segment.nearest.startswith(f"{segment.cls}/")
    assert found.duration == pytest.approx(18.5, abs=0.01) and found.classes == tuple(COLOURS)
    assert steps[0] == (0, 18, "") and steps[-1][0] == steps[-1][1] == 18
    assert [one[0] for one in steps] == sorted(one[0] for one in steps) and all(one[0] < one[1] for one in steps[:-1])
    assert found.segments == segments_of(found.windows, found.classes)
    assert found.windows.starts[:3].tolist() == [0, 0.25, 0.5]  # a quarter of a window
    assert found.windows.probabilities.sum(axis=1) == pytest.approx(1)


def test_windows_take_frames_at_the_rate_of_the_recipe(coloured, tmp_path, monkeypatch):
    recipe = coloured.recipe
    at_a_rate = recipe.model_copy(update={"input": recipe.input.model_copy(update={"rate": 12.0})})
    montage(tmp_path / "long.mp4", ("red", 4), ("blue", 3))
    for used, spread in ((recipe, True), (at_a_rate, False)):
        monkeypatch.setattr(coloured, "recipe", used)
        windows = []
        find_segments(coloured, tmp_path / "long.mp4", 1.0, None, silent, seen=windows.extend)
        apart = {after - before for one in windows for before, after in pairwise(one.positions)}
        assert (apart == {1}) != spread and len(windows) > 20


@pytest.mark.parametrize("method", ["prototype", "otam", "strm"])
def test_features_of_windows_are_those_of_clips_and_each_frame_passes_the_backbone_once(tmp_path, monkeypatch, method):
    recipe = small_recipe(f"method={method}", f"patch_enrichment.enabled={str(method == 'strm').lower()}")
    model = build_model(recipe, pretrained=True)
    path = write_video(tmp_path / "a.mp4", frames=150)
    passed, made = [], module.backbone_maps
    monkeypatch.setattr(module, "backbone_maps", lambda frames, **how: passed.append(frames) or made(frames, **how))
    windows = VideoWindows(path, window=2, stride=0.25, frames=8, size=32)
    parts = list(embed_windows(model, windows, recipe.input))
    found = [window for some, _ in parts for window in some]
    model.eval()
    taken = {position for window in found for position in window.positions}
    frames = torch.cat([one[0] for one in passed])
    assert len(frames) == len(taken) < 0.8 * 8 * len(found) and len(passed) == len(parts) == 2
    for number, window in enumerate(found):
        clip = decode_frames([window.images[position] for position in window.positions])[None] / 255
        with torch.inference_mode():
            expected = model.embed(clip[..., 5:37])  # of 43 columns
        for name, value in expected.items():
            rows = torch.cat([features[name] for _, features in parts])
            assert torch.allclose(rows[number], value[0], atol=1e-4), name


def test_refused_windows_are_gaps(coloured, tmp_path):
    montage(tmp_path / "long.mp4", ("red", 3), ("blue", 3))
    every = coloured.timeline(tmp_path / "long.mp4", window=1)
    assert not every.windows.refused.any() and len(every.segments) == 2
    picky = made(coloured.examples[0].path.parents[2], reject=0.8)
    found = picky.timeline(tmp_path / "long.mp4", window=1)
    assert found.windows.refused.any()
    assert sum(one.end - one.start for one in found.segments) < 6


def test_a_video_that_cannot_be_read_has_a_reason(coloured, tmp_path):
    (tmp_path / "song.mp3").write_bytes(b"ID3" + bytes(2000))
    one = write_video(tmp_path / "one.mp4", frames=1)
    reasons = {
        "gone.mp4": "cannot be read: no such file",
        one.name: "has a single frame",
        "song.mp3": "cannot be read: not a video that OpenCV can open",
    }
    for name, reason in reasons.items():
        found = coloured.timeline(tmp_path / name)
        assert found.reason.startswith(reason) and found.segments == () and not len(found.windows.starts)
    path = write_video(tmp_path / "a.mp4")
    assert "a window of 0.1 s needs two" in coloured.timeline(path, window=0.1).reason
    with pytest.raises(UsageError, match="above 0"):
        coloured.timeline(path, window=0)


def test_a_window_unlike_the_examples_is_noted(coloured):
    assert length_note(coloured, 1) == length_note(coloured, 2.9) == length_note(coloured, 0.4) == ""
    assert length_note(coloured, 10).startswith("the examples last 1 s (median of 9), and a window 10 s")
    assert length_note(coloured, 0.3)


def test_ten_hours_take_as_much_memory_as_one(coloured, tmp_path, monkeypatch):
    """A frame in ten seconds: its pixels, maps and features are freed; probabilities, which are small, stay."""
    shown = {cls: plain(cls, 1, 99)[0] for cls in COLOURS}
    alive = weakref.WeakSet()

    def pictures(count):
        for number in range(count):
            cls = [*COLOURS][number // 360 % 3]  # another one each hour
            yield Picture(10.0 * number, 10.0 * number, lambda cls=cls: shown[cls])

    class Counted(Maps):
        def __post_init__(self):
            alive.add(self)

    most = {}
    for hours in (1, 10):
        count = 360 * hours
        video = Video(48, 36, 0.1, count, "fake", pictures(count))
        monkeypatch.setattr(windows_module, "decode", lambda path, video=video: video)
        monkeypatch.setattr(module, "Maps", Counted)
        steps, held = [], []

        def progress(*step, steps=steps, held=held):
            steps.append(step)
            held.append(len(alive))

        found = coloured.timeline(tmp_path / "gone.mp4", window=120, stride=30, progress=progress)
        most[hours] = max(held)
        assert steps[0] == (0, 3600 * hours, "") and steps[-1] == (3600 * hours, 3600 * hours, "")
        assert [step[0] for step in steps] == sorted(step[0] for step in steps) and len(steps) > 10
        expected = [(3600.0 * hour, 3600.0 * (hour + 1), [*COLOURS][hour % 3]) for hour in range(hours)]
        for one, (start, end, cls) in zip(found.segments, expected, strict=True):
            assert (one.start, one.end, one.cls) == (pytest.approx(start, abs=30), pytest.approx(end, abs=30), cls)
    assert most[10] <= most[1] + 8 < 200
