"""Text of figures, broken into lines by the width that it takes."""

from __future__ import annotations

import warnings

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path


def wrapped(words: str, size: float, longest: float, *, most: int | None = None) -> str:
    """A text in lines of at most `longest` points; of more than `most` lines the rest is cut, with an ellipsis."""
    rest = " ".join(words.encode("utf-8", "replace").decode().split())
    lines: list[str] = []
    while rest:
        fits = len(rest)
        while fits > 1 and width_of(rest[:fits], size) > longest:
            fits = max(1, min(fits - 1, int(fits * longest / width_of(rest[:fits], size)) + 1))
        if fits < len(rest) and most == len(lines) + 1:
            lines.append(rest[: max(1, fits - 1)].rstrip() + "…")
            break
        space = rest.rfind(" ", 0, fits + 1) if fits < len(rest) else -1
        fits = space if space > 0 else fits
        lines.append(rest[:fits])
        rest = rest[fits:].lstrip()
    return "\n".join(lines)


def width_of(words: str, size: float) -> float:
    """Points that the longest line takes."""
    font = FontProperties(size=size)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")
        return max(
            text_to_path.get_text_width_height_descent(line, font, ismath=False)[0] for line in words.split("\n")
        )
