"""What a report says of a grid's cells: accuracies with their intervals, seeds and trials, by number of shots.

An entry is a dict of accuracy (mean over training seeds), ci95 (half-width over test episodes, each episode's accuracy
averaged over the seeds), seeds, per_seed, episodes, sd and ci95_seeds (over seeds, by Student's t; None for one seed)
and runs; all accuracies are fractions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from strmctl.ablation.cells import Cell
from strmctl.ablation.grid_file import Grid, finished_result, result_path
from strmctl.errors import DataError
from strmctl.evaluation.statistics.intervals import episode_interval, t_interval
from strmctl.results import EvalResult

Entries = dict[str, dict[str, Any]]  # by number of shots
Found = list[tuple[Cell, EvalResult, Path]]


def found_results(grid: Grid, runs: Path) -> Found:
    """The cells of a grid that have a result, with the result and its JSON file."""
    found = []
    for cell in grid.cells:
        if result := finished_result(runs, cell, grid.protocol):
            found.append((cell, result, result_path(runs, cell, grid.protocol)))
    return found


def by_label(found: Found) -> dict[str, Found]:
    """The same, by the labels of the cells, in their order."""
    labels: dict[str, Found] = defaultdict(list)
    for one in found:
        labels[one[0].label].append(one)
    return dict(labels)


def entries(found: Found, shots: Iterable[int]) -> Entries:
    """Number of shots -> entry, of the training seeds of one recipe."""
    ordered = sorted(found, key=lambda one: one[0].recipe.train.seed)
    seeds = [cell.recipe.train.seed for cell, _, _ in ordered]
    halves = _over_episodes(ordered, shots)
    made: Entries = {}
    for shot in sorted(shots):
        each = [_of_shot(result, shot)["accuracy"] for _, result, _ in ordered]
        made[str(shot)] = {
            "accuracy": float(np.mean(each)),
            "ci95": halves[shot],
            "seeds": seeds,
            "per_seed": each,
            "episodes": ordered[0][1].episodes,
            "sd": float(np.std(each, ddof=1)) if len(each) > 1 else None,
            "ci95_seeds": t_interval(each)[1] if len(each) > 1 else None,
            "runs": [cell.run for cell, _, _ in ordered],
        }
    return made


def trials(found: Found, shots: Iterable[int]) -> Entries:
    """Number of shots -> what the trials of one share of the tuples gave; each is a mean over training seeds."""
    by_trial: dict[int, list[EvalResult]] = defaultdict(list)
    for cell, result, _ in found:
        by_trial[cell.trial].append(result)
    several = len(by_trial) > 1
    halves = {} if several else _over_episodes(found, shots)
    made: Entries = {}
    for shot in sorted(shots):
        each = [
            float(np.mean([_of_shot(one, shot)["accuracy"] for one in by_trial[trial]])) for trial in sorted(by_trial)
        ]
        made[str(shot)] = {
            "accuracy": float(np.mean(each)),
            "trials": each,
            "sd": float(np.std(each, ddof=1)) if several else None,
            "ci95": t_interval(each)[1] if several else halves[shot],
            "ci95_over": "trials" if several else "episodes",
            "seeds": sorted({cell.recipe.train.seed for cell, _, _ in found}),
            "episodes": found[0][1].episodes,
            "tuples": {str(w): count for w, count in found[0][1].provenance["tuples"]["kept"].items()},
            "runs": sorted({cell.run for cell, _, _ in found}),
        }
    return made


def episode_accuracies(path: Path, result: EvalResult) -> pd.Series:
    """Accuracy of each episode by (shot, episode), from the rows beside a result's JSON file.

    Raises:
        DataError: the rows are damaged, or not those that the result counts.
    """
    table, hint = path.with_suffix(".csv"), "remove it and run `strmctl ablate` (or `strmctl eval`) again"
    try:
        rows = pd.read_csv(table, usecols=["shot", "episode", "true", "predicted"], na_filter=False)
    except (ValueError, UnicodeDecodeError) as error:
        raise DataError(f"{table} is damaged: {error}", hint) from error
    right = (rows["true"] == rows["predicted"]).astype(float)
    found = right.groupby(rows["shot"]).agg(["size", "mean"])
    counted = {figures["shot"]: (figures["queries"], figures["accuracy"]) for figures in result.results}
    if list(found.index) != sorted(counted) or not all(
        size == counted[shot][0] and abs(mean - counted[shot][1]) < 1e-9 for shot, size, mean in found.itertuples()
    ):
        raise DataError(f"{table} does not hold the queries that {path.name} beside it counts", hint)
    return right.groupby([rows["shot"], rows["episode"]]).mean()


def difference(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any] | None:
    """Of two entries, upper - lower for each training seed that both have; None when there is none."""
    pair = [dict(zip(entry["seeds"], entry["per_seed"], strict=True)) for entry in (lower, upper)]
    seeds = [seed for seed in pair[0] if seed in pair[1]]
    if not seeds:
        return None
    each = [pair[1][seed] - pair[0][seed] for seed in seeds]
    return {
        "seeds": seeds,
        "differences": each,
        "mean": float(np.mean(each)),
        "ci95": t_interval(each)[1] if len(each) > 1 else None,
        "holds_in": sum(value > 0 for value in each),
    }


def claims(source: str, orders: Sequence[tuple[str, str]], labels: Mapping[str, Entries]) -> list[dict[str, Any]]:
    """For each expected order `lower < upper` and number of shots, the differences by training seed."""
    made = []
    for lower, upper in orders:
        for shot in labels.get(lower, {}):
            if shot in labels.get(upper, {}) and (found := difference(labels[lower][shot], labels[upper][shot])):
                made.append({"source": source, "claim": f"{lower} < {upper}", "shot": int(shot), **found})
    return made


def _over_episodes(found: Found, shots: Iterable[int]) -> dict[int, float]:
    """Number of shots -> half-width over the test episodes, each episode's accuracy averaged over the training seeds.

    Raises:
        DataError: the results are of other episodes, or their rows are damaged.
    """
    first = found[0][1]
    if len(found) == 1:
        return {shot: _of_shot(first, shot)["ci95"] for shot in shots}
    rows = [episode_accuracies(path, result).loc[sorted(shots)] for _, result, path in found]
    for (cell, result, _), own in zip(found, rows, strict=True):
        if result.seed != first.seed or not own.index.equals(rows[0].index):
            raise DataError(
                f"{found[0][0].run} and {cell.run} were not tested on the same episodes",
                "test them alike: `strmctl eval --run NAME …`",
            )
    means = sum(rows) / len(rows)
    return {shot: episode_interval(means.loc[shot])[1] for shot in shots}


def _of_shot(result: EvalResult, shot: int) -> dict[str, Any]:
    return next(figures for figures in result.results if figures["shot"] == shot)
