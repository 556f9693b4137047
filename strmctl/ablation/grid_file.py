"""A grid on disk: `runs/<name>/grid.json` holds its cells, each a run, and the test that they share."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from strmctl.ablation.cells import Cell
from strmctl.errors import DataError, UsageError, did_you_mean
from strmctl.evaluation.match import Protocol
from strmctl.evaluation.result_files import DISTINCT, SETTINGS, stem_of
from strmctl.forms import misfit
from strmctl.paths import names_in, read_json, write_json
from strmctl.recipe import Recipe, completed
from strmctl.results import EvalResult, read_document
from strmctl.runs.folder import check_name, run_names
from strmctl.runs.lock import occupied
from strmctl.runs.notes import still_tested
from strmctl.runs.train_log import trained_episodes

SCHEMA = 1
FILE = "grid.json"
PROTOCOL = dict.fromkeys(("way", "queries", "episodes", "seed"), int)
PROTOCOL |= {"split": str, "shots": [int], "distinct_groups": bool}
FORM = {
    "schema": int,
    "kind": str,
    "name": str,
    "protocol": PROTOCOL,
    "notes": {"recipe": str, "commands": [str], "threads": int, "retrained?": bool},
    "cells": [{"label": str, "run": str, "recipe": dict, "fraction": (float, None), "trial": int, "order?": str}],
    "provenance": dict,
}


@dataclass(frozen=True)
class Grid:
    """Cells that are compared, and the test that they share.

    Attributes:
        kind: `components`, `cardinality`, `tuples`, `shots`, `training`, `folds` or `custom`.
        name: name of its folder.
        cells: cells in the order to show, the seeds of a label one after the other.
        protocol: settings of the tests.
        notes: recipe, jobs, threads, commands (all that made it), and what only its kind has.
        provenance: provenance of the last command.
    """

    kind: str
    name: str
    cells: Sequence[Cell]
    protocol: Protocol
    notes: Mapping[str, Any]
    provenance: Mapping[str, Any]

    def write(self, runs: Path) -> Path:
        """Writes `runs/<name>/grid.json` and returns its path.

        An earlier grid of this name and test gets more cells; one of another test is replaced, and the results of its
        runs stay.

        Raises:
            UsageError: there is a grid of this name and of another kind.
        """
        with occupied(runs / self.name, wait=True):
            return self._write(runs)

    def _write(self, runs: Path) -> Path:
        path, cells, notes = runs / self.name / FILE, list(self.cells), dict(self.notes)
        if path.is_file():
            before = read_grid(runs, self.name)
            if before.kind != self.kind:
                raise UsageError(f"there is a grid {self.name} of another kind in {runs}", "choose another `--name`")
            if before.protocol == self.protocol:
                recipes = {cell.run: cell.recipe for cell in cells}  # a run of another recipe is not that run any more
                kept = [cell for cell in before.cells if recipes.get(cell.run, cell.recipe) == cell.recipe]
                cells = [*kept, *(cell for cell in cells if cell not in kept)]
                notes["commands"] = list(dict.fromkeys([*before.notes.get("commands", ()), *notes["commands"]]))
        written = [{**vars(cell), "recipe": cell.recipe.model_dump()} for cell in cells]
        document = {"schema": SCHEMA, "kind": self.kind, "name": self.name, "protocol": asdict(self.protocol)}
        document |= {"notes": notes, "cells": written, "provenance": dict(self.provenance)}
        write_json(path, document)
        return path


def read_grid(runs: Path, name: str) -> Grid:
    """A grid by its name.

    Raises:
        DataError: there is none, or its file is damaged or of another version.
    """
    path = runs / name / FILE
    if not path.is_file():
        known = grid_names(runs)
        here = ", ".join(known) or "none yet: `strmctl ablate components`"
        raise DataError(f"no grid named {name!r} in {runs}", f"{did_you_mean(known, name)}grids here: {here}")
    hint = "remove it and run its `strmctl ablate` again: the runs stay"
    document = read_json(path, hint)
    try:
        if problem := misfit(document, FORM):
            raise ValueError(problem)
        if document.pop("schema") != SCHEMA:
            raise ValueError("another schema")
        protocol = document.pop("protocol")
        protocol = Protocol(**{**protocol, "shots": tuple(protocol["shots"])})
        cells = [Cell(**{**cell, "recipe": Recipe.model_validate(cell["recipe"])}) for cell in document.pop("cells")]
        for cell in cells:
            check_name(cell.run)
        if (
            not (cells and protocol.shots)
            or min(*protocol.shots, protocol.queries, protocol.episodes, protocol.way - 1) < 1
        ):
            raise ValueError("it has no cells, or a test of nothing")
        return Grid(cells=cells, protocol=protocol, **document)
    except (ValueError, TypeError, UsageError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path} is damaged or of another version: {reason:.200}", hint) from error


def grid_names(runs: Path) -> list[str]:
    """Names of all grids in a folder of runs."""
    return [name for name in names_in(runs) if os.path.isfile(runs / name / FILE)]  # noqa: PTH113 - false for a folder that is not for us


def runs_named(runs: Path, names: Sequence[str]) -> list[str]:
    """The runs of grids, for each label the first one, and runs by their own names; each once.

    Raises:
        UsageError: there is neither a grid nor a run of a name.
    """
    grids, known, found = grid_names(runs), run_names(runs), []
    for name in names:
        if name in grids:
            first: dict[str, str] = {}  # label -> run
            for cell in read_grid(runs, name).cells:
                first.setdefault(cell.label, cell.run)
            found += first.values()
        elif name in known:
            found.append(name)
        else:
            here = ", ".join(grids + known) or "none yet: `strmctl ablate components`"
            hint = f"{did_you_mean([*grids, *known], name)}grids and runs here: {here}"
            raise UsageError(f"no grid and no run named {name!r} in {runs}", hint)
    return list(dict.fromkeys(found))


def result_path(runs: Path, cell: Cell, protocol: Protocol) -> Path:
    """The JSON file of a cell's test, where `strmctl eval` puts it; tests on a share of the tuples lie in `tuples/`."""
    order = "" if cell.order == "natural" else f"_{cell.order}"
    stem = stem_of(protocol) + order + (DISTINCT if protocol.distinct_groups else "")
    folder = runs / cell.run / "eval"
    if cell.fraction is None:
        return folder / f"{stem}.json"
    return folder / "tuples" / f"{stem}_{cell.fraction:g}_t{cell.trial}.json"


def finished_result(
    runs: Path, cell: Cell, protocol: Protocol, manifest_sha256: str | None = None
) -> EvalResult | None:
    """The result of a cell, of its present weights, and of this test or of one with more shots; None without one.

    Where there are no weights, as in runs that came from another machine without them, nothing contradicts a result.

    Args:
        runs: folder of the runs.
        cell: cell that was tested.
        protocol: settings of the test.
        manifest_sha256: manifest of the frames that it must have seen; None for any.

    Raises:
        DataError: there is one, but it is not what was written; the message names the file.
    """
    path = result_path(runs, cell, protocol)
    if not path.is_file():
        return None
    result = read_document(path)
    source = result.provenance
    same = all(getattr(result, name) == getattr(protocol, name) for name in SETTINGS)
    same &= set(protocol.shots) <= set(result.shots)
    same &= source.get("frame_order", "natural") == cell.order
    same &= still_tested(runs / cell.run, source)
    same &= completed(source.get("recipe")) == cell.recipe.model_dump()
    same &= manifest_sha256 in (None, source.get("manifest_sha256"))
    return result if same and trained_episodes(runs / cell.run) >= cell.recipe.train.episodes else None
