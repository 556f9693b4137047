"""Results as tables: accuracies in percent, each with its 95 % interval and what it was measured on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from strmctl.results import EvalResult

Table = tuple[list[str], list[list[str]]]  # columns, rows
Named = Sequence[tuple[str, EvalResult]]


def percent(figures: dict[str, Any]) -> str:
    """`66.2 ± 0.4`, from an accuracy and a half-width that are fractions."""
    return f"{100 * figures['accuracy']:.1f} ± {100 * figures['ci95']:.1f}"


def title(result: EvalResult) -> str:
    """What was tested, on what."""
    per_class = "query" if result.queries == 1 else "queries"
    return (
        f"Run {result.run} on {result.dataset} ({result.split}): {result.way}-way, {result.queries} {per_class} per "
        f"class, {result.episodes:,} episodes, seed {result.seed}"
    )


def accuracy(result: EvalResult) -> Table:
    """A row per number of shots."""
    columns = ["shots", "accuracy, %", "95 % interval, %", "chance, %", "episodes", "queries"]
    rows = []
    for figures in result.results:
        low, high = (100 * (figures["accuracy"] + sign * figures["ci95"]) for sign in (-1, 1))
        interval = f"{low:.2f} to {high:.2f}"
        counts = [f"{figures['episodes']:,}", f"{figures['queries']:,}"]
        rows.append([str(figures["shot"]), f"{100 * figures['accuracy']:.2f}", interval, _chance(result), *counts])
    return columns, rows


def controls(results: Named) -> Table:
    """A row per control, a column per number of shots."""
    shots = [figures["shot"] for figures in results[0][1].results]
    columns = ["clips", "way", "chance, %", *(f"{shot}-shot, %" for shot in shots)]
    rows = [
        [name, str(result.way), _chance(result), *(percent(figures) for figures in result.results)]
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


def _chance(result: EvalResult) -> str:
    return f"{100 / result.way:.0f}"
