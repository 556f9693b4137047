"""All charts of a document."""

from strmctl.report.charts.draw import charts


def draw_all(document):
    """The figure of each kind of results."""
    return {kind: draw() for kind, draw in charts(document).items()}
