"""Numbers that papers print, in percent as printed, and the runs that stand beside them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from strmctl.report.accuracies import Entry


@dataclass(frozen=True, kw_only=True)
class Table1Ours:
    """A run in a place of Table 1, or the training seeds of one recipe, with all that is not as the paper has it."""

    entry: Entry
    differs: list[str]

    @property
    def runs(self) -> str:
        """Names of the runs."""
        return ", ".join(self.entry.runs)


@dataclass(frozen=True, kw_only=True)
class Table1Row:
    """A row of Table 1: percent as published, and all that was run here, for each data set of `Table1.columns`."""

    method: str
    backbone: str
    published: list[float | None]
    ours: list[list[Table1Ours]]


@dataclass(frozen=True, kw_only=True)
class Table1:
    """Table 1 of the paper with the runs of the same models beside it; remarks name the runs of other models."""

    columns: list[str]
    rows: list[Table1Row]
    notes: list[str]
    remarks: list[str] = field(default_factory=list)
    source: str


@dataclass(frozen=True, kw_only=True)
class Published:
    """Accuracies that another paper prints for one method and data set, 5-way on its test classes.

    Attributes:
        method: the method.
        backbone: its backbone.
        dataset: name of the split.
        accuracy: number of shots -> percent, as printed.
        on: classes that the code chooses its model on, `val` or `test`; `unknown` where no code was read.
        why: what in the code shows that; empty where it is unknown.
        by: whose number it is: `authors`, of a method trained `again`, or `quoted` from its own paper.
        read_in: short name of the paper or repository in which it was read.
        paper: its authors, title and year.
        place: table or file.
        names: whether the model is given the names of the classes.
        outlier: why it should stand beside no other number; empty where it may.
        note: what else a reader must know.
    """

    method: str
    backbone: str
    dataset: str
    accuracy: dict[int, float]
    on: str
    why: str
    by: str
    read_in: str
    paper: str
    place: str
    names: bool
    outlier: str
    note: str


@dataclass(frozen=True, kw_only=True)
class PaperRow:
    """A row of the paper's Table 1."""

    method: str
    backbone: str
    values: list[float | None]


@dataclass(frozen=True, kw_only=True)
class PaperTable1:
    """The paper's Table 1."""

    columns: list[str]
    rows: list[PaperRow]
    notes: list[str]


@dataclass(frozen=True, kw_only=True)
class PaperTable2:
    """The paper's Table 2, column by column; None where it prints a dash."""

    cardinalities: list[list[int]]
    tuples: list[int | None]
    kinetics100: list[float]
    ssv2: list[float]

    def by_set(self) -> dict[str, tuple[int | None, float, float]]:
        """Set of cardinalities, such as `2,3` -> tuples, accuracy on Kinetics-100, accuracy on SSv2."""
        names = [",".join(map(str, ways)) for ways in self.cardinalities]
        return dict(zip(names, zip(self.tuples, self.kinetics100, self.ssv2, strict=True), strict=True))


@dataclass(frozen=True, kw_only=True)
class Paper:
    """The published numbers of `reports/paper.yaml`."""

    source: str
    table1: PaperTable1
    table2: PaperTable2
    figure6_left: dict[str, float]
    figure6_right: dict[str, float]
    figure7: dict[str, list[int]]
    compute: str
    implementation: dict[str, Any]
