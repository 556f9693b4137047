"""The picture of attention maps: a clip's frames on top, below them one row per map, laid over the same frames."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from strmctl.report.drawing import Axes, Figure, own_settings
from strmctl.report.pictures.overlay import overlay, shade
from strmctl.report.text import wrapped

# Lengths in pixels of a picture whose frames are 192 pixels wide; all else grows and shrinks with the frames.
CELL, GAP, LEFT, RIGHT, TOP, HEAD, EDGE = 192, 8, 300, 136, 60, 72, 16
NAME, TEXT, LINE = 24, 20, 27  # sizes of letters, and height of a line
DPI = 100


@dataclass(frozen=True)
class MapRow:
    """A row of maps.

    Attributes:
        name: what is shown.
        words: what its values are, or who made them.
        values: (L, h, w), finite.
    """

    name: str
    words: str
    values: np.ndarray

    @property
    def scaled(self) -> np.ndarray:
        """The values from 0, the least of the row, to 1, the greatest."""
        low, high = self.values.min(), self.values.max()
        return (self.values - low) / ((high - low) or 1)


@own_settings()
def draw_maps(
    frames: np.ndarray, rows: Sequence[MapRow], *, title: str, captions: Sequence[str] | None = None, about: str = ""
) -> Figure:
    """Frames and maps as a figure; each row of maps has one scale, from the least to the greatest of its L maps.

    Args:
        frames: uint8 (L, S, S, 3), RGB.
        rows: maps of these frames, from top to bottom.
        title: one line, cut where it is too long.
        captions: one over each frame, of one line or two; `frame 1`, `frame 2`, … when None.
        about: sentence that the legend begins with.
    """
    count, side = frames.shape[:2]
    zoom = max(1, round(200 / side))  # whole numbers keep the pixels of a small frame square
    scale = side * zoom / CELL
    width = LEFT + count * (CELL + GAP) - GAP + RIGHT
    legend = wrapped(f"{about} {legend_of(rows)}", TEXT, 0.95 * (width - 2 * EDGE))
    foot = (legend.count("\n") + 1) * LINE + EDGE
    height = TOP + HEAD + (1 + len(rows)) * (CELL + GAP) + foot + EDGE
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI * scale, facecolor="white")

    def write(x: float, y: float, text: str, size: float, **style: str) -> None:
        style = {"ha": "left", "va": "center"} | style
        figure.text(x / width, 1 - y / height, text, fontsize=_points(size), parse_math=False, **style)

    def place(row: int, pictures: np.ndarray) -> float:
        """Draws a row of pictures, uint8 (L, S, S, 3), pixel by pixel; gives the height of its middle."""
        top = TOP + HEAD + row * (CELL + GAP)
        for column, picture in enumerate(pictures.repeat(zoom, axis=1).repeat(zoom, axis=2)):
            x, bottom = LEFT + column * (CELL + GAP), height - top - CELL
            figure.figimage(picture, round(x * scale), round(bottom * scale), origin="upper")
        return top + CELL / 2

    def name(middle: float, name: str, words: str) -> None:
        room = LEFT - EDGE - GAP
        lines = [(line, NAME, "bold") for line in wrapped(name, NAME, 0.92 * room, most=2, bold=True).split("\n")]
        lines += [(line, TEXT, "normal") for line in wrapped(words, TEXT, 0.95 * room, most=3).split("\n") if line]
        for position, (line, size, weight) in enumerate(lines):
            write(EDGE, middle + (position - (len(lines) - 1) / 2) * LINE, line, size, weight=weight)

    write(EDGE, TOP / 2, wrapped(title, 30, 0.97 * (width - 2 * EDGE), most=1, bold=True), 30, weight="bold")
    for column, caption in enumerate(captions or [f"frame {position}" for position in range(1, count + 1)]):
        write(LEFT + column * (CELL + GAP) + CELL / 2, TOP + HEAD - 6, caption, 23, ha="center", va="bottom")
    name(place(0, frames), "frames", "as the model sees them")
    for position, row in enumerate(rows, 1):
        middle = place(position, overlay(frames, row.scaled))
        name(middle, row.name, row.words)
        x, bottom = width - RIGHT + 2 * GAP, height - middle - CELL / 2 + 14
        axes = figure.add_axes((x / width, bottom / height, 20 / width, (CELL - 28) / height))
        _colour_bar(axes, row.values.min(), row.values.max())
    for position, line in enumerate(legend.split("\n")):
        write(EDGE, height - EDGE - foot + (position + 1) * LINE, line, TEXT)
    return figure


def legend_of(rows: Sequence[MapRow]) -> str:
    """What is normalised over what, and how fine the maps are."""
    sizes: dict[str, list[str]] = {}
    for row in rows:
        sizes.setdefault("×".join(map(str, row.values.shape[1:])), []).append(row.name)
    each = [f"{size} places: {', '.join(names)}" for size, names in sizes.items()]
    fine = f"Maps have {next(iter(sizes))} places" if len(each) == 1 else "; ".join(each)
    return (
        "Opacity grows in proportion from a row's least value, where the frame is left as filmed, to its greatest, "
        f"over all {len(rows[0].values)} frames of the row. Each row has its own scale, so compare places and moments "
        f"within a row, not values between rows. {fine}, interpolated between their centres."
    )


def _colour_bar(axes: Axes, low: float, high: float) -> None:
    axes.imshow(shade(np.linspace(1, 0, 256)[:, None]), aspect="auto", extent=(0, 1, 0, 1))
    axes.set_xticks([])
    ends = [low] if low == high else [low, high]
    axes.set_yticks([0, 1][: len(ends)], [_number(end, high) for end in ends])
    axes.tick_params(left=False, right=True, labelleft=False, labelright=True, labelsize=_points(21), length=4, pad=3)
    axes.spines[:].set_linewidth(0.5)


def _number(value: float, greatest: float) -> str:
    """A value with as many decimals as give the greatest one three digits."""
    if greatest != 0 and not 1e-3 <= abs(greatest) < 1e6:
        return f"{value:.1e}"
    return f"{value:.{2 - math.floor(math.log10(abs(greatest)))}f}" if 0 < abs(greatest) < 100 else f"{value:.0f}"


def _points(pixels: float) -> float:
    return pixels * 72 / DPI
