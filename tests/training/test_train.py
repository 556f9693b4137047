import copy
import csv
import hashlib
import json
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from strmctl.episodes.sampler import EpisodeSampler, shared_source_share
from strmctl.errors import StrmctlError, UsageError
from strmctl.evaluation.match import all_clips
from strmctl.model.weight_files import read_tensors
from strmctl.paths import write_text
from strmctl.report.charts import learning_curves
from strmctl.runs.build import build_model, clip_loader
from strmctl.runs.checkpoint import load_run
from strmctl.training import in_training, picture, step
from strmctl.training import train as training
from strmctl.training.train import TrainingData, train
from tests.small_world import small_recipe

TWELVE = ("train.episodes=12", "train.queries=2", "validation.every=4")


def recipe_of(*changes):
    return small_recipe(*TWELVE, *changes)


def equal(first, second):
    assert first.keys() == second.keys()
    return all(torch.equal(first[name], second[name]) for name in first)


def run(folder, recipe, store, *, val=True, **options):
    write_text(folder / "recipe.yaml", recipe.to_yaml())
    clips = store.clips("val") if val else {}
    data = TrainingData(store.clips("train"), clips, clip_loader(recipe, store), {"train_classes": ["hop"]})
    return train(recipe, folder, data, device="cpu", **options)


def with_other_frames(store):
    other = copy.copy(store)
    other.manifest_sha256 = "1" * 64
    return other


class KilledError(Exception):
    """Stands for a kill -9: the run cannot react to it."""


def kill(done, total, note):
    """A report of progress that ends the run after seven episodes."""
    if done == 7:
        raise KilledError


KEPT = "train.keep=[10, 5, 12, 7]"
FROZEN = ("backbone.trained=false", "train.views=2")
CHANGES = [(), ("train.accumulate=3",), ("train.optimizer=sgd", "train.schedule=constant"), FROZEN]


@pytest.mark.parametrize("changes", CHANGES)
def test_a_killed_run_ends_with_the_very_same_weights(tmp_path, store, changes):
    recipe = recipe_of(*changes, KEPT)
    run(tmp_path / "whole", recipe, store)
    with pytest.raises(KilledError):
        run(tmp_path / "killed", recipe, store, progress=kill)
    assert read_tensors(tmp_path / "killed" / "state.pt")["done"] == (6 if recipe.train.accumulate == 3 else 4)
    run(tmp_path / "killed", recipe, store)
    kept = [f"snapshots/{episode:05d}" for episode in (5, 7, 10, 12)]
    assert sorted(
        str(path.relative_to(tmp_path / "killed")) for path in (tmp_path / "killed" / "snapshots").iterdir()
    ) == [f"{name}.{suffix}" for name in kept for suffix in ("json", "pt")]
    for name in ("weights", "last", *kept):
        whole, killed = (read_tensors(tmp_path / folder / f"{name}.pt") for folder in ("whole", "killed"))
        assert equal(whole, killed), name
        notes = [json.loads((tmp_path / folder / f"{name}.json").read_text()) for folder in ("whole", "killed")]
        assert [one | {"sha256": ""} for one in notes] == 2 * [notes[0] | {"sha256": ""}], name
    assert equal(whole, read_tensors(tmp_path / "whole" / "last.pt")), "the last snapshot is that of the last episode"
    assert (tmp_path / "whole" / "train.csv").read_text() == (tmp_path / "killed" / "train.csv").read_text()


def test_a_snapshot_is_the_model_after_that_many_episodes(tmp_path, store):
    """Between two steps its weights are those of the last step, and the averages of batch norm go on."""
    flat = ("train.accumulate=2", "train.schedule=constant")
    run(tmp_path / "whole", recipe_of(*flat, "train.keep=[3, 4, 6]"), store)
    run(tmp_path / "short", recipe_of(*flat, "train.episodes=4", "validation.every=12"), store)
    between, fourth, sixth = (
        load_run(tmp_path / "whole", device="cpu", weights=f"snapshots/0000{n}.pt") for n in (3, 4, 6)
    )
    assert [one.info["training_episodes"] for one in (between, fourth, sixth)] == [3, 4, 6]
    assert {one.info["selected_by"] for one in (between, fourth, sixth)} == {"train.keep"}
    short = read_tensors(tmp_path / "short" / "last.pt")
    assert equal(fourth.model.state_dict(), short), "as if the training had ended there"
    trained = dict(between.model.named_parameters())
    run(tmp_path / "two", recipe_of(*flat, "train.episodes=2", "validation.every=12"), store)
    two = read_tensors(tmp_path / "two" / "last.pt")
    assert all(torch.equal(value, two[name]) for name, value in trained.items())
    assert [name for name, value in between.model.state_dict().items() if not torch.equal(value, two[name])]


