"""The confusion of some models of a report, added up over training seeds."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from strmctl.ablation.entries import Found
from strmctl.report.accuracies import Confusion
from strmctl.report.tables.beside import SHOT


def confusions(models: Mapping[str, Found]) -> list[Confusion]:
    """The confusion of the most accurate model of each data set, and of the first one, or else of the second best.

    Args:
        models: label -> results of its training seeds, on the same episodes.
    """
    by_dataset: dict[str, list[Confusion]] = {}
    for label, found in models.items():
        by_dataset.setdefault(found[0].result.dataset, []).append(_of_model(label, found))
    chosen = []
    for own in by_dataset.values():
        best, *others = sorted(own, key=lambda one: -one.accuracy)
        chosen += [best, *(others if best is own[0] else own)[:1]]
    return chosen


def usual_shot(shots: Collection[int]) -> int:
    """The paper's number of shots where it was tested, or else the greatest."""
    return SHOT if SHOT in shots else max(shots)


def _of_model(label: str, found: Found) -> Confusion:
    first = found[0].result
    shot = usual_shot(set.intersection(*(set(one.result.shots) for one in found)))
    tables = [one.of_shot(shot)["confusion"] for one in found]
    classes = sorted({name for table in tables for name in table["classes"]})
    counts = np.zeros((len(classes), len(classes)), dtype=int)
    for table in tables:
        places = [classes.index(name) for name in table["classes"]]
        counts[np.ix_(places, places)] += table["counts"]
    return Confusion(
        label=label,
        runs=[one.cell.run for one in found],
        dataset=first.dataset,
        split=first.split,
        shot=shot,
        accuracy=float(np.mean([one.accuracy(shot) for one in found])),
        classes=classes,
        counts=counts.tolist(),
    )
