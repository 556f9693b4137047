"""The picture of a match: a query, and for each class its distance and the frames that were compared, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from strmctl.report.drawing import Figure, own_settings
from strmctl.report.text import wrapped

# Lengths and sizes of letters in pixels.
CELL, GAP, BETWEEN, EDGE, TOP = 96, 4, 28, 16, 52
TEXT_WIDTH, BAR, LINE = 300, 12, 20
NAME, TEXT, TITLE = 18, 15, 22
HEAD = CELL + 2 * LINE + 24  # of the query
CAPTION = 20  # below a pair
ROOM = 1300  # pixels for pairs in a row, about
QUERY, SUPPORT = (0, 114, 178), (230, 159, 0)  # blue and orange, told apart by all eyes
DARK, LIGHT = 64, 230  # of a bar of probability
DPI = 100


@dataclass(frozen=True)
class Strip:
    """Frames of the query, frames of a class, and what stands below them."""

    query: Sequence[np.ndarray]
    support: Sequence[np.ndarray]
    caption: str


@dataclass(frozen=True)
class MatchRow:
    """A class.

    Attributes:
        name: its name.
        facts: lines about it.
        share: its probability, a fraction.
        strips: pairs of frames, in lines.
    """

    name: str
    facts: Sequence[str]
    share: float
    strips: Sequence[Sequence[Strip]]


def strips_in_a_line(query: int, support: int) -> int:
    """How many pairs of so many frames stand side by side."""
    return max(1, ROOM // (_wide(query, support) + BETWEEN))


@own_settings()
def draw_match(
    frames: Sequence[np.ndarray], captions: Sequence[str], rows: Sequence[MatchRow], *, title: str, legend: str
) -> Figure:
    """A match as a figure.

    Args:
        frames: L frames of the query, uint8 (CELL, CELL, 3), RGB.
        captions: one below each of them.
        rows: classes from top to bottom.
        title: one line, cut where it is too long.
        legend: what weights and distances are.
    """
    lines = [strip for row in rows for strip in row.strips]
    widest = [sum(_wide(len(one.query), len(one.support)) + BETWEEN for one in line) for line in lines]
    width = EDGE + TEXT_WIDTH + max([*widest, len(frames) * (CELL + GAP), 500]) + EDGE
    heights = [max(len(row.strips) * (CELL + CAPTION + GAP), (len(row.facts) + 2) * LINE + BAR) + 16 for row in rows]
    told = wrapped(legend, TEXT, 0.95 * (width - 2 * EDGE))
    height = TOP + HEAD + sum(heights) + (told.count("\n") + 1) * LINE + EDGE
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")

    def write(x: float, y: float, text: str, size: float, **style: str) -> None:
        style = {"ha": "left", "va": "center"} | style
        figure.text(x / width, 1 - y / height, text, fontsize=size * 72 / DPI, parse_math=False, **style)

    def place(x: float, y: float, pictures: Sequence[np.ndarray], colour: Sequence[int] = ()) -> float:
        """Draws pictures side by side, under a line of a colour; gives where they end."""
        for picture in pictures:
            figure.figimage(picture, round(x), round(height - y - len(picture)), origin="upper")
            if colour:
                line = np.full((4, CELL + GAP * (picture is not pictures[-1]), 3), colour, np.uint8)
                figure.figimage(line, round(x), round(height - y + 2), origin="upper")
            x += CELL + GAP
        return x

    write(EDGE, TOP / 2, wrapped(title, TITLE, 0.97 * (width - 2 * EDGE), most=1, bold=True), TITLE, weight="bold")
    left, top = EDGE + TEXT_WIDTH, TOP + 8
    write(EDGE, top + CELL / 2, "query", NAME, weight="bold")
    place(left, top, frames, QUERY)
    for column, caption in enumerate(captions):
        write(left + column * (CELL + GAP) + CELL / 2, top + CELL + LINE / 2 + 2, caption, TEXT, ha="center")
    top = TOP + HEAD
    for row, high in zip(rows, heights, strict=True):
        write(EDGE, top + LINE / 2, wrapped(row.name, NAME, 0.9 * TEXT_WIDTH, most=1, bold=True), NAME, weight="bold")
        room = TEXT_WIDTH - 3 * GAP - 56
        place(EDGE, top + LINE + 4, [_bar(room, row.share)])
        write(EDGE + room + GAP, top + LINE + 4 + BAR / 2, _percent(row.share), TEXT)
        for position, fact in enumerate(row.facts):
            y = top + LINE + BAR + 8 + (position + 0.5) * LINE
            write(EDGE, y, wrapped(fact, TEXT, 0.95 * TEXT_WIDTH, most=1), TEXT)
        for number, line in enumerate(row.strips):
            x, y = left, top + number * (CELL + CAPTION + GAP)
            for strip in line:
                begin = x
                x = place(place(x, y, strip.query, QUERY) + GAP, y, strip.support, SUPPORT)
                room = x - begin - GAP
                write(begin, y + CELL + CAPTION / 2, wrapped(strip.caption, TEXT, 0.97 * room, most=1), TEXT)
                x = begin + _wide(len(strip.query), len(strip.support)) + BETWEEN
        top += high
    for number, line in enumerate(told.split("\n")):
        write(EDGE, top + (number + 0.5) * LINE, line, TEXT)
    return figure


def _wide(query: int, support: int) -> int:
    """Width of a pair."""
    return (query + support) * (CELL + GAP) + GAP if query else support * (CELL + GAP)


def _percent(share: float) -> str:
    return (
        f"{100 * share:.0f} %" if 0.005 <= share <= 0.995 or share in (0, 1) else ("<1 %" if share < 0.5 else ">99 %")
    )


def _bar(width: int, share: float) -> np.ndarray:
    """A bar of a share, uint8 (BAR, width, 3)."""
    bar = np.full((BAR, width, 3), LIGHT, np.uint8)
    bar[:, : max(1, round(width * share))] = DARK
    return bar
