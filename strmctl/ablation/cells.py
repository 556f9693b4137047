"""The grids of section 4 of the paper: the recipes that they compare and the names of the runs.

All cells of a grid come from one recipe. They share the initial weights of the parts that they have in common, the
training episodes and the test episodes, because each of these is a function of the seed alone: differences are paired.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from strmctl.episodes.clip_loader import FrameOrder
from strmctl.errors import UsageError, did_you_mean
from strmctl.model.backbones.table import backbone_entry
from strmctl.model.methods.table import METHODS
from strmctl.recipe import Recipe, load_recipe

CARDINALITIES = ((1,), (2,), (3,), (4,), (2, 3), (2, 4), (3, 4), (2, 3, 4))  # Table 2
PARTS = tuple(part for part in METHODS["strm"].parts if part != "trm")
COMPONENTS = {  # Figure 6, left: the parts that are there
    "TRM": (False, False, False),
    "TRM+PLE": (True, False, False),
    "TRM+FLE": (False, True, False),
    "TRM+PLE+FLE": (True, True, False),
    "STRM": (True, True, True),
}


@dataclass(frozen=True)
class Cell:
    """One model of a grid, and how it is tested.

    Attributes:
        label: name of the cell in tables.
        run: name of its run folder.
        recipe: complete recipe, with the training seed.
        fraction: share of the tuples to test with; None for the share of the recipe.
        trial: number of the random subset of tuples.
        order: order of the frames of each clip in the test.
    """

    label: str
    run: str
    recipe: Recipe
    fraction: float | None = None
    trial: int = 0
    order: FrameOrder = "natural"


@dataclass(frozen=True)
class Base:
    """What the cells of a grid have in common.

    Attributes:
        recipe: name of a shipped recipe, or the path of a file.
        assignments: `key=value` changes to the recipe, for all cells.
        name: beginning of all run names; the name of the recipe when None.
        seeds: training seeds.
    """

    recipe: str
    assignments: tuple[str, ...] = ()
    name: str | None = None
    seeds: tuple[int, ...] = (0,)

    def load(self) -> Recipe:
        """The recipe that the grid varies.

        Raises:
            RecipeError: the recipe is unknown or invalid.
            UsageError: there is no seed, a seed stands twice, or the assignments set one.
        """
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise UsageError("--seeds takes different numbers from 0", "for example `--seeds 0,1,2`")
        if seed := [text for text in self.assignments if _key(text) == "train.seed"]:
            raise UsageError("the training seeds of a grid are those of --seeds", f"leave `--set {seed[0]}` out")
        return load_recipe(self.recipe, self.assignments)

    def cells(self, label: str, changes: Mapping[str, Any], slug: str) -> list[Cell]:
        """A cell for each training seed; a cell that changes nothing is named after its method in every grid."""
        own = self.load()
        words = [f"{key}={json.dumps(value)}" for key, value in changes.items()]
        method = METHODS.get(str(changes.get("method")))
        how = {"trained_backbone": own.backbone.trained}
        kept = [text for text in self.assignments if method is None or method.leaves_open(_key(text), **how)]
        found = []
        for seed in self.seeds:
            recipe = load_recipe(self.recipe, (*kept, *words, f"train.seed={seed}"))
            unchanged = recipe.of_any_seed() == own.of_any_seed()
            run = f"{self.name or own.name}-{own.method if unchanged else slug}-s{seed}"
            found.append(Cell(METHODS[recipe.method].shown(label), run, recipe))
        return found


def components(base: Base) -> list[Cell]:
    """TRM, then the paper's contributions one after the other (Figure 6, left)."""
    recipe = _strm(base)
    cells = []
    if fixed := [text for text in base.assignments if _key(text).endswith(".enabled")]:
        raise UsageError("this grid itself switches the parts on and off", f"leave `--set {fixed[0]}` out")
    for label, present in COMPONENTS.items():
        changes: dict[str, Any] = {f"{part}.enabled": on for part, on in zip(PARTS, present, strict=True)}
        if label == "TRM" and recipe.trm.cardinalities == [2]:
            changes = {"method": "trm"}  # the same model, and the same run as in other grids
        cells += base.cells(label, changes, label.lower().replace("+", "-"))
    return cells


