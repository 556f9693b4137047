"""How the figures of a report look: their forms, panels, limits, legend and caption.

Those for files are 8 to 14 inches wide and meant to be printed at half that size. A page shows them wide or narrow, as
there is room; `hues.py` has the colours.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from strmctl.report.charts.hues import CHANCE, GRID, GROUND, PUBLISHED
from strmctl.report.drawing import Artist, Axes, Figure, MaxNLocator
from strmctl.report.text import width_of, wrapped

TITLE, TEXT, SMALL = 15.0, 14.0, 12.5  # points
DPI = 110
PLAIN = {"parse_math": False}  # a label may hold a dollar sign
INTERVAL = {"elinewidth": 1.6, "capsize": 4}
HOLLOW = {"fillstyle": "full", "markerfacecolor": GROUND, "markeredgewidth": 1.6}  # the paper's
SEED = {"marker": "o", "markersize": 5.5, "color": GROUND, "linestyle": "none", "zorder": 5}
TICK = {"marker": "_", "markersize": 13, "markeredgewidth": 1.3, "linestyle": "none", "zorder": 3}  # a seed on a line


@dataclass(frozen=True)
class Form:
    """What a figure is drawn for.

    Attributes:
        least: least width, inches.
        most: greatest width, inches.
        names: greatest width of the names of rows, points.
        lines: greatest number of lines of such a name; of more than two, they are small.
        captioned: whether the caption is part of the figure; a page writes it below.
    """

    least: float
    most: float
    names: float
    lines: int
    captioned: bool


FILE = Form(9.0, 15.0, 190.0, 2, captioned=True)
WIDE = Form(9.0, 15.0, 190.0, 2, captioned=False)
NARROW = Form(5.0, 5.0, 122.0, 3, captioned=False)  # one panel below the other, to be read on 360 pixels


def panels(form: Form, count: int, *, width: float, height: float, columns: int = 3) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels of `width` × `height` inches, at most `columns` in a row; four stand two by two."""
    columns = min(count, 2 if count == 4 and columns == 3 else columns, max(1, int(form.most / width)))
    rows = math.ceil(count / columns)
    size = (min(max(form.least, columns * width), form.most), rows * height)
    figure = Figure(figsize=size, dpi=DPI, facecolor=GROUND, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1)
    axes = [figure.add_subplot(rows, columns, position + 1) for position in range(count)]
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
        one.tick_params(labelsize=TEXT)
    return figure, axes


def title(axes: Axes, words: str, *, published: bool = False, pad: float = 10, room: float = 85) -> None:
    """The head of a panel, `room` points narrower than it; the paper's values also have a ground of their own."""
    width = 72 * axes.figure.get_figwidth() / axes.get_subplotspec().get_gridspec().ncols
    axes.set_title(wrapped(words, TITLE, width - room, most=2), fontsize=TITLE, loc="left", pad=pad, **PLAIN)
    if published:
        axes.set_facecolor(PUBLISHED)


