"""`train.csv` of a run: one line per training episode."""

from __future__ import annotations

import csv
from pathlib import Path

from strmctl.paths import write_csv

COLUMNS = ("episode", "loss", "accuracy", "learning_rate", "validation_accuracy", "validation_ci95")
FILE = "train.csv"


class TrainLog:
    """Appends lines to the log of a run.

    Args:
        folder: folder of the run.
        after: episode up to which earlier lines are kept; 0 starts anew.
    """

    def __init__(self, folder: Path, *, after: int) -> None:
        self._path = folder / FILE
        kept: list[list[str]] = []
        if after and self._path.is_file():
            with self._path.open(newline="", encoding="utf-8") as file:
                kept = [row for row in csv.reader(file) if row and row[0].isdigit() and int(row[0]) <= after]
        write_csv(self._path, COLUMNS, kept)

    def add(self, **values: float) -> None:
        """Adds a line; columns that are not given stay empty."""
        with self._path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, COLUMNS, lineterminator="\n").writerow(values)


def trained_episodes(folder: Path) -> int:
    """Number of training episodes in the log of a run; 0 when there is no log."""
    log = folder / FILE
    lines = log.read_text(encoding="utf-8").splitlines() if log.is_file() else []
    numbers = (line.partition(",")[0] for line in reversed(lines) if "," in line)  # a kill may have cut the last line
    return next((int(number) for number in numbers if number.isdigit()), 0)
