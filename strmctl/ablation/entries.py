"""What a report says of a grid's cells: accuracies with their intervals, seeds and trials, by number of shots."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from strmctl.ablation.cells import Cell
from strmctl.ablation.grid_file import Grid, finished_result, result_path
from strmctl.errors import DataError
from strmctl.evaluation.statistics.intervals import episode_interval, t_interval
from strmctl.report.accuracies import Entries, Entry, Trials
from strmctl.results import EvalResult, QueryRow, read_result


class Tested(NamedTuple):
    """A cell with its result, and the JSON file of that."""

    cell: Cell
    result: EvalResult
    path: Path

    @property
    def seed(self) -> int:
        """Training seed."""
        return self.cell.recipe.train.seed

    def accuracy(self, shot: int) -> float:
        """Accuracy at one number of shots."""
        return self.of_shot(shot)["accuracy"]

    def of_shot(self, shot: int) -> dict[str, Any]:
        """The figures of one number of shots, as `summarise` gives them."""
        return next(numbers for numbers in self.result.results if numbers["shot"] == shot)


Found = list[Tested]


def found_results(grid: Grid, runs: Path) -> Found:
    """The cells of a grid that have a result."""
    return [
        Tested(cell, result, result_path(runs, cell, grid.protocol))
        for cell in grid.cells
        if (result := finished_result(runs, cell, grid.protocol))
    ]


def by_label(found: Found) -> dict[str, Found]:
    """The same, by the labels of the cells, in their order."""
    labels: dict[str, Found] = defaultdict(list)
    for one in found:
        labels[one.cell.label].append(one)
    return dict(labels)


def entries(found: Found, shots: Iterable[int]) -> Entries:
    """Number of shots -> entry, of the training seeds of one recipe."""
    ordered = sorted(found, key=lambda one: one.seed)
    halves = _over_episodes(ordered, shots)
    made: Entries = {}
    for shot in sorted(shots):
        each = [one.accuracy(shot) for one in ordered]
        made[shot] = Entry(
            accuracy=float(np.mean(each)),
            ci95=halves[shot],
            seeds=[one.seed for one in ordered],
            per_seed=each,
            episodes=ordered[0].result.episodes,
            sd=float(np.std(each, ddof=1)) if len(each) > 1 else None,
            ci95_seeds=t_interval(each)[1] if len(each) > 1 else None,
            runs=[one.cell.run for one in ordered],
        )
    return made


def trials(found: Found, shots: Iterable[int]) -> dict[int, Trials]:
    """Number of shots -> what the trials of one share of the tuples gave; each is a mean over training seeds."""
    numbers = sorted({one.cell.trial for one in found})
    seeds = sorted({one.seed for one in found})
    several = len(numbers) > 1
    halves = {} if several else _over_episodes(found, shots)
    made: dict[int, Trials] = {}
    for shot in sorted(shots):
        each = [float(np.mean([one.accuracy(shot) for one in found if one.cell.trial == trial])) for trial in numbers]
        made[shot] = Trials(
            accuracy=float(np.mean(each)),
            trials=each,
            sd=float(np.std(each, ddof=1)) if several else None,
            ci95=t_interval(each)[1] if several else halves[shot],
            ci95_over="trials" if several else "episodes",
            seeds=seeds,
            per_seed=[float(np.mean([one.accuracy(shot) for one in found if one.seed == seed])) for seed in seeds],
            episodes=found[0].result.episodes,
            tuples={int(ways): kept for ways, kept in found[0].result.provenance["tuples"]["kept"].items()},
            runs=sorted({one.cell.run for one in found}),
        )
    return made


def episode_accuracies(path: Path) -> pd.Series:
    """Accuracy of each episode by (shot, episode), from the rows of the result in a JSON file.

    Raises:
        DataError: the result is damaged; the message names the file.
    """
    rows = pd.DataFrame(read_result(path).rows, columns=QueryRow._fields)
    right = (rows["true"] == rows["predicted"]).astype(float)
    return right.groupby([rows["shot"], rows["episode"]]).mean()


def _over_episodes(found: Found, shots: Iterable[int]) -> dict[int, float]:
    """Number of shots -> half-width over the test episodes, each episode's accuracy averaged over the training seeds.

    Raises:
        DataError: the results are of other episodes, or their rows are damaged.
    """
    first = found[0]
    if len(found) == 1:
        return {shot: first.of_shot(shot)["ci95"] for shot in shots}
    rows = [episode_accuracies(one.path).loc[sorted(shots)] for one in found]
    for one, own in zip(found, rows, strict=True):
        if one.result.seed != first.result.seed or not own.index.equals(rows[0].index):
            raise DataError(
                f"{first.cell.run} and {one.cell.run} were not tested on the same episodes",
                "test them alike: `strmctl eval --run NAME …`",
            )
    means = sum(rows) / len(rows)
    return {shot: episode_interval(means.loc[shot])[1] for shot in shots}
