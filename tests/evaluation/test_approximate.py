"""Wherever accuracies of a method stand that is only near to what was published, that is said."""

from strmctl.model.methods.table import METHODS, how_near
from tests.small_world import evaluate, train
from tests.videos_for_tests import strmctl


def test_a_test_a_comparison_and_the_list_of_runs_say_it(data, tmp_path):
    for name in ("cmn", "otam"):
        ran = train(data, tmp_path, "--recipe", "sprites", "--name", name, changes=(f"method={name}",))
        assert ran.code == 0, ran.err
    near = f"is {METHODS['cmn'].faithful}"
    assert near.startswith("is approximate: ")
    assert f"method cmn of run cmn {near}" in evaluate(data, tmp_path, "--run", "cmn").err
    assert "approximate" not in evaluate(data, tmp_path, "--run", "otam").err
    for runs in (("cmn", "otam"), ("otam", "cmn")):
        assert strmctl("compare", *runs, "--runs", tmp_path, "--json").json()["warnings"] == [f"method cmn {near}"]
    listed = strmctl("runs", "--runs", tmp_path)
    assert "cmn (approximate)" in listed.out and "otam (approximate)" not in listed.out
    methods = {row["method"] for row in strmctl("runs", "--runs", tmp_path, "--json").json()["runs"]}
    assert methods == {"cmn", "otam"}, "programs read the name of the method"


def test_methods_as_published_and_unheard_of_ones_have_nothing_to_say():
    assert how_near({"method": "hyrsm"}) == how_near({"method": "unheard_of"}) == how_near({}) == ""
    assert all(method.faithful.startswith("approximate: ") == method.approximate for method in METHODS.values())
