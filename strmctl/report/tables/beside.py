"""Which of the paper's numbers stand beside a grid: those of its data set and test, for what was run here.

A test on other classes is another one, so its numbers would only look like a comparison.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from strmctl.report.document import Document, GridInfo
from strmctl.report.tables.table import shots_of

SHOT = 5  # of all these numbers, 5-way on the test classes
PAPER_TUPLES = {  # of Figure 6, right
    ("STRM {2}", 0.2): "STRM_20_percent",
    ("STRM {2}", 1.0): "STRM_100_percent",
    ("TRX {2,3}", 1.0): "TRX_100_percent_cardinalities_2_3",
}


def paper_components(document: Document) -> dict[str, float]:
    """Label -> percent, of Figure 6, left."""
    ours, grid = document.components, document.grids["components"]
    values = document.paper.figure6_left if _of(grid, "ssv2", ours) else {}
    return {label: value for label, value in values.items() if label in ours}


def paper_cardinality(document: Document) -> tuple[str, dict[str, tuple[int | None, float]]]:
    """A data set of Table 2, and set of cardinalities -> number of tuples and percent; neither where none fits."""
    ours, grid, table = document.cardinality, document.grids["cardinality"], document.paper.table2.by_set()
    for place, store in enumerate(("kinetics100", "ssv2"), 1):
        if _of(grid, store, ours):
            return store, {label: (row[0], row[place]) for label, row in table.items() if label in ours}
    return "", {}


def paper_tuples(document: Document) -> dict[tuple[str, float], float]:
    """(Label, share of tuples) -> percent, of Figure 6, right."""
    ours = {(label, share): by_shot for label, shares in document.tuples.items() for share, by_shot in shares.items()}
    if not _of(document.grids["tuples"], "ssv2", ours):
        return {}
    return {key: document.paper.figure6_right[name] for key, name in PAPER_TUPLES.items() if key in ours}


def _of(grid: GridInfo, store: str, ours: Mapping[Any, Mapping[int, Any]]) -> bool:
    """Whether a grid's test is the paper's on a data set."""
    of_paper = (grid.store, grid.split, grid.way, grid.folds) == (store, "test", 5, None)
    return of_paper and SHOT in shots_of(ours.values())
