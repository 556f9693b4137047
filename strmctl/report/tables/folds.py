"""The tables of a grid of folds: accuracies over all classes, differences between models, and every class."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from strmctl.report.accuracies import Lead
from strmctl.report.document import Document
from strmctl.report.tables.table import (
    NONE,
    ReportTable,
    accuracy_cells,
    accuracy_columns,
    accuracy_csv,
    each,
    points,
    several_seeds,
    shots_of,
)
from strmctl.report.wording import caption, joined

OVER_CLASSES = (
    "± is the half-width of the 95 % interval by Student's t over classes, each averaged over the training seeds; "
    "models of different folds share training classes, and the classes of an episode are confused with each other, so "
    "that classes are not quite independent"
)
PAIRED = (
    "Differences in percentage points, class by class, of the training seeds that both models have: mean ± the "
    "half-width of the 95 % interval by Student's t over classes; p: sign-flip test over classes, not corrected for "
    "the number of rows"
)


def folds(document: Document) -> list[ReportTable]:
    """A row per model; a row per pair of models; a row per class."""
    made = [_accuracies(document), _leads(document), _classes(document)]
    return [table for table in made if table.rows]


def _accuracies(document: Document) -> ReportTable:
    grid, ours = document.grids["folds"], {label: one.shots for label, one in document.folds.items()}
    shown, several = shots_of(ours.values()), several_seeds(ours.values())
    classes = {cls for entries in ours.values() for entry in entries.values() for cls in entry.classes}
    found = [([label, shot], entry) for label, entries in ours.items() for shot, entry in entries.items()]
    names, numbers = accuracy_csv(["label", "shot"], found)
    words = (
        f"Of {grid.folds} folds, dealt with seed {grid.fold_seed}: {len(classes)} classes, each in the {grid.split} "
    )
    words += "split of a fold; the number of episodes is that of each fold"
    return ReportTable(
        name="folds",
        title="Folds of all classes",
        caption=caption(grid, shown, words, OVER_CLASSES),
        columns=["model", *accuracy_columns(shown, several=several)],
        rows=[[label, *accuracy_cells(entries, shown, several=several)] for label, entries in ours.items()],
        csv_columns=names,
        csv_rows=numbers,
    )


def _leads(document: Document) -> ReportTable:
    pairs = [(f"{label} - {base}", leads) for label, one in document.folds.items() for base, leads in one.leads.items()]
    shown = shots_of(leads for _, leads in pairs)
    return ReportTable(
        name="folds_differences",
        title="Differences between models, over classes",
        caption=joined(PAIRED),
        columns=["models", *(words for shot in shown for words in (f"{shot}-shot", "p", "ahead in"))],
        rows=[[words, *(cell for shot in shown for cell in _lead(leads.get(shot)))] for words, leads in pairs],
        csv_columns=["models", "shot", "classes", "difference", "ci95", "p", "ahead_in", "seeds"],
        csv_rows=[
            [words, shot, one.n, one.difference, one.ci95, one.p, one.ahead_in, ";".join(map(str, one.seeds))]
            for words, leads in pairs
            for shot, one in leads.items()
        ],
    )


def _lead(lead: Lead | None) -> list[str]:
    if lead is None:
        return [NONE] * 3
    return [points(lead.difference, lead.ci95), f"{lead.p:.4f}", f"{lead.ahead_in} of {lead.n}"]


def _classes(document: Document) -> ReportTable:
    """Accuracy of each class, averaged over training seeds; the hardest for the first model first."""
    columns = [
        (label, shot, {cls: fmean(values) for cls, values in entry.classes.items()})
        for label, one in document.folds.items()
        for shot, entry in one.shots.items()
    ]
    names: dict[str, Any] = {cls: accuracy for _, _, means in reversed(columns) for cls, accuracy in means.items()}
    order = sorted(names, key=lambda cls: (names[cls], cls))
    rows = [[cls, *(each([means[cls]]) if cls in means else NONE for _, _, means in columns)] for cls in order]
    return ReportTable(
        name="folds_classes",
        title="Every class",
        caption=joined("Accuracy of each class in the fold that tests it, averaged over the training seeds"),
        columns=["class", *(f"{label}, {shot}-shot, %" for label, shot, _ in columns)],
        rows=rows,
        csv_columns=["class", "label", "shot", "accuracy"],
        csv_rows=[[cls, label, shot, means.get(cls)] for cls in order for label, shot, means in columns],
    )
