"""Whatever lies in a run and is not what was written there is named, with the way out; nothing of it is used."""

import json
import math
import shutil

import pytest
import torch

from strmctl.model.weight_files import read_tensors
from strmctl.runs import checkpoint
from strmctl.runs.checkpoint import load_run, save_tensors
from strmctl.runs.train_log import COLUMNS
from tests.small_world import evaluate, refused, refused_in_json, snapshot, train
from tests.videos_for_tests import strmctl

EPISODES = ("train.episodes=4", "validation.every=2", "train.seed=3")


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """A run of four episodes."""
    runs = tmp_path_factory.mktemp("whole") / "runs"
    assert train(data, runs, changes=EPISODES).code == 0
    return runs


@pytest.fixture
def run(whole, tmp_path):
    """A copy of the run that a test may damage."""
    return shutil.copytree(whole, tmp_path / "runs", symlinks=True) / "sprites"


def resume(data, run, *words):
    return strmctl("train", "--resume", *words, "--data", data, "--runs", run.parent, "--device", "cpu")


def as_folder(path):
    path.unlink()
    path.mkdir()


def edited(**changes):
    def edit(path):
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return edit


NOTES = [
    lambda path: path.write_text(""),
    lambda path: path.write_bytes(b"\x93NUMPY\xff\0"),
    lambda path: path.write_text("[1, 2]"),
    lambda path: path.write_text("{}"),
    lambda path: path.write_text(path.read_text()[:-40]),
    lambda path: path.write_text("[" * 100_000),
    as_folder,
    edited(train_classes=5),
    edited(train_classes=["a", 5]),
    edited(training_episodes="4"),
    edited(validation=[]),
    edited(recipe="sprites"),
]


@pytest.mark.parametrize("name", ["weights", "last"])
@pytest.mark.parametrize("spoil", NOTES)
def test_notes_that_are_not_what_was_written(data, run, spoil, name):
    before = (run / f"{name}.json").read_text()
    spoil(run / f"{name}.json")
    which = ("--weights", "best" if name == "weights" else "last")
    refused(evaluate(data, run.parent, *which), 3, run / f"{name}.json", "strmctl train --resume --name sprites")
    if name == "weights":
        listed = strmctl("runs", "--runs", run.parent)
        assert listed.code == 3 and "weights.json" in listed.err and "defect" not in listed.err
    if not (run / f"{name}.json").is_dir():
        ran = resume(data, run)  # the way out
        assert ran.code == 0 and f"{run / name}.json was not what was written there, and is mended" in ran.err
        assert (run / f"{name}.json").read_text() == before
        assert evaluate(data, run.parent, *which).code == 0


@pytest.mark.parametrize("name", ["weights", "last"])
def test_notes_that_are_missing(data, run, name):
    before = (run / f"{name}.json").read_bytes()
    (run / f"{name}.json").unlink()
    which = ("--weights", "best" if name == "weights" else "last")
    refused(evaluate(data, run.parent, *which), 3, "the training classes", "strmctl train --resume --name sprites")
    assert resume(data, run).code == 0 and (run / f"{name}.json").read_bytes() == before
    assert evaluate(data, run.parent, *which).code == 0


def test_weights_that_are_not_those_of_their_notes(data, run):
    """A kill between writing the two, or a swapped file of the same shape."""
    state = read_tensors(run / "weights.pt")
    save_tensors(run / "weights.pt", {name: value * 1.5 for name, value in state.items()})
    refused(evaluate(data, run.parent), 5, run / "weights.pt", "weights.json", "strmctl train --resume")
    ran = resume(data, run)
    refused(ran, 5, run / "weights.pt", "at its end", f"strmctl train --recipe {run / 'recipe.yaml'}")
    anew = ("--recipe", run / "recipe.yaml", "--data", data, "--runs", run.parent, "--device", "cpu")
    assert strmctl("train", *anew).code == 0
    best, again = (read_tensors(run.parent / name / "weights.pt") for name in ("sprites", "sprites-2"))
    assert all(torch.equal(again[name], value) for name, value in state.items()) and best.keys() == again.keys()


