"""Captions of the figures: what was measured, what the marks are, what is missing, where the paper's values stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from strmctl.report.charts.marks import Entry, interval
from strmctl.report.tables.table import first_names


def caption(document: Mapping[str, Any], kind: str, shots: Sequence[str], words: str, published: str = "") -> str:
    """What was measured, what the marks are, what is missing, and where the paper's values stand."""
    grid = document["grids"][kind]
    source = f" Published: {document['paper']['source']}, {published}; not ours." if published else ""
    return f"{measured_on(grid, shots)} {words}.{missing(grid)}{source}"


def lines(entries: Iterable[Entry]) -> str:
    """What the lines of a figure are, and their dots and error bars."""
    return f"Lines: mean over training seeds, methods drawn side by side; {errors(entries)}"


def measured_on(grid: Mapping[str, Any], shots: Sequence[str]) -> str:
    """What a grid was measured on: data, episodes, training seeds."""
    per_class = "query" if grid["queries"] == 1 else "queries"
    parts = [
        f"{grid['dataset']} ({grid['split']})",
        f"{grid['way']}-way",
        "- and ".join(filter(None, ["-, ".join(shots[:-1]), shots[-1]])) + "-shot",
    ]
    parts += [f"{grid['queries']} {per_class} per class", f"{grid['episodes']:,} episodes"]
    trained = grid["seeds"]
    most = "up to " if grid["missing"] and len(trained) > 1 else ""
    parts.append(
        f"{most}{len(trained)} training {'seed' if len(trained) == 1 else 'seeds'} ({', '.join(map(str, trained))})"
    )
    return ", ".join(parts) + "."


def missing(grid: Mapping[str, Any]) -> str:
    """The runs of a grid that lack a result, the first six by name."""
    names = grid["missing"]
    return f" Runs without a result: {first_names(names)}." if names else ""


def errors(entries: Iterable[Entry]) -> str:
    """What dots and error bars are."""
    over = {interval(entry)[1] for entry in entries}
    if over == {"test episodes"}:
        return "one training seed each; error bars: 95 % intervals over test episodes"
    single = ", of a single seed over test episodes" if len(over) > 1 else ""
    return (
        "small dots: one per training seed, where there are several; error bars: 95 % intervals over training seeds by "
        f"Student's t{single}"
    )
