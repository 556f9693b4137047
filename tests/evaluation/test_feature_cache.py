"""Features of a split on disk: the same bits as in memory, made again when what they depend on changes."""

import json
import shutil
from dataclasses import replace

import pytest
import torch

from strmctl.errors import NotFiniteError
from strmctl.evaluation import feature_cache
from strmctl.evaluation.feature_cache import split_features
from strmctl.evaluation.match import all_clips
from strmctl.provenance import sha256_of
from strmctl.runs.build import build_model
from strmctl.runs.checkpoint import load_run
from tests.small_world import fill_disk, small_recipe


@pytest.fixture
def run(trained_runs, tmp_path):
    """A run without features."""
    return replace(load_run(trained_runs / "sprites", device="cpu"), folder=tmp_path)


def test_the_same_test_reads_no_frame_again(run, store, reads):
    clips = all_clips(store.clips("test"))
    first = split_features(run, store, clips)
    assert sorted(reads) == clips
    other = small_recipe("train.episodes=3", "validation.every=2", "name=other")  # none of it decides the features
    again = split_features(replace(run, recipe=other), store, clips, memory=0)  # mapped, not read into memory
    assert len(reads) == len(clips) and again.row == first.row
    assert all(torch.equal(again.tensors[name], first.tensors[name]) for name in first.tensors)


def test_a_cache_that_is_no_folder_costs_no_number(run, store):
    clips, said = all_clips(store.clips("test")), []
    first = split_features(run, store, clips)
    shutil.rmtree(run.folder / "cache")
    (run.folder / "cache").write_text("a file")
    again = split_features(run, store, clips, announce=said.append)
    assert len(said) == 1 and str(run.folder / "cache") in said[0]
    assert all(torch.equal(again.tensors[name], first.tensors[name]) for name in first.tensors)


def test_kept_features_that_are_not_finite_name_the_clip(run, store):
    """Such as an earlier version kept them."""
    clips = all_clips(store.clips("test"))
    split_features(run, store, clips)
    (index,) = run.folder.glob("cache/*/features.json")
    content = json.loads(index.read_text())
    name, entry = next(iter(content["tensors"].items()))
    path = index.with_name(name)
    row = path.stat().st_size // len(clips)
    path.write_bytes(path.read_bytes()[:row] + b"\xff" * row + path.read_bytes()[2 * row :])
    entry["sha256"] = sha256_of(path)
    index.write_text(json.dumps(content))
    with pytest.raises(NotFiniteError, match=f"the features of clip {clips[1]} are not finite") as caught:
        split_features(run, store, clips, memory=0)
    assert caught.value.hint == f"remove {index.parent}, and they are made again"


def test_without_room_on_the_disk_the_features_are_made_in_memory(run, store, monkeypatch):
    clips, said = all_clips(store.clips("test")), []
    with monkeypatch.context() as patch:
        fill_disk(patch)
        made_in_memory = split_features(run, store, clips, announce=said.append)
    assert len(said) == 1 and said[0].endswith("they are not kept")
    kept = split_features(run, store, clips)
    assert kept.row == made_in_memory.row
    assert all(torch.equal(kept.tensors[name], value) for name, value in made_in_memory.tensors.items())


CHANGES = ["weights", "manifest", "frame order", "dtype", "clips", "code", "libraries"]
CHANGES += [
    "input.size=40",
    "input.rate=12",
    "input.normalize=backbone",
    "method=otam",
    "patch_enrichment.enabled=false",
]


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_decides_the_features_makes_new_ones(run, store, reads, monkeypatch, change):
    clips, how = all_clips(store.clips("test")), {}
    split_features(run, store, clips)
    if change == "weights":
        run = replace(run, weights_sha256="b" * 64)
    elif change == "manifest":
        store.manifest_sha256 = "1" * 64
    elif change == "frame order":
        how = {"order": "shuffled"}
    elif change == "dtype":
        how = {"dtype": "bfloat16"}
    elif change == "clips":
        clips = clips[:5]
    elif change == "code":
        monkeypatch.setattr(feature_cache, "code_sha256", lambda *folders: "other code")
    elif change == "libraries":
        monkeypatch.setattr(feature_cache, "versions", lambda *names: dict.fromkeys(names, "0.0"))
    else:
        recipe = small_recipe(change)
        run = replace(run, recipe=recipe, model=build_model(recipe, pretrained=False).eval())
    for read_again in (clips, []):
        del reads[:]
        assert len(split_features(run, store, clips, **how).row) == len(clips)
        assert sorted(reads) == read_again
