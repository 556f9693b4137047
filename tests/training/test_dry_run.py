"""What `train --dry-run` says, against what a training then takes."""

import json

import pytest

from strmctl.errors import StrmctlError
from strmctl.memory import machine_bytes
from strmctl.recipe import load_recipe
from strmctl.training import dry_run, measure
from tests import together
from tests.small_world import refused, small, snapshot, train

DRY = ("--recipe", "sprites", "--dry-run")
FULL = (MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory"), measure.BrokenProcessPool())
FROZEN = ("backbone.trained=false", "train.views=2")


def size_of(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes", [(), ("train.optimizer=sgd", "train.keep=[2, 3]"), FROZEN, (*FROZEN, "backbone.maps=float32")]
)
def test_what_a_training_takes_is_what_was_said(data, tmp_path, changes):
    changes = ("train.episodes=6", "train.accumulate=2", "validation.every=4", "trm.dim=256", *changes)
    before = snapshot(data)
    ran = train(data, tmp_path / "runs", *DRY, "--json", changes=changes)
    assert ran.code == 0 and not (tmp_path / "runs").exists() and snapshot(data) == before, ran.err
    said = ran.json()
    assert (said["clips"], said["episodes"], said["steps"]) == ({"train": 9, "val": 6}, 6, 3)
    assert 0 < said["seconds_per_episode"] < 30 and said["validation_hours"] > 0
    hours = 6 * said["seconds_per_episode"] / 3600 + said["validation_hours"] + said["maps_hours"]
    assert said["hours"] == pytest.approx(hours) and said["ranks"] == 1
    assert 2**28 < said["peak_bytes"] < said["memory_bytes"] and said["free_disk_bytes"] > 0
    assert train(data, tmp_path / "runs", changes=changes).code == 0
    files = [path for path in (tmp_path / "runs" / "sprites").rglob("*") if path.suffix in (".pt", ".csv")]
    assert said["disk_bytes"] == pytest.approx(sum(path.stat().st_size for path in files), rel=0.1)
    maps = tmp_path / "runs" / ".maps"
    assert said["maps_bytes"] == pytest.approx(size_of(maps), rel=0.2) if maps.exists() else said["maps_bytes"] == 0
    assert maps.exists() == (said["maps_hours"] > 0) == ("backbone.trained=false" in changes)


@pytest.mark.slow
def test_people_get_a_table_and_are_told_how_to_need_less_where_it_is_close(data, tmp_path, monkeypatch):
    ran = train(data, tmp_path, *DRY)
    for words in (
        "clips",
        "train 9, val 6",
        "seconds per episode",
        "time in all",
        "peak memory",
        "GiB",
        "disk for the run",
    ):
        assert words in ran.out, ran.out
    assert "--set" not in ran.err and "warning" not in ran.err
    monkeypatch.setattr(dry_run, "CLOSE", 0)
    monkeypatch.setattr(dry_run, "free_bytes", lambda folder: 0)
    ran = train(data, tmp_path, *DRY)
    assert "`--set train.memory=sides`" in ran.err and "warning: the disk has too little room" in ran.err


@pytest.mark.slow
def test_ranks_measure_together_and_the_first_speaks(data, tmp_path):
    words = ("--data", data, "--runs", tmp_path / "runs", "--device", "cpu", "--json")
    changes = small("data.dataset=mine", "train.episodes=7", "train.accumulate=4", "validation.every=100")
    found = together.ended(together.start(2, "train", *DRY, *changes, *words))
    assert [code for _, code in found] == [0, 0] and found[1][0] == ("", ""), found
    said = json.loads(found[0][0][0])
    hours = (
        4 * said["seconds_per_episode"] / 3600 + said["validation_hours"]
    )  # two and two of a step of four, then two and one
    assert said["ranks"] == 2 and said["hours"] == pytest.approx(hours)
    assert said["memory_bytes"] == machine_bytes() // 2 and not (tmp_path / "runs").exists()


def test_without_training_there_is_nothing_to_measure(data, tmp_path):
    said = train(data, tmp_path, *DRY, "--json", changes=("train.episodes=0",)).json()
    assert (said["hours"], said["steps"], said["peak_bytes"], said["clips"]) == (0, 0, None, {"train": 0, "val": 0})


def test_the_recipe_the_data_and_the_device_are_checked(data, tmp_path):
    refused(train(data, tmp_path, *DRY, changes=("train.way=9",)), 2, "9-way episodes need 9 classes")
    refused(train(data, tmp_path, *DRY, changes=("train.keep=[9]",)), 4, "train.keep")
    refused(train(tmp_path / "none", tmp_path, *DRY), 3, "mine")
    refused(train(data, tmp_path, "--resume", "--dry-run"), 2, "leave --resume out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", FULL)
def test_an_episode_that_does_not_fit_says_what_needs_less(data, tmp_path, monkeypatch, error):
    class Pool:
        def __init__(self, *words, **options): ...

        def __enter__(self):
            raise error

        def __exit__(self, *about): ...

    monkeypatch.setattr(measure, "ProcessPoolExecutor", Pool)
    ran = train(data, tmp_path, *DRY)
    refused(
        ran,
        StrmctlError.exit_code,
        "does not fit into the memory",
        "`--set train.memory=sides`",
        "train.dtype=bfloat16",
    )


@pytest.mark.parametrize(
    ("changes", "less"),
    [
        ((), ["train.memory=checkpoint", "train.memory=sides", "train.dtype=bfloat16"]),
        (("train.memory=checkpoint",), ["train.memory=sides", "train.dtype=bfloat16"]),
        (("train.memory=sides", "train.dtype=bfloat16"), []),
        (("train.memory=clips", "backbone.batch_norm=frozen"), ["train.dtype=bfloat16"]),
        (("backbone.compile=true",), ["train.dtype=bfloat16"]),
        (FROZEN, []),
    ],
)
def test_what_needs_less_suits_the_recipe(changes, less):
    assert dry_run.less_memory(load_recipe("sprites", changes)) == less
    for change in less:
        load_recipe("sprites", [*changes, change])
