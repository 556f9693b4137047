"""Features of video files: those of each video alone, decoded while others are embedded."""

import threading
from pathlib import Path

import cv2
import pytest
import torch

from strmctl.classify import features as module
from strmctl.classify.features import LENGTH, VideoReader, embed_videos
from strmctl.runs.build import build_model
from strmctl.videos.read_video import read_video
from tests.classify.small import small_recipe
from tests.videos_for_tests import write_video

RECIPE = small_recipe("method=otam")


@pytest.fixture
def model():
    return build_model(RECIPE, pretrained=True).eval()


@pytest.fixture
def names(tmp_path):
    """Six videos, the second of which cannot be read."""
    for seed in range(6):
        write_video(tmp_path / f"{seed}.mp4", frames=10 + seed, seed=seed)
    (tmp_path / "1.mp4").write_text("no video")
    return [f"{seed}.mp4" for seed in range(6)]


def test_features_are_those_of_each_video_alone_whatever_is_beside_it(tmp_path, model, names):
    reader = VideoReader(RECIPE, tmp_path)
    parts = list(embed_videos(model, reader, names))
    frames, lengths = (torch.cat([part[name] for part in parts]) for name in ("frames", LENGTH))
    assert lengths.tolist() == [10, 0, 12, 13, 14, 15] and set(reader.reasons) == {"1.mp4"}
    for row, name in enumerate(names):
        if name != "1.mp4":
            clip = read_video(tmp_path / name, frames=8, size=32, crop=32).pixels[None] / 255
            with torch.inference_mode():
                assert torch.allclose(frames[row], model.embed(clip)["frames"][0], atol=1e-5)


def test_a_video_is_read_at_the_rate_of_the_recipe(tmp_path, names):
    for rate in (5, 12):
        pixels = VideoReader(small_recipe("method=otam", f"input.rate={rate}"), tmp_path).load(names[5])
        assert torch.equal(pixels, read_video(tmp_path / names[5], frames=8, size=32, crop=32, rate=rate).pixels)
        assert torch.equal(pixels, VideoReader(RECIPE, tmp_path).load(names[5])) == (rate == 5)  # too short for 5


def test_videos_are_decoded_while_others_are_embedded(tmp_path, model, names, monkeypatch):
    begun, before, embed = threading.Event(), cv2.getNumThreads(), model.embed
    threads = []

    def recorded(path: Path, **shape):
        threads.append(cv2.getNumThreads())
        if path.name == "4.mp4":  # of the second batch
            begun.set()
        return read_video(path, **shape)

    def waiting(clips):
        assert begun.wait(timeout=20), "the second batch is not decoded while the first one is embedded"
        return embed(clips)

    monkeypatch.setattr(module, "read_video", recorded)
    model.embed = waiting
    assert sum(len(part[LENGTH]) for part in embed_videos(model, VideoReader(RECIPE, tmp_path), names)) == 6
    assert set(threads) == {1} and cv2.getNumThreads() == before
