"""Pictures of how runs learn, read back from what is drawn."""

import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer

from strmctl.report.accuracies import Curve
from strmctl.report.charts.learning_curves import draw_run
from tests.report.charts.charts_for_tests import draw_all
from tests.report.charts.test_layout import ODD, assert_tidy
from tests.saved import sample


def curve(run="sample", episodes=(50, 500, 1000), loss=(2.0, 0.5, 0.25), **more):
    known = {"window": 50, "accuracy": [0.2, 0.6, 0.9], "validated": [500, 1000]}
    known |= {"validation": [0.5, 0.75], "ci95": [0.1, 0.05]}
    return Curve(run=run, episodes=list(episodes), loss=list(loss), **(known | more))


def all_in_view(figure):
    """Whether every point lies inside its panel, and none is squeezed into a tenth of it."""
    for axes in figure.axes:
        points = np.concatenate([line.get_xydata() for line in axes.lines])
        low, high = axes.get_xlim()
        assert low == 0 and points[:, 0].max() <= high <= 1.1 * max(points[:, 0].max(), 1)


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_the_picture_of_a_run_shows_loss_accuracy_and_validation_with_its_interval():
    figure = draw_run(curve(), way=5)
    losses, accuracies = figure.axes
    np.testing.assert_allclose(losses.lines[0].get_xydata(), [[50, 2], [500, 0.5], [1000, 0.25]])
    np.testing.assert_allclose(accuracies.lines[0].get_xydata(), [[50, 20], [500, 60], [1000, 90]])
    (bars,) = [one for one in accuracies.containers if isinstance(one, ErrorbarContainer)]
    np.testing.assert_allclose(bars[0].get_xydata(), [[500, 50], [1000, 75]])
    ends = [segment[:, 1] for segment in bars[2][0].get_segments()]
    np.testing.assert_allclose(ends, [[40, 60], [70, 80]])
    assert legend(figure) == ["training, mean of 50 episodes", "validation"]
    all_in_view(figure)
    words = figure.get_supxlabel()
    assert words == "sample, 1,000 training episodes; error bars: 95 % intervals over validation episodes"
    assert "chance" in [text.get_text() for text in accuracies.texts]


@pytest.mark.parametrize("run", ["sample", *ODD])
def test_nothing_overlaps_whatever_a_run_is_called(run):
    assert_tidy(draw_run(curve(run), way=5))


@pytest.mark.parametrize("loss", [1e-12, 3.4e9])
def test_a_run_of_one_episode_without_validation(loss):
    alone = curve(episodes=[1], loss=[loss], window=1, accuracy=[0.0], validated=[], validation=[], ci95=[])
    figure = draw_run(alone, way=5)
    assert_tidy(figure)
    assert legend(figure) == ["training, mean of 1 episodes"] and "error bars" not in figure.get_supxlabel()


def test_a_report_has_the_mean_of_a_label_in_its_style_and_its_runs_thin():
    labels = {
        "TRM": [curve("a"), curve("b", loss=(1.0, 0.25, 0.75), validation=[0.6, 0.65], window=20)],
        "STRM": [curve("c", validated=[], validation=[], ci95=[])],
    }
    figure = draw_all(sample(curves=labels))["curves"]
    assert_tidy(figure)
    losses, accuracies = figure.axes
    all_in_view(figure)
    found = [(line.get_linestyle(), line.get_alpha(), list(line.get_ydata())) for line in losses.lines]
    thin, mean, alone = found[:2], found[2], found[3]
    assert [line[2] for line in thin] == [[2.0, 0.5, 0.25], [1.0, 0.25, 0.75]] and all(line[1] < 1 for line in thin)
    assert mean[1:] == (None, [1.5, 0.375, 0.5]) and alone[1:] == (None, [2.0, 0.5, 0.25]) and mean[0] != alone[0]
    np.testing.assert_allclose(accuracies.lines[2].get_ydata(), [55, 70])
    assert [len(line.get_xdata()) for line in accuracies.lines] == [2, 2, 2, 0]
    words = figure.get_supxlabel().replace("\n", " ")
    assert legend(figure) == ["TRM", "STRM"] and "mean of 20 to 50 episodes" in words


def test_runs_of_other_lengths_have_means_of_their_own():
    longer = curve("b", episodes=(50, 2000, 4000), validated=[2000, 4000])
    losses, accuracies = draw_all(sample(curves={"STRM": [curve("a"), longer]}))["curves"].axes
    assert [list(line.get_xdata()) for line in losses.lines] == [[50, 500, 1000], [50, 2000, 4000]]
    assert [list(line.get_xdata()) for line in accuracies.lines] == [[500, 1000], [2000, 4000]]
    assert "curves" not in draw_all(sample())
