"""Accuracies and intervals of a report against slow sums over the rows of the CSV files."""

import csv
import math
from statistics import fmean, pstdev, stdev

import pytest

from strmctl.ablation.entries import by_label, claims, difference, entries, found_results, trials
from strmctl.errors import DataError
from tests.report.saved_grid import grid_of, recipe_of, write_cell

T_95 = {2: 12.706204736, 3: 4.302652730, 4: 3.182446305}  # Student's t of a 95 % interval, by n
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
    paths = [path for cell, _, path in sorted(found, key=lambda one: one[0].recipe.train.seed)]
    made = entries(found, (5, 1))
    assert list(made) == ["1", "5"]
    for shot, entry in made.items():
        for name, value in slow_entry(paths, int(shot)).items():
            assert entry[name] == (None if value is None else pytest.approx(value, **CLOSE)), name
        assert entry["seeds"] == sorted(seeds) and entry["episodes"] == 40
        assert entry["runs"] == [f"strm-s{seed}" for seed in sorted(seeds)]


def test_a_mean_leaves_out_the_seeds_that_are_missing(tmp_path):
    grid = grid_of([("STRM", recipe_of(seed=seed)) for seed in (0, 1, 2)])
    for cell in grid.cells[::2]:
        write_cell(tmp_path, cell, grid, answers=cell.recipe.train.seed)
    found = found_results(grid, tmp_path)
    entry = entries(found, (1,))["1"]
    assert entry["seeds"] == [0, 2] and len(entry["per_seed"]) == 2
    assert entry["ci95"] == pytest.approx(slow_entry([path for _, _, path in found], 1)["ci95"], **CLOSE)


def share_grid(runs, *, counts, seeds=(0,)):
    """A grid of one share with these trials."""
    cells = [("STRM {2}", recipe_of(seed=seed), share, t) for share, n in counts for t in range(n) for seed in seeds]
    grid = grid_of(cells, kind="tuples")
    for place, cell in enumerate(grid.cells):
        write_cell(runs, cell, grid, 0.5 + 0.03 * place, answers=place)
    return grid


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_trials_are_means_over_seeds_and_their_interval_is_over_trials(tmp_path, seeds):
    grid = share_grid(tmp_path, counts=[(0.2, 4)], seeds=seeds)
    found = found_results(grid, tmp_path)
    entry = trials(found, (1, 5))["5"]
    by_trial = [
        fmean(slow_entry([path], 5)["accuracy"] for cell, _, path in found if cell.trial == trial) for trial in range(4)
    ]
    assert entry["trials"] == pytest.approx(by_trial, **CLOSE)
    assert entry["accuracy"] == pytest.approx(fmean(by_trial), **CLOSE)
    assert entry["sd"] == pytest.approx(stdev(by_trial), **CLOSE)
    assert entry["ci95"] == pytest.approx(T_95[4] * stdev(by_trial) / 2, rel=1e-8) and entry["ci95_over"] == "trials"
    assert entry["tuples"] == {"2": 6} and entry["episodes"] == 40
    assert entry["seeds"] == list(seeds) and entry["runs"] == [f"strm-2-s{seed}" for seed in seeds]


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_a_single_trial_has_its_interval_over_episodes_and_all_seeds(tmp_path, seeds):
    grid = share_grid(tmp_path, counts=[(1.0, 1)], seeds=seeds)
    found = found_results(grid, tmp_path)
    entry, slow = trials(found, (1,))["1"], slow_entry([path for _, _, path in found], 1)
    assert (entry["ci95_over"], entry["sd"]) == ("episodes", None)
    assert entry["ci95"] == pytest.approx(slow["ci95"], **CLOSE)
    assert entry["trials"] == [pytest.approx(slow["accuracy"], **CLOSE)] == [entry["accuracy"]]


def test_differences_are_paired_by_seed(tmp_path):
    lower, upper = {"seeds": [0, 1, 3], "per_seed": [0.5, 0.6, 0.9]}, {"seeds": [1, 0, 2], "per_seed": [0.65, 0.58, 0]}
    found = difference(lower, upper)
    assert found["seeds"] == [0, 1] and found["differences"] == pytest.approx([0.08, 0.05])
    assert found["mean"] == pytest.approx(0.065) and found["holds_in"] == 2
    assert found["ci95"] == pytest.approx(T_95[2] * stdev([0.08, 0.05]) / math.sqrt(2), rel=1e-8)
    assert difference(lower, {"seeds": [2], "per_seed": [1.0]}) is None
    one = difference(lower, {"seeds": [3], "per_seed": [0.9]})
    assert (one["ci95"], one["holds_in"], one["differences"]) == (None, 0, [0.0])


def test_claims_are_made_where_both_sides_have_a_seed():
    side = {"1": {"seeds": [0], "per_seed": [0.5]}, "5": {"seeds": [0], "per_seed": [0.6]}}
    made = claims("Figure 0", [("a", "b"), ("b", "a"), ("a", "c")], {"a": side, "b": {"5": side["1"]}})
    assert [(one["claim"], one["shot"], one["holds_in"]) for one in made] == [("a < b", 5, 0), ("b < a", 5, 1)]
    assert made[0]["mean"] == pytest.approx(-0.1) and made[0]["source"] == "Figure 0"


def test_results_are_found_by_label_in_the_order_of_the_cells(tmp_path):
    grid = grid_of([("b", recipe_of()), ("a", recipe_of()), ("b", recipe_of(seed=1))])
    for cell in grid.cells[1:]:
        write_cell(tmp_path, cell, grid)
    labels = by_label(found_results(grid, tmp_path))
    assert {label: [cell.run for cell, _, _ in found] for label, found in labels.items()} == {
        "a": ["a-s0"],
        "b": ["b-s1"],
    }


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
