"""The colours of charts, and what stands for each model: hue, marker and line, the same in every chart and report.

Charts are drawn in the colours of a light page; `DARK` has the colour of a dark page for each of them. The hues differ
for readers who do not tell red from green, or blue from yellow, as well; where more models than hues are shown, those
of one hue differ in marker and line. `tests/report/charts/test_hues.py` measures all this.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from strmctl.model.methods.table import METHODS
from strmctl.report.document import Document

INK, GROUND, GRID, CHANCE = "#000000", "#ffffff", "#cccccc", "#404040"
PUBLISHED = "#ededed"  # the ground of panels with values of the paper
PALE, MIDDLE, DEEP = "#d9d9d9", "#999999", "#4d4d4d"  # of parts of a model
ACCENT = "#f53b24"  # STRM's own
HUES = ("#2b36a5", "#399155", "#8944cc", "#5b5006", "#c553a6", "#166f6a", "#371671")
DARK = {
    INK: "#e6e9ed",
    GROUND: "#14171b",
    GRID: "#39414a",
    CHANCE: "#b4bcc6",
    PUBLISHED: "#252b31",
    PALE: "#4a525b",
    MIDDLE: "#7d8691",
    DEEP: "#c9d0d8",
    ACCENT: "#ef5f4a",
    **dict(zip(HUES, ("#99aef4", "#78e095", "#a744fd", "#e2ca29", "#c762aa", "#80fbf3", "#9e83f2"), strict=True)),
}
MARKERS = "s^DvPX<>h*pd"  # STRM has the circle; 12 and 7 have no common divisor, so no two of 84 share hue and marker
LINES = ("--", "-.", ":", (0, (6, 2)), (0, (4, 1, 1, 1)))
FILLS = ("full", "right", "left", "top", "bottom")  # of several models of one method

# Those that are shown together most have the hues; the others come round again, in the order of the table of methods.
FIRST = ("TRM", "TRX", "OTAM", "prototype", "TRM+PLE", "TRM+FLE", "TRM+PLE+FLE")
_NAMES = {name: method.label.partition(" (")[0] for name, method in METHODS.items()}
ORDER = tuple(dict.fromkeys(("STRM", *FIRST, *_NAMES.values())))
_KNOWN = {name.lower(): name for name in ORDER} | _NAMES
_FIND = re.compile(
    rf"(?<![\w+])({'|'.join(map(re.escape, sorted(_KNOWN, key=len, reverse=True)))})(?![\w+])", re.IGNORECASE
)
_CARDINALITIES = re.compile(r" \{[\d,]+\}$")


def method_of(label: str) -> str | None:
    """The method, or the parts of STRM, that a label names first: `OTAM` of `otam, frames shuffled`; None without."""
    found = _FIND.search(label)
    return _KNOWN[found[1].lower()] if found else None


def styles_of(document: Document) -> dict[str, dict[str, Any]]:
    """Label -> colour, marker and line, for all labels of a report; see `styles`."""
    kinds = (
        document.components,
        document.shots,
        document.training,
        document.tuples,
        document.folds,
        document.custom,
        document.curves,
        [run.label for run in document.runs],
    )
    return styles(itertools.chain(*kinds, document.cardinality), dict.fromkeys(document.cardinality, "STRM"))


def styles(labels: Iterable[str], known: Mapping[str, str] | None = None) -> dict[str, dict[str, Any]]:
    """Label -> what a line of matplotlib looks like.

    A method has the style of its place in `ORDER`. Further labels with its name have its hue and marker, filled by
    halves; labels without the name of a method have the styles that are left.

    Args:
        labels: the labels.
        known: method of labels that do not name it.
    """
    models = {label: _CARDINALITIES.sub("", label) for label in labels}  # `STRM {2}` is STRM
    methods = {model: (known or {}).get(model) or method_of(model) for model in models.values()}
    taken = set(methods.values())
    free = itertools.chain(
        (rank for rank, name in enumerate(ORDER) if rank and name not in taken), itertools.count(len(ORDER))
    )
    seen: Counter[str | None] = Counter()
    made = {}
    for model, name in methods.items():
        rank = ORDER.index(name) if name else next(free)
        made[model] = _style(rank, seen[name] if name else 0)
        seen[name] += 1
    return {label: made[model] for label, model in models.items()}


def _style(rank: int, copy: int) -> dict[str, Any]:
    """The style of a place in `ORDER`, and of further models of that method."""
    other = {
        "color": HUES[(rank - 1) % 7],
        "marker": MARKERS[(rank - 1) % 12],
        "linestyle": LINES[(rank - 1 + copy + copy // 5) % 5],
    }
    chosen = other if rank else {"color": ACCENT, "marker": "o", "linestyle": ["-", *LINES][copy % 6]}
    more = {"fillstyle": FILLS[copy % 5], "markerfacecoloralt": GROUND, "markersize": 9, "linewidth": 1.8}
    return chosen | more
