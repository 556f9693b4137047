"""Maps of a frozen backbone on disk: what is in them, who shares them, what a kill and a full disk do."""

import shutil
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch

from strmctl.draws import Draws
from strmctl.errors import NotFiniteError, OutputError
from strmctl.evaluation import map_cache, tensor_cache
from strmctl.evaluation.embed import embed_clips
from strmctl.evaluation.feature_cache import split_features
from strmctl.evaluation.map_cache import keep_maps
from strmctl.evaluation.match import all_clips
from strmctl.model.methods.table import METHODS
from strmctl.model.seeding import seeded
from strmctl.runs.build import build_model, clip_loader
from strmctl.runs.checkpoint import load_run
from strmctl.runs.folder import MAPS
from tests.small_world import fill_disk, small_recipe, snapshot

FROZEN = ("backbone.trained=false", "backbone.maps=float32")


def made(folder, store, recipe=None, units=None, **how):
    """A loader of maps of the train clips, and the model whose backbone made them."""
    recipe = recipe or small_recipe(*FROZEN)
    model = build_model(recipe, pretrained=False)
    if units is None:
        units = [(tuple(ids), view) for ids in store.clips("train").values() for view in range(recipe.train.views)]
    return keep_maps(recipe, model, clip_loader(recipe, store), units, folder, **how), model


def maps_by_hand(model, pixels):
    """The maps of uint8 clips, frame by frame: the largest number of each patch, and the mean of all."""
    patches, means = [], []
    with torch.no_grad():
        for clip in pixels:
            maps = model.eval().backbone(clip[None] / 255)[0]  # (L, D, h, w)
            assert maps.shape[-2:] == (2, 2) and model.patches == 2  # each place of the map is a patch
            patches.append(maps.flatten(2).transpose(1, 2))
            means.append(maps.sum(dim=(2, 3)) / 4)
    return torch.stack(patches), torch.stack(means)


def load(loader, clips, draws=None):
    with ThreadPoolExecutor(1) as pool:
        return loader.load_many(clips, pool, draws)


def test_the_maps_are_those_of_the_clips_in_each_view(tmp_path, store):
    recipe = small_recipe(*FROZEN, "train.views=3", "input.flip=true", "input.size=36")
    kept, model = made(tmp_path, store, recipe)
    frames, clips = clip_loader(recipe, store), all_clips(store.clips("train"))
    views = [load(frames, clips)] + [load(frames, clips, [Draws("view", c, v) for c in clips]) for v in (1, 2)]
    expected = [maps_by_hand(model, pixels) for pixels in views]
    found = load(kept, clips)
    assert found.patches.dtype == torch.float32
    torch.testing.assert_close((found.patches, found.mean), expected[0], rtol=0, atol=1e-5)
    seen = set()
    for seed in range(40):
        drawn = load(kept, clips, [Draws(seed, clip) for clip in clips])
        for row, own in enumerate(drawn.patches):
            view = min(range(3), key=lambda v: (own - expected[v][0][row]).abs().max())
            torch.testing.assert_close(own, expected[view][0][row], rtol=0, atol=1e-6)
            torch.testing.assert_close(drawn.mean[row], expected[view][1][row], rtol=0, atol=1e-5)
            seen.add((row, view))
    assert len(seen) > 2.5 * len(clips), "views of few frames may be alike by chance"


@pytest.mark.parametrize("method", METHODS)
def test_a_model_makes_the_same_of_maps_and_of_clips(tmp_path, store, method):
    recipe = small_recipe(*FROZEN, f"method={method}", "train.episodes=0")
    kept, model = made(tmp_path, store, recipe)
    clips, labels = ["hop/0", "jump/2", "run/1", "hop/1", "run/2"], torch.arange(3)
    pixels, maps = load(clip_loader(recipe, store), clips) / 255, load(kept, clips)
    reads_patches = "patch_enrichment" in METHODS[method].parts or METHODS[method].maps
    assert (maps.patches is None) != reads_patches, "others read the mean alone"
    model.train()
    names = {"names": ("hop", "jump", "run")} if METHODS[method].names else {}
    logits = []
    for side in (maps, pixels):
        with seeded(0, "dropout"):
            logits.append(model(side[:3], labels, side[3:], **names))
    torch.testing.assert_close(*logits, rtol=1e-5, atol=1e-5)


class KilledError(Exception):
    """Stands for a kill -9."""


@pytest.mark.parametrize("after", [0, 1, 4, 8])
def test_a_killed_embedding_goes_on_to_the_same_bytes(tmp_path, store, monkeypatch, after):
    monkeypatch.setattr("strmctl.evaluation.embed.CLIPS_PER_BATCH", 1)
    monkeypatch.setattr(tensor_cache, "CLIPS_PER_BATCH", 1)
    made(tmp_path / "whole", store)

    def kill(done, total, note):
        if done == after:
            raise KilledError

    with pytest.raises(KilledError):
        made(tmp_path / "killed", store, progress=kill)
    reports = []
    made(tmp_path / "killed", store, progress=lambda *report: reports.append(report))
    assert snapshot(tmp_path / "killed") == snapshot(tmp_path / "whole")
    assert reports[0][:2] == (after, 9) and reports[-1] == (9, 9, "maps of the backbone")


