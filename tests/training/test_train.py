import csv
import json
import math

import pytest
import torch
import torch.nn.functional as F

from strmctl.errors import StrmctlError, UsageError
from strmctl.model.episode import Logits
from strmctl.model.weight_files import read_tensors
from strmctl.paths import write_text
from strmctl.runs.build import build_model, clip_loader
from strmctl.runs.checkpoint import load_run
from strmctl.training import train as training
from strmctl.training.train import TrainingData, _rate, episode_loss, train
from tests.toy import ToyStore, toy_recipe


def toy_data(recipe, store=None):
    store = store or ToyStore()
    info = {"train_classes": list(store.clips("train"))}
    return TrainingData(store.clips("train"), store.clips("val"), clip_loader(recipe, store), info)


def run(folder, recipe, data=None, **options):
    write_text(folder / "recipe.yaml", recipe.to_yaml())
    return train(recipe, folder, data or toy_data(recipe), device="cpu", **options)


class KilledError(Exception):
    """Stands for a kill -9: nothing of the run is told."""


def killed_after(episodes):
    def progress(done, total, note):
        if done == episodes:
            raise KilledError

    return progress


@pytest.mark.parametrize("changes", [(), ("train.accumulate=3",), ("train.optimizer=sgd", "train.schedule=constant")])
def test_a_killed_run_ends_with_the_very_same_weights(tmp_path, changes):
    recipe = toy_recipe(*changes)
    run(tmp_path / "whole", recipe)
    with pytest.raises(KilledError):
        run(tmp_path / "killed", recipe, progress=killed_after(7))
    assert read_tensors(tmp_path / "killed" / "state.pt")["done"] == (6 if recipe.train.accumulate == 3 else 4)
    run(tmp_path / "killed", recipe)
    whole, killed = (read_tensors(tmp_path / name / "weights.pt") for name in ("whole", "killed"))
    assert whole.keys() == killed.keys()
    for name in whole:
        assert torch.equal(whole[name], killed[name]), name
    assert (tmp_path / "whole" / "train.csv").read_text() == (tmp_path / "killed" / "train.csv").read_text()


def test_a_finished_run_is_not_trained_again(tmp_path):
    recipe = toy_recipe()
    first = run(tmp_path, recipe)
    before = (tmp_path / "weights.pt").stat().st_mtime_ns
    assert run(tmp_path, recipe) == first
    assert (tmp_path / "weights.pt").stat().st_mtime_ns == before


def test_the_best_by_validation_is_kept(tmp_path, monkeypatch):
    accuracies = iter([0.5, 0.9, 0.7])
    monkeypatch.setattr(
        training,
        "summarise",
        lambda rows: [dict.fromkeys(training.KEPT, 0) | {"accuracy": next(accuracies), "ci95": 0.1}],
    )
    info = run(tmp_path, toy_recipe())
    assert info["training_episodes"] == 8
    assert info["validation"]["accuracy"] == 0.9
    assert info["selected_by"] == "val split"
    last, best = read_tensors(tmp_path / "state.pt")["model"], read_tensors(tmp_path / "weights.pt")
    assert any(not torch.equal(last[name], best[name]) for name in best)


def test_training_learns_and_says_so(tmp_path):
    recipe = toy_recipe("train.episodes=40", "train.learning_rate=3e-3", "validation.every=40")
    told = []
    info = run(tmp_path, recipe, progress=lambda *report: told.append(report))
    assert told[0][:2] == (0, 40)
    assert told[-1][:2] == (40, 40)
    assert "loss" in told[-1][2]
    lines = list(csv.DictReader((tmp_path / "train.csv").open()))
    assert [int(line["episode"]) for line in lines] == list(range(1, 41))
    early, late = (sum(float(line["loss"]) for line in part) / 10 for part in (lines[:10], lines[-10:]))
    assert late < 0.7 * early
    assert info["validation"]["accuracy"] > 0.8
    assert float(lines[-1]["validation_accuracy"]) == info["validation"]["accuracy"]


def test_a_loss_that_is_not_finite_stops_with_the_last_good_state(tmp_path, monkeypatch):
    real = training.episode_loss
    calls = []

    def loss(*args, **kwargs):
        calls.append(1)
        return real(*args, **kwargs) * (float("nan") if len(calls) == 6 else 1.0)

    monkeypatch.setattr(training, "episode_loss", loss)
    with pytest.raises(StrmctlError, match="the loss is nan at training episode 6") as caught:
        run(tmp_path, toy_recipe())
    assert "after episode 4 is kept" in caught.value.hint
    state = read_tensors(tmp_path / "state.pt")
    assert state["done"] == 4
    assert all(tensor.isfinite().all() for tensor in state["model"].values())


def test_a_gradient_that_is_not_finite_spoils_nothing(tmp_path, monkeypatch):
    """The loss is finite, its gradient is not: the step must not be taken, nor its weights validated and kept."""
    real, calls = training.episode_loss, []

    def loss(*args, **kwargs):
        calls.append(1)
        value = real(*args, **kwargs)
        if len(calls) == 8:
            value.register_hook(lambda gradient: gradient * float("inf"))
        return value

    monkeypatch.setattr(training, "episode_loss", loss)
    with pytest.raises(StrmctlError, match=r"the length of the gradient is .* at training episode 8") as caught:
        run(tmp_path, toy_recipe())
    assert "after episode 4 is kept" in caught.value.hint
    for state in (read_tensors(tmp_path / "state.pt")["model"], read_tensors(tmp_path / "weights.pt")):
        assert all(tensor.isfinite().all() for tensor in state.values())


