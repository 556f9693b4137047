"""Gathers grids and runs into the one document that `strmctl report` draws everything from."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from statistics import fmean
from typing import Any

from strmctl import yaml
from strmctl.ablation.cells import COMPONENTS
from strmctl.ablation.claims import claims
from strmctl.ablation.confusions import confusions
from strmctl.ablation.entries import Found, Tested, by_label, entries, found_results, trials
from strmctl.ablation.folds import series
from strmctl.ablation.grid_file import Grid, grid_names, read_grid
from strmctl.ablation.other_papers import published_beside, read_published
from strmctl.ablation.published import in_words, shipped_recipe, table1
from strmctl.ablation.report_models import cost_of, curves, named_runs, tested_models
from strmctl.errors import DataError, UsageError
from strmctl.model.methods.table import METHODS
from strmctl.model.tuples import tuple_indices
from strmctl.paths import shipped
from strmctl.provenance import provenance
from strmctl.recipe import Recipe, flat
from strmctl.report.document import Document, GridInfo, Run, build
from strmctl.report.published_numbers import Paper
from strmctl.report.wording import seen_in_pretraining

SAID = ("name", "train.seed", "train.episodes", "train.shot")  # of a recipe, in a grid's caption anyway
KINDS = ("components", "cardinality", "tuples", "shots", "training", "folds", "custom")  # in this order


def collect(runs: Path, names: Sequence[str] = (), *, cost: bool = True) -> Document:
    """Everything that a report says.

    Args:
        runs: folder of the runs and grids.
        names: names of grids and of tested runs; none for all grids.
        cost: whether to count what models of the paper cost in the sizes of the runs.

    Raises:
        DataError: no such grid or run, a run without a result, or no grid at all.
        UsageError: two grids of one kind.
    """
    known = grid_names(runs)
    if not names and not known:
        raise DataError(
            f"no grid yet in {runs}", "run one: `strmctl ablate components --recipe sprites`, or name tested runs"
        )
    chosen = list(dict.fromkeys(names)) or known
    grids = _by_kind([read_grid(runs, name) for name in chosen if name in known])
    groups = named_runs(runs, [name for name in chosen if name not in known])
    found = {kind: found_results(grid, runs) for kind, grid in grids.items()}
    paper = build(Paper, yaml.load(shipped("reports", "paper.yaml")))
    tested = [one for group in (*found.values(), *groups.values()) for one in group]
    datasets = dict.fromkeys(map(_dataset, tested))
    labelled = [
        group
        for kind in ("components", "shots")
        for label, group in by_label(found.get(kind, [])).items()
        if label in {method.label for method in METHODS.values()}  # and not STRM without some of its parts
    ]
    document = Document(
        title=", ".join(datasets) or "nothing finished yet",
        **{kind: _section(kind, grid, found[kind]) for kind, grid in grids.items()},
        runs=[_run(label, group) for label, group in groups.items()],
        curves=curves(runs, found, groups),
        confusion=confusions(tested_models(found, groups)),
        cost=cost_of(tested) if cost else None,
        table1=table1(paper, [*groups.values(), *labelled]),
        published=published_beside(read_published(shipped("reports", "published.yaml")), tested, paper.table1.columns),
        grids={kind: _about(grid, found[kind]) for kind, grid in grids.items()},
        paper=paper,
        provenance=provenance(),
    )
    return replace(document, claims=claims(document))


def _by_kind(grids: Sequence[Grid]) -> dict[str, Grid]:
    made: dict[str, Grid] = {}
    for grid in grids:
        if (other := made.setdefault(grid.kind, grid)) is not grid:
            one_each = {one.kind: one.name for one in grids}.values()
            raise UsageError(
                f"{other.name} and {grid.name} are both grids of {grid.kind}, and a report has one of each kind",
                f"name the one to report: `{shlex.join(['strmctl', 'report', *one_each])}`",
            )
    return {kind: made[kind] for kind in KINDS if kind in made}


def _section(kind: str, grid: Grid, found: Found) -> dict[str, Any]:
    """What the document holds of a grid under its kind."""
    shots, labels = grid.protocol.shots, by_label(found)
    if kind == "tuples":
        return {label: _split(own, "cell.fraction", trials, shots) for label, own in labels.items()}
    if kind == "folds":
        return series(found, shots)
    if kind == "training":
        return {label: _split(own, "cell.recipe.train.episodes", entries, shots) for label, own in labels.items()}
    order = list({"components": COMPONENTS, "shots": [m.label for m in METHODS.values()]}.get(kind, labels))
    return {label: entries(labels[label], shots) for label in sorted(labels, key=order.index)}


def _split(found: Found, attribute: str, summary: Callable, shots: Sequence[int]) -> dict[float, Any]:
    """Value of an attribute -> summary of the results that have it, in ascending order of the values."""
    value_of = attrgetter(attribute)
    values = sorted(set(map(value_of, found)))
    return {value: summary([one for one in found if value_of(one) == value], shots) for value in values}


def _about(grid: Grid, found: Found) -> GridInfo:
    recipe = next((cell.recipe for cell in grid.cells if cell.recipe.train.episodes), grid.cells[0].recipe)
    test, done = grid.protocol, {id(one.cell) for one in found}
    counts = {cell.label: _tuples(cell.recipe) for cell in grid.cells} if grid.kind == "cardinality" else {}
    return GridInfo(
        name=grid.name,
        kind=grid.kind,
        dataset=_dataset(found[0]) if found else recipe.data.dataset,
        store=found[0].result.provenance["store"] if found else recipe.data.dataset,
        split=test.split,
        way=test.way,
        queries=test.queries,
        episodes=test.episodes,
        seed=test.seed,
        distinct_groups=test.distinct_groups,
        shared_sources=_shared_sources(found, test.shots),
        pretraining=_pretraining(found),
        seeds=sorted({cell.recipe.train.seed for cell in grid.cells}),
        recipe=grid.notes["recipe"],
        backbone=recipe.backbone.name,
        training_episodes=recipe.train.episodes,
        training_shot=recipe.train.shot,
        commands=grid.notes["commands"],
        commits=list(dict.fromkeys(one.result.provenance["commit"] for one in found)),
        threads=grid.notes["threads"],
        runs=len({cell.run for cell in grid.cells}),
        missing=list(dict.fromkeys(cell.run for cell in grid.cells if id(cell) not in done)),
        tuple_counts=counts,
        told=list(dict.fromkeys(cell.label for cell in grid.cells if METHODS[cell.recipe.method].names)),
        changed=_changed([cell.recipe for cell in grid.cells]),
        retrained=grid.notes.get("retrained") if grid.kind == "tuples" else None,
        folds=recipe.data.fold and recipe.data.fold.folds,
        fold_seed=recipe.data.fold and recipe.data.fold.seed,
    )


def _shared_sources(found: Found, shots: Sequence[int]) -> dict[int, float]:
    """Number of shots -> share of the episodes in which support and query share a source video, where there are any."""
    each = {
        shot: [one.result.provenance.get("shared_sources", {}).get(str(shot), 0.0) for one in found] for shot in shots
    }
    return {shot: fmean(shares) for shot, shares in each.items() if any(shares)}


def _pretraining(found: Found) -> str:
    """What of the test classes the backbones may have seen, in a sentence; empty where there is nothing."""
    each = (seen_in_pretraining(one.result.provenance.get("pretraining", {})) for one in found)
    return ". ".join(dict.fromkeys(filter(None, each)))


def _dataset(one: Tested) -> str:
    """What results call the data set, without the fold of a run."""
    fold = one.cell.recipe.data.fold
    return one.result.dataset.removesuffix(f", {fold}") if fold else one.result.dataset


def _tuples(recipe: Recipe) -> int:
    return sum(len(tuple_indices(recipe.steps, w)) for w in recipe.trm.cardinalities)


def _changed(recipes: Sequence[Recipe]) -> list[str]:
    """What all recipes of a grid have otherwise than the shipped recipe; captions name its data and training anyway."""
    each = []
    for recipe in recipes:
        shipped = shipped_recipe(recipe.data.dataset, recipe.backbone.name, recipe.method)
        own, theirs = flat(recipe.model_dump()), flat((shipped or recipe).model_dump())
        each.append({in_words(key, own[key]) for key in own if _told(key) and own[key] != theirs.get(key)})
    return sorted(set.intersection(*each))


def _told(key: str) -> bool:
    """Whether a caption names a recipe's key when it is not as in the shipped one."""
    return key not in SAID and not key.startswith("data.fold.")


def _run(label: str, group: Found) -> Run:
    recipe, result = group[0].cell.recipe, group[0].result
    return Run(
        run=", ".join(one.cell.run for one in group),
        label=label,
        method=METHODS[recipe.method].shown(recipe.method),
        backbone=recipe.backbone.name,
        dataset=result.dataset,
        split=result.split,
        way=result.way,
        recipe=recipe.name,
        shots=entries(group, _common_shots(group)),
        pretraining=_pretraining(group),
        told=METHODS[recipe.method].names,
    )


def _common_shots(group: Found) -> set[int]:
    return set.intersection(*({numbers["shot"] for numbers in one.result.results} for one in group))
