"""The figures of a report: ours in panels of their own, the paper's values in tinted ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from strmctl.report.charts.categories import draw_cardinality, draw_components, draw_custom, draw_runs
from strmctl.report.charts.cost import draw_cost
from strmctl.report.charts.folds import draw_folds
from strmctl.report.charts.learning_curves import draw_curves
from strmctl.report.charts.lines import draw_shots, draw_training, draw_tuples
from strmctl.report.charts.style import FILE, NARROW, WIDE, Form
from strmctl.report.document import Document
from strmctl.report.drawing import Figure, OnPage, Rendered, own_settings, rendered, svg_text


def charts(document: Document) -> dict[str, Callable[[], Rendered]]:
    """What draws the figure of each kind of results that a document holds, for files and page."""
    return {kind: partial(_rendered, draw) for kind, draw in figures(document).items()}


def figures(document: Document) -> dict[str, Callable[[Form], Figure]]:
    """What draws each figure in one form; accuracies are drawn in percent."""
    makers = (
        draw_components,
        draw_cardinality,
        draw_tuples,
        draw_shots,
        draw_training,
        draw_cost,
        draw_folds,
        draw_custom,
        draw_runs,
        draw_curves,
    )
    kinds = {make.__name__.removeprefix("draw_"): make for make in makers}
    return {
        kind: partial(own_settings()(make), document)
        for kind, make in kinds.items()
        if _holds_values(getattr(document, kind))
    }


def _rendered(draw: Callable[[Form], Figure]) -> Rendered:
    whole = draw(FILE)
    return rendered(whole)._replace(page=OnPage(svg_text(draw(WIDE)), svg_text(draw(NARROW)), whole.get_label()))


def _holds_values(found: Any) -> bool:
    """Whether a kind holds more than empty dicts and lists."""
    return any(map(_holds_values, found.values())) if isinstance(found, Mapping) else found not in (None, [])