def test_a_frozen_backbone_stays_and_its_maps_serve_other_runs_without_the_test_split(tmp_path, store, reads):
    recipe = recipe_of(*FROZEN)
    run(tmp_path / "first", recipe, store)
    train, val = (all_clips(store.clips(subset)) for subset in ("train", "val"))
    assert sorted(reads) == sorted([*train, *train, *val]), "two views of train clips, one of val clips, none of others"
    del reads[:]
    run(tmp_path / "second", recipe_of(*FROZEN, "method=trm", "train.learning_rate=0.01"), store)
    assert reads == []
    first, second = (read_tensors(tmp_path / name / "weights.pt") for name in ("first", "second"))
    initial = build_model(recipe, pretrained=False).state_dict()
    assert all(torch.equal(first[name], initial[name]) for name in initial if name.startswith("backbone."))
    changed = [name for name in first.keys() & second.keys() if not torch.equal(first[name], second[name])]
    assert changed and not any(name.startswith("backbone.") for name in changed)
    assert load_run(tmp_path / "first", device="cpu").recipe == recipe


@pytest.mark.parametrize("changes", [("method=prototype", "backbone.trained=false"), ("method=otam",), ()])
def test_without_training_episodes_the_initial_weights_are_kept(tmp_path, store, reads, changes):
    recipe, begun = small_recipe(*changes, "train.episodes=0"), []
    info = run(tmp_path, recipe, store, begin=lambda: begun.append(1))
    assert info["training_episodes"] == 0 and info["selected_by"].startswith("not trained")
    assert begun == [1] and reads == []
    for which in ("best", "last"):
        kept = load_run(tmp_path, device="cpu", weights=which).model.state_dict()
        assert all(
            torch.equal(kept[name], value) for name, value in build_model(recipe, pretrained=False).state_dict().items()
        )
    (tmp_path / "state.pt").unlink()  # a kill came before it was written
    again = run(tmp_path, recipe, store)
    assert again == run(tmp_path, recipe, store) and again["selected_by"] == info["selected_by"]


def test_a_finished_run_is_not_trained_again_needs_no_frames_and_is_read_back(tmp_path, store):
    recipe, begun = recipe_of(), []
    first = run(tmp_path, recipe, store, begin=lambda: begun.append(1))
    before = (tmp_path / "weights.pt").stat().st_mtime_ns
    assert run(tmp_path, recipe, with_other_frames(store), begin=lambda: begun.append(2)) == first
    assert (tmp_path / "weights.pt").stat().st_mtime_ns == before and begun == [1]
    loaded = load_run(tmp_path, device="cpu")
    assert loaded.recipe == recipe and not loaded.model.training
    assert loaded.info == first == json.loads((tmp_path / "weights.json").read_text())
    kept = read_tensors(tmp_path / "weights.pt")
    assert all(torch.equal(kept[name], value) for name, value in loaded.model.state_dict().items())


def test_a_run_does_not_go_on_with_other_frames(tmp_path, store):
    with pytest.raises(KilledError):
        run(tmp_path, recipe_of(), store, progress=kill)
    with pytest.raises(UsageError, match="the frame store mine has changed"):
        run(tmp_path, recipe_of(), with_other_frames(store))


def test_the_best_by_validation_is_kept(tmp_path, store, monkeypatch):
    found = iter([dict.fromkeys(in_training.KEPT, 0) | {"accuracy": accuracy} for accuracy in (0.5, 0.9, 0.7)])
    monkeypatch.setattr(in_training, "summarise", lambda rows: [next(found)])
    info = run(tmp_path, recipe_of(), store)
    assert (info["training_episodes"], info["validation"]["accuracy"], info["selected_by"]) == (8, 0.9, "val split")
    last, best = read_tensors(tmp_path / "state.pt")["model"], read_tensors(tmp_path / "weights.pt")
    assert any(not torch.equal(last[name], best[name]) for name in best)


def test_without_val_classes_the_last_weights_are_kept(tmp_path, store):
    info = run(tmp_path, recipe_of(), store, val=False)
    assert info["selected_by"].startswith("last episode") and info["training_episodes"] == 12
    state, weights = read_tensors(tmp_path / "state.pt")["model"], read_tensors(tmp_path / "weights.pt")
    assert all(torch.equal(state[name], weights[name]) for name in weights)


