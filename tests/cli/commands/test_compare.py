"""`strmctl compare` as typed."""

import re

import pytest

from tests.saved import save
from tests.small_world import evaluate, refused, refused_in_json, train
from tests.videos_for_tests import strmctl


@pytest.fixture
def saved(tmp_path):
    """Runs a and b, and two seeds of each of two recipes."""
    runs = tmp_path / "saved"
    save(runs, "a", 0.5, answers=1)
    save(runs, "b", 0.9, answers=2)
    for group, dim in (("c", 8), ("d", 9)):
        for seed in (0, 1):
            recipe = {"train": {"seed": seed}, "trm": {"dim": dim}}
            save(runs, f"{group}{seed}", 0.6 + seed / 10, answers=10 * dim + seed, recipe=recipe)
    return runs


def compare(runs, *words):
    return strmctl("compare", *words, "--runs", runs)


def test_a_table_for_each_shot_in_percent(saved):
    ran = compare(saved, "a", "b")
    assert ran.code == 0, ran.err
    document = compare(saved, "a", "b", "--json").json()
    titles = [line for line in ran.out.splitlines() if line.endswith("-shot")]
    shape = "mine (test): 5-way, 1 query per class, 40 episodes, seed 0"
    assert titles == [f"{shape}, 1-shot", f"{shape}, 5-shot"]
    rows = [line.split() for line in ran.out.splitlines() if line.strip().startswith("b ")]
    for row, figures in zip(rows, document["comparisons"][0]["results"], strict=True):
        episodes, classes = figures["over_episodes"], figures["over_classes"]
        cells = [f"{100 * figures['accuracy']:.2f}"]
        for over in (episodes, classes):
            cells += [f"{100 * over['difference']:+.2f}", "±", f"{100 * over['ci95']:.2f}", f"{over['p']:.4f}"]
        assert row == ["b", *cells]
    assert "difference over 40 episodes" in ran.out and "a (base)" in ran.out and "over 6 classes" in ran.out
    assert "these weights and these clips" in ran.out.replace("\n", " ")
    assert (document["flips"], document["comparisons"][0]["results"][0]["over_episodes"]["p"]) == (9999, 0.0001)
    assert compare(saved, "a", "b", "--result", "test_5way_1q_s0.json").out == ran.out
    assert str(saved / "b" / "eval" / "test_5way_1q_s0.json") in ran.err


def test_groups_of_seeds(saved):
    ran = compare(saved, "c0,c1", "d0,d1")
    assert ran.code == 0, ran.err
    figures = compare(saved, "c0,c1", "d0,d1", "--json").json()["comparisons"][0]["results"][0]
    row = next(line.strip() for line in ran.out.splitlines() if line.strip().startswith("d0, d1"))
    for seed in (0, 1):
        assert f"{seed}: {100 * figures['each'][seed]:+.2f}" in row
    assert row.endswith(f"{100 * figures['difference']:+.2f} ± {100 * figures['ci95']:.2f}")
    assert figures["n"] == 2 and re.search(r"\s2\s", row) and "n seeds" in ran.out


def test_what_cannot_be_compared(saved):
    save(saved, "b", episodes=30)
    refused(compare(saved, "a", "b"), 2, "episodes 40 and 30", "strmctl eval --run b", "--episodes 40")
    refused_in_json(compare(saved, "a", "b", "--json"), 2, "episodes 40 and 30", "strmctl eval --run b")
    save(saved, "b", manifest_sha256="c" * 64)
    ran = compare(saved, "a", "b")
    assert ran.code == 0 and "warning: a and b saw the same clips with other pixels" in ran.err


def test_trained_runs(data, runs):
    assert train(data, runs, "--recipe", "sprites", "--name", "other", changes=("train.seed=1",)).code == 0
    ran = compare(runs, "sprites", "other")
    refused(ran, 3, "run other has no result test_2way_1q_s0_n20")
    command = re.search(r"`strmctl (eval --run other .*)`", ran.err)[1].split()
    assert strmctl(*command, "--data", data, "--device", "cpu").code == 0
    results = [evaluate(data, runs, "--run", name, "--json").json()["results"][0] for name in ("sprites", "other")]
    document = compare(runs, "sprites", "latest", "--json").json()
    assert document["warnings"] == [] and list(document["sources"]) == ["sprites", "other"]
    figures = document["comparisons"][0]["results"][0]
    assert [figures["base_accuracy"], figures["accuracy"]] == [result["accuracy"] for result in results]
