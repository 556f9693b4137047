"""Results as eval_tables."""

import csv

import pytest

from strmctl.evaluation.statistics.summary import summarise
from strmctl.report.terminal import eval_tables
from strmctl.results import EvalResult, QueryRow

FIGURES = {
    **{"shot": 5, "accuracy": 0.7012, "ci95": 0.0034, "episodes": 10_000, "queries": 50_000},
    "per_class": {"a": 0.9, "b": 0.5, "c": 0.7},
    "classes": {"n": 3, "mean": 0.7, "ci95": 0.4969, "bootstrap": [0.5333, 0.8667]},
    "confusion": {"classes": ["a", "b", "c"], "counts": [[9, 1, 0], [2, 5, 3], [0, 3, 7]]},
    "confused": [{"true": "b", "predicted": "c", "share": 0.3}, {"true": "b", "predicted": "a", "share": 0.2}],
}


def result(*figures, rows=()):
    shape = {"split": "test", "way": 5, "queries": 1, "episodes": 10_000, "seed": 0}
    return EvalResult(run="r", dataset="d", **shape, results=figures, provenance={}, rows=rows)


def test_a_row_holds_the_accuracy_with_its_interval_and_that_over_classes():
    columns, rows = eval_tables.accuracy(result(FIGURES))
    assert columns == ["shots", "accuracy, %", "over classes, %", "chance, %"]
    assert rows == [["5", "70.1 ± 0.3", "20.31 to 100.00", "20"]]


def test_a_wide_row_holds_three_intervals_in_percent():
    columns, rows = eval_tables.wide_accuracy(result(FIGURES))
    assert dict(zip(columns, rows[0], strict=True)) == {
        "shots": "5",
        "accuracy, %": "70.12",
        "95 % interval, %: episodes": "69.78 to 70.46",
        "classes, t": "20.31 to 100.00",  # 119.69 is no accuracy
        "classes, bootstrap": "53.33 to 86.67",
        "chance, %": "20",
        "episodes": "10,000",
        "classes": "3",
    }


@pytest.mark.parametrize("change", [{"classes": None}, {}])
def test_without_an_interval_over_classes_a_dash_stands_there(change):
    figures = {key: value for key, value in FIGURES.items() if key != "classes"} | change
    _, rows = eval_tables.wide_accuracy(result(figures))
    assert rows[0][2:5] == ["69.78 to 70.46", "–", "–"]
    assert eval_tables.accuracy(result(figures))[1][0][2] == "–"


def test_a_low_end_is_not_below_zero():
    over = FIGURES["classes"] | {"mean": 0.2}
    _, rows = eval_tables.accuracy(result(FIGURES | {"classes": over}))
    assert rows[0][2] == "0.00 to 69.69"


def test_confused_pairs():
    columns, rows = eval_tables.confused(FIGURES)
    assert columns == ["true class", "taken for", "of its queries, %"]
    assert rows == [["b", "c", "30.0"], ["b", "a", "20.0"]]


def test_confusion_csv_holds_every_query_once(tmp_path):
    seen = [
        *[(1, "up", "up"), (1, "up", "down, then up"), (1, "down, then up", "down, then up")],
        *[(5, "up", "left"), (5, "left", "left"), (5, "left", "left")],
    ]
    rows = [QueryRow(shot, number, "clip", true, predicted) for number, (shot, true, predicted) in enumerate(seen)]
    eval_tables.write_confusion(tmp_path / "confusion.csv", result(*summarise(rows), rows=rows))
    with (tmp_path / "confusion.csv").open(newline="", encoding="utf-8") as file:
        header, *lines = csv.reader(file)
    assert header == ["shot", "true class", "down, then up", "left", "up"]
    counted = [
        (int(shot), true, predicted)
        for shot, true, *counts in lines
        for predicted, count in zip(header[2:], counts, strict=True)
        for _ in range(int(count))
    ]
    assert sorted(counted) == sorted(seen)
    assert [line[:2] for line in lines] == [["1", "down, then up"], ["1", "up"], ["5", "left"], ["5", "up"]]
