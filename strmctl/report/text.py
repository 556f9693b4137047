"""Text of figures, broken into lines and shortened by the width that it takes."""

from __future__ import annotations

from bisect import bisect_right

from strmctl.report.drawing import FontProperties, text_to_path


def wrapped(words: str, size: float, longest: float, *, most: int | None = None, bold: bool = False) -> str:
    """A text in lines of limited width; what does not fit is cut, with an ellipsis.

    Args:
        words: a text; bytes of a file's name that are no text become question marks.
        size: size of the font.
        longest: greatest width of a line, in the unit of `size`.
        most: greatest number of lines; None for any number.
        bold: whether the font is bold.
    """
    rest = " ".join(words.encode("utf-8", "replace").decode().split())
    lines: list[str] = []
    while rest:
        ends = range(1, len(rest) + 1)
        fits = bisect_right(ends, longest, key=lambda end, rest=rest: width_of(rest[:end], size, bold=bold))
        if fits < len(rest) and most == len(lines) + 1:
            lines.append(rest[: max(1, fits - 1)].rstrip() + "…")
            break
        space = rest.rfind(" ", 0, fits + 1) if fits < len(rest) else -1
        fits = space if space > 0 else max(1, fits)
        lines.append(rest[:fits])
        rest = rest[fits:].lstrip()
    return "\n".join(lines)


def width_of(words: str, size: float, *, bold: bool = False) -> float:
    """Width of the longest line, in the unit of `size`."""
    font = FontProperties(size=size, weight="bold" if bold else "normal")
    return max(text_to_path.get_text_width_height_descent(line, font, False)[0] for line in words.split("\n"))
