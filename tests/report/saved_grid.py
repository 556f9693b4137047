"""Grids whose cells were never trained: runs with a recipe, weights and results as `strmctl ablate` leaves them."""

from dataclasses import replace
from pathlib import Path

from strmctl import yaml
from strmctl.ablation.cells import Cell
from strmctl.ablation.grid_file import Grid, result_path
from strmctl.evaluation.match import Protocol
from strmctl.paths import write_text
from strmctl.provenance import provenance, sha256_of
from strmctl.recipe import Recipe, load_recipe
from tests.saved import result_of, rows_of


def recipe_of(*changes: str, recipe: str = "sprites", seed: int = 0) -> Recipe:
    """A shipped recipe with these `key=value` changes and a training seed."""
    return load_recipe(recipe, (*changes, "train.episodes=10", f"train.seed={seed}"))


def grid_of(cells, *, kind="components", name=None, shots=(1, 5), queries=1, episodes=40, **notes) -> Grid:
    """A grid of cells, each a `Cell` or (label, recipe) or (label, recipe, share, trial)."""
    made = [cell if isinstance(cell, Cell) else Cell(cell[0], _run(*cell[:2]), *cell[1:]) for cell in cells]
    notes = {"recipe": "sprites", "threads": 1, "retrained": False, "commands": ["strmctl ablate"], **notes}
    protocol = Protocol(shots=tuple(shots), queries=queries, episodes=episodes)
    return Grid(kind, name or f"sprites-{kind}", made, protocol, notes, provenance())


def _run(label: str, recipe: Recipe) -> str:
    words = "".join(sign if sign.isalnum() else " " for sign in label.lower()).split()
    return f"{'-'.join(words)}-s{recipe.train.seed}"


def write_run(runs: Path, run: str, recipe: Recipe) -> str:
    """A run folder with recipe, log and weights; returns the weights' hash."""
    folder = runs / run
    write_text(folder / "recipe.yaml", yaml.dump(recipe.model_dump() | {"name": run}))
    write_text(folder / "train.csv", f"episode,loss\n{recipe.train.episodes},1.0\n")
    write_text(folder / "weights.pt", f"weights of {run}")
    return sha256_of(folder / "weights.pt")


def write_cell(runs: Path, cell: Cell, grid: Grid, accuracy: float = 0.6, *, answers: int = 0, **source) -> Path:
    """The run and the result of a cell, whose answers are right with this probability; returns the JSON file."""
    weights, test = write_run(runs, cell.run, cell.recipe), grid.protocol
    shape = {name: getattr(test, name) for name in ("way", "queries", "episodes", "seed", "split")}
    if cell.fraction is not None:
        kept = {way: round(6 * cell.fraction / 0.2) for way in cell.recipe.trm.cardinalities}
        source["tuples"] = {"fraction": cell.fraction, "trial": cell.trial, "kept": kept}
    rows = rows_of(accuracy, shots=test.shots, answers=answers, **shape)
    source = {"store": cell.recipe.data.dataset, "weights_sha256": weights, **source}
    path = result_path(runs, cell, test)
    result = replace(result_of(cell.run, rows, **shape, **source), dataset="Sprites")
    result.provenance["recipe"] = cell.recipe.model_dump()
    result.write(path.with_suffix(""))
    return path
