"""Tables that fit a terminal: lines end between words, and where there is no room for columns, each row is a block."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

GAP = 2  # blanks between columns
BETWEEN_WORDS = re.compile(r"(?<!±)[ ]+(?!±)")  # `71.1 ± 0.4` is one word

Rows = Sequence[Sequence[str]]


def fitted(columns: Sequence[str], rows: Rows, width: int, length: Callable[[str], int] = len) -> list[list[str]]:
    """The head and the rows of a table with line ends in their cells, so that the table is not wider than `width`.

    Args:
        columns: heads of the columns.
        rows: cells, which may hold line ends.
        width: places in a line.
        length: places that a text takes.

    Returns:
        The head, then the rows; empty where the longest words alone are too wide.
    """
    table = [list(columns), *map(list, rows)]
    each = list(zip(*table, strict=True))
    widths = [max(length(line) for cell in cells for line in cell.split("\n")) for cells in each]
    least = [max(length(word) for cell in cells for word in _words(cell)) for cells in each]
    room = width - GAP * (len(widths) - 1)
    if sum(least) > room:
        return []
    while sum(widths) > room:  # at the cost of the widest column that can give
        widest = max(range(len(widths)), key=lambda i: (widths[i] > least[i], widths[i]))
        widths[widest] -= 1
    return [[in_lines(cell, most, length) for cell, most in zip(row, widths, strict=True)] for row in table]


def blocks(columns: Sequence[str], rows: Rows, width: int, length: Callable[[str], int] = len) -> list[str]:
    """The lines of a table whose rows are blocks: a line with the head and the cell for each column."""
    longest = max(map(length, columns))
    lines = []
    for row in rows:
        for column, cell in zip(columns, row, strict=True):
            head = column + " " * (longest - length(column) + GAP)
            parts = in_lines(cell, width - longest - GAP, length).split("\n")
            lines += [f"{head if i == 0 else ' ' * (longest + GAP)}{part}".rstrip() for i, part in enumerate(parts)]
        lines.append("")
    return lines[:-1]


def in_lines(text: str, most: int, length: Callable[[str], int] = len) -> str:
    """A text with line ends between words, so that no line takes more than `most` places; a longer word stays whole."""
    lines = []
    for line in text.split("\n"):
        if length(line) <= most:
            lines.append(line)
            continue
        lines.append("")
        for word in _words(line):
            longer = f"{lines[-1]} {word}" if lines[-1] else word
            if lines[-1] and length(longer) > most:
                lines.append(word)
            else:
                lines[-1] = longer
    return "\n".join(lines)


def _words(text: str) -> list[str]:
    return [word for line in text.split("\n") for word in BETWEEN_WORDS.split(line)]
