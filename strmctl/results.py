"""The result of an evaluation: one row per query, from which every number is derived."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from strmctl.paths import write_csv, write_json

SCHEMA = 1


class QueryRow(NamedTuple):
    """One query of one episode."""

    shot: int
    episode: int
    query: str  # clip id
    true: str  # class
    predicted: str  # class


@dataclass(frozen=True)
class EvalResult:
    """What an evaluation found, and all that is needed to repeat it.

    Attributes:
        run: name of the run.
        dataset: name for results of the data that was tested on.
        split: subset of the classes.
        way: classes per episode.
        queries: queries per class and episode.
        episodes: number of episodes, the same ones for every shot.
        seed: seed of the episodes.
        results: numbers derived from `rows`, for each number of shots; accuracies and half-widths as fractions.
        provenance: code, machine, weights, data.
        rows: every query.
    """

    run: str
    dataset: str
    split: str
    way: int
    queries: int
    episodes: int
    seed: int
    results: Sequence[dict[str, Any]]
    provenance: dict[str, Any]
    rows: Sequence[QueryRow] = field(repr=False)

    def document(self) -> dict[str, Any]:
        """The JSON document, without the rows."""
        return {"schema": SCHEMA, **{name: value for name, value in vars(self).items() if name != "rows"}}

    def write(self, stem: Path) -> tuple[Path, Path]:
        """Writes `<stem>.json` and, with one row per query, `<stem>.csv`; returns both paths."""
        table, document = stem.with_name(stem.name + ".csv"), stem.with_name(stem.name + ".json")
        write_csv(table, QueryRow._fields, self.rows)
        write_json(document, self.document())
        return document, table


def read_document(path: Path) -> EvalResult | None:
    """The result that `write` put into a JSON file, without its rows; None when there is none of this schema."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(document, dict) or document.pop("schema", None) != SCHEMA:
        return None
    try:
        return EvalResult(**document, rows=())
    except TypeError:
        return None
