"""What `strmctl ablate --dry-run` shows: the cells of grids, and what is still to be done for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Cells = Sequence[tuple[str, str]]  # label, run
Work = Sequence[tuple[str, bool, float]]  # run, whether it is a test, seconds


def plan_document(grids: Sequence[tuple[str, Cells]], work: Work, jobs: int) -> dict[str, Any]:
    """The plan of grids as one document; a run that several cells share is counted once.

    Args:
        grids: name and cells of each grid.
        work: everything still to be done, for all grids.
        jobs: processes that share it.

    Returns:
        grids: name, and cells with label, run, train and test (seconds, None when nothing is left to do); jobs; and
        seconds, in all, with so many processes.
    """
    train, test = dict[str, float](), dict[str, float]()
    for run, is_test, seconds in work:
        kind = test if is_test else train
        kind[run] = kind.get(run, 0.0) + seconds
    listed = [
        {
            "name": name,
            "cells": [
                {"label": label, "run": run, "train": train.get(run), "test": test.get(run)}
                for label, run in dict.fromkeys(cells)
            ],
        }
        for name, cells in grids
    ]
    every = {run: train.get(run, 0.0) + test.get(run, 0.0) for run in {*train, *test}}
    total = max([sum(every.values()) / jobs, *every.values()], default=0.0)
    return {"grids": listed, "jobs": jobs, "seconds": total}


def plan_table(grid: dict[str, Any], duration: Callable[[float], str]) -> tuple[list[str], list[list[str]]]:
    """A row per cell of one grid; `duration` puts seconds into words."""
    rows = [
        [
            cell["label"],
            cell["run"],
            *("done" if cell[key] is None else duration(cell[key]) for key in ("train", "test")),
        ]
        for cell in grid["cells"]
    ]
    return ["cell", "run", "training", "test"], rows
