"""`train.csv` of a run: one line per training episode.

Where the loss of a method has several terms, each has a column of its own behind the others.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from strmctl.errors import DataError
from strmctl.paths import write_csv
from strmctl.report.accuracies import Curve

COLUMNS = ("episode", "loss", "accuracy", "learning_rate", "validation_accuracy", "validation_ci95")
FILE = "train.csv"
WINDOWS = 20  # of a learning curve, whose means are over as many equal parts of the training


class TrainLog:
    """Appends lines to the log of a run.

    Args:
        folder: folder of the run.
        after: episode up to which earlier lines are kept; 0 starts anew.
        terms: names of the terms of the loss; a log that was begun without their columns goes on without.

    Raises:
        DataError: the log holds something else than one line per episode up to `after`.
    """

    def __init__(self, folder: Path, *, after: int, terms: Sequence[str] = ()) -> None:
        self._path = folder / FILE
        columns, rows = _read(self._path) if after else (COLUMNS, [])
        rows = [row for row in rows if int(row[0]) <= after]
        if rows and int(rows[-1][0]) < after:
            raise _damaged(self._path, f"it ends with episode {rows[-1][0]}, and the training was saved at {after}")
        self._columns = columns if rows else (*COLUMNS, *map(term_column, terms))
        write_csv(self._path, self._columns, rows)

    def add(self, lines: Iterable[Mapping[str, float]]) -> None:
        """Adds lines; columns that are not given stay empty."""
        with self._path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self._columns, extrasaction="ignore", lineterminator="\n").writerows(lines)


def term_column(name: str) -> str:
    """The column of a term of the loss."""
    return f"loss.{name}"


def learning_curve(folder: Path, *, points: int) -> Curve | None:
    """The log of a run as a curve; None where there is no line yet.

    Args:
        folder: folder of the run.
        points: largest number of training episodes in the curve.

    Raises:
        DataError: the log is not what was written there.
    """
    _, rows = _read(folder / FILE)
    if not rows:
        return None
    window = max(1, len(rows) // WINDOWS)
    ends = np.unique(np.linspace(window, len(rows), points).astype(int))
    means = (_means([float(row[column]) for row in rows], ends, window) for column in (1, 2))
    validated = [row for row in rows if row[4]][-points:]
    return Curve(
        run=folder.name,
        window=window,
        episodes=[int(rows[end - 1][0]) for end in ends],
        **dict(zip(("loss", "accuracy"), means, strict=True)),
        validated=[int(row[0]) for row in validated],
        validation=[float(row[4]) for row in validated],
        ci95=[float(row[5]) for row in validated],
    )


def _means(values: Sequence[float], ends: np.ndarray, window: int) -> list[float]:
    """Means of the `window` values up to each end, to six digits."""
    sums = np.cumsum([0.0, *values])
    return [float(f"{mean:.6g}") for mean in (sums[ends] - sums[ends - window]) / window]


def trained_episodes(folder: Path) -> int:
    """Number of training episodes in the log of a run; 0 when there is no log.

    Raises:
        DataError: the log is not what was written there.
    """
    numbers = (line.partition(",")[0] for line in reversed(_lines(folder / FILE)[1:]) if "," in line)
    return next((int(number) for number in numbers if _is_number(number)), 0)


def _read(path: Path) -> tuple[tuple[str, ...], list[list[str]]]:
    """The columns of a log, whose line a kill may have cut, and its other lines as rows."""
    head, *rows = [tuple(line.split(",")) for line in _lines(path)] or [COLUMNS]
    columns = head if head[: len(COLUMNS)] == COLUMNS else COLUMNS
    rows = [list(row) for row in rows[:-1]]
    for number, row in enumerate(rows, 2):
        fits = len(row) == len(columns) and _is_number(row[0]) and all(map(_is_figure, row[1:])) and _is_filled(row)
        if not fits or (number > 2 and int(row[0]) != int(rows[number - 3][0]) + 1):
            raise _damaged(path, f"line {number} is not that of the next episode: {','.join(row):.60}")
    return columns, rows


def _lines(path: Path) -> list[str]:
    """The lines of a log, with its header; none when there is no log. The last is empty unless a kill has cut it."""
    if not path.exists():
        return []
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError) as error:
        raise _damaged(path, getattr(error, "strerror", None) or "it is no text") from error
    if len(lines) > 1 and not lines[0].startswith(f"{COLUMNS[0]},"):
        raise _damaged(path, f"its first line is {lines[0]:.60}")
    return lines


def _damaged(path: Path, problem: str) -> DataError:
    return DataError(
        f"{path} is not a log of training episodes: {problem}",
        f"move it away: the training needs no earlier lines, and `strmctl train --resume --name {path.parent.name}` "
        "goes on",
    )


def _is_filled(row: Sequence[str]) -> bool:
    """Whether there is a loss and an accuracy, and of a validation both columns or none."""
    return bool(row[1] and row[2]) and bool(row[4]) == bool(row[5])


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def _is_figure(text: str) -> bool:
    try:
        return not text or math.isfinite(float(text))
    except ValueError:
        return False
