"""How a video asks to be shown: a matrix that turns and mirrors, as the headers of MP4, MOV and Matroska files give it.

Phones' front cameras write mirrored ones. Decoders know the angle alone.
"""

from __future__ import annotations

import numpy as np

from strmctl.errors import DataError

Matrix = tuple[float, float, float, float]  # a, b, c, d: a pixel (x, y) is shown at (a·x + c·y, b·x + d·y)


def right_angled(matrix: Matrix) -> Matrix | None:
    """The matrix without what rounding left in it; None when it shows the picture as it is, or is of zeros.

    Raises:
        DataError: it turns by something else than a right angle, or shears.
    """
    least = max(map(abs, matrix)) / 100  # less is rounding
    a, b, c, d = (value if abs(value) > least else 0 for value in matrix)
    if not any((a, b, c, d)):
        return None
    straight, crossed = not (b or c) and a and d, not (a or d) and b and c
    if not (straight or crossed):
        raise DataError("its display matrix turns the picture by no right angle")
    return None if straight and a > 0 and d > 0 else (a, b, c, d)


def oriented(pixels: np.ndarray, matrix: Matrix) -> np.ndarray:
    """A frame `(H, W, 3)` as it is shown, turned and mirrored."""
    a, b, c, d = matrix
    if b or c:
        pixels, a, d = pixels.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(pixels[:: 1 if d > 0 else -1, :: 1 if a > 0 else -1])
