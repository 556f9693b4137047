"""Networks over whole clips, tiny ones, all the way: trained, tested, drawn, kept as maps, on windows of a video."""

import copy

import pytest
import torch
from torch import nn

from strmctl.ablation.report_document import collect
from strmctl.classify.windows import embed_windows
from strmctl.evaluation.embed import embed_clips
from strmctl.evaluation.map_cache import keep_maps
from strmctl.evaluation.match import all_clips
from strmctl.model.backbones.folding import folded
from strmctl.model.methods.table import METHODS
from strmctl.report.tables.published import runs as runs_table
from strmctl.runs.build import build_model, clip_loader
from strmctl.training.gradients import WAYS, blocks_of
from strmctl.videos.pixels import decode_frames
from strmctl.videos.windows import VideoWindows
from tests.model.reference import relative_error
from tests.small_world import evaluate, small_recipe, train
from tests.tiny_video import TINY, tiny_video  # noqa: F401
from tests.training.test_gradients import trained, with_random_averages
from tests.videos_for_tests import strmctl, write_video

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tiny_video")]


def recipe_of(name, *changes):
    return small_recipe(f"backbone.name={name}", "input.normalize=backbone", *changes)


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("method", METHODS)
def test_every_method_compares_the_time_steps_that_come_out(name, method):
    recipe = recipe_of(name, f"method={method}", "train.episodes=0")
    model = build_model(recipe, pretrained=False).eval()
    clips, labels = torch.rand(5, 8, 3, 32, 32, generator=torch.Generator().manual_seed(0)), torch.arange(3)
    assert recipe.steps == 4 and model.enrich(clips).frames.shape[:2] == (5, 4)
    names = {"names": ("hop", "jump", "run")} if METHODS[method].names else {}
    with torch.inference_mode():
        both = model(clips[:3], labels, clips[3:], **names).total
        alone = torch.cat([model(clips[:3], labels, clips[row : row + 1], **names).total for row in (3, 4)])
    assert both.shape == (2, 3) and both.isfinite().all()
    torch.testing.assert_close(alone, both, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", TINY)
def test_every_way_gives_the_gradient_of_plain(name):
    norm = "frozen" if TINY[name].batch_norm else "batch"
    changes = ("train.way=2", "train.queries=1", "trm.dropout=0.3", "train.episodes=9", f"backbone.batch_norm={norm}")
    outcomes = {way: trained(recipe_of(name, *changes, f"train.memory={way}"), 2) for way in WAYS}
    largest = max(float(value.abs().max()) for value in outcomes["plain"][0][0].values())
    for gradients, numbers, state in outcomes.values():
        for found, expected in zip((*gradients, state), (*outcomes["plain"][0], outcomes["plain"][2]), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9 * largest)
        torch.testing.assert_close(torch.tensor(numbers), torch.tensor(outcomes["plain"][1]), rtol=1e-9, atol=0)
    assert blocks_of(build_model(recipe_of(name), pretrained=False).backbone)


def test_a_run_is_trained_tested_and_drawn_and_says_what_the_backbone_may_have_seen(tmp_path, data):
    changes = ("backbone.name=tiny_convolutions", "backbone.weights=kinetics400", "input.frames=7")
    ran = train(data, tmp_path, changes=changes)
    assert ran.code == 0, ran.err
    ran = evaluate(data, tmp_path, "--json")
    assert ran.code == 0, ran.err
    seen = ran.json()["provenance"]["pretraining"]
    assert (seen["data"], seen["published"], seen["classes"], seen["same"]) == ("Kinetics-400", True, 3, {})
    assert seen["related"] == {
        "crawl": ["crawling baby"],
        "swim": ["swimming backstroke", "swimming breast stroke", "swimming butterfly stroke"],
        "walk": ["riding or walking with horse", "walking the dog"],
    }
    has = "Kinetics-400, which the backbone was pre-trained on, has 3 of the 3 test classes in part (crawl, swim, walk)"
    assert f"warning: {has}\n" in ran.err
    document = collect(tmp_path, ["sprites"], cost=False)
    assert f"{has}." in runs_table(document.runs, told=False).caption
    ran = strmctl("viz", "--video", data.parent / "my videos" / "walk" / "0.mp4", "--runs", tmp_path, "--json")
    assert ran.code == 0 and len(ran.json()["frames"]) == 7, ran.err


def test_maps_of_a_frozen_network_are_kept_by_time_step_whatever_the_batch(tmp_path, store, monkeypatch):
    recipe = recipe_of("tiny_convolutions", "backbone.trained=false", "backbone.maps=float32")
    model = with_random_averages(build_model(recipe, pretrained=False))
    loader, clips = clip_loader(recipe, store), all_clips(store.clips("test"))
    whole = embed_clips(model, loader, clips)
    units = [(tuple(ids), 0) for ids in store.clips("test").values()]
    found = embed_clips(model, keep_maps(recipe, model, loader, units, tmp_path), clips)
    monkeypatch.setattr("strmctl.evaluation.embed.CLIPS_PER_BATCH", 1)
    alone = embed_clips(model, loader, clips)
    for name, value in whole.tensors.items():
        assert value.shape[2] == 4
        torch.testing.assert_close(found.tensors[name], value, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(alone.tensors[name], value, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rate", ["null", "backbone"])
def test_a_window_passes_the_network_as_a_clip(tmp_path, rate):
    recipe = recipe_of("tiny_convolutions", f"input.rate={rate}")
    how = {"window": 2, "stride": 0.25, "frames": 8, "size": 32, "rate": recipe.input.rate}
    model = with_random_averages(build_model(recipe, pretrained=False)).eval()
    windows = VideoWindows(write_video(tmp_path / "a.mp4", frames=150), **how)
    parts = list(embed_windows(model, windows, recipe.input))
    found = [window for some, _ in parts for window in some]
    assert len(found) > 8 and max(len(some) for some, _ in parts) == 4
    for number, window in enumerate(found):
        clip = decode_frames([window.images[position] for position in window.positions])[None] / 255
        with torch.inference_mode():
            expected = model.embed(clip[..., 5:37])  # of 43 columns
        for name, value in expected.items():
            rows = torch.cat([features[name] for _, features in parts])
            torch.testing.assert_close(rows[number], value[0], rtol=1e-4, atol=1e-4)


def test_batch_norm_after_convolutions_over_time_is_folded():
    network = (
        with_random_averages(build_model(recipe_of("tiny_convolutions"), pretrained=False)).double().eval().backbone
    )
    before, clips = copy.deepcopy(network.state_dict()), torch.rand(1, 8, 3, 32, 32, dtype=torch.float64)
    other = folded(network, clips)
    assert not any(isinstance(module, nn.BatchNorm3d) for module in other.modules())
    with torch.inference_mode():
        assert relative_error(other(clips), network(clips)) < 1e-10
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
