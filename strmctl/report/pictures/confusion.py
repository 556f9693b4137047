"""The picture of a confusion matrix: true classes in rows, predicted ones in columns, as shares of a row's queries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from strmctl.report.accuracies import Confusion
from strmctl.report.document import Document
from strmctl.report.drawing import Axes, Figure, PowerNorm, colormaps, own_settings
from strmctl.report.text import width_of, wrapped
from strmctl.report.wording import seeds_of

GREYS = colormaps["Greys"].resampled(256)  # from white to black, so that print and screen look alike
SCALE = PowerNorm(0.5, 0, 1)  # a confusion of 5 % would be as good as white on a linear scale
LEAST_WRITTEN = 0.005  # what would be rounded to 0 %

# Lengths in pixels, and font sizes: those of up to `ROOMY` classes can be read at half the size.
ROOMY = 40
CELL, TEXT, TITLE = 64, 22, 28
SMALL_CELL, SMALL_TEXT = 34, 14  # of more classes: without numbers in the cells
LABEL, EDGE, TOP, HEAD, FOOT, BAR = 640, 24, 88, 76, 120, 300  # LABEL: the widest line of a class name
LARGEST = 10_000  # hundreds of classes are drawn in less detail
DPI = 100


def confusion_figures(document: Document) -> dict[str, Callable[[], Figure]]:
    """What draws the confusion of each model of a document, by the name of its figure."""
    return {
        f"confusion_{number}": partial(draw_confusion, one.classes, one.counts, title=_title(one))
        for number, one in enumerate(document.confusion, 1)
    }


def _title(one: Confusion) -> str:
    return f"{one.label}: {one.dataset} ({one.split}), {one.shot}-shot, {seeds_of(len(one.runs))}"


@own_settings()
def draw_confusion(classes: Sequence[str], counts: Sequence[Sequence[int]], *, title: str) -> Figure:
    """A confusion matrix as a figure; classes are numbered, and their names stand beside the rows.

    Args:
        classes: G names.
        counts: (G, G) queries, rows true, columns predicted. A row without queries stays white.
        title: text of one line or two, cut where it is too long.
    """
    table = np.asarray(counts, dtype=np.float64)
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    roomy = len(classes) <= ROOMY
    cell, text = (CELL, TEXT) if roomy else (SMALL_CELL, SMALL_TEXT)
    labels = [wrapped(name, text, LABEL, most=2 if roomy else 1) for name in classes]
    numbers = width_of(str(len(classes)), text) + 30  # width of the column of numbers
    left = EDGE + max(width_of("true class", TEXT, bold=True), *(width_of(label, text) for label in labels)) + numbers
    side = len(classes) * cell
    legend = "percent of the true class's queries" + ("; below 0.5 not written" if roomy else "")
    width = max(left + side, EDGE + BAR + 40 + width_of(legend, TEXT) * 1.05) + EDGE
    height = TOP + HEAD + side + FOOT
    detail = min(1, LARGEST / max(width, height))
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI * detail, facecolor="white")

    def write(x: float, y: float, words: str, size: float, **style: str) -> None:
        style = {"ha": "left", "va": "center"} | style
        figure.text(x / width, 1 - y / height, words, fontsize=_points(size), parse_math=False, **style)

    def place(x: float, bottom: float, wide: float, high: float) -> Axes:
        axes = figure.add_axes((x / width, bottom / height, wide / width, high / height))
        axes.set(xticks=[], yticks=[])
        return axes

    heading = wrapped(title, TITLE, (width - 2 * EDGE) * 0.97, most=2, bold=True)
    write(EDGE, TOP / 2, heading, TITLE, weight="bold")
    write(left - numbers, TOP + HEAD / 4, "true class", TEXT, ha="right", weight="bold")
    write(left, TOP + HEAD / 4, "predicted class", TEXT, weight="bold")
    for position, label in enumerate(labels):
        middle = (position + 0.5) * cell
        write(left - numbers, TOP + HEAD + middle, label, text, ha="right", linespacing=1.05)
        write(left - 12, TOP + HEAD + middle, str(position + 1), text, ha="right")
        write(left + middle, TOP + 0.75 * HEAD, str(position + 1), text, ha="center")
    _cells(place(left, FOOT, side, side), shares, text if roomy else 0)

    bar = place(EDGE, 0.62 * FOOT, BAR, 24)
    bar.imshow(np.linspace(0, 1, 256)[None] ** 2, GREYS, norm=SCALE, aspect="auto", extent=(0, 1, 0, 1))
    for share in (0, 0.05, 0.25, 0.5, 1):
        write(EDGE + SCALE(share) * BAR, 0.55 * FOOT + height - FOOT, f"{100 * share:.0f}", 18, ha="center", va="top")
    write(EDGE + BAR + 40, height - 0.62 * FOOT - 12, legend, TEXT)
    return figure


def _cells(axes: Axes, shares: np.ndarray, text: float) -> None:
    """Shares (G, G) as greys, with numbers of `text` pixels unless that is 0."""
    count = len(shares)
    axes.imshow(shares, GREYS, norm=SCALE, aspect="auto", interpolation="nearest")
    for line in range(1, count):  # every fifth is darker, to follow a row or column to its number
        style = {"color": "0.45" if line % 5 == 0 else "0.8", "linewidth": 1}
        axes.axvline(line - 0.5, **style)
        axes.axhline(line - 0.5, **style)
    if not text:
        return
    for row, column in zip(*np.nonzero(shares >= LEAST_WRITTEN), strict=True):
        share = shares[row, column]
        colour = "white" if SCALE(share) > 0.618 else "black"  # equal contrast
        number, style = f"{100 * share:.0f}", {"ha": "center", "va": "center", "fontsize": _points(text)}
        axes.text(column, row, number, color=colour, weight="bold" if row == column else "normal", **style)


def _points(pixels: float) -> float:
    return pixels * 72 / DPI
