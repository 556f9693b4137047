"""`strmctl ablate`: what it prints, refuses, and finishes after a kill."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from strmctl.model.weight_files import read_tensors
from tests.small_world import evaluate, read_rows, refused, refused_in_json, small, snapshot, train
from tests.videos_for_tests import strmctl

TEST = ("--way", 2, "--shots", "1", "--episodes", 20)


def words(data, runs, *own, changes=(), test=TEST):
    places = ("--data", data, "--runs", runs, "--device", "cpu", "--threads", 1)
    return [str(word) for word in ("ablate", *own, *small("data.dataset=mine", *changes), *test, *places)]


def ablate(data, runs, *own, changes=(), test=TEST):
    return strmctl(*words(data, runs, *own, changes=changes, test=test))


def without_locks(folder):
    return {name: content for name, content in snapshot(folder).items() if not name.startswith(".locks/")}


def runs_in(folder):
    return sorted(path.parent.name for path in folder.glob("*/recipe.yaml"))


def cells_of(runs, grid):
    return json.loads((runs / grid / "grid.json").read_text())["cells"]


def test_a_grid_its_table_and_its_second_time(data, tmp_path):
    assert train(data, tmp_path).code == 0
    latest = (tmp_path / "latest").readlink()
    ran = ablate(data, tmp_path, "components", "--only", "TRM", "--only", "STRM", "--seeds", "0,3")
    assert ran.code == 0, ran.err
    names = [f"sprites-{method}-s{seed}" for method in ("trm", "strm") for seed in (0, 3)]
    assert runs_in(tmp_path) == sorted(["latest", "sprites", *names])
    assert [cell["run"] for cell in cells_of(tmp_path, "sprites-components")] == names
    assert [cell["recipe"]["train"]["seed"] for cell in cells_of(tmp_path, "sprites-components")] == [0, 3, 0, 3]
    for name in names:
        (result,) = (tmp_path / name / "eval").glob("*.json")
        accuracy = json.loads(result.read_text())["results"][0]["accuracy"]
        assert f"{100 * accuracy:.1f}" in ran.out and f"{name}: 1-shot {100 * accuracy:.1f} %" in ran.err
    assert (tmp_path / "latest").readlink() == latest
    before = without_locks(tmp_path)
    again = ablate(data, tmp_path, "components", "--only", "TRM", "--only", "STRM", "--seeds", "0,3")
    assert (again.code, again.out) == (0, ran.out) and "trained" not in again.err
    after = without_locks(tmp_path)
    assert after.pop("sprites-components/grid.json") and before.pop("sprites-components/grid.json")
    assert after == before
    # each is an ordinary run
    assert evaluate(data, tmp_path, "--run", "sprites-strm-s3").code == 0
    assert without_locks(tmp_path)["sprites-strm-s3/weights.pt"] == before["sprites-strm-s3/weights.pt"]


def test_a_dry_run_lists_and_writes_nothing(data, tmp_path):
    runs = tmp_path / "runs"
    two = ("cardinality", "--only", "2", "--only", "2,3")
    plan = ablate(data, runs, *two, "--dry-run", "--json").json()
    cells = plan["grids"][0]["cells"]
    assert [cell["label"] for cell in cells] == ["2", "2,3"]
    assert all(cell["train"] > 0 and cell["test"] > 0 for cell in cells) and plan["seconds"] > 0
    assert not runs.exists()
    assert ablate(data, runs, "cardinality", "--only", "2").code == 0
    before = snapshot(runs)
    cells = ablate(data, runs, *two, "--dry-run", "--json").json()["grids"][0]["cells"]
    assert [cell["label"] for cell in cells if cell["train"] is None and cell["test"] is None] == ["2"]
    assert snapshot(runs) == before


def test_json_is_one_document_with_the_numbers(data, tmp_path):
    document = ablate(data, tmp_path, "shots", "--methods", "trm,prototype", "--json").json()
    for label, run in (("TRM", "sprites-trm-s0"), ("prototype", "sprites-prototype-s0")):
        (result,) = (tmp_path / run / "eval").glob("*.json")
        assert document["shots"][label]["1"]["accuracy"] == json.loads(result.read_text())["results"][0]["accuracy"]


def test_folds_are_listed_run_and_compared(data, tmp_path):
    own = ("folds", "--methods", "prototype,trm", "--folds", 2, "--fold-seed", 1)
    cells = ablate(data, tmp_path / "runs", *own, "--dry-run", "--json").json()["grids"][0]["cells"]
    assert [cell["run"] for cell in cells] == [
        f"sprites-{method}-fold{n}of2-draw1-s0" for method in ("prototype", "trm") for n in (1, 2)
    ]
    assert not (tmp_path / "runs").exists()
    ran = ablate(data, tmp_path / "runs", *own)
    assert ran.code == 0, ran.err
    assert "TRM - prototype" in ran.out and "8 classes, each in the test split" in ran.out
    found = ablate(data, tmp_path / "runs", *own, "--json").json()["folds"]
    assert f"{100 * found['TRM']['shots']['1']['accuracy']:.1f} ± " in ran.out
    assert found["TRM"]["leads"]["prototype"]["1"]["n"] == 8

    fold = evaluate(data, tmp_path / "runs", "--run", cells[-1]["run"], "--json")
    assert fold.json()["dataset"] == "mine, fold 2 of 2"
    same = "--result", "test_2way_1q_s0_n20"
    one, two = (cell["run"] for cell in cells[2:])
    refused(strmctl("compare", one, two, *same, "--runs", tmp_path / "runs"), 3, "same clips", "runs of one fold")
    assert strmctl("compare", cells[1]["run"], two, *same, "--runs", tmp_path / "runs").code == 0


def test_a_grid_grows(data, tmp_path):
    assert ablate(data, tmp_path, "shots", "--methods", "trm").code == 0
    ran = ablate(data, tmp_path, "shots", "--methods", "trm,otam", "--seeds", "0,1", "--json")
    assert "sprites-trm-s0: trained" not in ran.err and ran.err.count(": trained") == 3
    assert {label: one["1"]["seeds"] for label, one in ran.json()["shots"].items()} == {"TRM": [0, 1], "OTAM": [0, 1]}
    other = ablate(data, tmp_path, "shots", "--methods", "trm", test=("--way", 3, "--shots", "1", "--episodes", 20))
    assert other.code == 0 and "trained" not in other.err
    assert [cell["run"] for cell in cells_of(tmp_path, "sprites-shots")] == ["sprites-trm-s0"], "of another test"


def test_a_run_of_another_recipe_is_refused_and_nothing_lost(data, tmp_path):
    assert train(data, tmp_path, "--recipe", "sprites", "--name", "sprites-trm-s0", changes=("method=trm",)).code == 0
    before = snapshot(tmp_path)
    ran = ablate(data, tmp_path, "components", changes=("trm.dropout=0.3",))
    refused(ran, 2, "there is a run sprites-trm-s0", "another recipe", "--name")
    assert snapshot(tmp_path) == before
    ran = ablate(data, tmp_path, "components", "--only", "TRM")
    assert ran.code == 0 and "trained" not in ran.err, "a run that a person trained is taken when it is the same"


@pytest.mark.parametrize(
    ("bad", "code", "part"),
    [
        ("train.way: 20", 2, "20-way episodes"),
        ("{train.learning_rate: 1e30, train.episodes: 4}", 1, "episode 1 of run"),
    ],
)
def test_a_cell_that_fails(data, tmp_path, bad, code, part):
    file = tmp_path / "own.yaml"
    file.write_text(f"cells:\n  bad: {bad if bad[0] == '{' else '{' + bad + '}'}\n  good: {{trm.dropout: 0.0}}\n")
    for _ in range(2):  # the same command fails the same way
        ran = ablate(data, tmp_path / "runs", "custom", file)
        refused(ran, code, "error: the training of sprites-bad-s0 failed: ", part, "the same command")
        (result,) = (tmp_path / "runs" / "sprites-good-s0" / "eval").glob("*.json")
    assert result.name == "test_2way_1q_s0_n20.json" and "sprites-good-s0: trained" not in ran.err
    assert "sprites-bad-s0: 1-shot" not in ran.err and not (tmp_path / "runs" / "sprites-bad-s0" / "eval").exists()
    refused_in_json(ablate(data, tmp_path / "runs", "custom", file, "--json"), code, "sprites-bad-s0", "same command")


@pytest.mark.parametrize(
    ("own", "code", "parts"),
    [
        (("tuples", "--fractions", "0"), 2, ("--fractions",)),
        (("tuples", "--fractions", "1.5"), 2, ("--fractions",)),
        (("tuples", "--fractions", "abc"), 2, ("--fractions", "abc")),
        (("tuples", "--fractions", ""), 2, ("--fractions",)),
        (("tuples", "--fractions", "nan"), 2, ("--fractions",)),
        (("tuples", "--trials", 0), 2, ("--trials",)),
        (("components", "--seeds", "0,0"), 2, ("--seeds",)),
        (("components", "--seeds", "x"), 2, ("--seeds",)),
        (("components", "--set", "train.seed=3"), 2, ("--seeds",)),
        (("components", "--set", "method=otam"), 2, ("otam", "--set method=strm")),
        (("components", "--set", "trm.dropuot=1"), 4, ("did you mean trm.dropout",)),
        (("components", "--shots", "0"), 2, ("--shots",)),
        (("components", "--shots", ""), 2, ("--shots",)),
        (("components", "--only", "nonsense"), 2, ("nonsense", "TRM+PLE+FLE")),
        (("components", "--recipe", "nope"), 4, ("nope", "sprites")),
        (("components", "--name", "../x"), 2, ("../x", "--name")),
        (("components", "--name", "a/b"), 2, ("a/b", "--name")),
        (("components", "--jobs", 0), 2, ("--jobs",)),
        (("components", "--set", "data.dataset=nope"), 3, ("nope", "strmctl prepare")),
        (("cardinality", "--set", "input.frames=3"), 2, ("tuples of 4",)),
        (("shots", "--methods", "nope"), 2, ("nope", "prototype")),
        (("training", "--factors", "0"), 2, ("--factors",)),
        (("folds", "--folds", "1"), 2, ("--folds",)),
        (("folds", "--folds", "5"), 2, ("8 classes are too few for 5 folds", "--folds 4")),
        (("folds", "--frame-orders", "natural,shufled"), 2, ("shufled", "shuffled")),
        (("folds", "--methods", "nope"), 2, ("nope", "prototype")),
        (("folds", "--cells", "missing.yaml"), 4, ("missing.yaml",)),
        (("folds", "--set", "data.fold={number: 1, folds: 2, seed: 0}"), 2, ("chooses the folds", "leave data.fold")),
        (("components", "--set", "data.fold={number: 3, folds: 2, seed: 0}"), 4, ("data.fold: number must not",)),
        (("nonsense",), 2, ("No such command 'nonsense'",)),
        (("custom", "missing.yaml"), 4, ("missing.yaml",)),
        (("custom",), 2, ("GRID",)),
    ],
)
def test_what_makes_no_sense(data, tmp_path, own, code, parts):
    ran = strmctl(*words(data, tmp_path / "runs", own[0]), *own[1:])
    refused(ran, code, *parts)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("text", ["", "- a", "vary: {trm.dropout: 0.1}", "cells: {a: 1}", "a: [", "cells: {a: {x: 1}}"])
def test_a_file_that_is_no_grid(data, tmp_path, text):
    file = tmp_path / "GRID.yaml"
    file.write_text(text)
    refused(ablate(data, tmp_path / "runs", "custom", file), 4)
    assert not (tmp_path / "runs").exists()


# --- kill -9 of the whole command -------------------------------------------------------------------------------------

LONGER = ("train.episodes=30", "validation.every=3")
LONG_TEST = ("--way", 2, "--shots", "1,2", "--episodes", 200)
TUPLES = ("tuples", "--fractions", "0.3,1.0", "--trials", 8)


def processes():
    """Process -> (its parent, its state), of this machine."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        found[int(stat.parent.name)] = (int(parent), state)
    return found


