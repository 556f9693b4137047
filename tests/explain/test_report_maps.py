"""Which models of a report stand side by side in a picture of attention."""

from strmctl.explain.report_maps import _side_by_side
from tests.saved import COMPONENTS, entry, sample

NOTHING = {"components": {}, "shots": {}, "custom": {}, "runs": []}


def runs_of(**changes):
    return list(_side_by_side(sample(**NOTHING | changes)))


def test_a_picture_holds_the_first_run_of_each_model_of_a_grid():
    assert runs_of(components=sample().components) == [[f"{label.lower()}-s0" for label in COMPONENTS]]
    assert runs_of(runs=sample().runs) == [["sample-s0"]] and runs_of() == []
    found = runs_of(custom={"a": {1: entry(0.5, seeds=(3, 4), run="a")}, "b": {}, "c": {5: entry(0.5, run="c")}})
    assert found == [["a-s3", "c-s0"]]


def test_models_that_were_drawn_are_not_drawn_again():
    shots = {"TRM": {1: entry(0.5, run="trm")}, "STRM": {1: entry(0.5, run="strm")}}
    assert len(runs_of(components=sample().components, shots=shots)) == 1
    assert len(runs_of(components=sample().components, shots=shots | {"TRX": {1: entry(0.5, run="trx")}})) == 2
