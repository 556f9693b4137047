"""How a video asks to be shown: the display matrix of MP4 and MOV files (ISO/IEC 14496-12, `tkhd`).

The matrix turns and mirrors; phones' front cameras write mirrored ones. Decoders know its angle alone.
"""

from __future__ import annotations

import numpy as np

from strmctl.errors import DataError

Matrix = tuple[int, int, int, int]  # a, b, c, d: a pixel (x, y) is shown at (a·x + c·y, b·x + d·y)


def is_mirrored(matrix: Matrix) -> bool:
    """Whether a matrix mirrors.

    Raises:
        DataError: it turns by something else than a right angle, or shears.
    """
    a, b, c, d = matrix
    straight, crossed = not (b or c) and a and d, not (a or d) and b and c
    if not (straight or crossed):
        raise DataError("its display matrix turns the picture by no right angle")
    return a * d - b * c < 0


def oriented(pixels: np.ndarray, matrix: Matrix) -> np.ndarray:
    """A frame `(H, W, 3)` as it is shown, turned and mirrored."""
    a, b, c, d = matrix
    if b or c:
        pixels, a, d = pixels.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(pixels[:: 1 if d > 0 else -1, :: 1 if a > 0 else -1])
