"""A whole report in a browser, wide and narrow, light and dark; `SCREENSHOTS=DIR` keeps what it looks like."""

import os
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from strmctl.report.charts.draw import charts
from strmctl.report.charts.hues import DARK
from strmctl.report.charts.style import SMALL
from strmctl.report.pages.inline import inline
from strmctl.report.pages.write import write_report
from tests.browser import check
from tests.saved import sample

LEAST = 11  # pixels of the smallest text of a chart
SIZES = [(width, dark) for width in (1280, 400) for dark in (False, True)]


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Charts of each kind, by name, and the page that shows them."""
    few = {kind: {} for kind in ("cardinality", "training", "folds")}
    document = sample(**few)
    figures = {kind: draw() for kind, draw in charts(document).items()}
    return figures, write_report(document, tmp_path_factory.mktemp("report"), figures)[0]


@pytest.fixture(scope="module")
def screenshots(tmp_path_factory):
    """Where the pictures go: a folder of the user's, or of this test."""
    folder = Path(os.environ.get("SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def rgb(colour):
    return [int(colour[place : place + 2], 16) for place in (1, 3, 5)]


@pytest.mark.parametrize(("width", "dark"), SIZES)
def test_charts_fit_the_window_and_the_scheme(browser, report, screenshots, width, dark):
    figures, page = report
    shown = check(browser, page, width=width, dark=dark)["charts"]
    form = "chart wide" if width == 1280 else "chart narrow"
    assert [chart["form"] for chart in shown] == [form] * len(figures)
    assert min(SMALL * chart["pixels"] / chart["points"] for chart in shown) >= LEAST
    own = list(map(rgb, DARK.values() if dark else DARK))
    for chart in shown:
        assert all(colour in own for colour in chart["colours"]) and len(chart["colours"]) > 3, chart
    picture = screenshots / f"report_{width}_{'dark' if dark else 'light'}.png"
    browser.screenshot(picture)
    pixels = matplotlib.image.imread(picture)[..., :3]
    assert pixels.shape[1] == width and pixels.shape[0] > 3000
    assert (np.median(pixels) < 0.3) == dark


def test_a_narrow_window_has_no_panel_beside_another(report):
    for kind, figure in report[0].items():
        wide, narrow = (float(svg.split('viewBox="0 0 ')[1].split()[0]) for svg in figure.page[:2])
        assert narrow == 360 and 648 <= wide <= 1080, kind


def test_colours_and_names_of_labels_stay_text():
    svg = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 72.0 36.0"><defs><path id="a" d="M 1.23456 0"/></defs>'
    svg += '<g id="unused"><path style="fill: #ffffff; clip-path: url(#a)"/></g></svg>'
    text = inline(svg, prefix="k-", form="wide", alt='"<b> #ffffff url(#a)')
    assert 'aria-label="&quot;&lt;b&gt; #ffffff url(#a)"' in text and "max-width: 77px" in text
    assert 'id="k-a"' in text and 'd="M 1.23 0"' in text and "unused" not in text
    assert "fill: var(--chart-ffffff); clip-path: url(#k-a)" in text
