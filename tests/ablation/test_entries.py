"""Accuracies and intervals of a report against slow sums over the rows of the CSV files."""

import csv
import math
from statistics import fmean, pstdev, stdev

import pytest

from strmctl.ablation.entries import by_label, entries, found_results, trials
from strmctl.errors import DataError
from tests.saved import T_95, forget_hashes, grid_of, recipe_of, write_cell

CLOSE = {"rel": 1e-9}


def right_answers(path):
    """(shot, episode) -> share of right answers, row by row."""
    answers = {}
    with path.with_suffix(".csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            key = int(row["shot"]), int(row["episode"])
            answers.setdefault(key, []).append(row["true"] == row["predicted"])
    return {key: sum(found) / len(found) for key, found in answers.items()}


def slow_entry(paths, shot):
    """Accuracy, ci95, per_seed, sd and ci95_seeds of the results of several seeds."""
    by_seed = [{episode: share for (k, episode), share in right_answers(path).items() if k == shot} for path in paths]
    each = [fmean(shares.values()) for shares in by_seed]
    episodes = [fmean(shares[episode] for shares in by_seed) for episode in by_seed[0]]
    half = 1.96 * pstdev(episodes) / math.sqrt(len(episodes))
    spread = stdev(each) if len(each) > 1 else None
    over_seeds = T_95[len(each)] * spread / math.sqrt(len(each)) if len(each) > 1 else None
    return {"accuracy": fmean(each), "ci95": half, "per_seed": each, "sd": spread, "ci95_seeds": over_seeds}


@pytest.mark.parametrize(("seeds", "queries"), [((0,), 1), ((0, 1), 2), ((2, 0, 1), 1)])
def test_an_entry_equals_slow_sums_over_the_rows(tmp_path, seeds, queries):
    grid = grid_of([("STRM", recipe_of(seed=seed)) for seed in seeds], queries=queries)
    accuracies = {0: 0.55, 1: 0.7, 2: 0.62}
    for cell in grid.cells:
        seed = cell.recipe.train.seed
        write_cell(tmp_path, cell, grid, accuracies[seed], answers=seed)
    found = found_results(grid, tmp_path)
    paths = [one.path for one in sorted(found, key=lambda one: one.seed)]
    made = entries(found, (5, 1))
    assert list(made) == [1, 5]
    for shot, entry in made.items():
        for name, value in slow_entry(paths, shot).items():
            assert getattr(entry, name) == (None if value is None else pytest.approx(value, **CLOSE)), name
        assert entry.seeds == sorted(seeds) and entry.episodes == 40
        assert entry.runs == [f"strm-s{seed}" for seed in sorted(seeds)]


def share_grid(runs, *, counts, seeds=(0,)):
    """A grid of one share with these trials."""
    cells = [("STRM {2}", recipe_of(seed=seed), share, t) for share, n in counts for t in range(n) for seed in seeds]
    grid = grid_of(cells, kind="tuples")
    for place, cell in enumerate(grid.cells):
        write_cell(runs, cell, grid, 0.5 + 0.03 * place, answers=place)
    return grid


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_trials_are_means_over_seeds_and_their_interval_is_over_trials(tmp_path, seeds):
    found = found_results(share_grid(tmp_path, counts=[(0.2, 4)], seeds=seeds), tmp_path)
    entry = trials(found, (1, 5))[5]
    right = {(one.cell.trial, one.seed): slow_entry([one.path], 5)["accuracy"] for one in found}
    by_trial = [fmean(share for (trial, _), share in right.items() if trial == number) for number in range(4)]
    assert entry.trials == pytest.approx(by_trial, **CLOSE)
    assert entry.per_seed == pytest.approx(
        [fmean(share for (_, seed), share in right.items() if seed == own) for own in seeds], **CLOSE
    )
    assert entry.accuracy == pytest.approx(fmean(by_trial), **CLOSE)
    assert entry.sd == pytest.approx(stdev(by_trial), **CLOSE)
    assert entry.ci95 == pytest.approx(T_95[4] * stdev(by_trial) / 2, rel=1e-8) and entry.ci95_over == "trials"
    assert entry.tuples == {2: 6} and entry.episodes == 40
    assert entry.seeds == list(seeds) and entry.runs == [f"strm-2-s{seed}" for seed in seeds]


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_a_single_trial_has_its_interval_over_episodes_and_all_seeds(tmp_path, seeds):
    found = found_results(share_grid(tmp_path, counts=[(1.0, 1)], seeds=seeds), tmp_path)
    entry, slow = trials(found, (1,))[1], slow_entry([one.path for one in found], 1)
    assert (entry.ci95_over, entry.sd) == ("episodes", None)
    assert entry.ci95 == pytest.approx(slow["ci95"], **CLOSE)
    assert entry.trials == [pytest.approx(slow["accuracy"], **CLOSE)] == [entry.accuracy]


def test_results_are_found_by_label_in_the_order_of_the_cells(tmp_path):
    grid = grid_of([("b", recipe_of()), ("a", recipe_of()), ("b", recipe_of(seed=1))])
    for cell in grid.cells[1:]:
        write_cell(tmp_path, cell, grid)
    labels = by_label(found_results(grid, tmp_path))
    assert {label: [one.cell.run for one in found] for label, found in labels.items()} == {"a": ["a-s0"], "b": ["b-s1"]}


def shorten(text):
    return text[: len(text) // 2].rpartition("\n")[0] + "\n"


@pytest.mark.parametrize(
    "damage",
    [
        shorten,
        lambda text: "",
        lambda text: text.replace("episode", "number"),
        lambda text: "\n".join(line for line in text.split("\n") if not line.startswith("5,")),
        lambda text: text.replace("run,swim", "run,run"),
        lambda text: text.replace("\n1,", "\nx,"),
    ],
)
def test_rows_that_are_damaged_or_of_another_result_are_refused(tmp_path, damage):
    grid = grid_of([("STRM", recipe_of(seed=seed)) for seed in (0, 1)])
    paths = [write_cell(tmp_path, cell, grid, answers=seed) for seed, cell in enumerate(grid.cells)]
    forget_hashes(paths[1])
    table = paths[1].with_suffix(".csv")
    rows = table.read_text(encoding="utf-8").replace("run,crawl", "run,swim")
    damaged = damage(rows)
    assert damaged != rows
    table.write_text(damaged, encoding="utf-8")
    with pytest.raises(DataError, match=r"test_5way_1q_s0_n40\.csv") as error:
        entries(found_results(grid, tmp_path), (1, 5))
    assert "again" in error.value.hint


def test_seeds_tested_on_other_episodes_are_not_averaged(tmp_path):
    grid = grid_of([("STRM", recipe_of(seed=seed)) for seed in (0, 1)])
    for cell, episodes in zip(grid.cells, (40, 50), strict=True):
        write_cell(tmp_path, cell, grid_of(grid.cells, episodes=episodes))
    found = [*found_results(grid, tmp_path), *found_results(grid_of(grid.cells, episodes=50), tmp_path)]
    with pytest.raises(DataError, match="strm-s0 and strm-s1 were not tested on the same episodes"):
        entries(found, (1,))
