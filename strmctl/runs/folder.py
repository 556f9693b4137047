"""Run folders: their names, their places, which is the newest, and what is noted beside their weights."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from strmctl.errors import DataError, UsageError

LATEST = "latest"  # link to the newest run
LONGEST_NAME = 200  # bytes; folders have names of up to 255


def run_folder(runs: Path, name: str | None) -> Path:
    """The folder of a named run, or of the newest run under its own name.

    Raises:
        DataError: there is no such run; the message says how to make one.
    """
    folder = runs / (name or LATEST)
    if (folder / "recipe.yaml").is_file():
        return folder if name not in (None, LATEST) else runs / folder.resolve().name
    if name is None:
        raise DataError(
            f"no run yet in {runs}", "run `make demo` (or `strmctl demo`), or train: `strmctl train --recipe sprites`"
        )
    found = sorted(path.parent.name for path in runs.glob("*/recipe.yaml") if not path.parent.is_symlink())
    hint = f"runs here: {', '.join(found)}" if found else "run `make demo`, or name the folder with --runs"
    raise DataError(f"no run named {name!r} in {runs}", hint)


def read_notes(weights: Path) -> dict[str, Any]:
    """The content of the JSON file beside a file of weights; empty when there is none."""
    notes = weights.with_suffix(".json")
    return json.loads(notes.read_text(encoding="utf-8")) if notes.is_file() else {}


def point_latest(runs: Path, folder: Path) -> None:
    """Makes `runs/latest` point at a run folder."""
    temporary = runs / f".latest.{os.getpid()}"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(folder.name, target_is_directory=True)
    temporary.replace(runs / LATEST)


def check_new(runs: Path, name: str, hint: str = "") -> None:
    """Makes sure that a run can have this name.

    Raises:
        UsageError: it cannot name a folder, or there is a run of this name; `hint` is the beginning of the advice.
    """
    check_name(name)
    if (runs / name).exists():
        raise UsageError(f"there is a run {name} in {runs} already", f"{hint}choose another --name")


def check_name(name: str) -> None:
    """Makes sure that a word can be the name of a run's folder.

    Raises:
        UsageError: it cannot.
    """
    if name.strip() in ("", ".", "..", LATEST) or Path(name).name != name or len(name.encode()) > LONGEST_NAME:
        raise UsageError(f"{name!r} cannot name a run", "choose another --name")
