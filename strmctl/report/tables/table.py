"""A table of the report, and how accuracies, seeds and what they were measured on are written in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NONE = "–"  # no run, or nothing published
MOST_NAMES = 6  # of runs in a caption
DATASETS = {"kinetics100": "Kinetics-100", "ssv2": "SSv2", "hmdb51": "HMDB51", "ucf101": "UCF101"}
OVER_EPISODES = (
    "± is the half-width of the 95 % interval over test episodes, 1.96 · standard deviation / sqrt(episodes), of "
    "accuracies averaged over the training seeds; it leaves out how far trainings differ"
)

Entry = Mapping[str, Any]  # the accuracy of one label at one number of shots; fractions


@dataclass(frozen=True)
class ReportTable:
    """A table for people, in percent, and the same for programs, in fractions.

    Attributes:
        name: stem of its files.
        title: a few words.
        caption: what it was measured on and what each ± is.
        columns: headers.
        rows: cells as they are read.
        csv_columns: headers of the CSV file.
        csv_rows: numbers in full precision, accuracies as fractions; None where there is nothing.
        published: positions of the columns that hold the paper's numbers.
        words: how many columns, from the left, hold words.
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


def percent(entry: Entry | None) -> str:
    """`66.2 ± 0.4`, from fractions."""
    if entry is None:
        return NONE
    half = "" if entry["ci95"] is None else f" ± {100 * entry['ci95']:.1f}"
    return f"{100 * entry['accuracy']:.1f}{half}"


def points(difference: float, half: float | None = None) -> str:
    """`+1.20 ± 0.31`, percentage points from fractions."""
    return f"{100 * difference:+.2f}" + ("" if half is None else f" ± {100 * half:.2f}")


def each(values: Iterable[float]) -> str:
    """`49.0, 50.0, 51.0`, percent from fractions."""
    return ", ".join(f"{100 * value:.1f}" for value in values)


def published(value: float | None) -> str:
    """A number of the paper as it stands there."""
    return NONE if value is None else str(value)


def shots_of(labels: Iterable[Mapping[str, Any]]) -> list[str]:
    """All numbers of shots that occur, ascending."""
    return sorted({shot for entries in labels for shot in entries}, key=int)


def several_seeds(labels: Iterable[Mapping[str, Entry]]) -> bool:
    """Whether any entry rests on more than one training seed."""
    return any(len(entry["seeds"]) > 1 for entries in labels for entry in entries.values())


def accuracy_columns(shots: Sequence[str], *, several: bool) -> list[str]:
    """Headers of `accuracy_cells`."""
    found = [(f"{shot}-shot, %", f"{shot}-shot, each seed (sd), %")[: 1 + several] for shot in shots]
    return [*(words for pair in found for words in pair), "n seeds"]


def accuracy_cells(entries: Mapping[str, Entry], shots: Sequence[str], *, several: bool) -> list[str]:
    """For each number of shots the mean ± its half-width, where `several` every seed's; last the number of seeds."""
    cells, counts = [], []
    for shot in shots:
        entry = entries.get(shot)
        seeds = each(entry["per_seed"]) if entry else NONE
        if entry and entry["sd"] is not None:
            seeds += f" ({100 * entry['sd']:.1f})"
        cells += [percent(entry), seeds][: 1 + several]
        counts.append(str(len(entry["seeds"])) if entry else "0")
    return [*cells, counts[0] if len(set(counts)) == 1 else " / ".join(counts)]


def accuracy_csv(keys: Sequence[str], found: Sequence[tuple[list[Any], Entry]]) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows of a CSV file with one row per accuracy.

    Args:
        keys: names of what tells rows apart.
        found: their values, and the accuracy.
    """
    seeds = sorted({seed for _, entry in found for seed in entry["seeds"]})
    columns = [*keys, "accuracy", "ci95", "sd", "ci95_seeds", "n_seeds"]
    columns += [*(f"accuracy_seed_{seed}" for seed in seeds), "episodes", "runs"]
    rows = []
    for values, entry in found:
        by_seed = dict(zip(entry["seeds"], entry["per_seed"], strict=True))
        numbers = [entry[name] for name in ("accuracy", "ci95", "sd", "ci95_seeds")]
        rows.append(
            [*values, *numbers, len(by_seed), *map(by_seed.get, seeds), entry["episodes"], ";".join(entry["runs"])]
        )
    return columns, rows


def paired(left: Entry | None, right: Entry | None) -> dict[int, float]:
    """Right minus left, of each training seed that both have."""
    if left is None or right is None:
        return {}
    of_left = dict(zip(left["seeds"], left["per_seed"], strict=True))
    of_right = dict(zip(right["seeds"], right["per_seed"], strict=True))
    return {seed: of_right[seed] - of_left[seed] for seed in of_left if seed in of_right}


def measured_on(grid: Mapping[str, Any], shots: Sequence[str]) -> str:
    """The sentence of a caption that says on what accuracies were measured."""
    training = "" if grid["kind"] == "training" else f"{grid['training_episodes']:,} "
    return (
        f"{grid['dataset']} ({grid['split']}), {grid['way']}-way, {listed(shots)} {plural('shot', shots)}, "
        f"{grid['queries']} {'query' if grid['queries'] == 1 else 'queries'} per class, {grid['episodes']:,} test "
        f"episodes (seed {grid['seed']}); recipe {grid['recipe']}, backbone {grid['backbone']}, trained on {training}"
        f"{grid['training_shot']}-shot episodes, training {plural('seed', grid['seeds'])} {listed(grid['seeds'])} "
        f"(n = {len(grid['seeds'])}{', fewer where runs are missing' if grid['missing'] else ''})"
    )


def caption(grid: Mapping[str, Any], shots: Sequence[str], *more: str) -> str:
    """What was measured, what ± is, what is missing, and whatever else there is to say."""
    sentences = [measured_on(grid, shots), *more]
    if len(grid["seeds"]) == 1:
        sentences.append("With n = 1 training seed the order of close values is open")
    if names := grid["missing"]:
        sentences.append(f"No result yet of {first_names(names)}")
    return " ".join(f"{sentence.rstrip('.')}." for sentence in sentences if sentence)


def first_names(names: Sequence[str]) -> str:
    """The first six of many names, and how many more there are."""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"{', '.join(names[:MOST_NAMES])}{more}"


def listed(items: Sequence[Any]) -> str:
    """`1, 2 and 5`."""
    words = [str(item) for item in items]
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def plural(word: str, items: Sequence[Any]) -> str:
    """`shot` or `shots`."""
    return word if [str(item) for item in items] == ["1"] or (word == "seed" and len(items) == 1) else f"{word}s"
