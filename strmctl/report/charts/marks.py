"""What stands for an accuracy in a figure: mean, interval, and a dot for each training seed where there are several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from strmctl.report.accuracies import Entry
from strmctl.report.charts.hues import GROUND, HUES, INK
from strmctl.report.charts.style import INTERVAL, SEED, SMALL, TICK, number
from strmctl.report.drawing import Axes
from strmctl.report.text import wrapped


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


def marks(
    axes: Axes, position: float, entry: Entry, style: Mapping[str, Any], *, bar: bool = False, flat: bool = False
) -> None:
    """An entry at a category: interval, a dot for each training seed, mean and its number.

    Args:
        axes: the panel.
        position: place of the category.
        entry: what is drawn.
        style: style of its model.
        bar: the mean is a bar, with the interval in its left half and the dots in its right half.
        flat: the accuracies are on the x axis.
    """
    mean, dots, ends = 100 * entry.accuracy, _dots(entry), [[arm] for arm in _arms(entry)]
    aside = [position + 0.22 + (0.0 if bar else 0.06) + 0.1 * (rank - (len(dots) - 1) / 2) for rank in range(len(dots))]
    seed = SEED | {"markeredgecolor": INK if bar else style["color"]}
    alone = {**style, "linestyle": "none", "fillstyle": "full", "zorder": 4}
    if bar:
        draw_bar(axes, position, mean, style)
        axes.errorbar([position - 0.24], [mean], yerr=ends, **INTERVAL, **(alone | {"marker": "none", "color": INK}))
        axes.plot([one - 0.08 for one in aside], dots, **seed)
    elif flat:
        axes.errorbar([mean], [position], xerr=ends, **INTERVAL, **alone)
        axes.plot(dots, aside, **seed)
    else:
        axes.errorbar([position], [mean], yerr=ends, **INTERVAL, **alone)
        axes.plot(aside, dots, **seed)
    beyond = max(extent(entry))
    number(axes, (beyond, position) if flat else (position, beyond), f"{mean:.1f}", flat=flat)


def draw_bar(axes: Axes, position: float, height: float, style: Mapping[str, Any], *, published: bool = False) -> None:
    """A bar in the hue of its model: a pale one is ours, a hatched one the paper's."""
    ours = {"facecolor": (style["color"], 0.3)}
    shown = {"facecolor": GROUND, "hatch": "//"} if published else ours
    axes.bar(position, height, width=0.8, edgecolor=style["color"], linewidth=1.6, zorder=2, **shown)


def no_result(axes: Axes, position: float, *, flat: bool = False) -> None:
    """Says that a category holds nothing, which a bar of height 0 would not."""
    if flat:
        axes.text(0.02, position, "no result", transform=axes.get_yaxis_transform(), va="center", fontsize=SMALL)
    else:
        place = {"transform": axes.get_xaxis_transform(), "ha": "center", "zorder": 6}
        axes.text(position, 0.05, "no\nresult", fontsize=SMALL, bbox={"color": GROUND, "pad": 1}, **place)


def line(axes: Axes, found: Sequence[tuple[float, Entry]], style: Mapping[str, Any]) -> None:
    """A line through means, with the interval of each and a short bar for each training seed, all at their true x."""
    if not found:
        return
    x, means = [at for at, _ in found], [100 * entry.accuracy for _, entry in found]
    low, high = zip(*(_arms(entry) for _, entry in found), strict=True)
    axes.errorbar(x, means, yerr=[low, high], elinewidth=1.2, zorder=4, **style)
    seeds = [(at, one) for at, entry in found for one in _dots(entry)]
    axes.plot([at for at, _ in seeds], [one for _, one in seeds], **TICK, color=style["color"])


def name_ends(axes: Axes, ends: Mapping[str, tuple[float, float]], styles: Mapping[str, Any], *, inches: float) -> None:
    """The name of each line beside the panel, joined to the line's end, where there are more lines than hues.

    Args:
        axes: the panel, its limits set.
        ends: label -> last point of its line.
        styles: label -> style.
        inches: about how high the panel is.
    """
    if len(ends) <= len(HUES) + 1:
        return
    low, high = axes.get_ylim()
    step = SMALL * 1.2 / (72 * inches)
    order = sorted(ends, key=lambda label: ends[label][1])
    places = [(ends[label][1] - low) / (high - low) for label in order]
    for rank in range(1, len(places)):  # upwards no nearer than a line of text, then down again from the top
        places[rank] = max(places[rank], places[rank - 1] + step)
    top = 1.0
    for rank in reversed(range(len(places))):
        places[rank], top = min(places[rank], top), min(places[rank], top) - step
    for label, place in zip(order, places, strict=True):
        axes.annotate(
            wrapped(label.partition(" (")[0], SMALL, 110, most=1),
            ends[label],
            (1.06, place),
            textcoords="axes fraction",
            va="center",
            fontsize=SMALL,
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": styles[label]["color"],
                "linewidth": 0.8,
                "shrinkA": 2,
                "shrinkB": 6,
            },
            parse_math=False,
        )
