"""A contact sheet: a row for each clip, with what is known about it and some of its frames in the order of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from strmctl.report.drawing import Figure, own_settings
from strmctl.report.text import wrapped

HEIGHT, WIDEST = 96, 172  # pixels of a frame: those of 16:9 fill both

# Lengths and font sizes in pixels.
TEXT_WIDTH, GAP, EDGE, TOP = 430, 6, 14, 46
NAME, TEXT, TITLE = 15, 14, 20
NAME_LINE, LINE = 20, 18
BARS = 0.85  # grey beside and above frames of other proportions, which no frame of a video is likely to have throughout
DPI = 100


@dataclass(frozen=True)
class SheetRow:
    """One clip.

    Attributes:
        name: name of the clip.
        facts: lines about it.
        pictures: RGB, uint8 (h, w, 3), at most `HEIGHT` x `WIDEST`; empty for a clip without frames.
        reason: text in the place of pictures that are not there.
    """

    name: str
    facts: Sequence[str]
    pictures: Sequence[np.ndarray]
    reason: str = ""


@own_settings()
def draw_sheet(rows: Sequence[SheetRow], *, title: str) -> Figure:
    """A contact sheet as a figure, pixel by pixel.

    Args:
        rows: clips from top to bottom.
        title: one line, cut where it is too long.
    """
    columns = max([len(row.pictures) for row in rows] + [1])
    cell = max([picture.shape[1] for row in rows for picture in row.pictures] + [HEIGHT])
    shown = max(columns * (cell + GAP), 560)  # a reason and the title need some room, too
    texts = [_texts(row) for row in rows]
    heights = [max(HEIGHT, sum(map(_height, row_texts, range(len(row_texts))))) for row_texts in texts]
    width = EDGE + TEXT_WIDTH + GAP + shown + EDGE
    height = TOP + sum(heights) + len(rows) * 2 * GAP + EDGE
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")

    def write(x: float, y: float, text: str, size: float, **style: str) -> None:
        where = (x / width, 1 - y / height)
        style = {"ha": "left", "va": "top"} | style
        figure.text(*where, text, fontsize=_points(size), parse_math=False, linespacing=1.1, **style)

    write(EDGE, TOP / 2, wrapped(title, TITLE, 0.9 * (width - 2 * EDGE), most=1), TITLE, va="center", weight="bold")
    top = TOP + GAP
    for row, row_texts, high in zip(rows, texts, heights, strict=True):
        y = top
        for position, text in enumerate(row_texts):
            write(EDGE, y, text, TEXT if position else NAME, weight="normal" if position else "bold")
            y += _height(text, position)
        left = EDGE + TEXT_WIDTH + GAP
        if not row.pictures:
            lines = wrapped(row.reason, TEXT, shown - 4 * GAP, most=HEIGHT // LINE)
            write(left + GAP, top, lines, TEXT, style="italic")
        for position, picture in enumerate(row.pictures):
            x, y = left + position * (cell + GAP), height - top - HEIGHT  # from below, as figimage counts
            figure.figimage(_boxed(picture, cell), x, y, origin="upper")
        top += high + 2 * GAP
    return figure


def _boxed(picture: np.ndarray, width: int) -> np.ndarray:
    """A picture in the middle of a grey box, uint8 (HEIGHT, width, 3)."""
    box = np.full((HEIGHT, width, 3), round(255 * BARS), np.uint8)
    high, wide = picture.shape[:2]
    top, left = (HEIGHT - high) // 2, (width - wide) // 2
    box[top : top + high, left : left + wide] = picture
    return box


def _texts(row: SheetRow) -> list[str]:
    name = wrapped(row.name, NAME, 0.88 * (TEXT_WIDTH - GAP), most=2)  # bold letters are wider than those measured
    return [name, *(wrapped(fact, TEXT, TEXT_WIDTH - GAP, most=3) for fact in row.facts)]


def _height(text: str, position: int) -> int:
    """Pixels that a text takes; the name comes first."""
    return (text.count("\n") + 1) * (LINE if position else NAME_LINE)


def _points(pixels: float) -> float:
    return pixels * 72 / DPI