def test_a_run_whose_recipe_was_edited_names_the_keys_that_differ(data, run):
    recipe = run / "recipe.yaml"
    text = recipe.read_text()
    for old, new, changed in [
        ("dim: 8\n  distance", "dim: 9\n  distance", ["trm.dim was 8 and is 9"]),
        ("learning_rate: 0.001", "learning_rate: 0.1", ["train.learning_rate was 0.001 and is 0.1"]),
        (
            "episodes: 4\n  way: 2",
            "episodes: 8\n  way: 3",
            ["train.episodes was 4 and is 8", "train.way was 2 and is 3"],
        ),
    ]:
        assert old in text
        recipe.write_text(text.replace(old, new))
        before = snapshot(run)
        for ran in (evaluate(data, run.parent), evaluate(data, run.parent, "--weights", "last"), resume(data, run)):
            refused(ran, 5, recipe, *changed, f"strmctl train --recipe {recipe}")
            assert ran.err.count(" was ") == len(changed)
        assert snapshot(run) == before
    recipe.write_text(text)
    (run / "weights.json").unlink()
    recipe.write_text(text.replace("dim: 8\n  distance", "dim: 9\n  distance"))
    refused(resume(data, run), 5, "state.pt", "trm.dim was 8 and is 9")  # of which the state knows, too


def test_a_run_without_a_recipe(data, run):
    (run / "recipe.yaml").unlink()
    refused(evaluate(data, run.parent, "--run", "sprites"), 3, "run sprites in", "has no recipe.yaml")
    (run / "recipe.yaml").mkdir()
    refused(evaluate(data, run.parent, "--run", "sprites"), 3, "has no recipe.yaml")
    (run / "recipe.yaml").rmdir()
    (run / "recipe.yaml").write_text("[" * 100_000)
    refused(evaluate(data, run.parent), 4, run / "recipe.yaml")


def without(key):
    return lambda state: state.pop(key)


def with_values(**changes):
    return lambda state: state.update(changes)


def nan_in(state, *keys):
    for key in keys[:-1]:
        state = state[key]
    state[keys[-1]].fill_(math.nan)


STATES = {
    "done is missing": without("done"),
    "model is missing": without("model"),
    "optimizer is missing": without("optimizer"),
    "done is '2'": with_values(done="2"),
    "done is True": with_values(done=True),
    "of 9 episodes": with_values(done=9),
    "of -1 episodes": with_values(done=-1),
    "best is nan": with_values(best=math.nan),
    "manifest_sha256 is 3": with_values(manifest_sha256=3),
    "notes.last.training_episodes is missing": with_values(notes={"last": {}}),
    "holds no state dict": with_values(model={"a": 1}),
    "entry 999 is not": lambda state: state["optimizer"]["state"].update({999: {}}),
    "entry 0 is not": lambda state: state["optimizer"]["state"].update({0: {"step": 1}}),
    "exp_avg of parameter 0": lambda state: state["optimizer"]["state"][0].update(exp_avg=torch.zeros(3)),
    "exp_avg_sq of parameter 1": lambda state: nan_in(state, "optimizer", "state", 1, "exp_avg_sq"),
    "not finite: temporal_relations": lambda state: nan_in(
        state, "model", next(name for name in state["model"] if name.startswith("temporal_relations"))
    ),
}


@pytest.mark.parametrize("problem", STATES)
def test_a_state_that_is_not_what_was_written(data, run, problem):
    state = read_tensors(run / "state.pt")
    STATES[problem](state)
    save_tensors(run / "state.pt", state)
    before = snapshot(run)
    refused(resume(data, run), 5, run / "state.pt", problem)
    refused_in_json(resume(data, run, "--json"), 5, str(run / "state.pt"))
    assert snapshot(run) == before


def test_a_state_of_another_kind_or_model(data, run, tmp_path):
    for content, code in ((b"", 5), (b"text", 5), ((run / "state.pt").read_bytes()[:5000], 5)):
        (run / "state.pt").write_bytes(content)
        refused(resume(data, run), code, run / "state.pt", "strmctl train --recipe")
    save_tensors(run / "state.pt", [1, 2])
    refused(resume(data, run), 5, run / "state.pt", "it is [1, 2]")
    as_folder(run / "state.pt")
    refused(resume(data, run), 3, run / "state.pt", "directory")
    assert train(data, tmp_path / "other", changes=("trm.dim=9", *EPISODES)).code == 0
    shutil.rmtree(run / "state.pt")
    shutil.copy(tmp_path / "other" / "sprites" / "state.pt", run / "state.pt")
    refused(resume(data, run), 5, "state.pt", "trm.dim was 9 and is 8")
    state = read_tensors(run / "state.pt")  # of an earlier version, which wrote no recipe
    save_tensors(run / "state.pt", {key: value for key, value in state.items() if key not in ("recipe", "notes")})
    ran = resume(data, run)
    refused(ran, 5, "state.pt does not fit", "(9,)", "more)")
    assert len(ran.err.splitlines()) < 8


