"""The runs in a folder, one row each, read without torch."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from strmctl.datasets.names import is_left_out
from strmctl.errors import DataError, StrmctlError
from strmctl.paths import names_in
from strmctl.recipe import load_recipe
from strmctl.report.terminal.run_table import RunRow, Score
from strmctl.results import read_document, result_documents
from strmctl.runs.folder import LATEST, newest_run, run_folder
from strmctl.runs.notes import WEIGHTS, own_hash, read_notes
from strmctl.runs.train_log import trained_episodes

OWN_FILES = (
    "recipe.yaml",
    "weights.pt",
    "state.pt",
    "train.csv",
)  # a folder without any of them, such as a grid, is no run


def list_runs(runs: Path) -> list[RunRow]:
    """The runs in a folder, the newest first; the row of a damaged one names its problem.

    Raises:
        DataError: there is no run, or none that can be read.
    """
    found, rows = [], []
    for folder in (runs / name for name in names_in(runs) if name != LATEST and not is_left_out(name)):
        try:
            found.append((folder, [folder / name for name in OWN_FILES if (folder / name).is_file()]))
        except OSError as error:
            rows.append(RunRow(folder.name, latest=False, changed="", problem=f"{folder}: {error.strerror}"))
    newest = newest_run(runs)
    rows += [
        _row(folder, files, latest=newest is not None and folder.samefile(newest)) for folder, files in found if files
    ]
    if not rows:
        run_folder(runs, None)
    if all(row.problem for row in rows):
        problems = "".join(f"\n  {row.name}: {first_line(row.problem)}" for row in rows)
        raise DataError(f"no run in {runs} can be read:{problems}", "train one anew: `strmctl train --recipe sprites`")
    return sorted(rows, key=lambda row: row.changed, reverse=True)


def first_line(problem: str) -> str:
    """The first line of a problem, without the colon that leads to the others."""
    return problem.splitlines()[0].removesuffix(":")


def _row(folder: Path, files: list[Path], *, latest: bool) -> RunRow:
    weights = folder / "weights.pt"
    written = (weights if weights in files else files[0]).stat().st_mtime
    row = (folder.name, latest, datetime.fromtimestamp(written, timezone.utc).isoformat(timespec="seconds"))
    try:
        return RunRow(*row, **_content(folder, weights))
    except StrmctlError as error:
        return RunRow(*row, problem=error.message)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return RunRow(*row, problem=f"{type(error).__name__}: {error}")


def _content(folder: Path, weights: Path) -> dict[str, Any]:
    """What the files of a run say."""
    if not (folder / "recipe.yaml").is_file():
        raise DataError("recipe.yaml is missing")
    recipe = load_recipe(folder / "recipe.yaml")
    info = read_notes(weights)
    imported = "imported_from" in info
    validation = info.get("validation")
    return {
        "method": recipe.method,
        "dataset": recipe.data.dataset,
        "imported": imported,
        "trained_episodes": info["training_episodes"] if imported else trained_episodes(folder),
        "recipe_episodes": recipe.train.episodes,
        "weights": weights.is_file(),
        "validation": Score(*(validation[key] for key in ("shot", "accuracy", "ci95"))) if validation else None,
        **_tests(folder / "eval", weights),
    }


def _tests(folder: Path, weights: Path) -> dict[str, tuple]:
    """Scores of the results in a folder that are of these weights or of the last ones, and results that are damaged.

    Where there are no weights, as in runs that came from another machine without them, nothing contradicts a result.
    """
    scores: list[Score] = []
    damaged: list[str] = []
    documents = result_documents(folder)
    hashes = {name: own_hash(weights.parent, name) for name in WEIGHTS.values()} if documents else {}
    for path in documents:
        try:
            result = read_document(path)
        except DataError as error:
            damaged.append(error.message)
            continue
        source = result.provenance
        stayed_elsewhere = hashes.get(source.get("weights_file", weights.name), "") is None
        if stayed_elsewhere or source.get("weights_sha256") in hashes.values():
            scores += [Score(one["shot"], one["accuracy"], one["ci95"], path.stem) for one in result.results]
    return {"tests": tuple(scores), "damaged": tuple(damaged)}
