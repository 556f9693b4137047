"""What TensorBoard reads of a training."""

import sys

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from strmctl.training import tensorboard
from tests.small_world import read_rows, refused, small, train
from tests.training.test_train import KilledError, kill, recipe_of, run
from tests.videos_for_tests import strmctl

EVENTS = ("--recipe", "sprites", "--log", "tensorboard")
CHANGES = ("train.episodes=8", "train.accumulate=2", "validation.every=4")


def read(folder):
    """Tag -> [(episode, number)]."""
    found = EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0})
    found.Reload()
    return {tag: [(one.step, one.value) for one in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def logged(folder, column, sign=0.0):
    rows = [row for row in read_rows(folder / "train.csv") if row[column]]
    half = [sign * float(row["validation_ci95"]) if sign else 0.0 for row in rows]
    return [(int(row["episode"]), float(row[column]) + more) for row, more in zip(rows, half, strict=True)]


def check_same(events, lines):
    assert [step for step, _ in events] == [step for step, _ in lines]
    assert [number for _, number in events] == pytest.approx([number for _, number in lines], rel=1e-6, abs=1e-7)


def check(folder):
    """The events of a run against its log; returns them."""
    events = read(folder)
    for name in ("loss", "accuracy", "learning_rate"):
        check_same(events[f"training/{name.replace('_', ' ')}"], logged(folder, name))
    for tag, sign in (("accuracy", 0), ("95 % from", -1), ("95 % to", 1)):
        check_same(events[f"validation/{tag}"], logged(folder, "validation_accuracy", sign))
    return events


def test_events_are_those_of_the_log_and_each_step_has_its_speed_and_memory(data, tmp_path):
    assert train(data, tmp_path, *EVENTS, changes=CHANGES).code == 0
    events = check(tmp_path / "sprites")
    assert len(events["training/loss"]) == 8 and len(events["validation/accuracy"]) == 2
    speed, memory = events["speed/episodes per second"], events["memory/peak, GiB"]
    assert [step for step, _ in speed] == [step for step, _ in memory] == [2, 4, 6, 8]
    assert all(0.01 < rate < 10_000 for _, rate in speed)
    assert 0.1 < memory[0][1] <= memory[-1][1] < 100
    assert not (tmp_path / "sprites" / "events").exists()
    assert train(data, tmp_path, "--recipe", "sprites", "--name", "without").code == 0
    assert not (tmp_path / "without" / "tensorboard").exists()


def test_a_run_that_was_killed_and_goes_on_has_each_episode_once(tmp_path, store):
    with pytest.raises(KilledError):
        run(tmp_path, recipe_of(), store, progress=kill, events=True)
    assert [step for step, _ in read(tmp_path)["training/loss"]] == [1, 2, 3, 4, 5, 6]
    run(tmp_path, recipe_of(), store, events=True)
    assert [step for step, _ in check(tmp_path)["training/loss"]] == list(range(1, 13))
    before = sorted((tmp_path / "tensorboard").iterdir())
    run(tmp_path, recipe_of(), store, events=True)
    assert sorted((tmp_path / "tensorboard").iterdir()) == before, "there was nothing more to train"


def test_without_the_package_nothing_begins(data, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    ran = train(data, tmp_path / "runs", *EVENTS)
    refused(ran, 2, "needs the package tensorboard", "pip install 'strmctl[tensorboard]'")
    assert not [path for path in (tmp_path / "runs").rglob("*") if path.suffix != ".lock"]
    assert train(data, tmp_path / "runs").code == 0, "a training without events needs no package"


def test_events_that_cannot_be_written_are_said_once_and_cost_nothing_else(tmp_path, store, monkeypatch):
    def refuse(log, line):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tensorboard.EventLog, "_add_line", refuse)
    said = []
    run(tmp_path, recipe_of(), store, events=True, announce=said.append)
    warned = [line for line in said if line.startswith("warning: ")]
    assert warned == ["warning: no more events for TensorBoard are written: No space left on device"]
    assert len(read_rows(tmp_path / "train.csv")) == 12


@pytest.mark.parametrize("name", ["wandb", "TENSORBOARD", ""])
def test_other_logs_are_unknown(data, tmp_path, name):
    ran = strmctl("train", "--recipe", "sprites", "--log", name, *small(), "--data", data, "--runs", tmp_path)
    refused(ran, 2, "tensorboard")
