"""The document of a report: its fields, and `report.json`."""

import json

import pytest

from strmctl.errors import DataError
from strmctl.report.accuracies import Entry, differences
from strmctl.report.document import Run, build, from_json
from tests.saved import entry, sample


def test_what_is_written_is_read_back():
    content = json.loads(json.dumps(sample().to_json()))
    assert from_json(content) == sample() and from_json(content).to_json() == content
    assert content["schema"] == 4 and list(content["tuples"]["STRM {2}"]) == ["0.2", "0.6", "1.0"]
    assert content["components"]["TRM"]["1"]["accuracy"] == 0.5 and "retrained" not in content["grids"]["shots"]
    assert "retrained" in content["grids"]["tuples"] and "runs" not in sample(runs=[]).to_json()
    assert content["runs"][0]["shots"]["1"]["sd"] is None  # a field that is not optional


def test_a_misspelt_or_missing_field_fails_when_it_is_built():
    with pytest.raises(TypeError, match="acuracy"):
        Entry(acuracy=0.5)
    for change in ({"way": None}, {"shots": {"five": {}}}):
        content = sample().to_json()["runs"][0] | change
        content = {key: value for key, value in content.items() if value is not None}
        with pytest.raises((TypeError, ValueError)):
            build(Run, content)


@pytest.mark.parametrize("change", [{"schema": 1}, {"titel": "x"}, {"runs": [{}]}, {"shots": {"STRM": {"x": {}}}}])
def test_a_damaged_report_is_refused(change):
    with pytest.raises(DataError, match="the report is damaged"):
        from_json(sample().to_json() | change)


def test_names_that_are_no_text_are_written_as_far_as_they_are():
    assert list(sample(custom={"bad\udcff": {1: entry(0.4)}}).to_json()["custom"]) == ["bad?"]


def test_differences_are_of_the_seeds_that_both_have():
    assert differences(entry(seeds=(0, 3), each=[0.5, 0.9]), entry(seeds=(3, 4), each=[0.75, 1.0])) == {3: 0.75 - 0.9}
    assert differences(None, entry(0.5)) == differences(entry(0.5), None) == {}
