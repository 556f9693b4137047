"""The parts of a report, each with its figure and tables, and where the numbers come from."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from strmctl.report.document import Document
from strmctl.report.tables.table import ReportTable

HEADINGS = {
    "findings": "Findings",
    "components": "Parts of STRM",
    "cardinality": "Cardinalities",
    "tuples": "Share of tuples",
    "shots": "Number of shots",
    "training": "Length of training",
    "folds": "Folds of all classes",
    "custom": "Own grid",
    "table1": "Table 1",
    "published": "Published, not ours",
    "runs": "Runs",
    "cost": "Cost",
    "curves": "Learning curves",
}


@dataclass(frozen=True)
class Section:
    """A part of a report.

    Attributes:
        key: kind of grid or other subject; also the name of its figure.
        heading: a few words.
        has_figure: whether there is one.
        tables: tables in the order to show.
    """

    key: str
    heading: str
    has_figure: bool
    tables: list[ReportTable]

    @property
    def alt(self) -> str:
        """What a reader who does not see the figure should know."""
        source = f"its numbers are in the table “{self.tables[0].title}”" if self.tables else "no table holds it"
        return f"Figure: {self.heading}; {source}"


def sections(tables: Sequence[ReportTable], figures: Collection[str]) -> list[Section]:
    """Tables that belong together (`cost_flops` to `cost`) with their figure; figures without a table come last."""
    grouped: dict[str, list[ReportTable]] = {}
    for table in tables:
        grouped.setdefault(table.name.partition("_")[0], []).append(table)
    keys = dict.fromkeys([*grouped, *figures])
    return [Section(key, HEADINGS.get(key, key), key in figures, grouped.get(key, [])) for key in keys]


def introduction(document: Document) -> str:
    """What a reader must know first: whose numbers these are, and the names of the parts."""
    return (
        f"The paper is “{document.paper.source}”. TRM compares tuples of frames; STRM adds patch-level enrichment "
        "(PLE), frame-level enrichment (FLE) and a query-class similarity classifier (QC). The paper's numbers stand "
        "in columns and panels of their own; all others come from here."
    )


def origins(provenance: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and value of what made a page."""
    for key, value in provenance.items():
        name = "uncommitted changes" if key == "dirty" else key
        if isinstance(value, Mapping):
            yield name, ", ".join(f"{library} {version}" for library, version in value.items())
        elif value is None or isinstance(value, bool):
            yield name, {None: "unknown", True: "yes", False: "no"}[value]
        else:
            yield name, str(value)


def commands(document: Document) -> Iterator[tuple[str, str]]:
    """What a command made, and the command, for each that made grids."""
    made: dict[tuple[str, str], list[str]] = {}
    for grid in document.grids.values():
        known = ", ".join((commit or "unknown")[:12] for commit in grid.commits) or "unknown"
        how = f"tested at commit{'' if len(grid.commits) < 2 else 's'} {known}, "
        how += f"{grid.threads} thread{'' if grid.threads == 1 else 's'}"
        for command in grid.commands:
            made.setdefault((how, command), []).append(grid.name)
    for (how, command), names in made.items():
        yield f"{', '.join(names)}: {how}", command
