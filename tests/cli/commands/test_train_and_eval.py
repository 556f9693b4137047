"""`strmctl train` and `strmctl eval` as typed, on a small frame store: run folders, resuming, results, controls."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
import torch

from strmctl.frames.store.store import FrameStore
from strmctl.model.weight_files import read_tensors
from strmctl.results import read_document
from tests.small_world import CLASSES, evaluate, prepare, read_rows, refused, small, snapshot, train, write_split
from tests.videos_for_tests import strmctl


@pytest.fixture
def runs(trained_runs, tmp_path):
    """The trained run, as if it had not been tested yet."""
    runs = shutil.copytree(trained_runs, tmp_path / "runs", symlinks=True)
    for made in ("eval", "cache"):
        shutil.rmtree(runs / "sprites" / made)
    return runs


def test_a_run_is_named_after_its_recipe_and_the_next_gets_a_number(data, tmp_path):
    runs = tmp_path / "runs"
    ran = train(data, runs)
    assert ran.code == 0 and ran.out.startswith(f"{runs / 'sprites'}: best on the val split at training episode ")
    assert len(ran.out.splitlines()) == 1 and f"next: `strmctl eval --shots 1,5 --data {data} --runs {runs}`" in ran.err
    assert f"`strmctl viz --video FILE --runs {runs}`" in ran.err
    files = ["last.json", "last.pt", "recipe.yaml", "state.pt", "train.csv", "train.png", "weights.json", "weights.pt"]
    assert sorted(path.name for path in (runs / "sprites").iterdir()) == files
    assert str((runs / "latest").readlink()) == "sprites"
    before = snapshot(runs / "sprites")

    assert train(data, runs).out.startswith(f"{runs / 'sprites-2'}: ")
    assert str((runs / "latest").readlink()) == "sprites-2"
    assert train(data, runs, "--recipe", "sprites", "--name", "mine", changes=("train.seed=1",)).code == 0
    assert str((runs / "latest").readlink()) == "mine"
    weights = {name: read_tensors(runs / name / "weights.pt") for name in ("sprites", "sprites-2", "mine")}
    same = {name: all(map(torch.equal, weights["sprites"].values(), weights[name].values())) for name in weights}
    assert same == {"sprites": True, "sprites-2": True, "mine": False}
    assert snapshot(runs / "sprites") == before


def test_the_newest_run_is_tested_unless_another_is_named(data, runs):
    assert train(data, runs, "--recipe", "sprites", "--name", "second").code == 0
    assert evaluate(data, runs, "--json").json()["run"] == "second"
    assert evaluate(data, runs, "--run", "sprites", "--json").json()["run"] == "sprites"


@pytest.mark.parametrize("changes", [(), ("backbone.trained=false", "train.views=3")])
def test_training_and_tests_read_frames_at_the_rate_of_the_recipe(data, tmp_path, monkeypatch, changes):
    seen, read = {}, FrameStore.read

    def recorded(store, clip, positions):
        seen.setdefault(store.by_id[clip].subset, set()).add(tuple(positions))
        return read(store, clip, positions)

    monkeypatch.setattr(FrameStore, "read", recorded)
    ran = train(data, tmp_path, changes=("input.rate=12", "train.episodes=6", *changes))
    assert ran.code == 0, ran.err
    ran = evaluate(data, tmp_path, "--json")
    assert ran.code == 0 and ran.json()["provenance"]["recipe"]["input"]["rate"] == 12.0, ran.err
    middle = tuple(range(1, 9))  # of ten frames
    assert seen["val"] == seen["test"] == {middle}
    assert seen["train"] == {tuple(range(start, start + 8)) for start in range(3)}


@pytest.mark.parametrize("name", ["sprites", "latest", "a/b", "..", ".", ""])
def test_a_name_that_cannot_be_given_to_a_new_run(data, runs, tmp_path, name):
    before = snapshot(tmp_path)
    refused(train(data, runs, "--recipe", "sprites", "--name", name), 2, "another `--name`")
    if name != "sprites":
        refused(train(data, tmp_path / "none", "--recipe", "sprites", "--name", name), 2, "another `--name`")
    assert snapshot(tmp_path) == before and not (tmp_path / "none").exists()


def test_train_in_json(data, tmp_path):
    ran = train(data, tmp_path, "--recipe", "sprites", "--json")
    document = ran.json()
    assert document["run"] == "sprites" and document["folder"] == str(tmp_path / "sprites")
    assert document["selected_by"] == "val split" and document["training_episodes"] in (1, 2)
    assert (document["train_classes"], document["val_classes"]) == (CLASSES["train"], CLASSES["val"])
    assert {"shot", "accuracy", "ci95", "episodes"} <= set(document["validation"])
    assert {"run", "folder"} | set(json.loads((tmp_path / "sprites" / "weights.json").read_text())) == set(document)
    assert "training sprites 2/2" in ran.err and "episode 2: validation" in ran.err


KILLED = """
import os, signal, sys
from strmctl.cli.main import main
from strmctl.training.train import TrainLog

