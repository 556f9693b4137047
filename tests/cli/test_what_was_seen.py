"""What training and tests may see: never the test split in training, never a training class in a test."""

import shutil

import pytest

from strmctl.errors import UsageError
from strmctl.runs.folder import run_folder
from strmctl.training.run import new_run
from tests.small_world import CLASSES, edit_manifest, evaluate, refused, small, train
from tests.videos_for_tests import strmctl


def forget(data, *classes):
    """Removes the frames of these classes; the manifest still names them."""
    for name in classes:
        shutil.rmtree(data / "mine" / "frames" / name)


def test_training_never_reads_the_test_split(own_data, tmp_path):
    forget(own_data, *CLASSES["test"])
    ran = train(own_data, tmp_path / "runs")
    assert ran.code == 0, ran.err
    assert evaluate(own_data, tmp_path / "runs").code == 3  # and that they are gone would be noticed
    forget(own_data, CLASSES["val"][0])
    assert train(own_data, tmp_path / "runs").code == 3


def test_weights_without_their_notes_are_not_tested(data, runs, tmp_path):
    """Nobody knows what they were trained on, so no class can be said to be new to them."""
    stray = shutil.copy(runs / "sprites" / "weights.pt", tmp_path / "stray.pt")
    refused(evaluate(data, runs, "--weights", stray), 3, "the training classes of", "stray.json")
    shutil.copy(runs / "sprites" / "weights.json", tmp_path / "stray.json")
    assert evaluate(data, runs, "--weights", stray).code == 0


def test_missing_test_classes(own_data, tmp_path):
    """A run whose recipe wants all classes, and a store that has lost one of them."""
    runs = tmp_path / "runs"
    assert train(own_data, runs, changes=("data.missing_classes=error",)).code == 0
    edit_manifest(own_data, without="walk/")
    missing = "1 of 3 test classes of mine have no usable clip: walk"
    refused(evaluate(own_data, runs), 3, missing, "--missing-classes drop")
    ran = evaluate(own_data, runs, "--missing-classes", "drop", "--json")
    assert ran.code == 0, ran.err
    assert ran.json()["provenance"]["dropped_classes"] == ["walk"]
    assert evaluate(own_data, runs, "--classes", "swim,crawl").code == 0


def test_one_val_class_chooses_nothing(own_data, tmp_path):
    edit_manifest(own_data, without="sit/")
    ran = train(own_data, tmp_path / "runs", "--recipe", "sprites", "--json")
    assert ran.code == 0, ran.err
    assert ran.json()["selected_by"].startswith("last episode")
    assert ran.json()["dropped_classes"] == {"val": ["sit"]}


def test_resuming_a_finished_run_leaves_the_newest_the_newest(data, runs):
    assert train(data, runs).code == 0
    assert run_folder(runs, None).name == "sprites-2"
    ran = strmctl("train", "--resume", "--name", "sprites", "--data", data, "--runs", runs)
    assert ran.code == 0, ran.err
    assert run_folder(runs, None).name == "sprites-2"


def test_two_trainings_do_not_share_a_folder(data, tmp_path):
    first, second = (new_run(tmp_path / "runs", None, "sprites", small("data.dataset=mine")[1::2]) for _ in range(2))
    assert first.folder == second.folder  # planned before either began
    first.train(data, device="cpu")
    before = (first.folder / "weights.pt").read_bytes()
    with pytest.raises(UsageError, match="another training has begun"):
        second.train(data, device="cpu")
    assert (first.folder / "weights.pt").read_bytes() == before


def test_a_linked_run_is_used_under_its_own_name(data, runs, tmp_path):
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "near").symlink_to(runs / "sprites")
    assert evaluate(data, tmp_path / "links", "--run", "near", "--json").json()["run"] == "near"


def test_no_recipe_may_take_the_name_of_the_newest(data, tmp_path):
    refused(train(data, tmp_path / "runs", changes=("name=latest",)), 2, "'latest' cannot name a run")
    assert not (tmp_path / "runs").exists()