def test_a_run_does_not_go_on_with_other_frames(tmp_path):
    recipe, store = toy_recipe(), ToyStore()
    with pytest.raises(KilledError):
        run(tmp_path, recipe, toy_data(recipe, store), progress=killed_after(7))
    store.manifest_sha256 = "1" * 64
    with pytest.raises(UsageError, match="the frame store toy has changed"):
        run(tmp_path, recipe, toy_data(recipe, store))


def test_a_finished_run_needs_its_frames_no_more(tmp_path):
    recipe, store = toy_recipe(), ToyStore()
    first = run(tmp_path, recipe, toy_data(recipe, store))
    store.manifest_sha256 = "1" * 64
    assert run(tmp_path, recipe, toy_data(recipe, store)) == first


def test_begin_is_called_only_when_there_is_something_to_train(tmp_path):
    recipe, begun = toy_recipe(), []
    for _ in range(2):
        run(tmp_path, recipe, begin=lambda: begun.append(1))
    assert begun == [1]


def test_the_last_step_divides_by_the_episodes_that_it_has():
    recipe = toy_recipe("train.accumulate=5")  # of 12 episodes
    assert [training._accumulated(recipe, index) for index in range(12)] == [5] * 10 + [2, 2]


def test_without_val_classes_the_last_weights_are_kept(tmp_path):
    recipe = toy_recipe()
    whole = toy_data(recipe)
    info = run(tmp_path, recipe, TrainingData(whole.train, {}, whole.loader, whole.info))
    assert info["selected_by"].startswith("last episode")
    assert info["training_episodes"] == 12
    state, weights = read_tensors(tmp_path / "state.pt")["model"], read_tensors(tmp_path / "weights.pt")
    assert all(torch.equal(state[name], weights[name]) for name in weights)


def test_too_small_a_val_split_is_found_before_training(tmp_path):
    recipe = toy_recipe("validation.shot=9")
    with pytest.raises(UsageError, match="val split"):
        run(tmp_path, recipe)
    assert not (tmp_path / "state.pt").exists()


def test_accumulation_equals_one_step_on_the_mean_gradient(tmp_path):
    """One step of SGD from two accumulated episodes, recomputed by hand."""
    recipe = toy_recipe(
        *("train.optimizer=sgd", "train.schedule=constant", "train.accumulate=2", "train.episodes=2"),
        *("train.learning_rate=0.5", "train.gradient_clip=null", "train.loss_reduction=sum", "trm.dropout=0.0"),
    )
    data = toy_data(recipe)
    run(tmp_path, recipe, data)
    model = build_model(recipe, pretrained=False).train()
    sampler = training.EpisodeSampler(data.train, split="train", way=2, shot=1, queries=2, seed=0)
    for episode, pixels in training._episodes(sampler, data.loader, range(2), 0):
        support, query = (part.float() / 255 for part in pixels)
        logits = model(support, torch.arange(2), query)
        targets = torch.tensor([0, 0, 1, 1])
        total = F.cross_entropy(logits.trm, targets, reduction="sum")
        total += 0.1 * F.cross_entropy(logits.query_class, targets, reduction="sum")
        (total / 2).backward()
        assert episode.index < 2
    trained = read_tensors(tmp_path / "state.pt")["model"]
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(trained[name], parameter - 0.5 * parameter.grad, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_the_loss_is_the_sum_of_both(reduction):
    generator = torch.Generator().manual_seed(0)
    trm, query_class = (torch.randn(6, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    targets = [0, 0, 1, 1, 2, 2]
    expected = 0.0
    for logits, weight in ((trm, 1.0), (query_class, 0.1)):
        for row, target in zip(logits.tolist(), targets, strict=True):
            expected += weight * (math.log(sum(math.exp(value) for value in row)) - row[target])
    expected /= 6 if reduction == "mean" else 1
    loss = episode_loss(Logits(trm, trm, query_class), torch.tensor(targets), weight=0.1, reduction=reduction)
    assert loss.item() == pytest.approx(expected, rel=1e-12)
    alone = episode_loss(Logits(trm, trm), torch.tensor(targets), weight=0.1, reduction=reduction)
    assert alone.item() < loss.item()


def test_learning_rates():
    constant, cosine = toy_recipe("train.schedule=constant"), toy_recipe()
    assert {_rate(constant, done) for done in range(1, 13)} == {1e-3}
    rates = [_rate(cosine, done) for done in range(1, 13)]
    assert rates[0] == 1e-3
    assert rates == sorted(rates, reverse=True)
    assert rates[6] == pytest.approx(0.5e-3)
    assert 0 < rates[-1] < 0.05e-3


def test_a_run_is_read_back_as_it_was_kept(tmp_path):
    recipe = toy_recipe()
    run(tmp_path, recipe)
    loaded = load_run(tmp_path, device="cpu")
    assert loaded.recipe == recipe
    assert not loaded.model.training
    assert loaded.info == json.loads((tmp_path / "weights.json").read_text())
    kept = read_tensors(tmp_path / "weights.pt")
    assert all(torch.equal(kept[name], value) for name, value in loaded.model.state_dict().items())
