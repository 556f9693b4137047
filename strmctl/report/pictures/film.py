"""Maps in motion: panels side by side, each frame after the other, with a line of time that marks the frames used."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from strmctl.report.drawing import Figure, own_settings, pixels_of
from strmctl.report.pictures.overlay import overlay
from strmctl.report.text import wrapped

MOST = 3  # panels side by side
SMALLEST = 192  # pixels of a panel
EDGE, GAP, BORDER = 12, 12, 4
TITLE, TEXT, LINE = 17, 14, 20  # sizes of letters, and height of a line
TIME = 34  # height of the line of time
USED, PASSED, LATER = (0, 114, 178), (90, 90, 90), (215, 215, 215)
DPI = 100


class Film:
    """The frames of a film.

    Args:
        names: one for each panel, the frames as filmed first.
        side: side of the frames in pixels.
        positions: positions of all frames, in order.
        used: those that the model sees.
        title: one line, cut where it is too long.
        legend: what is shown.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        side: int,
        positions: Sequence[int],
        used: Collection[int],
        title: str,
        legend: str,
    ) -> None:
        self.zoom = max(1, -(-SMALLEST // side))
        self.side, self.positions, self.used = side * self.zoom, positions, set(used)
        self.columns = columns = min(MOST, len(names) if len(names) <= MOST else -(-len(names) // 2))
        rows = -(-len(names) // columns)
        self.width = 2 * EDGE + columns * (self.side + GAP) - GAP
        self.width += self.width % 2
        told = wrapped(legend, TEXT, 0.95 * (self.width - 2 * EDGE))
        self.top = EDGE + LINE + GAP
        self.time = self.top + rows * (LINE + self.side + GAP)
        self.height = self.time + TIME + (told.count("\n") + 1) * LINE + EDGE
        self.height += self.height % 2
        self.still = self._still(names, wrapped(title, TITLE, 0.95 * self.width - 2 * EDGE, most=1, bold=True), told)

    def corner(self, panel: int) -> tuple[int, int]:
        """Where a panel begins, (x, y) in pixels from the upper left."""
        row, column = divmod(panel, self.columns)
        return EDGE + column * (self.side + GAP), self.top + LINE + row * (LINE + self.side + GAP)

    def frame(self, position: int, pixels: np.ndarray, maps: Sequence[np.ndarray]) -> np.ndarray:
        """One frame of the film, uint8 RGB.

        Args:
            position: position of the frame.
            pixels: the frame, uint8 (S, S, 3), RGB.
            maps: what is laid over it, from 0 to 1, (h, w) each.
        """
        picture = self.still.copy()
        panels = [pixels, *(overlay(pixels[None], values[None])[0] for values in maps)]
        for number, small in enumerate(panels):
            panel = small.repeat(self.zoom, axis=0).repeat(self.zoom, axis=1)
            x, y = self.corner(number)
            if position in self.used:
                picture[y - BORDER : y + self.side + BORDER, x - BORDER : x + self.side + BORDER] = USED
            picture[y : y + self.side, x : x + self.side] = panel
        step = (self.width - 2 * EDGE) / len(self.positions)
        for place, other in enumerate(self.positions):
            left, right = EDGE + round(place * step), EDGE + round((place + 1) * step)
            high = 14 if other in self.used else 6
            middle = self.time + TIME // 2
            colour = USED if other in self.used else PASSED if other <= position else LATER
            picture[middle - high // 2 : middle + high // 2, left : max(left + 1, right - (step >= 3))] = colour
            if other == position:
                picture[middle - 14 : middle - 9, left : max(left + 2, right)] = 0
                picture[middle + 9 : middle + 14, left : max(left + 2, right)] = 0
        return picture

    @own_settings()
    def _still(self, names: Sequence[str], title: str, legend: str) -> np.ndarray:
        """All that does not move, uint8 (height, width, 3)."""
        figure = Figure(figsize=(self.width / DPI, self.height / DPI), dpi=DPI, facecolor="white")

        def write(x: float, y: float, text: str, size: float, weight: str = "normal") -> None:
            style = {"fontsize": size * 72 / DPI, "weight": weight, "va": "center", "parse_math": False}
            figure.text(x / self.width, 1 - y / self.height, text, **style)

        write(EDGE, EDGE + LINE / 2, title, TITLE, "bold")
        for number, name in enumerate(names):
            x, y = self.corner(number)
            write(x, y - BORDER - LINE / 2, wrapped(name, TEXT, 0.92 * self.side, most=1, bold=True), TEXT, "bold")
        for number, line in enumerate(legend.split("\n")):
            write(EDGE, self.time + TIME + (number + 0.5) * LINE, line, TEXT)
        return pixels_of(figure)[: self.height, : self.width, :3].copy()
