"""Published accuracies of other papers: the file that comes with the tool, damaged ones, and what fits some runs."""

import copy
from collections import Counter
from types import SimpleNamespace

import pytest

from strmctl import yaml
from strmctl.ablation.other_papers import published_beside, read_published
from strmctl.errors import DataError
from strmctl.paths import shipped

FILE = shipped("reports", "published.yaml")
SOURCES = {"A 2020": {"paper": "A, B", "place": "Table 1", "on": "test", "why": "run.py"}}
ROW = {"method": "M", "backbone": "R", "source": "A 2020", "by": "authors", "accuracy": {"ssv2": {1: 50, 5: 60.5}}}


def read(tmp_path, sources=None, rows=None, **more):
    path = tmp_path / "published.yaml"
    content = {"sources": SOURCES if sources is None else sources, "rows": [ROW] if rows is None else rows, **more}
    path.write_text(yaml.dump(copy.deepcopy(content)))
    return read_published(path)


def changed(entry, **more):
    return {key: value for key, value in (entry | more).items() if value is not None}


def test_the_file_that_comes_with_the_tool():
    rows, content = read_published(FILE), yaml.load(FILE)
    assert sum(len(row.accuracy) for row in rows) == sum(
        len(accuracy) for row in content["rows"] for accuracy in row["accuracy"].values()
    )
    zoo = {(row.method, row.dataset): row.accuracy for row in rows if row.read_in == "Bertrand 2023"}
    assert zoo["Chamfer++", "ssv2"] == {1: 67.8, 5: 81.6} and zoo["TRX", "ucf101"] == {1: 96.6, 5: 99.5}
    assert {row.method for row in rows if row.outlier} >= {"SOAP", "Manta", "Otter"}
    assert {row.on for row in rows if row.names} == {"test"}
    again = Counter((row.method, row.backbone, row.dataset, row.read_in, row.by) for row in rows)
    assert max(again.values()) == 1
    assert "STRM" not in {row.method for row in rows}  # its numbers are in paper.yaml


def test_what_a_row_leaves_out_is_filled_in_from_its_source(tmp_path):
    (row,) = read(tmp_path)
    assert (row.dataset, row.accuracy, row.on, row.why) == ("ssv2", {1: 50, 5: 60.5}, "test", "run.py")
    assert (row.read_in, row.paper, row.place, row.names, row.outlier) == ("A 2020", "A, B", "Table 1", False, "")
    _, second = read(tmp_path, rows=[ROW, ROW | {"outlier": "odd", "names": True, "note": "n"}])
    assert (second.outlier, second.names, second.note) == ("odd", True, "n")


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"source": None}, "source is missing"),
        ({"source": "B 2021"}, "source is 'B 2021', not A 2020"),
        ({"method": None}, "method is missing"),
        ({"backbone": " "}, "backbone is empty"),
        ({"by": "hearsay"}, "by is 'hearsay', not authors or again or quoted"),
        ({"acuracy": {}}, "the key 'acuracy' is unknown"),
        ({"names": "yes"}, "names is 'yes', not true or false"),
        ({"outlier": ""}, "outlier is empty"),
        ({"accuracy": {}}, "accuracy is empty"),
        ({"accuracy": {"ssv3": {1: 50.0}}}, "accuracy.ssv3: no such data set"),
        ({"accuracy": {"ssv2": 50.0}}, "accuracy.ssv2 is no object"),
        ({"accuracy": {"ssv2": {}}}, "accuracy.ssv2 is no object"),
        ({"accuracy": {"ssv2": {0: 50.0}}}, "accuracy.ssv2: 0: 50.0 is no number of shots with a percentage"),
        ({"accuracy": {"ssv2": {"five": 50.0}}}, "accuracy.ssv2: 'five': 50.0 is no number of shots with a percentage"),
        ({"accuracy": {"ssv2": {5: 101}}}, "accuracy.ssv2: 5: 101 is no number of shots with a percentage"),
        ({"accuracy": {"ssv2": {5: "70.6"}}}, "accuracy.ssv2: 5: '70.6' is no number of shots with a percentage"),
    ],
)
def test_a_damaged_row_is_named_with_what_is_wrong(tmp_path, row, problem):
    with pytest.raises(DataError) as caught:
        read(tmp_path, rows=[ROW, changed(ROW, **row)])
    assert f"rows[1]: {problem}" in caught.value.message and "rows[0]" not in caught.value.message


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ({"paper": None}, "paper is missing"),
        ({"place": ""}, "place is empty"),
        ({"on": "guess"}, "on is 'guess', not val or test or unknown"),
        ({"why": None}, "why is missing"),
        ({"url": "x"}, "the key 'url' is unknown"),
    ],
)
def test_a_damaged_source_is_named_with_what_is_wrong(tmp_path, source, problem):
    with pytest.raises(DataError, match=f"sources.A 2020: {problem}"):
        read(tmp_path, sources={"A 2020": changed(SOURCES["A 2020"], **source)})


def test_all_problems_are_shown_at_once(tmp_path):
    with pytest.raises(DataError) as caught:
        read(tmp_path, sources=SOURCES | {"C": SOURCES["A 2020"]}, rows=["x", ROW | {"by": "me"}], extra=1)
    message = caught.value.message
    for words in ("the key 'extra'", "rows[0]: it is 'x', not an object", "rows[1]: by is 'me'", "sources.C: no row"):
        assert words in message


@pytest.mark.parametrize("text", ["rows: [", "rows: []", "[]", "sources: {}\nrows: {}\n", "\xff\xfe"])
def test_what_is_no_such_file_is_said(tmp_path, text):
    path = tmp_path / "published.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=r"published\.yaml"):
        read_published(path)
    with pytest.raises(DataError, match=r"cannot be read"):
        read_published(tmp_path / "nowhere.yaml")


def a_run(store="ssv2", shots=(1, 5), split="test", way=5, **data):
    source = {"store": store, "recipe": {"data": {"dataset": store, **data}}}
    results = [{"shot": shot} for shot in shots]
    return SimpleNamespace(result=SimpleNamespace(split=split, way=way, provenance=source, results=results))


def beside(tested):
    rows = published_beside(read_published(FILE), tested, ["kinetics100", "ssv2"])
    found = {}
    for row in rows:
        found.setdefault(row.dataset, set()).update(row.accuracy)
    return found


def test_published_accuracies_stand_beside_runs_of_their_data_set_and_shots():
    assert beside([]) == beside([a_run("sprites")]) == beside([a_run("mine")]) == {}
    assert beside([a_run()]) == {"ssv2": {1, 5}}
    assert beside([a_run(shots=(1, 2, 3))]) == {"ssv2": {1, 3}} and beside([a_run(shots=(2,))]) == {}
    found = beside([a_run("ucf101", (5,)), a_run(), a_run("ssv2_small", (3,))])
    assert found == {"ssv2": {1, 5}, "ucf101": {5}, "ssv2_small": {3}}
    assert list(found) == ["ssv2", "ucf101", "ssv2_small"]  # those of Table 1 first


@pytest.mark.parametrize("other", [{"way": 4}, {"split": "val"}, {"fold": {"number": 1}}])
def test_no_published_accuracy_stands_beside_a_run_of_another_test(other):
    assert beside([a_run(**other)]) == {}


def test_outliers_come_last_within_a_data_set():
    rows = published_beside(read_published(FILE), [a_run(), a_run("hmdb51")])
    for name in ("ssv2", "hmdb51"):
        marks = [bool(row.outlier) for row in rows if row.dataset == name]
        assert marks == sorted(marks) and True in marks and False in marks
