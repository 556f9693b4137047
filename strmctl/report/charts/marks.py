"""What stands for an accuracy in a figure: mean, interval, and a dot for each training seed where there are several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from strmctl.report.accuracies import Entry
from strmctl.report.charts.style import INTERVAL, MEAN, SEED, SMALL, number
from strmctl.report.drawing import Axes


def interval(entry: Entry) -> tuple[float, str]:
    """Half-width in percent and what it is over: training seeds, or test episodes where there is a single seed."""
    if entry.ci95_seeds is None:
        return 100 * entry.ci95, "test episodes"
    return 100 * entry.ci95_seeds, "training seeds"


def extent(entry: Entry) -> list[float]:
    """All that is drawn of an entry, in percent; an accuracy lies between 0 and 100 %, whatever a formula says."""
    mean, (low, high) = 100 * entry.accuracy, _arms(entry)
    return [mean - low, mean + high, mean, *(100 * one for one in entry.per_seed)]


def _dots(entry: Entry) -> list[float]:
    """Accuracy of each training seed in percent; none of a single seed, which is the mean."""
    each = [100 * one for one in entry.per_seed]
    return each if len(each) > 1 else []


def _arms(entry: Entry) -> tuple[float, float]:
    """Lengths of an error bar below and above the mean, in percent."""
    mean, half = 100 * entry.accuracy, interval(entry)[0]
    return min(half, mean), min(half, 100 - mean)


def marks(axes: Axes, position: float, entry: Entry, *, bar: bool = False, flat: bool = False) -> None:
    """An entry at a category: interval, a dot for each training seed, mean and its number.

    Args:
        axes: the panel.
        position: place of the category.
        entry: what is drawn.
        bar: the mean is a bar, with the interval in its left half and the dots in its right half.
        flat: the accuracies are on the x axis.
    """
    mean, dots = 100 * entry.accuracy, _dots(entry)
    aside = [position + 0.22 + (0.0 if bar else 0.06) + 0.1 * (rank - (len(dots) - 1) / 2) for rank in range(len(dots))]
    if bar:
        axes.bar(position, mean, width=0.8, color="0.8", edgecolor="black", zorder=2)
        aside = [one - 0.08 for one in aside]
    place = position - 0.24 if bar else position
    ends = [[arm] for arm in _arms(entry)]
    if flat:
        axes.errorbar([mean], [place], xerr=ends, **INTERVAL, **MEAN)
        axes.plot(dots, aside, **SEED)
    else:
        axes.errorbar([place], [mean], yerr=ends, **INTERVAL, **(MEAN | {"marker": "none"} if bar else MEAN))
        axes.plot(aside, dots, **SEED)
    beyond = max(extent(entry))
    number(axes, (beyond, position) if flat else (position, beyond), f"{mean:.1f}", flat=flat)


def no_result(axes: Axes, position: float, *, flat: bool = False) -> None:
    """Says that a category holds nothing, which a bar of height 0 would not."""
    if flat:
        axes.text(0.02, position, "no result", transform=axes.get_yaxis_transform(), va="center", fontsize=SMALL)
    else:
        place = {"transform": axes.get_xaxis_transform(), "ha": "center", "zorder": 6}
        axes.text(position, 0.05, "no\nresult", fontsize=SMALL, bbox={"color": "white", "pad": 1}, **place)


def line(axes: Axes, found: Sequence[tuple[float, Entry]], drawn: Mapping[str, Any], aside: Sequence[float]) -> None:
    """A line through means with the interval of each, and beside it, at `aside`, a dot for each training seed."""
    if not found:
        return
    x, means = [at for at, _ in found], [100 * entry.accuracy for _, entry in found]
    low, high = zip(*(_arms(entry) for _, entry in found), strict=True)
    axes.errorbar(x, means, yerr=[low, high], elinewidth=1.2, capsize=3, zorder=4, **drawn)
    dots = [(at, one) for at, (_, entry) in zip(aside, found, strict=True) for one in _dots(entry)]
    axes.plot([at for at, _ in dots], [one for _, one in dots], **(SEED | {"markersize": 4.5}))
