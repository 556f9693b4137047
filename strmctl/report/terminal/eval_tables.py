"""Results as tables: accuracies in percent, each with its 95 % interval and what it was measured on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from strmctl.paths import write_csv
from strmctl.report.wording import tested_on
from strmctl.results import EvalResult

Table = tuple[list[str], list[list[str]]]  # columns, rows
Named = Sequence[tuple[str, EvalResult]]

INTERVALS = (
    "95 % intervals: ± over episodes, 1.96 · standard deviation / sqrt(episodes), as papers print it; over the test "
    "classes by Student's t; --wide shows more"
)
ALL_INTERVALS = (
    "95 % intervals: over episodes, 1.96 · standard deviation / sqrt(episodes), as papers print it; over the test "
    "classes, by Student's t around their mean accuracy, and by 1,000 bootstrap resamples of classes"
)


def percent(numbers: dict[str, Any]) -> str:
    """`66.2 ± 0.4`, from an accuracy and a half-width that are fractions."""
    return f"{100 * numbers['accuracy']:.1f} ± {100 * numbers['ci95']:.1f}"


def title(result: EvalResult) -> str:
    """What was tested, on what."""
    return f"Run {result.run} on {tested_on(result, episodes_from=result.provenance.get('episodes_from'))}"


def accuracy(result: EvalResult) -> Table:
    """A row per number of shots, with what a reader needs first; `INTERVALS` says what the intervals are."""
    columns = ["shots", "accuracy, %", "over classes, %", "chance, %"]
    cells = [(str(numbers["shot"]), percent(numbers), _over_classes(numbers)[0]) for numbers in result.results]
    return columns, [[*row, _chance(result)] for row in cells]


def wide_accuracy(result: EvalResult) -> Table:
    """A row per number of shots, with everything; `ALL_INTERVALS` says what the intervals are."""
    intervals = ["95 % interval, %: episodes", "classes, t", "classes, bootstrap"]
    columns = ["shots", "accuracy, %", *intervals, "chance, %", "episodes", "classes"]
    rows = []
    for numbers in result.results:
        cells = [str(numbers["shot"]), f"{100 * numbers['accuracy']:.2f}"]
        cells.append(_interval(numbers["accuracy"] - numbers["ci95"], numbers["accuracy"] + numbers["ci95"]))
        cells += _over_classes(numbers)
        rows.append([*cells, _chance(result), f"{numbers['episodes']:,}", str(len(numbers["per_class"]))])
    return columns, rows


def _over_classes(numbers: dict[str, Any]) -> list[str]:
    """The intervals over classes, by Student's t and by bootstrap."""
    over = numbers.get("classes")  # None for a single class; results of earlier versions lack it
    if not over:
        return ["–", "–"]
    by_t = _interval(over["mean"] - over["ci95"], over["mean"] + over["ci95"])
    return [by_t, _interval(*over["bootstrap"])]


def confused(numbers: dict[str, Any]) -> Table:
    """A row for each of the most confused pairs of classes of one shot, the most confused first."""
    columns = ["true class", "taken for", "of its queries, %"]
    return columns, [[pair["true"], pair["predicted"], f"{100 * pair['share']:.1f}"] for pair in numbers["confused"]]


def write_confusion(path: Path, result: EvalResult) -> None:
    """Writes the confusion matrices as one CSV: a row per shot and true class, a column per predicted class, counts."""
    names = sorted({name for numbers in result.results for name in numbers["confusion"]["classes"]})
    rows = []
    for numbers in result.results:
        classes, counts = numbers["confusion"]["classes"], numbers["confusion"]["counts"]
        for name, row in zip(classes, counts, strict=True):
            by_name = dict(zip(classes, row, strict=True))
            rows.append([numbers["shot"], name, *(by_name.get(predicted, 0) for predicted in names)])
    write_csv(path, ["shot", "true class", *names], rows)


def controls(results: Named) -> Table:
    """A row per control, a column per number of shots."""
    shots = [numbers["shot"] for numbers in results[0][1].results]
    columns = ["clips", "way", "chance, %", *(f"{shot}-shot, %" for shot in shots)]
    rows = [
        [name, str(result.way), _chance(result), *(percent(numbers) for numbers in result.results)]
        for name, result in results
    ]
    return columns, rows


def controls_markdown(results: Named) -> str:
    """The controls of one run, with the command that made them."""
    result = results[0][1]
    source = result.provenance
    lines = [
        f"### Run {result.run}, weights after {source['training_episodes']} of "
        f"{source['recipe']['train']['episodes']} training episodes",
        "",
        f"`{source['command']}`",
        "",
        f"Accuracy on {result.dataset} ({result.split}), {result.episodes:,} episodes, {result.queries} query per "
        f"class, seed {result.seed}; ± is the half-width of the 95 % interval over episodes. Weights "
        f"`{source['weights_sha256'][:12]}`, chosen by {source['selected_by']}, manifest "
        f"`{source['manifest_sha256'][:12]}`.",
        "",
        *markdown(*controls(results)),
    ]
    return "\n".join(lines) + "\n"


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table's lines in Markdown, all columns but the first aligned right."""
    rule = ["---", *("---:" for _ in columns[1:])]
    return ["| " + " | ".join(cells) + " |" for cells in (columns, rule, *rows)]


def _interval(low: float, high: float) -> str:
    """Both ends in percent, from fractions; an accuracy lies between 0 and 100 %, whatever a formula says."""
    return f"{100 * max(low, 0):.2f} to {100 * min(high, 1):.2f}"


def _chance(result: EvalResult) -> str:
    return f"{100 / result.way:.0f}"
