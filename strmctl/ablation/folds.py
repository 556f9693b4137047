"""Cross-validation over classes: every class is a test class in one fold, so that intervals rest on all classes.

The cells of a label are its folds and training seeds. A label's accuracy is the mean over classes, each measured in the
fold that tests it; training seeds are averaged first. Labels are compared class by class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from statistics import fmean
from typing import Any

import numpy as np

from strmctl.ablation.cells import Base, Cell
from strmctl.ablation.custom_cells import slug_of
from strmctl.ablation.entries import Found, by_label
from strmctl.episodes.clip_loader import ORDERS, FrameOrder
from strmctl.errors import UsageError, did_you_mean
from strmctl.evaluation.statistics.intervals import t_interval
from strmctl.evaluation.statistics.paired import lead_figures
from strmctl.report.accuracies import FoldEntry, FoldSeries, Lead

ByClass = dict[str, float]  # class -> accuracy


def folds(
    base: Base,
    named: Mapping[str, Mapping[str, Any]],
    count: int,
    seed: int,
    orders: Sequence[FrameOrder] = ("natural",),
) -> list[Cell]:
    """Models in every fold of all classes.

    Args:
        base: what the cells have in common.
        named: label -> changes of the recipe, such as its method.
        count: number of folds.
        seed: seed of the order in which classes are dealt to folds.
        orders: orders of the frames of test clips; each but the natural one is a control with a label of its own.
    """
    if unknown := [order for order in orders if order not in ORDERS]:
        hint = f"{did_you_mean(ORDERS, *unknown)}known: {', '.join(ORDERS)}"
        raise UsageError(f"there is no order of frames {', '.join(unknown)}", hint)
    keys = [text.partition("=")[0] for text in base.assignments] + [key for keys in named.values() for key in keys]
    if own := [key for key in keys if str(key).strip().startswith("data.fold")]:
        raise UsageError("this grid itself chooses the folds", f"leave {own[0]} out")
    drawn, cells = f"-draw{seed}" if seed else "", []
    for label, changes in named.items():
        slug = slug_of(label, changes)
        own = []
        for number in range(1, count + 1):
            fold = {"number": number, "folds": count, "seed": seed}
            own += base.cells(label, {**changes, "data.fold": fold}, f"{slug}-fold{number}of{count}{drawn}")
        for order in dict.fromkeys(orders):
            words = label if order == "natural" else f"{label}, {ORDERS[order]}"
            cells += [replace(cell, label=words, order=order) for cell in own]
    return cells


def series(found: Found, shots: Sequence[int]) -> dict[str, FoldSeries]:
    """Label -> what its folds say together; labels that no training seed has been tested with in every fold are absent.

    Args:
        found: tested cells of a grid of folds.
        shots: numbers of support clips per class.
    """
    whole = {label: by_seed for label, own in by_label(found).items() if (by_seed := _complete(own))}
    made = {
        label: FoldSeries(shots={shot: _entry(by_seed, shot) for shot in sorted(shots)}, leads={})
        for label, by_seed in whole.items()
    }
    orders = {one.cell.label: one.cell.order for one in found}
    for base, other in combinations(made, 2):
        of_base = other == f"{base}, {ORDERS[orders[other]]}"
        if orders[base] != "natural" or not (of_base or orders[other] == "natural"):
            continue  # a control is compared with its own model alone
        leads = {shot: _lead(made[base].shots[shot], made[other].shots[shot]) for shot in made[other].shots}
        made[other].leads[base] = {shot: lead for shot, lead in leads.items() if lead}
    return made


def _complete(found: Found) -> dict[int, Found]:
    """Training seed -> its tested cells, for the seeds that were tested in every fold."""
    by_seed: dict[int, Found] = {}
    for one in sorted(found, key=lambda one: one.seed):
        by_seed.setdefault(one.seed, []).append(one)
    return {seed: own for seed, own in by_seed.items() if len(own) == own[0].cell.recipe.data.fold.folds}


def _entry(by_seed: Mapping[int, Found], shot: int) -> FoldEntry:
    """The accuracy over the classes of all folds at one number of shots."""
    per_seed = [_by_class(found, shot) for found in by_seed.values()]
    classes = {cls: [own[cls] for own in per_seed] for cls in sorted(set.intersection(*map(set, per_seed)))}
    means, over_seeds = [fmean(each) for each in classes.values()], [fmean(own.values()) for own in per_seed]
    several = len(over_seeds) > 1
    return FoldEntry(
        accuracy=fmean(means),
        ci95=t_interval(means)[1],
        classes=classes,
        seeds=list(by_seed),
        per_seed=over_seeds,
        episodes=next(iter(by_seed.values()))[0].result.episodes,
        sd=float(np.std(over_seeds, ddof=1)) if several else None,
        ci95_seeds=t_interval(over_seeds)[1] if several else None,
        runs=[one.cell.run for found in by_seed.values() for one in found],
    )


def _by_class(found: Found, shot: int) -> ByClass:
    """Accuracy of each class in the fold that tests it; the mean where several folds validate on it."""
    each: dict[str, list[float]] = {}
    for one in found:
        for cls, accuracy in one.of_shot(shot)["per_class"].items():
            each.setdefault(cls, []).append(accuracy)
    return {cls: fmean(accuracies) for cls, accuracies in each.items()}


def _lead(base: FoldEntry, other: FoldEntry) -> Lead | None:
    """The lead of one label over another, class by class, of the training seeds that both have."""
    seeds = [seed for seed in base.seeds if seed in other.seeds]
    classes = [cls for cls in base.classes if cls in other.classes]
    if not seeds:
        return None
    means = [
        [fmean(side.classes[cls][side.seeds.index(seed)] for seed in seeds) for cls in classes]
        for side in (base, other)
    ]
    figures = lead_figures(np.subtract(means[1], means[0]), t_interval)
    return Lead(**figures, ahead_in=sum(b > a for a, b in zip(*means, strict=True)), seeds=seeds)
