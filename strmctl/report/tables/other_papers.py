"""The table of what other papers print, apart from all that was run here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from strmctl.report.published_numbers import Published
from strmctl.report.tables.table import DATASETS, ReportTable, published, shots_of
from strmctl.report.wording import joined, listed

CHOSEN_ON = {"val": "validation", "test": "test", "unknown": "unknown"}
COLUMNS = ("data set", "method", "backbone", "read in", "whose", "chosen on", "marks")


def published_elsewhere(rows: Sequence[Published]) -> ReportTable:
    """A row per method, backbone and data set, and per place where it was read; reasons stand in the caption."""
    shown = shots_of(row.accuracy for row in rows)
    marks = {mark for row in rows for mark in _marks(row)}
    sources = dict.fromkeys(f"{row.read_in}: {row.paper}; {row.place}" for row in rows)
    return ReportTable(
        name="published",
        title="Published, not ours",
        caption=joined(
            f"Accuracies that other papers print, 5-way, {listed([f'{shot}-' for shot in shown])}shot, on data sets of "
            "the runs here; none was measured here",
            "Whose: of the authors of the method, of others who trained it again, or quoted from its paper",
            "Chosen on: the classes by whose accuracy the code chooses its model; test classes make a number too high",
            "An outlier should stand beside no other number" if "outlier" in marks else "",
            "Methods with class names are told what the classes are called, which others are not"
            if "class names" in marks
            else "",
            *dict.fromkeys(reason for row in rows for reason in _reasons(row)),
            *sources,
        ),
        columns=[*COLUMNS, *(f"{shot}-shot, paper, %" for shot in shown)],
        rows=[
            [
                *(DATASETS.get(row.dataset, row.dataset), row.method, row.backbone, row.read_in, row.by),
                *(CHOSEN_ON[row.on], ", ".join(_marks(row))),
                *(published(row.accuracy.get(shot)) for shot in shown),
            ]
            for row in rows
        ],
        csv_columns=[
            *("dataset", "method", "backbone", "shot", "published_percent", "chosen_on", "why", "by", "class_names"),
            *("outlier", "note", "paper", "place"),
        ],
        csv_rows=[
            [
                *(row.dataset, row.method, row.backbone, shot, percent, row.on, row.why, row.by, int(row.names)),
                *(row.outlier, row.note, row.paper, row.place),
            ]
            for row in rows
            for shot, percent in row.accuracy.items()
        ],
        published=tuple(range(len(COLUMNS), len(COLUMNS) + len(shown))),
        words=len(COLUMNS),
    )


def _marks(row: Published) -> list[str]:
    """What keeps a number from standing beside all others, in a word each."""
    return [word for word, holds in (("outlier", row.outlier), ("class names", row.names)) if holds]


def _reasons(row: Published) -> Iterator[str]:
    """Why a row is an outlier, and what else a reader must know of it."""
    about = f"{row.method}, {row.backbone}, {row.read_in}"
    if row.outlier:
        yield f"{about}: an outlier: {row.outlier}"
    if row.note:
        yield f"{about}: {row.note}"
