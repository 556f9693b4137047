"""Figures of documents that are hard to draw: nothing is cut off, nothing overlaps, labels are as they are."""

import copy
import itertools

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.transforms import Bbox

from strmctl.report.charts.draw import draw_all
from tests.report.sample_report import entry, sample, trials

LONG = "STRM trained on $every$ clip_of <the> set & then some more of everything, 100 % of it"
ODD = ["_hidden", "$x_1$", "<b>&\\alpha", LONG, "W" * 120, "a\nb", "動画"]
GRIDS = ("components", "cardinality", "shots", "custom")


def texts(figure):
    """What is written, with its box in pixels."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    found = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for axes in figure.axes:
        found += [*axes.texts, axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label]
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            found += [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
            assert not axis.get_minorticklocs().size
    written = [(text.get_text(), text.get_window_extent(renderer)) for text in found]
    return [(words, box) for words, box in written if words.strip()]


def points(figure):
    """Every point of every line that is drawn with markers, in pixels."""
    lines = [line for axes in figure.axes for line in axes.lines if line.get_marker() not in ("None", "none", "")]
    return np.concatenate([line.axes.transData.transform(line.get_xydata()) for line in lines] or [np.empty((0, 2))])


def assert_tidy(figure):
    """Nothing is cut off, no text lies on another or on a mark."""
    written, marks = texts(figure), points(figure)
    width, height = figure.bbox.size
    for words, box in written:
        assert box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height, words
        assert not np.all((marks > box.min) & (marks < box.max), axis=1).any(), words
    for (first, one), (second, other) in itertools.combinations(written, 2):
        common = Bbox.intersection(one, other)
        assert common is None or min(common.size) <= 1, (first, second)
    for one, other in itertools.combinations([axes.get_window_extent() for axes in figure.axes], 2):
        assert Bbox.intersection(one, other) is None
    for legend in figure.legends:
        box = legend.get_window_extent(FigureCanvasAgg(figure).get_renderer())
        assert all(Bbox.intersection(box, axes.get_window_extent()) is None for axes in figure.axes)


def only(kind, found):
    document = sample()
    return draw_all({key: document[key] for key in ("title", "paper", "grids")} | {kind: found})[kind]


def shapes():
    """Documents that are hard to draw."""
    document = sample()
    yield "sample", document
    one = copy.deepcopy(document)
    for kind in GRIDS:
        one[kind] = {"_$one": {"1": entry(0.31, seeds=(0,))}}
    one["training"] = {"STRM": {"1000": {"1": entry(0.3, seeds=(0,))}}}
    one["tuples"] = {"STRM {2}": {"0.2": {"1": trials(0.5, kept={"2": 6}, count=1)}}}
    for grid in one["grids"].values():
        grid |= {"seeds": [0], "missing": [f"sample-with-a-long-name-{n}" for n in range(30)]}
    yield "one label", one
    shots = ("1", "2", "3", "4", "5", "10")
    six = copy.deepcopy(document)
    for kind in GRIDS:
        six[kind] = {label: {shot: entry(0.18 + 0.06 * n) for n, shot in enumerate(shots)} for label in document[kind]}
    for label, by_length in document["training"].items():
        six["training"][label] = {n: {shot: entry(0.5) for shot in shots} for n in (*by_length, "2000", "8000", "500")}
    for by_share in six["tuples"].values():
        by_share["1.0"] |= {shot: trials(0.6, kept={"2": 28}, count=1) for shot in shots}
    yield "six shots", six
    odd = copy.deepcopy(document) | {"title": LONG}
    for kind in ("shots", "custom"):
        odd[kind] = {label: {"1": entry(0.5 + 0.01 * n), "5": entry(0.999)} for n, label in enumerate(ODD)}
    for grid in odd["grids"].values():
        grid["dataset"] = LONG
    yield "odd", odd
    thin = copy.deepcopy(document)
    for kind in GRIDS:
        for label in list(thin[kind])[1:]:
            thin[kind][label].pop("5", None)
    yield "missing", thin


@pytest.mark.parametrize("document", [pytest.param(one, id=name) for name, one in shapes()])
@pytest.mark.filterwarnings("error:constrained_layout", "ignore:Glyph .* missing")
def test_nothing_is_cut_off_and_nothing_overlaps(document):
    figures = draw_all(document)
    assert len(figures) == 7
    for figure in figures.values():
        assert_tidy(figure)


def test_odd_labels_are_written_as_they_are():
    found = {label: {"1": entry(0.5), "5": entry(0.6)} for label in ("_a", "$b$", "<c>")}
    legend = only("shots", found).legends[0]
    assert [text.get_text() for text in legend.get_texts()] == ["_a", "$b$", "<c>"]
    for text in (*legend.get_texts(), *only("custom", found).axes[0].get_yticklabels()):
        assert not text.get_parse_math()