def descendants(process):
    table, found = processes(), [process]
    for one in found:
        found += [child for child, (parent, _) in table.items() if parent == one]
    return found[1:]


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.005)


@contextlib.contextmanager
def begun(command):
    """A process that ends with the block, whatever happens there."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def have_ended(workers):
    wait_until(lambda: all(processes().get(worker, (0, "Z"))[1] == "Z" for worker in workers), seconds=30)


def kill_when(command, condition):
    """Begins the command, kills it without mercy when the condition holds, and waits for all its processes to end."""
    with begun(command) as process:
        wait_until(lambda: condition() or process.poll() is not None)
        assert process.poll() is None, process.stderr.read()
        workers = descendants(process.pid)
        process.send_signal(signal.SIGKILL)
    assert len(workers) >= 2
    have_ended(workers)


def lines(path):
    return len(path.read_text().splitlines()) if path.is_file() else 0


def in_training(runs):
    """A run has begun and saved its state, and is not finished."""
    return any(2 < lines(state.with_name("train.csv")) < 25 for state in runs.glob("*/state.pt"))


def in_testing(runs):
    """Some trials of a share are tested, others not."""
    return 0 < len(list(runs.glob("sprites-strm-s0/eval/tuples/*_0.3_t*.json"))) < 8


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_a_killed_grid_goes_on_and_ends_as_an_undisturbed_one(data, tmp_path):
    runs, whole = tmp_path / "killed", tmp_path / "whole"
    longer = {"changes": LONGER, "test": LONG_TEST}
    command = [sys.executable, "-m", "strmctl", *words(data, runs, *TUPLES, "--jobs", 2, **longer)]
    kill_when(command, lambda: in_training(runs))
    assert not list(runs.glob("*/eval")) and not (runs / "latest").is_symlink()
    kill_when(command, lambda: in_testing(runs))
    tested = {path: path.stat().st_mtime_ns for path in runs.glob("*/eval/tuples/*.json")}
    assert 0 < len(tested) < 10
    weights = {path: path.stat().st_mtime_ns for path in runs.glob("sprites-strm-s0/weights.pt")}
    ran = ablate(data, runs, *TUPLES, **longer)
    assert ran.code == 0, ran.err
    assert all(path.stat().st_mtime_ns == written for path, written in [*tested.items(), *weights.items()])
    undisturbed = ablate(data, whole, *TUPLES, **longer)
    assert (undisturbed.code, undisturbed.out) == (0, ran.out)
    assert runs_in(runs) == runs_in(whole) == ["sprites-strm-s0", "sprites-trx-s0"]
    for name in runs_in(runs):
        ours, theirs = (read_tensors(folder / name / "weights.pt") for folder in (runs, whole))
        assert ours.keys() == theirs.keys() and all(ours[key].equal(theirs[key]) for key in ours)
        assert (runs / name / "train.csv").read_bytes() == (whole / name / "train.csv").read_bytes()
    results = {path.relative_to(whole) for path in whole.rglob("*.csv")}
    assert results == {path.relative_to(runs) for path in runs.rglob("*.csv")} and len(results) == 12
    assert all(read_rows(runs / path) == read_rows(whole / path) for path in results)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_a_process_that_is_killed_is_named(data, tmp_path):
    endless = ("train.episodes=100000", "validation.every=100000")
    command = [sys.executable, "-m", "strmctl", *words(data, tmp_path, "components", "--jobs", 2, changes=endless)]
    with begun(command) as process:
        wait_until(lambda: sum(lines(log) > 2 for log in tmp_path.glob("*/train.csv")) == 2)
        children = descendants(process.pid)
        worker = next(one for one in children if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes())
        os.kill(worker, signal.SIGKILL)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert "error: the process that worked on the training of sprites-" in err and "has died" in err
    assert "Traceback" not in err
    have_ended(children)
