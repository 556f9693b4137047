"""All charts of a document."""

from strmctl.report.charts.draw import figures
from strmctl.report.charts.style import FILE


def draw_all(document, form=FILE):
    """The figure of each kind of results."""
    return {kind: draw(form) for kind, draw in figures(document).items()}
