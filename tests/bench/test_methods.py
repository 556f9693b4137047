"""`strmctl bench methods`: all methods of the table, beside each other."""

import json

import pytest

from strmctl.bench import methods
from strmctl.bench.methods import bench_methods
from strmctl.errors import UsageError
from strmctl.model.methods.table import METHODS
from tests.small_world import SMALL, small
from tests.videos_for_tests import strmctl


def test_times_are_compared_with_the_first(monkeypatch):
    seconds = {"training": {"strm": 4.0, "otam": 1.0}, "testing": {"strm": 2.0, "otam": 8.0, "prototype": 0.5}}
    asked = []

    def take_turns(jobs, repeats, progress):
        asked.extend(jobs)
        return {(name, kind): seconds[kind][name] for name, kind in jobs}

    monkeypatch.setattr(methods, "take_turns", take_turns)
    frozen = [*SMALL, "backbone.trained=false"]
    found = bench_methods(assignments=frozen, methods=["strm", "otam", "prototype"], episodes=16)["methods"]
    assert ("strm", "training") in asked and ("otam", "training") not in asked  # nothing to train on a frozen backbone
    assert found["otam"] == {
        "training_seconds_per_episode": None,
        "training_times_as_fast": None,
        "test_episodes_per_second": 2.0,
        "test_times_as_fast": 0.25,
    }
    assert found["prototype"]["test_times_as_fast"] == 4.0
    trained = bench_methods(assignments=SMALL, methods=["strm", "otam"], episodes=16)["methods"]
    assert trained["otam"]["training_times_as_fast"] == 4.0


def test_an_unknown_method_has_a_near_name():
    with pytest.raises(UsageError, match="no method named 'otma'") as error:
        bench_methods(methods=["otma"])
    assert "otam" in error.value.hint


@pytest.mark.parametrize("changes", [[], ["backbone.trained=false"]], ids=["frames", "maps"])
def test_every_method_is_measured(changes):
    """The smallest sizes, one repetition."""
    words = ["--episodes", "2", "--repeats", "1", "--threads", "1", "--json"]
    changed = [word for change in changes for word in ("--set", change)]
    ran = strmctl("bench", "methods", "--recipe", "sprites", *small(), *changed, *words)
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)["methods"]
    assert next(iter(found)) == "strm" and set(found) == set(METHODS)
    for name, own in found.items():
        assert own["test_episodes_per_second"] > 0
        assert (own["training_seconds_per_episode"] is None) == (bool(changes) and not METHODS[name].trains)
