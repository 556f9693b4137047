"""A caption for the frames of a video: a class with its probability, in words and as a bar."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from strmctl.report.drawing import Figure, own_settings, pixels_of
from strmctl.report.text import wrapped

# Shares of the height of a frame, but for very wide ones.
STRIP, TEXT, BAR = 0.12, 0.065, 0.022
WIDEST = 3  # times the height: what wider frames count as
DARK, BLUE = (0, 0, 0, 166), (86, 180, 233, 255)  # behind the text; of the bar, told from black by all eyes
DPI = 100


def draw_caption(text: str, share: float, width: int, height: int) -> np.ndarray:
    """A strip for the lower end of a frame, uint8 RGBA (h, width, 4).

    Args:
        text: one line, cut where it is too long.
        share: part of the width that the bar fills, a fraction.
        width: width of the frame in pixels.
        height: height of the frame in pixels.
    """
    size = max(height, width // WIDEST)
    strip = _strip(text, width, min(height, round(STRIP * size)), TEXT * size).copy()
    strip[-max(2, round(BAR * size)) :, : round(share * width)] = BLUE
    return strip


@lru_cache(256)
@own_settings()
def _strip(text: str, width: int, height: int, size: float) -> np.ndarray:
    """White text on dark ground, uint8 RGBA (height, width, 4); `size` is that of the text in pixels."""
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor=[part / 255 for part in DARK])
    line = wrapped(text, size, 0.95 * (width - size), most=1, bold=True)
    style = {"color": "white", "weight": "bold", "va": "center", "parse_math": False}
    figure.text(size / 2 / width, 0.6, line, fontsize=size * 72 / DPI, **style)
    return pixels_of(figure)