add = TrainLog.add

def add_and_die(self, lines):
    add(self, lines)
    if lines[-1]["episode"] == 9:
        os.kill(os.getpid(), signal.SIGKILL)

TrainLog.add = add_and_die
main(sys.argv[1:])
"""


@pytest.mark.slow
def test_a_run_that_was_killed_ends_with_the_very_same_weights(data, tmp_path):
    changes = ("train.episodes=12", "validation.every=4", "train.queries=2")
    assert train(data, tmp_path / "a", changes=changes).code == 0
    killed = tmp_path / "b"
    words = ["train", "--recipe", "sprites", *small("data.dataset=mine", *changes), "--data", data, "--runs", killed]
    code = subprocess.run(
        [sys.executable, "-c", KILLED, *map(str, words), "--device", "cpu"],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        check=False,
    ).returncode
    assert code == -signal.SIGKILL
    assert read_tensors(killed / "sprites" / "state.pt")["done"] == 8
    assert [row["episode"] for row in read_rows(killed / "sprites" / "train.csv")][-1] == "9"

    ran = strmctl("train", "--resume", "--data", data, "--runs", killed, "--device", "cpu")
    assert ran.code == 0, ran.err
    for name in ("weights.pt", "state.pt"):
        whole, resumed = (read_tensors(runs / "sprites" / name) for runs in (tmp_path / "a", killed))
        whole, resumed = (value.get("model", value) for value in (whole, resumed))
        assert list(whole) == list(resumed)
        assert all(torch.equal(whole[key], resumed[key]) for key in whole), name
    assert (killed / "sprites" / "train.csv").read_bytes() == (tmp_path / "a" / "sprites" / "train.csv").read_bytes()


def test_resume_refuses_another_recipe(data, runs):
    before = snapshot(runs)
    other = train(data, runs, "--resume", "--recipe", "sprites", changes=("trm.dim=9",))
    refused(other, 2, "run sprites was begun with another recipe")
    refused(train(data, runs, "--resume"), 2, "leave `--set` out")  # `train` adds --set
    unknown = strmctl("train", "--resume", "--name", "none", "--data", data, "--runs", runs)
    refused(unknown, 3, "no run named 'none'", "runs here: sprites")
    assert strmctl("train", "--data", data, "--runs", runs).code == 2
    assert snapshot(runs) == before
    assert train(data, runs, "--resume", "--recipe", "sprites").code == 0  # the same one


def test_eval_prints_a_table_and_keeps_its_messages_to_itself(data, runs):
    ran = evaluate(data, runs, "--shots", "2,1")
    assert ran.code == 0, ran.err
    assert ran.out.startswith("Run sprites on mine (test): 2-way, 1 query per class, 20 episodes, seed 0")
    assert "accuracy, %" in ran.out and "over classes, %" in ran.out and "Most confused, 2-shot" in ran.out
    figures = json.loads((runs / "sprites" / "eval" / "test_2way_1q_s0_n20.json").read_text())["results"]
    wide = evaluate(data, runs, "--shots", "2,1", "--wide").out
    short, rows = (
        [line.split() for line in out.splitlines() if line.startswith((" 1 ", " 2 "))] for out in (ran.out, wide)
    )
    assert [row[0] for row in short] == [row[0] for row in rows] == ["1", "2"]
    for few, row, figure in zip(short, rows, figures, strict=True):
        assert few[1:4] == [f"{100 * figure['accuracy']:.1f}", "±", f"{100 * figure['ci95']:.1f}"] and few[-1] == "50"
        low, high = (100 * (figure["accuracy"] + sign * figure["ci95"]) for sign in (-1, 1))
        interval = [f"{max(0.0, low):.2f}", "to", f"{min(100.0, high):.2f}"]
        assert row[1:5] == [f"{100 * figure['accuracy']:.2f}", *interval] and row[-3:] == ["50", "20", "3"]
        assert few[4:7] == row[5:8]  # over classes
    assert "embedding 9/9" in ran.err and "matching 20/20" in ran.err
    assert f"{runs / 'sprites' / 'eval' / 'test_2way_1q_s0_n20.csv'}" in ran.err.splitlines()


def test_results_of_other_tests_do_not_overwrite_each_other(data, runs):
    tests = {
        "test_2way_1q_s0_n20": (),
        "test_3way_1q_s0_n20": ("--way", 3),
        "test_2way_2q_s0_n20": ("--queries", 2),
        "test_2way_1q_s7_n20": ("--seed", 7),
        "val_2way_1q_s0_n20": ("--split", "val"),
        "test_2way_1q_s0_n20_repeated": ("--frame-order", "repeated"),
        "test_2way_1q_s0_n20_shuffled": ("--frame-order", "shuffled"),
        "swim, walk": ("--classes", "swim,walk"),
        "crawl, walk": ("--classes", "crawl,walk"),
    }
    folder = runs / "sprites" / "eval"
    documents = {name: evaluate(data, runs, *words, "--json").json() for name, words in tests.items()}
    files = {path.stem: read_document(path).document() for path in folder.glob("*.json")}
    tables = sorted(path.stem for path in folder.glob("*.csv") if not path.stem.endswith("_confusion"))
    assert tables == sorted(files) and len(files) == len(tests)
    for name, document in documents.items():
        assert document in files.values()
        assert files.get(name, document) == document
    source = documents["swim, walk"]["provenance"]
    assert source["classes"] == ["swim", "walk"] and source["chosen_classes"]
    assert documents["test_2way_1q_s0_n20_repeated"]["provenance"]["frame_order"] == "repeated"
    again = evaluate(data, runs, "--classes", "walk,swim", "--json").json()
    assert again["results"] == documents["swim, walk"]["results"]
    assert len(list(folder.iterdir())) == 3 * len(tests)  # with the confusion matrices


def test_weights_from_elsewhere_do_not_overwrite_the_run_s_own_result(data, runs):
    assert evaluate(data, runs).code == 0
    before = snapshot(runs / "sprites" / "eval")
    assert train(data, runs, "--recipe", "sprites", "--name", "other", changes=("train.seed=1",)).code == 0
    other = runs / "other" / "weights.pt"
    ran = evaluate(data, runs, "--run", "sprites", "--weights", other, "--json")
    assert ran.code == 0, ran.err
    assert ran.json()["provenance"]["weights_sha256"] == hashlib.sha256(other.read_bytes()).hexdigest()
    assert before.items() <= snapshot(runs / "sprites" / "eval").items()


def test_the_last_weights_are_tested_beside_the_best(data, tmp_path):
    changes = ("train.episodes=6", "validation.every=1", "train.learning_rate=0.05")
    assert train(data, tmp_path, changes=changes).code == 0
    run = tmp_path / "sprites"
    best, last = (evaluate(data, tmp_path, "--weights", which, "--json").json() for which in ("best", "last"))
    stems = {path.name for path in (run / "eval").glob("*.json")}
    assert stems == {"test_2way_1q_s0_n20.json", "test_2way_1q_s0_n20_last.json"}
    state, kept = read_tensors(run / "state.pt")["model"], read_tensors(run / "last.pt")
    assert list(state) == list(kept) and all(torch.equal(state[name], kept[name]) for name in state)
    for document, name, chosen, episodes in (
        (best, "weights", "val split", {1, 2, 3, 4, 5, 6}),
        (last, "last", None, {6}),
    ):
        source = document["provenance"]
        assert source["weights_file"] == f"{name}.pt" and source["selected_by"] == (chosen or "last episode")
        assert source["training_episodes"] in episodes
        assert source["weights_sha256"] == hashlib.sha256((run / f"{name}.pt").read_bytes()).hexdigest()
        assert json.loads((run / f"{name}.json").read_text())["sha256"] == source["weights_sha256"]
    assert evaluate(data, tmp_path, "--json").json()["results"] == best["results"]
    named = evaluate(data, tmp_path, "--weights", run / "last.pt")
    assert "weights: last.pt, chosen by: last episode" in named.err
    assert {path.name for path in (run / "eval").glob("*.json")} == stems
    tests = strmctl("runs", "--runs", tmp_path, "--json").json()["runs"][0]["tests"]
    assert {test["test"] for test in tests} == {"test_2way_1q_s0_n20", "test_2way_1q_s0_n20_last"}
    refused(evaluate(data, tmp_path, "--weights", "lst"), 3, "there are no weights at lst", "best, last")


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_eval_refuses_a_class_that_was_trained_on(data, own_data, runs, form):
    classes = {"train": ["crawl"], "val": ["sit"], "test": ["RUN", "swim", "walk"]}  # another spelling is no way round
    videos = data.parent / "my videos"
    split = write_split(runs.parent / "other.yaml", classes)
    prepare(videos, "--name", "other", "--split", split, "--data", own_data)
    ran = evaluate(own_data, runs, "--dataset", "other", *form)
    assert ran.code == 2
    message = ran.json()["error"]["message"] if form else ran.err
    assert "run sprites was trained on RUN" in message
    assert not (runs / "sprites" / "eval").exists()
    chosen = evaluate(own_data, runs, "--dataset", "other", "--classes", "swim,walk", "--json").json()
    assert chosen["dataset"] == "other"
    (result,) = (runs / "sprites" / "eval").glob("*.json")
    assert result.stem.startswith("test_2way_1q_s0_n20_other_classes-")


def test_controls(data, own_data, runs):
    pairs = [["swim", "walk"], ["walk", "crawl"]]
    split = write_split(
        runs.parent / "pairs.yaml", CLASSES, opposites=[*pairs, ["hop", "run"]]
    )  # the last are of train
    prepare(data.parent / "my videos", "--name", "pairs", "--split", split, "--data", own_data)
    words = (own_data, runs, "--dataset", "pairs")
    documents = evaluate(*words, "--controls", "--json").json()
    orders = {"as they are": "natural", "one frame repeated": "repeated", "frames shuffled": "shuffled"}
    assert set(documents) == {*(f"all 3 classes, {name}" for name in orders), "swim or walk", "walk or crawl"}
    for name, order in orders.items():
        assert documents[f"all 3 classes, {name}"]["provenance"]["frame_order"] == order
    for pair in pairs:
        document = documents[" or ".join(pair)]
        assert document["way"] == 2 and document["provenance"]["classes"] == sorted(pair)
        assert set(document["results"][0]["per_class"]) == set(pair)
    natural = evaluate(*words, "--json").json()
    assert natural["results"] == documents["all 3 classes, as they are"]["results"]
    stem = runs / "sprites" / "eval" / "controls_test_2way_1q_s0_n20_pairs"
    assert json.loads(stem.with_suffix(".json").read_text()) == documents
    assert "| swim or walk | 2 | 50 |" in stem.with_suffix(".md").read_text()
    ran = evaluate(*words, "--controls")
    assert ran.out.startswith("Controls of run sprites") and "swim or walk" in ran.out
    assert f"{stem}.md" in ran.err


def test_controls_want_opposites(data, runs):
    refused(evaluate(data, runs, "--controls"), 3, "the split of mine names no opposite classes")
    assert not (runs / "sprites" / "eval").exists()


def test_snapshots_are_tested_by_their_names_in_the_run_and_by_their_paths(data, tmp_path):
    changes = ("train.episodes=4", "train.keep=[3, 2]", "train.learning_rate=0.05")
    assert train(data, tmp_path, changes=changes).code == 0
    run, documents = tmp_path / "sprites", {}
    for episode in (2, 3):
        for weights in (f"snapshots/0000{episode}.pt", run / "snapshots" / f"0000{episode}.pt"):
            ran = evaluate(data, tmp_path, "--weights", weights)
            assert ran.code == 0 and f"weights: snapshots/0000{episode}.pt, chosen by: train.keep" in ran.err, ran.err
            documents[episode] = evaluate(data, tmp_path, "--weights", weights, "--json").json()["provenance"]
            assert documents[episode]["training_episodes"] == episode
    assert documents[2]["weights_sha256"] != documents[3]["weights_sha256"]
    stems = [path.stem for path in (run / "eval").glob("*.json")]
    assert len(stems) == 2, "a result of each, and none of them twice"
    words = [word for stem in stems for word in ("--result", stem)]
    compared = strmctl("compare", "sprites", "sprites", *words, "--runs", tmp_path)
    assert compared.code == 0, compared.err
    refused(
        evaluate(data, tmp_path, "--weights", "snapshots/00004.pt"), 3, "00004.pt", "best, last, snapshots/00002.pt"
    )
    (run / "snapshots" / "00003.pt").write_bytes((run / "snapshots" / "00002.pt").read_bytes())
    refused(evaluate(data, tmp_path, "--weights", "snapshots/00003.pt"), 5, "00003.json", "--name sprites")
    ran = strmctl("compare", "sprites", "sprites", *words, "--runs", tmp_path)
    refused(ran, 3, "of other weights than snapshots/00003.pt", f"--weights {run / 'snapshots' / '00003.pt'}")
    (run / "snapshots" / "00002.json").write_text("{}")
    refused(evaluate(data, tmp_path, "--weights", "snapshots/00002.pt"), 3, "00002.json", "--name sprites")