def test_other_methods_seeds_and_splits_use_the_same_maps_and_further_views_cost_themselves(tmp_path, store, reads):
    made(tmp_path, store, small_recipe(*FROZEN, "backbone.weights=none"))
    assert sorted(reads) == all_clips(store.clips("train"))
    del reads[:]
    changes = (
        "method=otam",
        "train.episodes=0",
        "trm.dim=16",
        "train.learning_rate=0.1",
        "validation.every=2",
        "name=other",
    )
    said = []
    made(tmp_path, store, small_recipe(*FROZEN, *changes), progress=lambda *r: said.append(r), announce=said.append)
    made(tmp_path, store, units=[(tuple(store.clips("train")["run"]), 0)])
    assert reads == said == []
    made(tmp_path, store, small_recipe(*FROZEN, "train.views=2"))
    assert sorted(reads) == all_clips(store.clips("train"))


CHANGES = ["input.size=40", "input.normalize=backbone", "backbone.maps=half", "patch_enrichment.patches=1"]
CHANGES += ["train.dtype=bfloat16", "input.rate=12", "train.seed=1", "code", "manifest"]


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_decides_the_maps_makes_new_ones_and_only_what_is_never_used_again_is_removed(
    tmp_path, store, reads, monkeypatch, change
):
    made(tmp_path, store)
    (before,) = tmp_path.iterdir()
    del reads[:]
    recipe, said = small_recipe(*FROZEN, *([change] if "=" in change else [])), []
    if change == "code":
        monkeypatch.setattr(map_cache, "code_sha256", lambda *parts: "other code")
    elif change == "manifest":
        store.manifest_sha256 = "1" * 64
    made(tmp_path, store, recipe, announce=said.append)
    assert sorted(reads) == all_clips(store.clips("train"))
    assert len(list(tmp_path.iterdir())) == (2 if "=" in change else 1)
    assert (before.exists() == ("=" in change) and f"{before} was removed" in "".join(said)) or "=" in change
    assert "9 clips and views take 0 MB" in said[-1] and str(tmp_path) in said[-1]


def test_half_precision_rounds_and_says_what_does_not_fit(tmp_path, store, monkeypatch):
    whole, _ = made(tmp_path / "whole", store)
    half, _ = made(tmp_path / "half", store, small_recipe("backbone.trained=false"))
    clips = all_clips(store.clips("train"))
    exact, rounded = load(whole, clips), load(half, clips)
    for name in ("patches", "mean"):
        assert getattr(rounded, name).dtype == torch.float16
        torch.testing.assert_close(getattr(rounded, name).float(), getattr(exact, name), rtol=2**-11, atol=1e-7)
    real = map_cache.backbone_maps

    def huge(*args, **how):
        maps = real(*args, **how)
        return replace(maps, mean=maps.mean + 70_000)

    monkeypatch.setattr(map_cache, "backbone_maps", huge)
    with pytest.raises(NotFiniteError, match=r"clip hop/0 are not finite \(mean, float16\)") as caught:
        made(tmp_path / "huge", store, small_recipe("backbone.trained=false"))
    assert "`--set backbone.maps=float32`" in caught.value.hint
    made(tmp_path / "huge", store)


def test_a_full_disk_is_noticed_before_the_first_map_is_kept(tmp_path, store, monkeypatch):
    need = 9 * 8 * (2 * 2 + 1) * 128 * 4  # clips, frames, patches and the mean, channels, bytes
    usage, free = namedtuple("usage", "free"), [10 * need - 1]
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(free[0]))
    with pytest.raises(OutputError, match=r"maps need 0 MB .*are free") as caught:
        made(tmp_path, store)
    assert "--set train.views=" in caught.value.hint and not [p for p in tmp_path.glob("*/*") if p.name != ".lock"]
    free[0] += 1
    made(tmp_path, store)


@pytest.fixture
def frozen(trained_runs, tmp_path):
    """A run with a frozen backbone, alone in its folder, of a given precision of maps."""

    def run(*changes):
        recipe = small_recipe("backbone.trained=false", *changes)
        loaded = load_run(trained_runs / "sprites", device="cpu")
        model = build_model(recipe, pretrained=False)
        model.load_state_dict(loaded.model.state_dict())
        return replace(loaded, folder=tmp_path / "runs" / "frozen", recipe=recipe, model=model.eval())

    return run


@pytest.mark.parametrize(("kept", "tolerance"), [("float32", 1e-5), ("half", 5e-3)])
def test_features_of_a_test_are_made_of_maps(frozen, store, reads, kept, tolerance):
    run, clips, reports = frozen(f"backbone.maps={kept}"), all_clips(store.clips("test")), []
    found = split_features(run, store, clips, progress=lambda *report: reports.append(report))
    assert sorted(reads) == clips and (run.folder.parent / MAPS).is_dir()
    assert reports[-1] == (9, 9, "") and {note for *_, note in reports} == {"maps of the backbone", ""}
    expected = embed_clips(run.model, clip_loader(run.recipe, store), clips)
    assert found.row == expected.row
    for name, value in expected.tensors.items():
        torch.testing.assert_close(found.tensors[name], value, rtol=tolerance, atol=tolerance)
    del reads[:]
    other = replace(run, weights_sha256="b" * 64)  # other heads on the same backbone
    split_features(other, store, clips)
    shutil.rmtree(run.folder.parent / MAPS)
    split_features(other, store, clips)  # nor are maps needed where the features are kept
    assert reads == []


def test_a_test_without_room_for_maps_embeds_frames(frozen, store, monkeypatch):
    run, clips, said = frozen("backbone.maps=float32"), all_clips(store.clips("test")), []
    fill_disk(monkeypatch)
    found = split_features(run, store, clips, announce=said.append)
    assert any(line.endswith("frames are embedded instead") for line in said)
    expected = embed_clips(run.model, clip_loader(run.recipe, store), clips)
    assert all(torch.equal(found.tensors[name], value) for name, value in expected.tensors.items())
