"""The methods of a grid on equal terms, as a page.

    python reports/methods.py RUNS GRID OUT.md --bench BENCH.json … --folds GRID

GRID is made by `strmctl ablate custom` with several `--seeds`; its first cell is the method that the others are
compared with. BENCH.json is what `strmctl bench methods --json` printed for the same recipe, on one device each. The
grid of `--folds` is made by `strmctl ablate folds --cells` of the same methods. Both may be left out.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from strmctl import compare
from strmctl.ablation.entries import found_results
from strmctl.ablation.folds import series
from strmctl.ablation.grid_file import Grid, read_grid
from strmctl.model.methods.table import METHODS
from strmctl.paths import write_text
from strmctl.report.accuracies import FoldSeries
from strmctl.report.tables.formats import markdown_lines

HEAD = """# Methods of {recipe}, on equal terms

The same recipe, backbone ({backbone}, {trained}), training episodes, validation and test episodes for every method;
only the method and the training seed change. {way}-way accuracy in percent on {episodes:,} {split} episodes{apart} with
{queries} query per class; ± is the half-width of the 95 % interval of the mean difference by Student's t over the
n = {seeds} training seeds, paired by seed. The interval over episodes of one accuracy is ± {ci95:.1f} at most. Tested
on {devices}.
"""
FOLDS = """## Over all classes

Each of the {classes} classes is a test class in one of {folds} folds, with {episodes:,} episodes of each fold and
training seed. ± is the half-width of the 95 % interval by Student's t over classes, each averaged over the training
seeds; p is of a sign-flip test over classes, not corrected for the number of rows. Models of different folds share
training classes, so that the classes are not quite independent. Tested on {devices}.
"""
SPEED = """## Speed

`strmctl bench methods --recipe {recipe}`: median of {repeats}, methods in turns. Training: one episode of the recipe
and its step. Test: 5-way 5-shot episodes with one query per class, matched from cached features.
"""
NEAR = """## What each is

