"""The models of a report: the runs that are named, by method, and with those of grids what they have in common."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from strmctl.ablation.cells import Cell
from strmctl.ablation.confusions import usual_shot
from strmctl.ablation.cost import cost_table
from strmctl.ablation.entries import Found, Tested, by_label
from strmctl.ablation.grid_file import grid_names
from strmctl.errors import DataError, RecipeError, UsageError, did_you_mean
from strmctl.evaluation.comparison.saved_results import read_results
from strmctl.explain.viewers import method_label
from strmctl.model.methods.table import METHODS
from strmctl.recipe import Recipe, load_recipe
from strmctl.report.accuracies import Curve
from strmctl.report.document import OF_MODELS, Cost, build
from strmctl.report.wording import listed
from strmctl.results import read_result
from strmctl.runs.folder import run_folder
from strmctl.runs.train_log import learning_curve

CURVE_POINTS = 50  # of each run, so that the document of many stays small


def named_runs(runs: Path, names: Sequence[str]) -> dict[str, Found]:
    """Tested runs by their method, and by their names as well where several are of one.

    Those that are training seeds of one recipe stand together.

    Raises:
        DataError: there is no such run, or it has no result.
    """
    groups = _groups(runs, names)
    methods = [method_label(group[0].cell.recipe) for group in groups]
    return {
        method if methods.count(method) == 1 else f"{method}, {listed([one.cell.run for one in group])}": group
        for method, group in zip(methods, groups, strict=True)
    }


def tested_models(found: Mapping[str, Found], groups: Mapping[str, Found]) -> dict[str, Found]:
    """Label -> results of a model's training seeds, each run once.

    Args:
        found: kind of grid -> results of its cells.
        groups: label -> results of named runs.
    """
    models: dict[str, Found] = {}
    seen: set[str] = set()
    labelled = [(label, own) for kind in OF_MODELS for label, own in by_label(found.get(kind, [])).items()]
    for label, group in (*labelled, *groups.items()):
        own = [one for one in group if one.cell.order == "natural" and one.cell.run not in seen]
        if own:
            models[label if label not in models else f"{label}, {own[0].cell.run}"] = own
            seen |= {one.cell.run for one in own}
    return models


def curves(runs: Path, found: Mapping[str, Found], groups: Mapping[str, Found]) -> dict[str, list[Curve]]:
    """Learning curves by label, each run once; runs without a log, or with a damaged one, have none.

    Folds are left out: each has other classes to train and to validate on, so that their curves cannot be compared.
    """
    labels = {one.cell.run: label for label, group in groups.items() for one in group}
    labels |= {one.cell.run: one.cell.label for kind, own in found.items() if kind != "folds" for one in own}
    made: dict[str, list[Curve]] = {}
    for run, label in labels.items():
        with contextlib.suppress(DataError):
            if curve := learning_curve(runs / run, points=CURVE_POINTS):
                made.setdefault(label, []).append(curve)
    return made


def cost_of(tested: Found) -> Cost | None:
    """What the paper's models cost in the sizes that most runs have; None where no run is of such a model."""
    sizes: dict[Any, Found] = defaultdict(list)
    for one in tested:
        if "trm" in METHODS[one.cell.recipe.method].parts:
            recipe = one.cell.recipe
            sizes[recipe.backbone.name, recipe.input.frames, recipe.input.crop, recipe.trm.dim].append(one)
    if not sizes:
        return None
    most = max(sizes.values(), key=len)[0]
    result = read_result(most.path)
    with contextlib.suppress(RecipeError, UsageError):  # too few frames for TRX, or a package that is not here
        return build(
            Cost,
            cost_table(
                most.cell.recipe,
                way=result.way,
                shot=usual_shot(result.shots),
                queries=result.queries,
                clips=len({row.query for row in result.rows}),
                episodes=result.episodes,
            ),
        )
    return None


def _groups(runs: Path, names: Sequence[str]) -> list[Found]:
    """Tested runs, those that are training seeds of one recipe together."""
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
        found.append([Tested(cell, one.result, one.path) for cell, one in zip(cells, read, strict=True)])
    return found


def _run_name(runs: Path, name: str) -> str:
    """The name of a run's own folder, which `latest` points at."""
    try:
        return run_folder(runs, name).name
    except DataError as error:
        grids = grid_names(runs)
        hint = f"{did_you_mean(grids, name)}grids here: {', '.join(grids) or 'none yet'}; {error.hint}"
        raise DataError(f"no grid and no run named {name!r} in {runs}", hint) from error
