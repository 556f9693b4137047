"""The table of every class, beside the pictures of what models take the queries of each class for."""

from __future__ import annotations

from strmctl.report.accuracies import Confusion
from strmctl.report.document import Document
from strmctl.report.tables.table import NONE, ReportTable, each
from strmctl.report.wording import joined, listed


def confusion(document: Document) -> ReportTable:
    """A row per class, the hardest for the most accurate model first; columns for each model."""
    found = document.confusion
    several = len({one.dataset for one in found}) > 1
    columns = [f"{one.dataset}: " * several + f"{one.label}, {one.shot}-shot, %" for one in found]
    names = {name: place for place in range(len(found) - 1, -1, -1) for name in found[place].per_class}
    order = sorted(names, key=lambda name: (names[name], found[names[name]].per_class[name][0], name))
    runs = [f"{one.label}: {', '.join(one.runs)}" for one in found]
    tests = dict.fromkeys(f"{one.dataset} ({one.split}), {one.shot}-shot" for one in found)
    return ReportTable(
        name="confusion",
        title="Every class",
        caption=joined(
            f"Accuracy of each class, {listed(list(tests))}, of the most accurate model and of another one, all "
            "training seeds together; n: queries, of clips that recur in many episodes, so that they give no interval",
            f"Runs: {'; '.join(runs)}",
        ),
        columns=["class", *(words for name in columns for words in (name, "n"))],
        rows=[[name, *(cell for one in found for cell in _cells(one, name))] for name in order],
        csv_columns=["class", "dataset", "label", "shot", "accuracy", "queries"],
        csv_rows=[
            [name, one.dataset, one.label, one.shot, *one.per_class[name]]
            for name in order
            for one in found
            if name in one.per_class
        ],
    )


def _cells(model: Confusion, name: str) -> list[str]:
    """Accuracy of a class in percent, and its number of queries."""
    accuracy, queries = model.per_class.get(name, (None, 0))
    return [NONE if accuracy is None else each([accuracy]), f"{queries:,}"]
