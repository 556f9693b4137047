"""Gathers grids and runs into the one document that `strmctl report` draws everything from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from strmctl import yaml
from strmctl.ablation.cells import COMPONENTS, PARTS, Cell
from strmctl.ablation.cost import cost_table
from strmctl.ablation.entries import Entries, Found, by_label, claims, entries, found_results, trials
from strmctl.ablation.grid_file import Grid, grid_names, read_grid
from strmctl.errors import DataError, UsageError
from strmctl.evaluation.comparison.saved_results import read_results
from strmctl.model.backbones.table import BACKBONES
from strmctl.model.methods.table import METHODS
from strmctl.model.tuples import tuple_indices
from strmctl.paths import shipped
from strmctl.provenance import provenance
from strmctl.recipe import Recipe, load_recipe
from strmctl.results import EvalResult
from strmctl.runs.folder import run_folder

SCHEMA = 1
KINDS = ("components", "cardinality", "tuples", "shots", "training", "custom")  # in this order
ORDERS = {  # what the paper's figures show
    "components": (
        "Figure 6, left",
        [
            ("TRM", "TRM+PLE"),
            ("TRM", "TRM+FLE"),
            ("TRM+PLE", "TRM+PLE+FLE"),
            ("TRM+FLE", "TRM+PLE+FLE"),
            ("TRM+PLE+FLE", "STRM"),
            ("TRM", "STRM"),
        ],
    ),
    "shots": ("Figure 7", [("TRM", "STRM"), ("TRX", "STRM")]),
}


def collect(runs: Path, names: Sequence[str] = (), *, cost: bool = True) -> dict[str, Any]:
    """Everything that a report says; accuracies are fractions, published values percent as printed.

    Args:
        runs: folder of the runs and grids.
        names: of grids and of tested runs; none for all grids.
        cost: whether to count the cost of the paper's models.

    Raises:
        DataError: no such grid or run, a run without a result, or no grid at all.
        UsageError: two grids of one kind.
    """
    known = grid_names(runs)
    if not names and not known:
        raise DataError(f"no grid yet in {runs}", "run one: `strmctl ablate components`, or name tested runs")
    chosen = list(dict.fromkeys(names)) or known
    grids = _by_kind([read_grid(runs, name) for name in chosen if name in known])
    groups = _groups(runs, [name for name in chosen if name not in known])
    document: dict[str, Any] = {"schema": SCHEMA, "title": ""}
    found = {kind: found_results(grid, runs) for kind, grid in grids.items()}
    for kind, grid in grids.items():
        document[kind] = _section(kind, grid, found[kind])
    if groups:
        document["runs"] = [_run(group) for group in groups]
    document["grids"] = {kind: _about(grid, found[kind]) for kind, grid in grids.items()}
    document["claims"] = [
        claim for kind, (source, orders) in ORDERS.items() for claim in claims(source, orders, document.get(kind, {}))
    ]
    results = [result for group in (*found.values(), *groups) for _, result, _ in group]
    document["title"] = ", ".join(dict.fromkeys(result.dataset for result in results)) or "nothing finished yet"
    document["paper"] = yaml.load(shipped("reports", "paper.yaml"))
    labelled = [group for kind in ("components", "shots") for group in by_label(found.get(kind, [])).values()]
    document["table1"] = _table1(document["paper"], [*groups, *labelled])
    if cost:
        document["cost"] = cost_table()
    document["provenance"] = provenance()
    return document


def _by_kind(grids: Sequence[Grid]) -> dict[str, Grid]:
    made: dict[str, Grid] = {}
    for grid in grids:
        if (other := made.setdefault(grid.kind, grid)) is not grid:
            raise UsageError(
                f"{other.name} and {grid.name} are both grids of {grid.kind}, and a report has one of each kind",
                "name the ones to report: `strmctl report GRID GRID …`",
            )
    return {kind: made[kind] for kind in KINDS if kind in made}


def _section(kind: str, grid: Grid, found: Found) -> dict[str, Any]:
    shots, labels = grid.protocol.shots, by_label(found)
    if kind == "tuples":
        shares = {label: dict.fromkeys(sorted(cell.fraction for cell, _, _ in own)) for label, own in labels.items()}
        return {
            label: {
                str(share): trials([one for one in labels[label] if one[0].fraction == share], shots) for share in of
            }
            for label, of in shares.items()
        }
    if kind == "training":
        return {label: _by_episodes(own, shots) for label, own in labels.items()}
    order = list({"components": COMPONENTS, "shots": [m.label for m in METHODS.values()]}.get(kind, labels))
    return {label: entries(labels[label], shots) for label in sorted(labels, key=order.index)}


def _by_episodes(found: Found, shots: Sequence[int]) -> dict[str, Entries]:
    """Training episodes -> entries."""
    counts = sorted({cell.recipe.train.episodes for cell, _, _ in found})
    return {str(n): entries([one for one in found if one[0].recipe.train.episodes == n], shots) for n in counts}


def _about(grid: Grid, found: Found) -> dict[str, Any]:
    """What a reader must know of a grid."""
    recipe, done = grid.cells[0].recipe, {id(cell) for cell, _, _ in found}
    test = grid.protocol
    about = {
        "name": grid.name,
        "kind": grid.kind,
        "dataset": found[0][1].dataset if found else recipe.data.dataset,
        **{key: getattr(test, key) for key in ("split", "way", "queries", "episodes", "seed", "distinct_groups")},
        "seeds": sorted({cell.recipe.train.seed for cell in grid.cells}),
        "recipe": grid.notes["recipe"],
        "backbone": recipe.backbone.name,
        "training_episodes": recipe.train.episodes,
        "training_shot": recipe.train.shot,
        "commands": grid.notes["commands"],
        "commits": list(dict.fromkeys(result.provenance["commit"] for _, result, _ in found)),
        "threads": grid.notes["threads"],
        "runs": len({cell.run for cell in grid.cells}),
        "missing": list(dict.fromkeys(cell.run for cell in grid.cells if id(cell) not in done)),
    }
    if grid.kind == "cardinality":
        about["tuple_counts"] = {cell.label: _tuples(cell.recipe) for cell in grid.cells}
    if grid.kind == "tuples":
        about["retrained"] = grid.notes["retrained"]
    return about


def _tuples(recipe: Recipe) -> int:
    return sum(len(tuple_indices(recipe.input.frames, w)) for w in recipe.trm.cardinalities)


def _groups(runs: Path, names: Sequence[str]) -> list[Found]:
    """Tested runs; those that are training seeds of one recipe together."""
    groups: list[tuple[Recipe, list[tuple[str, Recipe]]]] = []
    for name in dict.fromkeys(_run_name(runs, name) for name in names):
        recipe = load_recipe(runs / name / "recipe.yaml")
        plain = recipe.of_any_seed()
        group = next((members for other, members in groups if other == plain), None)
        if group is None or recipe.train.seed in {member.train.seed for _, member in group}:
            groups.append((plain, [(name, recipe)]))
        else:
            group.append((name, recipe))
    found = []
    for _, members in groups:
        members.sort(key=lambda member: member[1].train.seed)
        (read,) = read_results(runs, [[name for name, _ in members]])
        cells = [Cell(recipe.name, name, recipe) for name, recipe in members]
        found.append([(cell, one.result, one.path) for cell, one in zip(cells, read, strict=True)])
    return found


def _run_name(runs: Path, name: str) -> str:
    """Its own name, of `latest` too."""
    try:
        return run_folder(runs, name).name
    except DataError as error:
        grids = ", ".join(grid_names(runs)) or "none yet"
        raise DataError(f"no grid and no run named {name!r} in {runs}", f"grids here: {grids}; {error.hint}") from error


def _run(group: Found) -> dict[str, Any]:
    cell, result, _ = group[0]
    return {
        "run": ", ".join(cell.run for cell, _, _ in group),
        "method": cell.recipe.method,
        "backbone": cell.recipe.backbone.name,
        "dataset": result.dataset,
        "split": result.split,
        "way": result.way,
        "recipe": cell.recipe.name,
        "shots": entries(group, _common_shots(group)),
    }


def _common_shots(group: Found) -> set[int]:
    return set.intersection(*({figures["shot"] for figures in result.results} for _, result, _ in group))


def _table1(paper: dict[str, Any], groups: Sequence[Found]) -> dict[str, Any]:
    """Table 1 with ours beside it, where a run of the same complete model was tested 5-way 5-shot on all classes."""
    ours: dict[tuple[str, str, str], dict[str, Any]] = {}
    for group in groups:
        cell, result, _ = group[0]
        place = (
            METHODS[cell.recipe.method].table1,
            BACKBONES[cell.recipe.backbone.name].table1,
            result.provenance["store"],
        )
        usual = all(_whole_split(one) for _, one, _ in group) and 5 in _common_shots(group)
        if usual and _as_published(cell.recipe) and place not in ours:
            ours[place] = entries(group, [5])["5"]
    table = paper["table1"]
    rows = [
        {
            "method": row["method"],
            "backbone": row["backbone"],
            "published": row["values"],
            "ours": [ours.get((row["method"], row["backbone"], name)) for name in table["columns"]],
        }
        for row in table["rows"]
    ]
    return {"columns": table["columns"], "rows": rows, "notes": table["notes"], "source": paper["source"]}


def _as_published(recipe: Recipe) -> bool:
    """Whether a recipe has all that the paper's model of its method has."""
    whole = recipe.trm.cardinalities == [2] and all(getattr(recipe, part).enabled for part in PARTS)
    return (recipe.method != "strm" or whole) and recipe.trm.tuple_fraction == 1


def _whole_split(result: EvalResult) -> bool:
    """Whether a result is of 5-way episodes of all test classes, with frames in their order."""
    source = result.provenance
    changed = source.get("chosen_classes") or source.get("dropped_classes") or source.get("tuples")
    return (
        (result.way, result.split) == (5, "test") and source.get("frame_order", "natural") == "natural" and not changed
    )
