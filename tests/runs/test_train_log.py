"""The learning curve that is read from a log."""

from statistics import fmean

import pytest

from strmctl.errors import DataError
from strmctl.runs.train_log import COLUMNS, FILE, TrainLog, learning_curve, trained_episodes


def written(folder, count, every=10):
    """A log of so many episodes; returns its lines."""
    lines = [
        {"episode": n, "loss": 1 / n + n % 3, "accuracy": (n % 7) / 7, "learning_rate": 0.1}
        for n in range(1, count + 1)
    ]
    for line in lines[every - 1 :: every]:
        line |= {"validation_accuracy": line["episode"] / 1e6, "validation_ci95": 0.25 / line["episode"]}
    TrainLog(folder, after=0).add(lines)
    return lines


@pytest.mark.parametrize(
    ("count", "window", "points"), [(1, 1, 30), (7, 1, 30), (45, 2, 30), (1000, 50, 30), (2003, 100, 7)]
)
def test_a_point_is_the_mean_of_the_episodes_before_it(tmp_path, count, window, points):
    lines, curve = written(tmp_path, count), learning_curve(tmp_path, points=points)
    assert (curve.run, curve.window) == (tmp_path.name, window)
    assert len(curve.episodes) <= points and curve.episodes == sorted(set(curve.episodes))
    assert curve.episodes[0] == window and curve.episodes[-1] == count
    for name in ("loss", "accuracy"):
        means = [fmean(line[name] for line in lines[end - window : end]) for end in curve.episodes]
        assert getattr(curve, name) == pytest.approx(means, rel=1e-5, abs=1e-12)
    checked = lines[9::10][-points:]
    assert curve.validated == [line["episode"] for line in checked]
    assert curve.validation == [line["validation_accuracy"] for line in checked]
    assert curve.ci95 == [line["validation_ci95"] for line in checked]


def test_a_log_without_a_line_has_no_curve_and_a_line_that_a_kill_has_cut_does_not_count(tmp_path):
    assert learning_curve(tmp_path, points=9) is None
    TrainLog(tmp_path, after=0)
    assert learning_curve(tmp_path, points=9) is None
    written(tmp_path, 3)
    with (tmp_path / FILE).open("a") as file:
        file.write("4,0.")
    assert learning_curve(tmp_path, points=9).episodes == [1, 2, 3]


@pytest.mark.parametrize(
    "line", ["5,1,1,1,,", "4,x,1,1,,", "4,nan,1,1,,", "4,1,1,1,", "0,1,1,1,,", "4,,1,1,,", "4,1,1,1,1,"]
)
def test_a_damaged_log_is_named(tmp_path, line):
    written(tmp_path, 3)
    with (tmp_path / FILE).open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(DataError, match="not a log of training episodes"):
        learning_curve(tmp_path, points=9)
    assert trained_episodes(tmp_path) <= 5 and len(COLUMNS) == 6