class Colours:
    """What `ClipLoader` needs of a frame store, in memory: a class is a colour, and a clip a few noisy frames of it."""

    name, manifest_sha256 = "colours", "0" * 64
    colours = ((250, 20, 20), (20, 250, 20), (20, 20, 250), (240, 240, 20), (20, 240, 240))

    def __init__(self):
        row = SimpleNamespace(frames=12, fps=12.0)
        self.by_id = dict.fromkeys((f"{c}/{i}" for c in range(5) for i in range(8)), row)
        self.groups = {clip: clip for clip in self.by_id}

    def clips(self, subset):
        classes = range(3) if subset == "train" else (3, 4)
        return {str(c): [f"{c}/{i}" for i in range(8)] for c in classes}

    def read(self, clip, positions):
        generator = np.random.default_rng(int(hashlib.sha256(clip.encode()).hexdigest()[:8], 16))
        colour = np.array(self.colours[int(clip[0])])
        frames = ((0.7 + 0.02 * at) * colour + generator.integers(-60, 60, (32, 32, 3)) for at in positions)
        return [cv2.imencode(".jpg", frame.clip(0, 255).astype(np.uint8))[1].tobytes() for frame in frames]


def test_training_learns_and_says_so(tmp_path):
    changes = ("train.episodes=40", "train.learning_rate=3e-3", "validation.every=40", "validation.episodes=20")
    reports = []
    info = run(tmp_path, recipe_of(*changes), Colours(), progress=lambda *report: reports.append(report))
    assert reports[0][:2] == (0, 40) and reports[-1][:2] == (40, 40) and "loss" in reports[-1][2]
    lines = list(csv.DictReader((tmp_path / "train.csv").open()))
    assert [int(line["episode"]) for line in lines] == list(range(1, 41))
    early, late = (sum(float(line["loss"]) for line in part) / 10 for part in (lines[:10], lines[-10:]))
    assert late < 0.7 * early
    assert info["validation"]["accuracy"] > 0.8
    assert float(lines[-1]["validation_accuracy"]) == info["validation"]["accuracy"]


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda loss: loss * float("nan"), "the loss is nan"),
        # the loss is finite, its gradient is not: the step must not be taken, nor its weights validated and kept
        (lambda loss: loss.register_hook(lambda grad: grad * float("inf")) and loss, "the gradient norm is nan"),
    ],
)
def test_a_loss_or_gradient_that_is_not_finite_stops_with_the_last_good_state(
    tmp_path, store, monkeypatch, spoil, what
):
    real, calls = step.forward, []

    def forward(*args, **kwargs):
        calls.append(1)
        logits, losses, finish = real(*args, **kwargs)
        return logits, losses | {"trm": spoil(losses["trm"])} if len(calls) == 8 else losses, finish

    monkeypatch.setattr(step, "forward", forward)
    with pytest.raises(StrmctlError, match=f"{what} at training episode 8") as caught:
        run(tmp_path, recipe_of(), store)
    assert "after episode 4 is kept" in caught.value.hint
    state = read_tensors(tmp_path / "state.pt")
    assert state["done"] == 4
    for weights in (state["model"], read_tensors(tmp_path / "weights.pt")):
        assert all(tensor.isfinite().all() for tensor in weights.values())


def test_too_small_a_val_split_is_found_before_training(tmp_path, store):
    with pytest.raises(UsageError, match="val split"):
        run(tmp_path, recipe_of("validation.shot=9"), store)
    assert not (tmp_path / "state.pt").exists()


@pytest.mark.parametrize("apart", [True, False])
def test_clips_of_one_source_are_kept_apart_where_the_recipe_says_so(tmp_path, store, monkeypatch, apart):
    """Clip n of every class is of source n."""
    drawn, episode = {"train": [], "val": []}, EpisodeSampler.episode

    def recorded(sampler, index):
        drawn[sampler._key[1]].append(found := episode(sampler, index))
        return found

    monkeypatch.setattr(EpisodeSampler, "episode", recorded)
    other = copy.copy(store)
    other.rows = [replace(row, group=row.clip.rpartition("/")[2]) for row in store.rows]
    changes = ("train.queries=1", "validation.episodes=20", f"train.distinct_groups={json.dumps(apart)}")
    run(tmp_path, recipe_of(*changes), other)
    for episodes in drawn.values():
        assert len(episodes) >= 12
        assert (shared_source_share(episodes, other.groups, 1) == 0) == apart


