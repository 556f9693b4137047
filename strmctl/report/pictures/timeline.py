"""The picture of a long video: a row for each class, its probability over time, and the stretches that show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from strmctl.report.clock import clock
from strmctl.report.drawing import Axes, Figure, own_settings
from strmctl.report.text import width_of, wrapped

MOST_ROWS = 24  # a picture of more is not looked at
MOST_CELLS = 2000  # as many as the picture has columns of pixels
BLUE, ORANGE = "#0072b2", "#e69f00"  # told apart by all eyes, and in grey by their brightness
STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400)  # seconds between ticks
TICKS = 10

# Lengths and font sizes in pixels.
LABEL, PLOT, ROW, EDGE, TOP, FOOT = 300, 1240, 52, 24, 92, 48
TITLE, NAME, TEXT = 26, 22, 18
LEAST_WRITTEN = 1.2  # times the width of its number that a stretch has at least
DPI = 100


@dataclass(frozen=True)
class TimelineRow:
    """A class.

    Attributes:
        name: its name.
        shares: its probability in each of M cells, `(M)`; NaN where it is unknown.
        stretches: (start, end, probability) of each stretch that shows it, seconds.
    """

    name: str
    shares: np.ndarray
    stretches: Sequence[tuple[float, float, float]]


@own_settings()
def draw_timeline(rows: Sequence[TimelineRow], edges: np.ndarray, *, title: str) -> Figure:
    """A timeline as a figure; of more than `MOST_ROWS` classes those are shown that reach most.

    Args:
        rows: the classes.
        edges: ends of the M cells, `(M + 1)`, seconds.
        title: one line, cut where it is too long.
    """
    shown = [rows[index] for index in sorted(_foremost(rows))]
    names = [wrapped(row.name, NAME, LABEL, most=1) for row in shown]
    left = EDGE + max(width_of(name, NAME) for name in names) + 16
    width, height = left + PLOT + 2 * EDGE, TOP + len(shown) * ROW + FOOT
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")

    def write(x: float, y: float, words: str, size: float, **style: str) -> None:
        style = {"ha": "left", "va": "center"} | style
        figure.text(x / width, 1 - y / height, words, fontsize=_points(size), parse_math=False, **style)

    line = wrapped(title, TITLE, (width - 2 * EDGE) * 0.97, most=1, bold=True)
    write(EDGE, 0.3 * TOP, line, TITLE, weight="bold")
    left_out = f" ({len(shown)} of {len(rows)} classes)" if len(shown) < len(rows) else ""
    write(EDGE, 0.7 * TOP, f"blue line: probability from 0 to 1{left_out}; orange: segments, in %", TEXT)
    axes = figure.add_axes((left / width, FOOT / height, PLOT / width, len(shown) * ROW / height))
    axes.set(xlim=(edges[0], edges[-1]), ylim=(0, len(shown)), yticks=[])
    axes.spines[["top", "left", "right"]].set_visible(False)
    for position, (row, name) in enumerate(zip(shown, names, strict=True)):
        _row(axes, row, edges, len(shown) - 1 - position)
        write(left - 16, TOP + (position + 0.5) * ROW, name, NAME, ha="right")
    ticks = _ticks(edges)
    axes.set_xticks(ticks, [])
    for tick in ticks:
        x = left + (tick - edges[0]) / (edges[-1] - edges[0]) * PLOT
        whole = all(abs(tick - round(tick)) < 1e-6 for tick in ticks)
        write(x, height - FOOT + 22, clock(tick, 0 if whole else 1), TEXT, ha="center")
    return figure


def _foremost(rows: Sequence[TimelineRow]) -> list[int]:
    """The rows to show: those with the longest stretches, then those that reach the highest probability."""

    def rank(index: int) -> tuple[float, float]:
        row = rows[index]
        return sum(end - start for start, end, _ in row.stretches), float(np.nan_to_num(row.shares).max())

    return sorted(range(len(rows)), key=rank, reverse=True)[:MOST_ROWS]


def _row(axes: Axes, row: TimelineRow, edges: np.ndarray, position: int) -> None:
    top = axes.get_ylim()[1]
    for start, end, share in row.stretches:
        axes.axvspan(start, end, position / top, (position + 1) / top, color=ORANGE, alpha=0.6, lw=0, zorder=1)
        number = f"{100 * share:.0f}"
        if (end - start) / (edges[-1] - edges[0]) * PLOT > LEAST_WRITTEN * width_of(number, TEXT):
            style = {"ha": "center", "va": "center", "weight": "bold", "zorder": 4}
            axes.text((start + end) / 2, position + 0.4, number, fontsize=_points(TEXT), **style)
    ends, values = _thinned(edges, np.nan_to_num(row.shares))
    axes.stairs(position + 0.04 + 0.9 * values, ends, baseline=None, color=BLUE, lw=1.6, zorder=3)
    axes.axhline(position, color="0.75", lw=1)


def _thinned(edges: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """No more than `MOST_CELLS` cells, with the largest value of those that are put together."""
    if len(values) <= MOST_CELLS:
        return edges, values
    first = np.unique(np.searchsorted(edges[:-1], np.linspace(edges[0], edges[-1], MOST_CELLS, endpoint=False)))
    return np.append(edges[first], edges[-1]), np.maximum.reduceat(values, first)


def _ticks(edges: np.ndarray) -> np.ndarray:
    """Round times between the ends."""
    least = (edges[-1] - edges[0]) / TICKS
    step = next((step for step in STEPS if step >= least), STEPS[-1] * np.ceil(least / STEPS[-1]))
    return np.arange(np.ceil(edges[0] / step), edges[-1] / step + 1e-6) * step


def _points(pixels: float) -> float:
    return pixels * 72 / DPI
