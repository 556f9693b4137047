"""NaN and infinity never become a prediction, a picture or weights: the clip or the tensor is named instead."""

import json
import math

import pytest
import torch

from strmctl.errors import NotFiniteError
from strmctl.evaluation.embed import ClipFeatures, embed_clips
from strmctl.evaluation.match import Protocol, all_clips, evaluate, evaluate_uncached, match_episodes
from strmctl.explain.attention import attention_maps
from strmctl.model.finite import is_finite, not_finite
from strmctl.model.weight_files import read_tensors
from strmctl.runs.build import build_model, clip_loader
from strmctl.runs.checkpoint import save_tensors, save_weights
from tests.small_world import evaluate as run_eval
from tests.small_world import refused, refused_in_json, small_recipe, train
from tests.videos_for_tests import strmctl, write_video

PROTOCOL = Protocol(way=2, shots=(1, 2), episodes=20)
BAD = [math.nan, math.inf, -math.inf]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_one_number_is_enough(dtype):
    for value in BAD:
        tensor = torch.zeros(5, 7, dtype=dtype)
        assert is_finite(tensor)
        tensor[3, 4] = value
        assert not is_finite(tensor) and not is_finite(tensor.T) and is_finite(tensor[:3])
    largest = torch.tensor([torch.finfo(dtype).max] * 9, dtype=dtype)  # whose sum is infinite
    assert is_finite(largest) and is_finite(-largest) and is_finite(largest[:0])
    assert is_finite(torch.tensor([1, 2])) and is_finite(torch.tensor([True]))
    assert not_finite({"a": largest, "b": tensor, "c": tensor, "d": tensor, "e": tensor}) == "b, c, d and 1 more"


class Spoilt(torch.nn.Module):
    """A model that makes something else of one clip, which it knows by its pixels."""

    def __init__(self, model, pixels, value):
        super().__init__()
        self.model, self.pixels, self.value = model, pixels.float() / 255, value
        self.backbone = model.backbone

    def embed(self, clips):
        features = self.model.embed(clips)
        name = sorted(features)[-1]
        for row, clip in enumerate(clips):
            if torch.equal(clip, self.pixels):
                features[name][(row, *[0] * (features[name].dim() - 1))] = self.value
        return features

    def match(self, *sides):
        return self.model.match(*sides)


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("method", ["strm", "otam", "chamfer", "prototype"])
def test_features_that_are_not_finite_name_the_clip(store, method, value):
    recipe = small_recipe(f"method={method}")
    model, loader = build_model(recipe, pretrained=False), clip_loader(recipe, store)
    clips = store.clips("test")
    spoilt = Spoilt(model, loader.load("walk/1"), value)
    with pytest.raises(NotFiniteError, match=r"the features of clip walk/1 are not finite \(.*float32\)"):
        evaluate(spoilt, loader, clips, PROTOCOL)
    good = {name: [clip for clip in ids if clip != "walk/1"] for name, ids in clips.items()}
    assert len(evaluate(spoilt, loader, good, Protocol(way=2, shots=(1,), episodes=20)).rows) == 40


def test_logits_that_are_not_finite_name_the_query(store):
    """Features may be finite and so large that their distances are not."""
    recipe = small_recipe("query_class.enabled=false")
    model, loader = build_model(recipe, pretrained=False), clip_loader(recipe, store)
    clips = store.clips("test")
    features = embed_clips(model, loader, all_clips(clips))
    large = {name: value.clone() for name, value in features.tensors.items()}
    large["trm2.value"][features.row["crawl/0"]] = 1e30
    episodes = PROTOCOL.draw(clips)
    first = next(episode for episode in episodes if "crawl/0" in (*episode.query_clips, *episode.support_clips))
    with pytest.raises(NotFiniteError, match=rf"the logits of clip .*, a query of episode {first.index} \("):
        match_episodes(model, ClipFeatures(large, features.row), episodes, [2])
    assert match_episodes(model, features, episodes, PROTOCOL.shots).rows
    model.temporal_relations.relations["2"].value.weight.data.fill_(1e30)
    with pytest.raises(NotFiniteError, match="a query of episode 0"):
        evaluate_uncached(model, loader, episodes, PROTOCOL.shots)


def test_maps_that_are_not_finite_are_named(store):
    recipe = small_recipe()
    model, clip = build_model(recipe, pretrained=False).eval(), clip_loader(recipe, store).load("walk/1")
    assert len(attention_maps(model, clip)) == 4
    model.patch_enrichment.psi[0].bias.data.fill_(math.inf)
    with pytest.raises(NotFiniteError, match="these maps are not finite: PLE, H, E"):
        attention_maps(model, clip)


def spoil(runs, value, name="trm"):
    """Fills a weight of the run with a number, and writes the notes that belong to that."""
    path = runs / "sprites" / "weights.pt"
    state = read_tensors(path)
    key = next(key for key in state if key.endswith("value.weight"))
    state[key][0].fill_(value)
    save_weights(path, state, json.loads(path.with_suffix(".json").read_text()))
    return key


@pytest.mark.parametrize("value", BAD)
def test_a_run_whose_weights_are_not_finite_is_neither_tested_nor_drawn(data, runs, tmp_path, value):
    key = spoil(runs, value)
    refused(run_eval(data, runs), 5, runs / "sprites" / "weights.pt", "not finite", key)
    refused(run_eval(data, runs, "--no-cache"), 5, "not finite", key)
    refused_in_json(run_eval(data, runs, "--json"), 5, key)
    video = write_video(tmp_path / "x.mp4")
    refused(strmctl("viz", "--video", video, "--runs", runs), 5, "not finite", key)
    assert not (runs / "sprites" / "viz").exists()


def test_weights_so_large_that_the_features_overflow(data, runs):
    spoil(runs, 3e38)
    before = sorted((runs / "sprites" / "eval").iterdir())
    for words in ((), ("--dtype", "bfloat16"), ("--frame-order", "shuffled")):
        refused(run_eval(data, runs, "--seed", 3, *words), 3, "the features of clip crawl/0 are not finite")
    refused(run_eval(data, runs, "--seed", 3, "--no-cache"), 3, "are not finite", "a query of episode 0")
    assert sorted((runs / "sprites" / "eval").iterdir()) == before


def test_weights_of_a_backbone_that_are_not_finite(data, tmp_path):
    state = build_model(small_recipe(), pretrained=False).state_dict()
    state = {name: value for name, value in state.items() if name.startswith("backbone.")}
    next(iter(state.values()))[0].fill_(math.nan)
    save_tensors(tmp_path / "b.pt", state)
    ran = train(data, tmp_path / "runs", changes=(f"backbone.weights={tmp_path / 'b.pt'}",))
    refused(ran, 5, tmp_path / "b.pt", "not finite")
    assert not (tmp_path / "runs").exists()


def test_a_training_that_diverges_between_two_losses_keeps_its_last_good_state(data, tmp_path):
    changes = ("train.learning_rate=1e30", "train.episodes=4", "validation.every=1")
    ran = train(data, tmp_path, changes=changes)
    refused(ran, 1, "the features of clip sit/0 are not finite", "at training episode 1 of run sprites", "1e+29")
    assert not (tmp_path / "sprites" / "weights.pt").exists() and not (tmp_path / "sprites" / "state.pt").exists()
    ran = train(data, tmp_path / "sgd", changes=(*changes[1:], "train.optimizer=sgd", "train.learning_rate=1e38"))
    refused(ran, 1, "not finite", "at training episode 1 of run sprites")
    assert not (tmp_path / "sgd" / "sprites" / "weights.pt").exists()