def test_too_few_sources_are_found_before_training(tmp_path, store):
    other = copy.copy(store)
    other.rows = [replace(row, group=row.cls) for row in store.rows]
    with pytest.raises(UsageError, match="distinct groups") as caught:
        run(tmp_path, recipe_of("train.distinct_groups=true"), other)
    assert "train.distinct_groups=false" in caught.value.hint
    assert not (tmp_path / "state.pt").exists()


def test_accumulation_equals_one_step_on_the_mean_gradient(tmp_path, store):
    """One step of SGD from two accumulated episodes, recomputed by hand."""
    recipe = recipe_of(
        *("train.optimizer=sgd", "train.schedule=constant", "train.accumulate=2", "train.episodes=2"),
        *("train.learning_rate=0.5", "train.gradient_clip=null", "train.loss_reduction=sum", "trm.dropout=0.0"),
    )
    run(tmp_path, recipe, store)
    model = build_model(recipe, pretrained=False).train()
    sampler = training.EpisodeSampler(store.clips("train"), split="train", way=2, shot=1, queries=2, seed=0)
    for _, pixels in training.training_episodes(sampler, clip_loader(recipe, store), range(2), 0):
        support, query = (part.float() / 255 for part in pixels)
        logits = model(support, torch.arange(2), query)
        targets = torch.tensor([0, 0, 1, 1])
        total = F.cross_entropy(logits.trm, targets, reduction="sum")
        total += 0.1 * F.cross_entropy(logits.query_class, targets, reduction="sum")
        (total / 2).backward()
    trained = read_tensors(tmp_path / "state.pt")["model"]
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(trained[name], parameter - 0.5 * parameter.grad, rtol=1e-5, atol=1e-6)


def test_a_best_that_is_lost_on_the_way_is_said_and_found_again(tmp_path, store):
    with pytest.raises(KilledError):
        run(tmp_path, recipe_of(), store, progress=kill)
    (tmp_path / "weights.pt").write_bytes(b"lost")
    said = []
    info = run(tmp_path, recipe_of(), store, announce=said.append)
    assert said[0].startswith("note: weights.pt is not what was written there")
    assert info["training_episodes"] in (8, 12) and load_run(tmp_path, device="cpu").info == info


def pictures(monkeypatch, *, fails=False):
    """The numbers of episodes that were drawn, one picture after another."""
    drawn = []

    def draw_run(curve, *, way):
        drawn.append(curve.episodes[-1])
        if fails:
            raise ValueError("no such\nglyph")
        return real(curve, way=way)

    real = learning_curves.draw_run
    monkeypatch.setattr(learning_curves, "draw_run", draw_run)
    return drawn


def test_the_curve_is_drawn_at_each_validation_and_at_the_end(tmp_path, store, monkeypatch):
    drawn = pictures(monkeypatch)
    run(tmp_path / "often", recipe_of(), store)
    assert drawn == [12], "short trainings are drawn once"
    monkeypatch.setattr(picture, "PAUSE", 0)
    del drawn[:]
    with pytest.raises(KilledError):
        run(tmp_path / "killed", recipe_of(), store, progress=kill)
    assert drawn == [4]
    first = (tmp_path / "killed" / "train.png").read_bytes()
    run(tmp_path / "killed", recipe_of(), store)
    assert drawn == [4, 8, 12]
    whole, killed = ((tmp_path / name / "train.png").read_bytes() for name in ("often", "killed"))
    assert whole.startswith(b"\x89PNG") and killed != first and len(killed) > 1000
    run(tmp_path / "without", recipe_of(), store, val=False)
    assert drawn[3:] == [4, 8, 12]


def test_a_picture_that_fails_warns_once_and_costs_nothing_else(tmp_path, store, monkeypatch):
    run(tmp_path / "whole", recipe_of(), store)
    monkeypatch.setattr(picture, "PAUSE", 0)
    drawn, said = pictures(monkeypatch, fails=True), []
    info = run(tmp_path / "failing", recipe_of(), store, announce=said.append)
    assert drawn == [4] and not (tmp_path / "failing" / "train.png").exists()
    warned = [line for line in said if line.startswith("warning: ")]
    assert warned == [
        f"warning: the picture {tmp_path / 'failing' / 'train.png'} was not drawn: ValueError: no such glyph"
    ]
    assert info["training_episodes"]
    assert equal(*(read_tensors(tmp_path / name / "last.pt") for name in ("whole", "failing")))
