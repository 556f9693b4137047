"""Runs as a table: what each was trained on, how well it validated, and what its tests found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from strmctl.report.terminal.eval_tables import Table

USUAL_TEST = "test_5way_1q_s0"


@dataclass(frozen=True)
class Score:
    """An accuracy and the half-width of its 95 % interval over episodes, both fractions.

    `test` is the file name of the result without suffix; empty for a validation.
    """

    shot: int
    accuracy: float
    ci95: float
    test: str = ""


@dataclass(frozen=True)
class RunRow:
    """A run folder.

    Attributes:
        latest: whether `latest` points at it.
        changed: time (UTC, ISO 8601) at which its weights, or else its recipe, were last written.
        problem: reason why it cannot be read, the most important line first, in which case nothing below is known;
            empty for a sound run.
        imported: whether it was imported rather than trained here.
        trained_episodes: training episodes so far; None where an imported file does not say.
        recipe_episodes: training episodes of the recipe.
        weights: whether there are weights yet.
        validation: score of the weights on the val split; None without one.
        tests: scores of these weights, by file and number of shots.
        damaged: results that cannot be read, each with its reason.
    """

    name: str
    latest: bool
    changed: str
    problem: str = ""
    method: str = ""
    dataset: str = ""
    imported: bool = False
    trained_episodes: int | None = None
    recipe_episodes: int = 0
    weights: bool = False
    validation: Score | None = None
    tests: tuple[Score, ...] = ()
    damaged: tuple[str, ...] = ()


def run_table(rows: Sequence[RunRow]) -> Table:
    """A row for each run; all of them can be read."""
    columns = ["run", "method", "data set", "training episodes", "validation, %", "tests, %", "date"]
    return columns, [
        [
            f"{row.name} (latest)" if row.latest else row.name,
            row.method,
            row.dataset,
            _episodes(row),
            _score(row.validation) if row.validation else "–",
            "\n".join(map(_score, row.tests)) or ("–" if row.weights else "no weights yet"),
            row.changed[:10],
        ]
        for row in rows
    ]


def _episodes(row: RunRow) -> str:
    """`1000`, `400 of 1000`, or where the weights came from."""
    if row.imported:
        return f"imported, {row.trained_episodes or 'unknown'}"
    done = row.trained_episodes == row.recipe_episodes
    return f"{row.trained_episodes}" if done else f"{row.trained_episodes} of {row.recipe_episodes}"


def _score(score: Score) -> str:
    """`5-shot 82.1 ± 0.3`, and the file of the result unless it is that of the usual test."""
    text = f"{score.shot}-shot {100 * score.accuracy:.1f} ± {100 * score.ci95:.1f}"
    return text if score.test in ("", USUAL_TEST) else f"{text} ({score.test})"