def test_trained_weights_without_a_state_are_not_trained_over(data, run):
    (run / "state.pt").unlink()
    before = snapshot(run)
    refused(resume(data, run), 5, "no state.pt to go on from", f"strmctl train --recipe {run / 'recipe.yaml'}")
    assert snapshot(run) == before and evaluate(data, run.parent).code == 0


def test_a_run_of_an_earlier_version_goes_on_and_is_tested(data, run):
    """It has neither last weights nor hashes nor recipes in its files."""
    state = read_tensors(run / "state.pt")
    save_tensors(run / "state.pt", {key: value for key, value in state.items() if key not in ("recipe", "notes")})
    notes = json.loads((run / "weights.json").read_text())
    (run / "weights.json").write_text(json.dumps({k: v for k, v in notes.items() if k not in ("recipe", "sha256")}))
    (run / "last.pt").unlink(), (run / "last.json").unlink()
    assert evaluate(data, run.parent).code == 0
    refused(evaluate(data, run.parent, "--weights", "last"), 3, "last.pt", "strmctl train --resume --name sprites")
    assert resume(data, run).code == 0
    assert evaluate(data, run.parent, "--weights", "last").code == 0


HEADER = ",".join(COLUMNS) + "\n"
LOGS = [
    b"\x89PNG\r\n\xff\0",
    b"a,b\n1,2\n",
    f"{HEADER}1,0.5\n".encode(),
    f"{HEADER}1,0.5,0.5,0.1,,\n1,0.5,0.5,0.1,,\n".encode(),
    f"{HEADER}1,0.5,0.5,0.1,,\n3,0.5,0.5,0.1,,\n".encode(),
    f"{HEADER}1,nan,0.5,0.1,,\n".encode(),
    f"{HEADER}1,x,0.5,0.1,,\n".encode(),
    f"{HEADER}\0\n".encode(),
    f"{HEADER}1,0.5,0.5,0.1,,\n".encode(),  # the state is of episode 2
]


@pytest.mark.parametrize("content", LOGS)
def test_a_log_that_is_not_what_was_written(data, run, content):
    (run / "train.csv").write_bytes(content)
    refused(resume(data, run), 3, run / "train.csv", "move it away", "strmctl train --resume --name sprites")
    assert (run / "train.csv").read_bytes() == content
    (run / "train.csv").rename(run / "train.old")
    assert resume(data, run).code == 0


def test_a_log_that_is_no_file(data, run):
    as_folder(run / "train.csv")
    refused(resume(data, run), 3, run / "train.csv", "directory")
    listed = strmctl("runs", "--runs", run.parent)
    assert "train.csv" in listed.err and "defect" not in listed.err


def test_an_earlier_best_is_found_again_after_a_kill_between_weights_and_notes(data, run, whole, tmp_path, monkeypatch):
    written, write_json = [], checkpoint.write_json

    def killed(path, document):
        written.append(path.name)
        if path.name == "weights.json" and written.count("weights.json") == 1:
            raise KeyboardInterrupt
        write_json(path, document)

    runs = tmp_path / "killed"
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "write_json", killed)
        assert train(data, runs, changes=EPISODES).code == 130
    assert (runs / "sprites" / "weights.pt").is_file() and not (runs / "sprites" / "weights.json").exists()
    ran = strmctl("train", "--resume", "--data", data, "--runs", runs, "--device", "cpu")
    assert ran.code == 0, ran.err
    for name in ("weights.pt", "last.pt"):
        ours, theirs = (read_tensors(folder / "sprites" / name) for folder in (runs, whole))
        assert all(torch.equal(ours[key], value) for key, value in theirs.items())
    assert load_run(runs / "sprites", device="cpu").info["training_episodes"] in (2, 4)