def cardinality(base: Base, sets: Sequence[Sequence[int]] = CARDINALITIES) -> list[Cell]:
    """Sets of cardinalities, for TRM and QC alike (Table 2)."""
    recipe, cells = _strm(base), []
    for ways in sets:
        if max(ways) > recipe.steps:
            more = backbone_entry(recipe.backbone.name).frames_for(max(map(max, sets)))
            unit = "frames" if recipe.steps == recipe.input.frames else "time steps"
            raise UsageError(
                f"there are no tuples of {max(ways)} of the {recipe.steps} {unit} of a clip",
                f"`--set input.frames={more}` takes more" if more else f"backbone {recipe.backbone.name} makes no more",
            )
        label = ",".join(map(str, ways))
        cells += base.cells(label, {"trm.cardinalities": list(ways)}, f"strm-w{label.replace(',', '')}")
    return cells


def tuples(base: Base, fractions: Sequence[float], trials: int, *, retrain: bool = False) -> list[Cell]:
    """Random shares of the tuples, and TRX {2, 3} with all of them (Figure 6, right).

    Args:
        base: base whose recipe has the method STRM.
        fractions: shares of the tuples of each cardinality, each above 0 and up to 1.
        trials: number of random subsets for each share; the share 1 has one.
        retrain: whether to train with each share as well, instead of testing one run with all of them.
    """
    recipe, cells = _strm(base), []
    if not fractions or not all(0 < fraction <= 1 for fraction in fractions):
        raise UsageError("--fractions lie above 0, up to 1", "for example `--fractions 0.2,0.4,0.6,0.8,1.0`")
    if recipe.trm.tuple_fraction < 1:
        raise UsageError(
            "this grid itself chooses the share of the tuples", "set it to all: `--set trm.tuple_fraction=1`"
        )
    label = f"STRM {_set(recipe)}"
    whole = base.cells(label, {}, "strm")
    for fraction in sorted({float(f"{fraction:g}") for fraction in fractions}):  # as precise as in file names
        for trial in range(trials if fraction < 1 else 1):
            own = whole
            if retrain and fraction < 1:
                changes = {"trm.tuple_fraction": fraction, "trm.tuple_trial": trial}
                own = base.cells(label, changes, f"strm-f{fraction:g}-t{trial}")
            cells += [Cell(cell.label, cell.run, cell.recipe, fraction, trial) for cell in own]
    trx = base.cells("TRX {2,3}", {"method": "trx"}, "trx")
    return cells + [Cell(cell.label, cell.run, cell.recipe, 1.0) for cell in trx]


def shots(base: Base, methods: Sequence[str]) -> list[Cell]:
    """Methods, for a curve of each over the number of shots (Figure 7)."""
    return [
        cell for method in _methods(methods) for cell in base.cells(METHODS[method].label, {"method": method}, method)
    ]


def training(base: Base, factors: Sequence[int], methods: Sequence[str]) -> list[Cell]:
    """Methods after multiples of the recipe's training episodes: is one better, or only faster?"""
    episodes, cells = base.load().train.episodes, []
    if not factors or min(factors) < 1:
        raise UsageError("--factors count from 1", "for example `--factors 1,4`")
    for method in _methods(methods):
        for factor in sorted(set(factors)):
            slug = method if factor == 1 else f"{method}-x{factor}"
            cells += base.cells(METHODS[method].label, {"method": method, "train.episodes": factor * episodes}, slug)
    return cells


def of_methods(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Label -> change of the recipe, for each of the methods."""
    return {METHODS[method].label: {"method": method} for method in _methods(names)}


def chosen(cells: Sequence[Cell], labels: Iterable[str]) -> list[Cell]:
    """The cells of these labels only, in their order.

    Raises:
        UsageError: there is no such label.
    """
    known, wanted = list(dict.fromkeys(cell.label for cell in cells)), list(labels)
    if unknown := [label for label in wanted if label not in known]:
        raise UsageError(
            f"the grid has no cell {', '.join(unknown)}", f"{did_you_mean(known, *unknown)}it has: {'  '.join(known)}"
        )
    return [cell for cell in cells if cell.label in wanted]


def _key(assignment: str) -> str:
    return assignment.partition("=")[0].strip()


def _strm(base: Base) -> Recipe:
    recipe = base.load()
    if recipe.method != "strm":
        raise UsageError(
            f"this grid varies STRM, but the method of the recipe is {recipe.method}", "`--set method=strm` changes it"
        )
    return recipe


def _methods(names: Sequence[str]) -> list[str]:
    if unknown := [name for name in names if name not in METHODS]:
        raise UsageError(
            f"there is no method {', '.join(unknown)}",
            f"{did_you_mean(METHODS, *unknown)}there are: {', '.join(METHODS)}",
        )
    return list(dict.fromkeys(names))


def _set(recipe: Recipe) -> str:
    return f"{{{','.join(map(str, recipe.trm.cardinalities))}}}"
