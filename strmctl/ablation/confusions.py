"""The confusion of the most accurate models of a report, added up over training seeds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from strmctl.ablation.entries import Found
from strmctl.report.accuracies import Confusion

MOST = 3  # models of each data set
SHOT = 5  # where it was tested, or else the greatest number of shots


def confusions(models: Mapping[str, Found]) -> list[Confusion]:
    """The confusion of the most accurate models of each data set.

    Args:
        models: label -> results of its training seeds, on the same episodes.
    """
    each = [_of_model(label, found) for label, found in models.items()]
    each.sort(key=lambda one: -one.accuracy)
    datasets = dict.fromkeys(one.dataset for one in each)
    return [one for name in datasets for one in [other for other in each if other.dataset == name][:MOST]]


def _of_model(label: str, found: Found) -> Confusion:
    first = found[0].result
    shots = set.intersection(*(set(one.result.shots) for one in found))
    shot = SHOT if SHOT in shots else max(shots)
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
