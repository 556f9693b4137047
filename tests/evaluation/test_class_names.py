"""A method that is given the names of classes gets them wherever it is tested, and what it is given is said."""

import json

import pytest

from strmctl.classify.classifier import Classifier
from strmctl.evaluation.match import Protocol, evaluate, evaluate_uncached
from strmctl.explain.match import match_query
from strmctl.explain.subjects import clip_subject
from strmctl.model.methods.table import METHODS, is_told
from strmctl.runs.build import build_model, clip_loader
from strmctl.runs.checkpoint import load_run
from tests.small_world import class_folders, small_recipe, train
from tests.small_world import evaluate as evaluate_newest
from tests.videos_for_tests import strmctl

pytestmark = pytest.mark.slow
PROTOCOL = Protocol(way=2, shots=(1, 2), queries=1, episodes=20, seed=4)


def asked(model):
    """Collects the names that a model is asked for."""
    names, text = [], model.text_tower.forward
    model.text_tower.forward = lambda some: names.append(list(some)) or text(some)
    return names


def test_episodes_from_kept_features_and_from_frames_are_told_the_same(store):
    model = build_model(small_recipe("method=clip_fsar"), pretrained=False).double().eval()
    loader, clips = clip_loader(small_recipe(), store), store.clips("test")
    found = evaluate(model, loader, clips, PROTOCOL)
    names = asked(model)
    assert evaluate_uncached(model, loader, PROTOCOL.draw(clips), PROTOCOL.shots).rows == found.rows
    assert names == [list(episode.classes) for episode in PROTOCOL.draw(clips) for _ in PROTOCOL.shots]
    renamed = {{"crawl": "x", "swim": "y", "walk": "z"}[name]: ids for name, ids in clips.items()}
    other = evaluate(model, loader, renamed, PROTOCOL)
    assert [row[2] for row in other.rows] == [row[2] for row in found.rows]
    assert len({tuple(names) for names in names}) > 1


@pytest.fixture(scope="module")
def told_runs(data, tmp_path_factory):
    """A folder of runs with `told`, of clip_fsar, and `otam`."""
    runs = tmp_path_factory.mktemp("told")
    for name, method in (("told", "clip_fsar"), ("otam", "otam")):
        ran = train(data, runs, "--recipe", "sprites", "--name", name, changes=(f"method={method}",))
        assert ran.code == 0, ran.err
    return runs


def test_a_test_may_weigh_the_texts_and_is_then_another_result(data, told_runs):
    plain = evaluate_newest(data, told_runs, "--run", "told", "--json")
    mixed = evaluate_newest(data, told_runs, "--run", "told", "--text-weight", 1, "--json")
    assert (plain.code, mixed.code) == (0, 0), mixed.err
    assert "text_weight" not in plain.json()["provenance"] and mixed.json()["provenance"]["text_weight"] == 1
    assert "run told is given the names of the classes, which most methods are not" in plain.err
    stems = {path.stem for path in (told_runs / "told" / "eval").glob("*.json")}
    assert stems == {"test_2way_1q_s0_n20", "test_2way_1q_s0_n20_text1"}
    uncached = evaluate_newest(data, told_runs, "--run", "told", "--text-weight", 1, "--no-cache", "--json")
    assert uncached.json()["results"] == mixed.json()["results"]
    refused = evaluate_newest(data, told_runs, "--run", "otam", "--text-weight", 0.5, "--json")
    assert refused.code == 2 and "of method otam, is not given the names" in refused.json()["error"]["message"]
    assert evaluate_newest(data, told_runs, "--run", "otam").code == 0
    ran = strmctl("compare", "otam", "told", "--result", "test_2way_1q_s0_n20", "--runs", told_runs, "--json")
    assert ran.json()["warnings"] == ["told is given the names of the classes, and otam is not"]


def test_classify_and_viz_tell_the_names_of_their_classes(data, told_runs, store, tmp_path):
    class_folders(tmp_path, ["brush_hair", "HandStand"])
    classifier = Classifier.from_examples(tmp_path, run=told_runs / "told", runs=told_runs, device="cpu")
    names = asked(classifier.model)
    assert classifier.predict(tmp_path / "HandStand" / "0.mp4").best in ("HandStand", "brush_hair")
    assert names == [["HandStand", "brush_hair"], ["HandStand", "brush_hair"]]  # all examples, and each alone
    run = load_run(told_runs / "told", device="cpu")
    names = asked(run.model)
    shape = run.recipe.input
    support = {name: [clip_subject(store, f"{name}/0", shape)] for name in ("walk", "crawl")}
    match = match_query(run, clip_subject(store, "walk/1", shape), support, true="walk")
    assert {one.name for one in match.classes} == {"walk", "crawl"} and names == [["crawl", "walk"]]


def test_the_notes_of_a_run_tell_what_read_the_names(told_runs):
    notes = json.loads((told_runs / "told" / "weights.json").read_text())
    assert notes["provenance"]["libraries"]["open_clip"]
    assert is_told(notes["recipe"]) and not is_told({"method": "unheard_of"}) and not is_told({})
    assert [name for name, method in METHODS.items() if method.names] == ["clip_fsar"]
    assert METHODS["clip_fsar"].label.endswith("(given class names)")