Defaults of each method's own keys, with where they are from: `strmctl recipe methods NAME`.
"""
SIMPLEST = "prototype"  # label of what the other methods are held against as well
COMMANDS = "## Commands\n```\n{commands}\n```\n"


def main(runs: Path, name: str, out: Path, benches: Sequence[Path] = (), folds: str | None = None) -> None:
    """Writes the page."""
    grid = read_grid(runs, name)
    groups = runs_by_label(grid)
    labels = finished(grid, runs, groups)
    found = compare(runs, [",".join(groups[label]) for label in labels])
    parts = [head(grid, found), left_out(groups, labels)]
    for shot in grid.protocol.shots:
        parts += [f"**{shot}-shot**\n", table(labels, found, shot)]
    grids = [grid]
    if folds:
        grids.append(read_grid(runs, folds))
        parts += over_classes(grids[-1], runs)
    methods = {label: next(c.recipe.method for c in grid.cells if c.label == label) for label in labels}
    if speeds := [json.loads(bench.read_text(encoding="utf-8")) for bench in benches]:
        parts += [SPEED.format(**speeds[0]), speed_table(methods, speeds)]
    parts += [NEAR, near(dict.fromkeys(methods.values()))]
    commands = dict.fromkeys(command for one in grids for command in one.notes["commands"])
    parts.append(COMMANDS.format(commands="\n".join(commands)))
    write_text(out, "\n".join(part.strip() + "\n" for part in parts if part))


def runs_by_label(grid: Grid) -> dict[str, list[str]]:
    """Label -> its runs, in the order of the cells."""
    groups: dict[str, list[str]] = {}
    for cell in grid.cells:
        groups.setdefault(cell.label, []).append(cell.run)
    return groups


def finished(grid: Grid, runs: Path, groups: Mapping[str, Sequence[str]]) -> list[str]:
    """The labels all of whose runs are tested."""
    tested = {one.cell.run for one in found_results(grid, runs)}
    return [label for label, group in groups.items() if tested.issuperset(group)]


def left_out(labels: Iterable[str], there: Collection[str]) -> str:
    """What is not there, in words; empty if nothing is missing."""
    missing = ", ".join(label for label in labels if label not in there)
    return f"**Not finished, and left out:** {missing}." if missing else ""


def devices_of(sources: Iterable[Mapping[str, Any]]) -> str:
    """Where results were made, in words, such as "a GPU and the CPU"."""
    words = {source.get("gpu") or ("the CPU" if source["device"] == "cpu" else "a GPU") for source in sources}
    return " and ".join(sorted(words))


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
        devices=devices_of(result["provenance"] for result in results),
        **{key: getattr(test, key) for key in ("way", "episodes", "split", "queries")},
    )


def over_classes(grid: Grid, runs: Path) -> list[str]:
    """The section of a grid of folds: accuracies over all classes, and differences from the first method."""
    found = found_results(grid, runs)
    made = series(found, grid.protocol.shots)
    first, *_ = made
    entry = next(iter(made[first].shots.values()))
    how = {"classes": len(entry.classes), "folds": grid.cells[0].recipe.data.fold.folds, "episodes": entry.episodes}
    text = FOLDS.format(devices=devices_of(one.result.provenance for one in found), **how)
    parts = [text, left_out(runs_by_label(grid), made)]
    bases = dict.fromkeys([first, *(label for label in made if label == SIMPLEST)])
    for shot in grid.protocol.shots:
        columns = [f"{shot}-shot", "accuracy", *(word for base in bases for word in (f"minus {base}", "p"))]
        rows = [
            [label, f"{100 * own.shots[shot].accuracy:.1f} ± {100 * own.shots[shot].ci95:.1f}"]
            + [cell for base in bases for cell in lead_cells(made, label, base, shot)]
            for label, own in made.items()
        ]
        parts.append("\n".join(markdown_lines(columns, rows, words=1)) + "\n")
    return parts


def lead_cells(made: Mapping[str, FoldSeries], label: str, base: str, shot: int) -> list[str]:
    """How far a method is ahead of another over the classes, and p; empty for the same one."""
    ahead, behind = (made[one].leads.get(other, {}).get(shot) for one, other in ((label, base), (base, label)))
    if lead := ahead or behind:
        sign = 1 if ahead else -1
        return [f"{100 * sign * lead.difference:+.1f} ± {100 * lead.ci95:.1f}", f"{lead.p:.4f}"]
    return ["", ""]


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


def speed_table(methods: Mapping[str, str], speeds: Sequence[Mapping[str, Any]]) -> str:
    """Time of training and testing, by method and device."""
    columns, rows = ["method"], [[label] for label in methods]
    for speed in speeds:
        device = speed.get("device", "cpu")  # of a measurement before there was a choice
        where = f"CPU, {speed['threads']} thread(s)" if device == "cpu" else device
        columns += [f"ms per training episode, {where}", f"test episodes/s, {where}"]
        for row, method in zip(rows, methods.values(), strict=True):
            own = speed["methods"].get(method, {})
            seconds, rate = own.get("training_seconds_per_episode"), own.get("test_episodes_per_second")
            row += ["-" if seconds is None else f"{1e3 * seconds:.0f}", "-" if rate is None else f"{rate:.0f}"]
    return "\n".join(markdown_lines(columns, rows, words=1))


def near(methods: Sequence[str]) -> str:
    """Where each method is from, and how near it is to that."""
    rows = [[METHODS[name].label, METHODS[name].source, METHODS[name].faithful] for name in methods]
    columns = ["method", "source", "how near"]
    return "\n".join(markdown_lines(columns, rows, words=3))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path)
    parser.add_argument("grid")
    parser.add_argument("out", type=Path)
    parser.add_argument("--bench", type=Path, action="append", default=[])
    parser.add_argument("--folds")
    given = parser.parse_args()
    main(given.runs, given.grid, given.out, given.bench, given.folds)
