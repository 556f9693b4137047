"""`strmctl bench train`: each way to train is measured in a process of its own, against the authors'."""

import os
import signal

import pytest
import torch

from strmctl.bench import training
from strmctl.bench.training import AUTHORS, NO_ROOM, bench_train
from strmctl.errors import RecipeError, UsageError
from strmctl.recipe import load_recipe
from strmctl.report.terminal import benchmarks
from tests.small_world import SMALL, small
from tests.videos_for_tests import strmctl

FROZEN = (*SMALL, "backbone.batch_norm=frozen")


def in_this_process(monkeypatch, seconds):
    """Lets a function of (recipe, whether it is the authors' way) stand for the measurement."""
    how = ("seconds_per_episode", "peak_bytes", "reserved_bytes", "problem")
    monkeypatch.setattr(
        training, "_in_a_process", lambda recipe, authors, *_: dict(zip(how, seconds(recipe, authors), strict=True))
    )


def test_ways_are_compared_with_the_authors(monkeypatch):
    seen = []

    def seconds(recipe, authors):
        seen.append((recipe.train.memory, recipe.train.dtype, recipe.backbone.compile, authors))
        fast = recipe.train.dtype == "bfloat16"
        return 8.0 if authors else 2.0 if fast else 4.0, 4 << 30 if authors else 1 << 30, None, None

    in_this_process(monkeypatch, seconds)
    reports = []
    changes = [*FROZEN, "train.episodes=900", "backbone.compile=true"]
    found = bench_train("sprites", changes, progress=lambda *now: reports.append(now))
    ways = {(way["way"], way["dtype"]): way for way in found["ways"]}
    modes = ("plain", "clips")
    assert list(ways) == [(AUTHORS, "float32"), *((mode, dtype) for mode in modes for dtype in training.DTYPES)]
    assert seen[0] == ("plain", "float32", False, True) and all(row[2] and not row[3] for row in seen[1:])
    assert list(found["left_out"]) == ["checkpoint", "sides"] and "compile" in found["left_out"]["sides"]
    clips = ways["clips", "bfloat16"]
    frames = 2 * (1 + 1) * 8
    assert (clips["times_as_fast"], clips["memory_ratio"], clips["hours"]) == (4.0, 0.25, 0.5)
    assert clips["ms_per_frame"] == pytest.approx(2000 / frames)
    assert [report[0] for report in reports] == list(range(6)) and reports[-1][1] == 5


def test_what_does_not_fit_is_said_and_compared_with_nothing(monkeypatch):
    in_this_process(monkeypatch, lambda recipe, authors: (None, None, None, NO_ROOM) if authors else (1.0, 8, 9, None))
    found = bench_train("sprites", FROZEN, modes=["plain"], dtypes=["float32"])
    columns, rows = benchmarks.training(found)
    assert columns[-4:] == ["peak, GiB", "reserved, GiB", "times as fast", "share of memory"]
    assert rows == [
        [AUTHORS, "float32", NO_ROOM, *["-"] * 6],
        ["plain", "float32", "1.00", "31.2", "0.0", "0.00", "0.00", "-", "-"],
    ]
    assert found["ways"][1]["times_as_fast"] is None


def test_a_mode_that_does_not_suit_the_recipe_is_left_out_unless_it_was_asked_for(monkeypatch):
    in_this_process(monkeypatch, lambda recipe, authors: (1.0, 1, None, None))
    found = bench_train("sprites", SMALL, peers=False)
    assert {way["way"] for way in found["ways"]} == {"plain", "checkpoint", "sides"} and list(found["left_out"]) == [
        "clips"
    ]
    with pytest.raises(RecipeError, match="batch_norm frozen"):
        bench_train("sprites", SMALL, modes=["clips"])
    with pytest.raises(RecipeError, match=r"train\.memory: should be 'plain'"):
        bench_train("sprites", SMALL, modes=["all"])
    with pytest.raises(UsageError, match="frozen backbone"):
        bench_train("sprites", [*SMALL, "backbone.trained=false"])


@pytest.mark.slow
def test_real_episodes_are_measured(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ("--recipe", "sprites", *small("backbone.batch_norm=frozen", "train.accumulate=2"), "--device", "cpu")
    ran = strmctl("bench", "train", *words, "--modes", "clips", "--dtypes", "float32", "--repeats", 2, "--json")
    assert ran.code == 0, ran.err
    ways = ran.json()["ways"]
    assert [way["way"] for way in ways] == [AUTHORS, "clips"]
    assert all(0 < way["seconds_per_episode"] < 60 and way["peak_bytes"] > 1e8 for way in ways)
    assert not list(tmp_path.iterdir()), "nothing is written"
    ran = strmctl("bench", "train", *words, "--dtypes", "bfloat16", "--modes", "plain", "--repeats", 1, "--no-peer")
    assert ran.code == 0 and "bfloat16" in ran.out and "median of 1 episodes" in ran.err


@pytest.mark.parametrize("method", ["strm", "hyrsm", "molo", "hf_ar"])
def test_what_only_training_has_is_measured_as_well(method, monkeypatch):
    recipe = load_recipe("sprites", [*SMALL, f"method={method}"])
    models, build, step = [], training.build_model, training.take_step
    graded = []

    def built(*words, **named):
        models.append(build(*words, **named))
        return models[-1]

    def take_step(*words):
        graded.append({name for name, value in models[0].named_parameters() if value.grad is not None})
        step(*words)

    monkeypatch.setattr(training, "build_model", built)
    monkeypatch.setattr(training, "take_step", take_step)
    assert len(training._seconds(recipe, False, torch.device("cpu"), 1)) == 1
    only = {name for name, _ in models[0].named_parameters() if name.startswith("training_only.")}
    assert bool(only) == (method != "strm") and only <= graded[0]


def too_large(*_):
    """Stands for an episode that needs more memory than a machine has."""
    torch.empty(1 << 50)


def killed(*_):
    """Stands for one that the system ends."""
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize("episode", [too_large, killed])
def test_an_episode_that_is_too_large_costs_its_own_process(episode, monkeypatch):
    replaced = measured_too_large if episode is too_large else killed
    monkeypatch.setattr(training, "_measure", replaced)
    found = bench_train("sprites", SMALL, modes=["plain"], dtypes=["float32"], device="cpu", peers=False)
    assert [way["problem"] for way in found["ways"]] == [NO_ROOM]


def measured_too_large(recipe, authors, device, repeats):
    """A measurement whose episode is too large, in the process that measures."""
    training._seconds = too_large
    return training._measure(recipe, authors, device, repeats)
