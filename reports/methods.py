"""The methods of a grid on equal terms, as a page: `python reports/methods.py RUNS GRID BENCH.json OUT.md`.

GRID is made by `strmctl ablate custom` with `--seeds 0,1,2`; its first cell is the method that the others are compared
with. BENCH.json is what `strmctl bench methods --json` printed for the same recipe.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from strmctl import compare
from strmctl.ablation.entries import found_results
from strmctl.ablation.grid_file import Grid, read_grid
from strmctl.model.methods.table import METHODS
from strmctl.paths import write_text
from strmctl.report.tables.formats import markdown_lines

HEAD = """# Methods of {recipe}, on equal terms

The same recipe, backbone ({backbone}, {trained}), training episodes, validation and test episodes for every method;
only the method and the training seed change. {way}-way accuracy in percent on {episodes:,} {split} episodes{apart} with
{queries} query per class; ± is the half-width of the 95 % interval of the mean difference by Student's t over the
n = {seeds} training seeds, paired by seed. The interval over episodes of one accuracy is ± {ci95:.1f} at most.
"""
SPEED = """## Speed

`strmctl bench methods --recipe {recipe}`: median of {repeats}, {threads} thread(s), methods in turns. Training: one
episode of the recipe and its step. Test: 5-way 5-shot episodes with one query per class, matched from cached features.
"""
NEAR = """## What each is

Defaults of each method's own keys, with where they are from: `strmctl recipe methods NAME`.
"""
COMMANDS = "## Commands\n```\n{commands}\n```\n"


def main(runs: Path, name: str, bench: Path, out: Path) -> None:
    """Writes the page."""
    grid = read_grid(runs, name)
    tested = {one.cell.run for one in found_results(grid, runs)}
    groups: dict[str, list[str]] = {}
    for cell in grid.cells:
        groups.setdefault(cell.label, []).append(cell.run)
    labels = [label for label, group in groups.items() if tested.issuperset(group)]
    found = compare(runs, [",".join(groups[label]) for label in labels])
    parts = [head(grid, found)]
    if unfinished := [label for label in groups if label not in labels]:
        parts.append(f"**Not finished, and left out:** {', '.join(unfinished)}.")
    for shot in grid.protocol.shots:
        parts += [f"**{shot}-shot**\n", table(labels, found, shot)]
    speed = json.loads(bench.read_text(encoding="utf-8"))
    methods = {label: next(c.recipe.method for c in grid.cells if c.label == label) for label in labels}
    parts += [SPEED.format(**speed), speeds(methods, speed)]
    parts += [NEAR, near(dict.fromkeys(methods.values()))]
    parts.append(COMMANDS.format(commands="\n".join(grid.notes["commands"])))
    write_text(out, "\n".join(part.strip() + "\n" for part in parts))


def head(grid: Grid, found: Mapping[str, Any]) -> str:
    """What all methods have in common."""
    recipe, test = grid.cells[0].recipe, grid.protocol
    results = [json.loads(Path(source["result"]).read_text(encoding="utf-8")) for source in found["sources"].values()]
    return HEAD.format(
        recipe=grid.notes["recipe"],
        backbone=recipe.backbone.name,
        trained="trained as well" if recipe.backbone.trained else f"frozen, weights {recipe.backbone.weights}",
        apart=", support and query never from one source video," if test.distinct_groups else "",
        seeds=len(found["groups"][0]["seeds"]),
        ci95=100 * max(figures["ci95"] for result in results for figures in result["results"]),
        **{key: getattr(test, key) for key in ("way", "episodes", "split", "queries")},
    )


def table(labels: Sequence[str], found: Mapping[str, Any], shot: int) -> str:
    """Accuracies and differences at one number of shots."""

    def of(results: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        return next(figures for figures in results if figures["shot"] == shot)

    def percent(values: Sequence[float], sign: str = "") -> str:
        return ", ".join(f"{100 * value:{sign}.1f}" for value in values)

    seeds = ", ".join(map(str, found["groups"][0]["seeds"]))
    columns = ["method", f"seeds {seeds}", "mean", "standard deviation", f"minus {labels[0]}", "mean difference"]
    rows = []
    for position, (label, group) in enumerate(zip(labels, found["groups"], strict=True)):
        own = of(group["results"])
        row = [label, percent(own["each"]), percent([own["mean"]]), "" if own["sd"] is None else percent([own["sd"]])]
        if position:
            other = of(found["comparisons"][position - 1]["results"])
            half = "" if other["ci95"] is None else f" ± {100 * other['ci95']:.1f}"
            row += [percent(other["each"], "+"), percent([other["difference"]], "+") + half]
        rows.append(row + [""] * (len(columns) - len(row)))
    return "\n".join(markdown_lines(columns, rows, words=2))


def speeds(methods: Mapping[str, str], speed: Mapping[str, Any]) -> str:
    """Time of training and testing, by method."""
    rows = []
    for label, method in methods.items():
        own = speed["methods"][method]
        seconds, rate = own["training_seconds_per_episode"], own["test_episodes_per_second"]
        rows.append([label, "-" if seconds is None else f"{1e3 * seconds:.0f}", f"{rate:.0f}"])
    columns = ["method", "ms per training episode", "test episodes/s"]
    return "\n".join(markdown_lines(columns, rows, words=1))


def near(methods: Sequence[str]) -> str:
    """Where each method is from, and how near it is to that."""
    rows = [[METHODS[name].label, METHODS[name].source, METHODS[name].faithful] for name in methods]
    columns = ["method", "source", "how near"]
    return "\n".join(markdown_lines(columns, rows, words=3))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
