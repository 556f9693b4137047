"""What several charts of a report have in common: heads of panels, words of captions, legends."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from strmctl.report.accuracies import Entries, Entry
from strmctl.report.charts.marks import extent, interval
from strmctl.report.document import Document
from strmctl.report.drawing import Line2D

Series = Mapping[str, Entries]  # by label


def entries_of(series: Series) -> Iterator[Entry]:
    """All entries."""
    return (entry for by_shot in series.values() for entry in by_shot.values())


def extents(series: Series, shot: int) -> list[float]:
    """All that is drawn at one number of shots, in percent."""
    return [value for by_shot in series.values() if shot in by_shot for value in extent(by_shot[shot])]


def head(document: Document, shot: int) -> str:
    """The data, cut where the name is too long for two lines, and the number of shots."""
    name = document.title
    return f"{name if len(name) <= 40 else name[:39] + '…'}, {shot}-shot"


def source(document: Document, place: str, shown: Collection[Any]) -> str:
    """Where the paper's values come from; empty where none is shown."""
    return f"Published: {document.paper.source}, {place}; not ours" if shown else ""


def errors(entries: Iterable[Entry], *, mark: str = "small dots") -> str:
    """What the marks of seeds and the error bars are."""
    over = {interval(entry)[1] for entry in entries}
    if over == {"test episodes"}:
        return "one training seed each; error bars: 95 % intervals over test episodes"
    single = ", of a single seed over test episodes" if len(over) > 1 else ""
    return (
        f"{mark}: one per training seed, where there are several; error bars: 95 % intervals over training seeds by "
        f"Student's t{single}"
    )


def legend_of(labels: Iterable[str], styles: Mapping[str, Mapping[str, Any]]) -> dict[str, Line2D]:
    """Label -> its line."""
    return {label: Line2D([], [], **styles[label]) for label in labels}
