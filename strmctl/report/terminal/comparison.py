"""Comparisons and groups of training seeds as tables: differences in percentage points, a table for each shot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from strmctl.report.tables.table import points
from strmctl.report.terminal.eval_tables import Table
from strmctl.report.wording import tested_on

PAIRED = (
    "Difference: run - base, in percentage points, ± the half-width of the 95 % interval: over episodes 1.96 · "
    "standard deviation / sqrt(n), over classes, each with the same weight, Student's t. p: two-sided sign-flip test "
    "with 9,999 flips; over n classes it cannot fall below 2^(1-n)."
)
SEEDS = (
    "Difference: run - run of the base with the same training seed, in percentage points, ± the half-width of the 95 % "
    "interval by Student's t over n seeds. Standard deviations are of single runs, over seeds."
)


def comparison(document: Mapping[str, Any]) -> Iterator[tuple[str, Table]]:
    """A title and a table for each number of shots, of what `compare` found.

    Args:
        document: comparison of runs, or of groups of seeds; fractions.
    """
    of_groups, head = "groups" in document, tested_on(SimpleNamespace(**document))
    for shot in sorted({numbers["shot"] for other in document["comparisons"] for numbers in other["results"]}):
        at_shot = [
            (other, numbers)
            for other in document["comparisons"]
            for numbers in other["results"]
            if numbers["shot"] == shot
        ]
        table = _groups(document["groups"], at_shot, shot) if of_groups else _runs(document["base"], at_shot)
        yield f"{head}, {shot}-shot", table


def _runs(base: str, at_shot: list[tuple[dict[str, Any], dict[str, Any]]]) -> Table:
    """The base and each run that is compared with it."""
    first = at_shot[0][1]
    episodes, classes = first["over_episodes"]["n"], first["over_classes"]["n"]
    columns = ["run", "accuracy, %", f"difference over {episodes:,} episodes", "p", f"over {classes} classes", "p"]
    rows = [[f"{base} (base)", f"{100 * first['base_accuracy']:.2f}", "", "", "", ""]]
    for other, numbers in at_shot:
        cells = [other["run"], f"{100 * numbers['accuracy']:.2f}"]
        for over in (numbers["over_episodes"], numbers["over_classes"]):
            cells += [points(over["difference"], over["ci95"]), f"{over['p']:.4f}"]
        rows.append(cells)
    return columns, rows


def _groups(groups: list[dict[str, Any]], at_shot: list[tuple[dict[str, Any], dict[str, Any]]], shot: int) -> Table:
    """The first group and each that is compared with it."""
    found = {tuple(other["runs"]): numbers for other, numbers in at_shot}
    columns = ["runs", "mean, %", "sd", "n", "differences by seed", "mean difference"]
    rows = []
    for position, group in enumerate(groups):
        name = ", ".join(group["runs"])
        own = next(numbers for numbers in group["results"] if numbers["shot"] == shot)
        cells = [f"{name} (base)" if position == 0 else name, f"{100 * own['mean']:.2f}", _sd(own), str(own["n"])]
        if numbers := found.get(tuple(group["runs"])) if position else None:
            by_seed = zip(group["seeds"], numbers["each"], strict=True)
            cells += [
                "  ".join(f"{seed}: {100 * each:+.2f}" for seed, each in by_seed),
                points(numbers["difference"], numbers["ci95"]),
            ]
        rows.append([*cells, "", ""][: len(columns)])
    return columns, rows


def seeds(summary: Mapping[str, Any]) -> Table:
    """Each run of a group, their mean and standard deviation; a column for each number of shots."""
    count, results = len(summary["runs"]), summary["results"]
    columns = ["run", "training seed", *(f"{numbers['shot']}-shot, %" for numbers in results)]
    rows = [
        [run, str(seed), *(f"{100 * numbers['each'][position]:.2f}" for numbers in results)]
        for position, (run, seed) in enumerate(zip(summary["runs"], summary["seeds"], strict=True))
    ]
    rows.append([f"mean, n = {count}", "", *(f"{100 * numbers['mean']:.2f}" for numbers in results)])
    rows.append([f"standard deviation over seeds, n = {count}", "", *map(_sd, results)])
    return columns, rows


def _sd(numbers: Mapping[str, Any]) -> str:
    return "–" if numbers["sd"] is None else f"{100 * numbers['sd']:.2f}"
