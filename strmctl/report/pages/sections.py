"""The parts of a report, each with its figure and tables, and where the numbers come from."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from strmctl.report.document import Document
from strmctl.report.tables.table import ReportTable
from strmctl.report.wording import joined

HEADINGS = {  # in the order to show: what was found here, from accuracies to pictures, and then what others print
    "findings": "Findings",
    "components": "Parts of STRM",
    "cardinality": "Cardinalities",
    "tuples": "Share of tuples",
    "shots": "Number of shots",
    "training": "Length of training",
    "folds": "Folds of all classes",
    "custom": "Own grid",
    "runs": "Runs",
    "curves": "Learning curves",
    "confusion": "Confusion",
    "attention": "Attention",
    "cost": "Cost",
    "table1": "Table 1",
    "published": "Published, not ours",
}


@dataclass(frozen=True)
class Section:
    """A part of a report.

    Attributes:
        key: kind of grid or other subject.
        heading: a few words.
        figures: names of its figures, in the order to show.
        tables: tables in the order to show.
    """

    key: str
    heading: str
    figures: list[str]
    tables: list[ReportTable]

    def alt(self, figure: str) -> str:
        """What a reader who does not see a figure should know."""
        number = f" {figure.partition('_')[2]}" if len(self.figures) > 1 else ""
        source = f"its numbers are in the table “{self.tables[0].title}”" if self.tables else "no table holds it"
        return f"Figure: {self.heading}{number}; {source}"


def sections(tables: Sequence[ReportTable], figures: Collection[str]) -> list[Section]:
    """Tables and figures that belong together (`cost`, `cost_flops`), in the order of `HEADINGS`, others last."""
    grouped: dict[str, tuple[list[str], list[ReportTable]]] = {}
    for figure in figures:
        grouped.setdefault(_key(figure), ([], []))[0].append(figure)
    for table in tables:
        grouped.setdefault(_key(table.name), ([], []))[1].append(table)
    keys = [key for key in HEADINGS if key in grouped] + [key for key in grouped if key not in HEADINGS]
    return [Section(key, HEADINGS.get(key, key), *grouped[key]) for key in keys]


def _key(name: str) -> str:
    return name.partition("_")[0]


def introduction(document: Document, tables: Sequence[ReportTable]) -> str:
    """What a reader must know of the tables: the names of the parts, whose numbers these are, and what is missing."""
    labels = " ".join(cell for table in tables for row in table.rows for cell in row[: table.words])
    parts = "TRM compares tuples of frames; STRM adds patch-level enrichment (PLE), frame-level enrichment (FLE) and a "
    parts += "query-class similarity classifier (QC)"
    paper = f"The paper is “{document.paper.source}”; its numbers stand in columns and panels of their own"
    return joined(
        "" if tables else "No results yet",
        parts if "TRM" in labels else "",
        f"{paper}, all others come from here" if any(table.published for table in tables) else "",
        *(
            f"Of the grid {grid.name}, {grid.runs - len(grid.missing)} of {grid.runs} runs have a result"
            for grid in document.grids.values()
            if grid.missing
        ),
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
