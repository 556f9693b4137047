"""A table of the report, and how accuracies and seeds are written in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from strmctl.report.accuracies import Entries, Entry, Trials

TOLD, GIVEN_NAMES = "_names", ": models that are given the names of the classes"  # of tables of their own
NONE = "–"  # no run, or nothing published
DATASETS = {"kinetics100": "Kinetics-100", "ssv2": "SSv2", "hmdb51": "HMDB51", "ucf101": "UCF101"}
OVER_EPISODES = (
    "± is the half-width of the 95 % interval over test episodes, 1.96 · standard deviation / sqrt(episodes), of "
    "accuracies averaged over the training seeds; it leaves out how far trainings differ"
)


@dataclass(frozen=True)
class ReportTable:
    """A table for people, in percent, and the same for programs, in fractions.

    Attributes:
        name: stem of its files.
        title: a few words.
        caption: sentences on what was measured and on what each ± is.
        columns: headers.
        rows: cells as they are read.
        csv_columns: headers of the CSV file.
        csv_rows: numbers in full precision, accuracies as fractions; None where there is nothing.
        published: positions of the columns that hold the paper's numbers.
        words: number of columns, from the left, that hold words.
    """

    name: str
    title: str
    caption: str
    columns: list[str]
    rows: list[list[str]]
    csv_columns: list[str]
    csv_rows: list[list[Any]]
    published: tuple[int, ...] = ()
    words: int = 1

    def kind(self, position: int) -> str:
        """What a column holds: `published` numbers, `words`, or a `number` of ours."""
        return "published" if position in self.published else "words" if position < self.words else "number"


def percent(entry: Entry | Trials | None) -> str:
    """`66.2 ± 0.4`, from fractions."""
    return NONE if entry is None else f"{100 * entry.accuracy:.1f} ± {100 * entry.ci95:.1f}"


def points(difference: float, half: float | None = None) -> str:
    """`+1.20 ± 0.31`, percentage points from fractions."""
    return f"{100 * difference:+.2f}" + ("" if half is None else f" ± {100 * half:.2f}")


def each(values: Iterable[float]) -> str:
    """`49.0, 50.0, 51.0`, percent from fractions."""
    return ", ".join(f"{100 * value:.1f}" for value in values)


def published(value: float | None) -> str:
    """A number of the paper as it stands there."""
    return NONE if value is None else str(value)


def shots_of(labels: Iterable[Mapping[int, Any]]) -> list[int]:
    """All numbers of shots that occur, ascending."""
    return sorted({shot for entries in labels for shot in entries})


def several_seeds(labels: Iterable[Entries]) -> bool:
    """Whether any entry rests on more than one training seed."""
    return any(len(entry.seeds) > 1 for entries in labels for entry in entries.values())


def accuracy_columns(shots: Sequence[int], *, several: bool) -> list[str]:
    """Headers of `accuracy_cells`."""
    pairs = [(f"{shot}-shot, %", f"{shot}-shot, each seed (sd), %")[: 1 + several] for shot in shots]
    return [*(words for pair in pairs for words in pair), "n seeds"]


def accuracy_cells(entries: Entries, shots: Sequence[int], *, several: bool) -> list[str]:
    """For each number of shots the mean ± its half-width, where `several` every seed's; last the number of seeds."""
    cells = []
    for shot in shots:
        entry = entries.get(shot)
        seeds = each(entry.per_seed) if entry else NONE
        if entry and entry.sd is not None:
            seeds += f" ({100 * entry.sd:.1f})"
        cells += [percent(entry), seeds][: 1 + several]
    return [*cells, counts([len(entries[shot].seeds) if shot in entries else 0 for shot in shots])]


def counts(numbers: Sequence[int]) -> str:
    """`3`, or `3 / 2` where they differ."""
    return " / ".join(map(str, numbers if len(set(numbers)) > 1 else numbers[:1]))


def accuracy_csv(
    keys: Sequence[str], found: Iterable[tuple[list[Any], Entry | None]]
) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows of a CSV file with one row per accuracy.

    Args:
        keys: names of what tells rows apart.
        found: values of the keys, and the accuracy; None where there is only a number of the paper.
    """
    found = list(found)
    seeds = sorted({seed for _, entry in found if entry for seed in entry.seeds})
    columns = [*keys, "accuracy", "ci95", "sd", "ci95_seeds", "n_seeds"]
    columns += [*(f"accuracy_seed_{seed}" for seed in seeds), "episodes", "runs"]
    rows = []
    for values, entry in found:
        if entry is None:
            rows.append([*values, *[None] * 4, 0, *[None] * len(seeds), None, ""])
            continue
        by_seed = dict(zip(entry.seeds, entry.per_seed, strict=True))
        numbers = [entry.accuracy, entry.ci95, entry.sd, entry.ci95_seeds, len(by_seed), *map(by_seed.get, seeds)]
        rows.append([*values, *numbers, entry.episodes, ";".join(entry.runs)])
    return columns, rows
