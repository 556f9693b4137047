"""One writer of a run at a time: training, resuming, importing, the cells and the file of a grid."""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from strmctl.ablation.cells import Cell
from strmctl.ablation.grid_file import Grid, read_grid
from strmctl.errors import UsageError
from strmctl.evaluation.match import Protocol
from strmctl.model.released import Released
from strmctl.runs import import_released
from strmctl.runs.lock import LOCKS, occupied
from tests.small_world import evaluate, read_rows, refused, small, small_recipe, snapshot, train
from tests.videos_for_tests import strmctl


def resume(data, runs, *words):
    return strmctl("train", "--resume", *words, "--data", data, "--runs", runs, "--device", "cpu")


def test_a_second_training_of_a_run_is_refused_and_the_first_is_named(data, runs, tmp_path):
    with occupied(runs / "sprites"):
        assert evaluate(data, runs).code == 0, "a run in training can be tested"
        before = snapshot(runs / "sprites")
        parts = ("run sprites in", f"{os.getpid()} on ", "wait for it to end")
        refused(resume(data, runs), 2, *parts)
        refused(resume(data, runs, "--name", "sprites"), 2, *parts)
        (tmp_path / "near").symlink_to(runs)
        refused(resume(data, tmp_path / "near"), 2, *parts)
        assert train(data, runs, "--recipe", "sprites", "--name", "other").code == 0
        assert snapshot(runs / "sprites") == before
    assert not (runs / LOCKS).exists()
    assert resume(data, runs, "--name", "sprites").code == 0


BEGUN = """
import sys
from strmctl.cli.main import main
from strmctl.training.train import TrainLog

add = TrainLog.add

def add_and_wait(self, lines):
    add(self, lines)
    if lines[-1]["episode"] == 3:
        print("begun", flush=True)
        sys.stdin.readline()

TrainLog.add = add_and_wait
main(sys.argv[1:])
"""


@contextlib.contextmanager
def waiting_training(data, runs, *words):
    """A training in another process that waits after its third episode, and goes on when the block ends."""
    command = ["train", *words, "--data", data, "--runs", runs, "--device", "cpu"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", BEGUN, *map(str, command)], **pipes) as process:
        assert process.stdout.readline() == "begun\n", process.stderr.read()
        yield process
        _, err = process.communicate("go on\n")
        assert process.returncode == 0, err


def test_two_processes_train_no_episode_twice_and_a_killed_one_leaves_no_lock(data, tmp_path):
    words = ("--recipe", "sprites", *small("data.dataset=mine", "train.episodes=5", "validation.every=5"))
    with waiting_training(data, tmp_path, *words) as first:
        refused(resume(data, tmp_path), 2, f"another process, {first.pid} on ", "strmctl train --recipe sprites")
        refused(train(data, tmp_path, "--recipe", "sprites", "--name", "sprites"), 2, "there is a run sprites")
    numbers = [row["episode"] for row in read_rows(tmp_path / "sprites" / "train.csv")]
    assert numbers == ["1", "2", "3", "4", "5"]
    with pytest.raises(AssertionError), waiting_training(data, tmp_path, *words, "--name", "killed") as killed:
        killed.kill()
        raise AssertionError
    assert resume(data, tmp_path, "--name", "killed").code == 0
    assert [row["episode"] for row in read_rows(tmp_path / "killed" / "train.csv")] == numbers


def test_a_refused_training_leaves_nothing_behind(data, tmp_path):
    refused(train(data, tmp_path / "none" / "runs", changes=("data.dataset=unknown",)), 3, "unknown")
    assert list((tmp_path / "none").iterdir()) == []


def test_an_import_does_not_share_its_name(tmp_path, monkeypatch):
    (tmp_path / "a.pt").write_text("weights")
    released = Released(model=None, sizes=None, dropped=(), iteration=1)
    monkeypatch.setattr(import_released, "read_released", lambda path: released)
    monkeypatch.setattr(import_released, "released_recipe", lambda released, dataset: small_recipe())
    with occupied(tmp_path / "runs" / "mine"), pytest.raises(UsageError, match=r"run mine in .* is being written"):
        import_released.import_checkpoint(tmp_path / "a.pt", tmp_path / "runs", "mine")


def test_two_grids_of_a_name_keep_each_other_s_cells(tmp_path):
    """The second waits until the first has written."""
    cells = [Cell(label, f"run-{label}", small_recipe()) for label in ("a", "b")]
    grids = [
        Grid("custom", "grid", [cell], Protocol(), {"recipe": "sprites", "threads": 1, "commands": []}, {})
        for cell in cells
    ]
    grids[0].write(tmp_path)
    with occupied(tmp_path / "grid"):
        writing = threading.Thread(target=grids[1].write, args=[tmp_path])
        writing.start()
        time.sleep(0.2)
        assert [cell.label for cell in read_grid(tmp_path, "grid").cells] == ["a"]
    writing.join()
    assert [cell.label for cell in read_grid(tmp_path, "grid").cells] == ["a", "b"]
    assert json.loads((tmp_path / "grid" / "grid.json").read_text())["kind"] == "custom"
    assert [path.name for path in Path(tmp_path).iterdir()] == ["grid"]
