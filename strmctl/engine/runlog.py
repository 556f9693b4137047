"""`train.csv` of a run: one line per logged point, flushed at once, cut back to the saved state on resuming."""

from __future__ import annotations

import csv
from pathlib import Path

from strmctl.paths import replacing

COLUMNS = ("episode", "loss", "accuracy", "learning_rate", "validation_accuracy", "validation_ci95")


class RunLog:
    """Appends lines to a CSV file.

    Args:
        path: the file.
        after: keep the lines up to this episode; 0 starts anew.
    """

    def __init__(self, path: Path, *, after: int) -> None:
        kept = []
        if after and path.is_file():
            with path.open(newline="", encoding="utf-8") as file:
                kept = [line for line in csv.DictReader(file) if _number(line["episode"]) <= after]
        with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(kept)
        self._path = path

    def add(self, **values: float) -> None:
        """Adds a line; columns that are not given stay empty."""
        with self._path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, COLUMNS, lineterminator="\n").writerow(values)


def _number(text: str) -> float:
    """The episode of a line; a line that a kill cut short counts as beyond any."""
    return int(text) if text.isdigit() else float("inf")
