"""`strmctl ablate` when something was wrong before: commands that are corrected, runs that failed, other grids."""

import shutil

import pytest

from tests.cli.commands.test_ablate import ablate, cells_of
from tests.small_world import refused

ONE = ("components", "--only", "STRM")


@pytest.fixture(scope="module")
def one_cell(data, tmp_path_factory):
    """A folder of runs in which a grid of one cell is finished; tests take a copy: `runs`."""
    runs = tmp_path_factory.mktemp("grid") / "runs"
    assert ablate(data, runs, *ONE).code == 0
    return runs


@pytest.fixture
def runs(one_cell, tmp_path):
    return shutil.copytree(one_cell, tmp_path / "runs", symlinks=True)


def test_a_corrected_command_leaves_no_cell_of_the_wrong_one(data, tmp_path):
    assert ablate(data, tmp_path, *ONE, changes=("train.way=20",)).code == 2
    ran = ablate(data, tmp_path, *ONE, "--json")
    assert ran.json()["components"]["STRM"]["1"]["seeds"] == [0]
    assert len(cells_of(tmp_path, "sprites-components")) == 1


def test_more_shots_than_clips_in_one_of_all_grids_are_refused_before_any_work(data, tmp_path):
    ran = ablate(data, tmp_path, "all", "--episodes-of-one-seed", 20, test=("--way", 2, "--shots", 1, "--episodes", 20))
    assert ran.code == 2 and "10" in ran.err and not list(tmp_path.iterdir())


def test_a_grid_of_other_shots_keeps_what_was_tested(data, runs):
    others = ("--way", 2, "--shots", "2", "--episodes", 20)
    assert ablate(data, runs, "shots", "--methods", "strm", test=others).code == 0
    again = ablate(data, runs, *ONE, "--dry-run", "--json").json()
    assert again["grids"][0]["cells"][0]["test"] is None and again["seconds"] == 0


@pytest.mark.parametrize(("way", "shots", "part"), [(9, "1", "9-way episodes"), (2, "1,50", "50-shot episodes")])
def test_a_test_that_cannot_be_is_refused_before_any_training(data, tmp_path, way, shots, part):
    refused(ablate(data, tmp_path, *ONE, test=("--way", way, "--shots", shots)), 2, part)
    assert not (tmp_path / "sprites-strm-s0").exists() and not (tmp_path / "sprites-components").exists()


def test_a_damaged_grid_says_how_to_go_on(data, runs):
    file = runs / "sprites-components" / "grid.json"
    file.write_text("{")
    ran = ablate(data, runs, *ONE)
    assert ran.code == 3 and str(file) in ran.err and "remove it" in ran.err
    file.unlink()
    assert ablate(data, runs, *ONE).code == 0


@pytest.mark.parametrize("name", ["../runs/sprites", "a/b", "..", " ", "x" * 300])
def test_a_name_that_leaves_the_folder_is_refused(data, runs, name):
    ran = ablate(data, runs, *ONE, "--name", name)
    assert ran.code == 2 and "cannot name a run" in ran.err
    assert len(cells_of(runs, "sprites-components")) == 1
