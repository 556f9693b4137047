"""Which features are used again: only those that the same model would make of the same frames."""

from dataclasses import replace

import pytest
import torch

from strmctl.engine import split_features as module
from strmctl.engine.checkpoint import LoadedRun
from strmctl.engine.evaluate import all_clips
from strmctl.engine.methods import build_model
from strmctl.engine.split_features import split_features
from tests.engine.toy import ToyStore, toy_recipe


class Frames(ToyStore):
    """Other frames under the same names need another manifest, which is what the test changes."""

    def __init__(self, manifest="0" * 64):
        super().__init__()
        self.manifest_sha256 = manifest


@pytest.fixture
def run(tmp_path):
    recipe = toy_recipe()
    model = build_model(recipe, pretrained=False).eval()
    return LoadedRun("toy", tmp_path, recipe, model, tmp_path / "weights.pt", "a" * 64, {})


def reads(run, store, **how):
    """Clips that are read for their features."""
    before = store.reads
    split_features(run, store, all_clips(store.clips("test")), **how)
    return store.reads - before


def test_the_same_test_reads_no_frame_again(run):
    store = Frames()
    assert [reads(run, store), reads(run, store)] == [24, 0]
    renamed = replace(run, recipe=toy_recipe("train.episodes=3", "validation.every=2", "name=other"))
    assert reads(renamed, store) == 0  # what does not decide the features


@pytest.mark.parametrize(
    "change",
    [
        "weights_sha256",
        "manifest",
        "frame_order",
        "dtype",
        "clips",
        "code",
        "libraries",
        "input.size=20",
        "input.normalize=backbone",
        "method=otam",
        "patch_enrichment.enabled=false",
    ],
)
def test_whatever_decides_the_features_makes_new_ones(run, monkeypatch, change):
    store, how = Frames(), {}
    assert reads(run, store) == 24
    if change == "weights_sha256":
        run = replace(run, weights_sha256="b" * 64)
    elif change == "manifest":
        store = Frames("1" * 64)
    elif change == "frame_order":
        how = {"order": "shuffled"}
    elif change == "dtype":
        how = {"dtype": "bfloat16"}
    elif change == "clips":
        assert len(split_features(run, store, all_clips(store.clips("test"))[:5]).row) == 5
        assert store.reads == 24 + 5
        return
    elif change == "code":
        monkeypatch.setattr(module, "code_sha256", lambda *folders: "other code")
    elif change == "libraries":
        monkeypatch.setattr(module.importlib.metadata, "version", lambda name: "0.0")
    else:
        recipe = toy_recipe(change)
        run = replace(run, recipe=recipe, model=build_model(recipe, pretrained=False).eval())
    assert reads(run, store, **how) == 24
    assert reads(run, store, **how) == 0


def test_features_beyond_the_memory_stay_on_the_disk_and_are_the_same(run):
    clips = all_clips(Frames().clips("test"))
    mapped, held = (split_features(run, Frames(), clips, memory=memory) for memory in (0, 1 << 30))
    assert mapped.row == held.row
    assert all(torch.equal(mapped.tensors[name], held.tensors[name]) for name in held.tensors)
