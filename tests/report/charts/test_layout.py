"""Figures of documents that are hard to draw: nothing is cut off, nothing overlaps, labels are as they are."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from strmctl.model.methods.table import METHODS
from strmctl.report.charts.style import FILE, NARROW
from tests.report.charts.charts_for_tests import draw_all
from tests.saved import entry, folded, sample, trials

LONG = "STRM trained on $every$ clip_of <the> set & then some more of everything, 100 % of it"
ODD = ["_hidden", "$x_1$", "<b>&\\alpha", LONG, "W" * 120, "a\nb", "動画"]
GRIDS = ("components", "cardinality", "shots", "custom")
LENGTHS = (500, 1000, 2000, 4000, 8000)


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
    written = [(one.get_text(), Text.get_window_extent(one, renderer)) for one in found]  # without lines from it
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


def one_label():
    """A single label and seed of everything, and many runs that are missing."""
    one = entry(0.31, seeds=(0,))
    names = [f"sample-with-a-long-name-{number}" for number in range(30)]
    return sample(
        **{kind: {"_$one": {1: one}} for kind in GRIDS},
        training={"STRM": {1000: {1: one}}},
        folds={"_$one": folded(0.31, shots=[1], seeds=[0])},
        tuples={"STRM {2}": {0.2: {1: trials(0.5, kept=(6,))}}},
        grids={kind: replace(grid, seeds=[0], missing=names) for kind, grid in sample().grids.items()},
    )


def six_shots():
    """As many panels as there may be."""
    document, shots = sample(), (1, 2, 3, 4, 5, 10)
    for by_share in document.tuples.values():
        by_share[1.0] |= {shot: trials(0.6) for shot in shots}
    return replace(
        document,
        **{
            kind: {
                label: {shot: entry(0.18 + 0.06 * n) for n, shot in enumerate(shots)}
                for label in getattr(document, kind)
            }
            for kind in GRIDS
        },
        folds={label: folded(0.5, shots=shots) for label in ("TRM", "STRM")},
        training={label: {n: {shot: entry(0.5) for shot in shots} for n in LENGTHS} for label in ("TRM", "STRM")},
    )


def odd():
    """Labels and data of odd and long names, some of them without a result at 5 shots."""
    names = {kind: dict.fromkeys(getattr(sample(), kind)) for kind in ("components", "cardinality")}
    names |= {"shots": dict.fromkeys(ODD), "custom": dict.fromkeys(ODD)}
    return sample(
        title=LONG,
        **{
            kind: {
                label: {1: entry(0.5 + 0.01 * place)} | ({} if place in (2, 3) else {5: entry(0.999)})
                for place, label in enumerate(labels)
            }
            for kind, labels in names.items()
        },
        runs=[replace(sample().runs[0], label=label, way=2 + place) for place, label in enumerate(ODD)],
        folds={label: folded(0.3 + 0.04 * place) for place, label in enumerate(ODD)},
        grids={kind: replace(grid, dataset=LONG) for kind, grid in sample().grids.items()},
    )


def all_methods():
    """Every method in one chart: more than there are hues, and each named where its line ends."""
    labels = [method.label for method in METHODS.values()]
    by_shot = [{shot: entry(0.5 + 0.01 * place + 0.02 * shot) for shot in (1, 2, 5)} for place in range(len(labels))]
    return sample(shots=dict(zip(labels, by_shot, strict=True)))


@pytest.mark.parametrize("form", [FILE, NARROW], ids=["file", "narrow"])
@pytest.mark.parametrize(
    "make", [sample, all_methods, *(pytest.param(make, marks=pytest.mark.slow) for make in (one_label, six_shots, odd))]
)
@pytest.mark.filterwarnings("error:constrained_layout", "ignore:Glyph .* missing")
def test_nothing_is_cut_off_and_nothing_overlaps(make, form):
    figures = draw_all(make(), form)
    assert len(figures) == 9
    for figure in figures.values():
        assert_tidy(figure)
    if make is odd:
        written = [*figures["shots"].legends[0].get_texts(), *figures["custom"].axes[0].get_yticklabels()]
        assert {"_hidden", "$x_1$", "<b>&\\alpha"} <= {text.get_text() for text in written}
        assert not any(text.get_parse_math() for text in written)