def limits(axes: Axes, values: Sequence[float], *, chance: float | None = None, flat: bool = False) -> None:
    """Limits and ticks of an axis of accuracies, with room for numbers beyond them.

    Args:
        axes: the panel.
        values: all that is drawn, ends of intervals too, in percent.
        chance: drawn as a dashed line where it is inside the limits.
        flat: the accuracies are on the x axis.
    """
    low, high = min(values), max(values)
    span = max(high - low, 4.0)
    middle = (low + high) / 2
    low, high = middle - span / 2, middle + span / 2
    low, high = max(low - 0.1 * span, -3.0), high + (0.28 if flat else 0.2) * span
    ticks = [
        tick
        for tick in MaxNLocator(7, steps=[1, 2, 5, 10]).tick_values(low, high)
        if max(low, 0) <= tick <= min(high, 100)
    ]
    across = axes.xaxis if flat else axes.yaxis
    (axes.set_xlim if flat else axes.set_ylim)(low, high)
    across.set_ticks(ticks)
    across.grid(True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    (axes.set_xlabel if flat else axes.set_ylabel)("accuracy, %", fontsize=TEXT)
    if chance is not None and low <= chance <= high:
        chance_line(axes, chance, flat=flat)


def bar_limits(axes: Axes, top: float, *, chance: float | None = None) -> None:
    """Limits from 0, up to a highest value in percent."""
    limits(axes, [0, top], chance=chance)
    axes.set_ylim(0, 1.14 * top)


def categories(axes: Axes, names: Sequence[str]) -> None:
    """Names of columns."""
    axes.set_xticks(range(len(names)), names, fontsize=TEXT, **PLAIN)
    axes.set_xlim(-0.6, len(names) - 0.4)


def rows(form: Form, axes: Axes, names: Iterable[str]) -> None:
    """Names of rows, the first on top."""
    size = TEXT if form.lines <= 2 else SMALL
    shown = [wrapped(name, size, form.names, most=form.lines) for name in names]
    axes.set_yticks(range(len(shown)), shown, fontsize=size, **PLAIN)
    axes.set_ylim(len(shown) - 0.4, -0.6)


def share_axis(axes: Axes) -> None:
    """An x axis of shares of tuples in percent."""
    axes.set_xlim(0, 112)
    axes.set_xticks(range(0, 101, 20))
    axes.set_xlabel("tuples kept, %", fontsize=TEXT)


def chance_line(axes: Axes, chance: float, *, flat: bool = False) -> None:
    """A dashed line, named outside the panel, where no data are."""
    style = {"color": CHANCE, "linestyle": (0, (5, 4)), "linewidth": 1.2, "zorder": 3}
    if flat:
        axes.axvline(chance, **style)
        axes.text(chance, 1.0, "chance", transform=axes.get_xaxis_transform(), ha="center", va="bottom", fontsize=SMALL)
    else:
        axes.axhline(chance, **style)
        axes.text(1.01, chance, "chance", transform=axes.get_yaxis_transform(), ha="left", va="center", fontsize=SMALL)


def number(axes: Axes, at: tuple[float, float], words: str, *, flat: bool = False, gap: float = 9) -> None:
    """A number `gap` points over a mark, or to its right."""
    place = {"xytext": (gap, 0), "ha": "left", "va": "center"} if flat else {"xytext": (0, gap), "ha": "center"}
    axes.annotate(words, at, textcoords="offset points", fontsize=SMALL, zorder=6, **place)


def ticks(axes: Axes, places: Sequence[float], names: Sequence[str], *, inches: float) -> None:
    """Ticks of an x axis at these places, ascending; those are named whose names fit beside the one before.

    Args:
        axes: the panel, its scale and limits set.
        places: where the data are.
        names: their names.
        inches: about how wide the axis is.
    """
    to_points = (axes.transScale + axes.transLimits).transform
    shown, end = [], -math.inf
    for place, name in zip(places, names, strict=True):
        middle, half = 72 * inches * to_points((place, 0))[0], width_of(name, TEXT) / 2
        fits = middle - half > end + 6
        shown.append(name if fits else "")
        end = middle + half if fits else end
    axes.set_xticks(places, shown)
    axes.set_xticks([], minor=True)


def finish(
    form: Form, figure: Figure, caption: str, legend: Mapping[str, Artist] | None = None, *, marks: str = ""
) -> Figure:
    """Puts a legend above and a caption below, and fixes the places of all.

    Args:
        form: form of the figure; of others than files, the caption is the figure's label alone.
        figure: the figure.
        caption: what was measured, and what the marks are.
        legend: label -> what stands for it.
        marks: what the marks are, for a page, whose tables say what was measured; empty for all of the caption.
    """
    figure.set_label(marks or caption)
    wide, high = figure.get_size_inches()
    lines = wrapped(caption, SMALL, 72 * wide * 0.96) if form.captioned else ""
    extra = (lines.count("\n") + 1) * SMALL * 1.25 / 72 + 0.1 if lines else 0.0
    if legend:
        labels = [wrapped(label, TEXT, 72 * wide * 0.8, most=2) for label in legend]
        columns = max(1, int(72 * wide * 0.95 / (max(width_of(label, TEXT) for label in labels) + 62)))
        rows = math.ceil(len(labels) / columns)
        extra += rows * 2 * TEXT * 1.3 / 72 if any("\n" in label for label in labels) else rows * TEXT * 1.6 / 72
        box = figure.legend(
            list(legend.values()),
            ["."] * len(labels),  # a label that starts with _ would be left out
            loc="outside upper center",
            ncols=min(columns, len(labels)),
            fontsize=TEXT,
            frameon=False,
            handlelength=3,
        )
        for text, label in zip(box.get_texts(), labels, strict=True):
            text.set(text=label, **PLAIN)
    figure.set_size_inches(wide, high + extra)
    if lines:
        figure.supxlabel(lines, x=0.02, ha="left", fontsize=SMALL, linespacing=1.2, **PLAIN)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure
