"""`runs/latest`: a link wherever there can be one; whatever else stands there is left alone and in nobody's way."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from strmctl.errors import DataError
from strmctl.paths import write_text
from strmctl.runs.folder import newest_run, point_latest, run_folder
from tests.small_world import evaluate, snapshot, train
from tests.videos_for_tests import strmctl


def copied(runs):
    """A copy that followed the link, in no particular order."""
    (runs / "latest").unlink()
    shutil.copytree(runs / "sprites", runs / "latest")
    os.utime(runs / "latest" / "recipe.yaml")


def as_file(runs):
    (runs / "latest").unlink()
    (runs / "latest").write_text("sprites")


def as_empty_folder(runs):
    (runs / "latest").unlink()
    (runs / "latest").mkdir()


@pytest.mark.parametrize("spoil", [copied, as_file, as_empty_folder])
def test_what_stands_in_the_place_of_the_link_stays_and_the_newest_run_is_found(data, runs, spoil):
    spoil(runs)
    before = {name: content for name, content in snapshot(runs).items() if name.startswith("latest")}
    ran = train(data, runs, "--recipe", "sprites", "--name", "second", changes=("train.seed=1",))
    assert ran.code == 0 and ran.err.count("latest is no link to the newest run, and is left alone") == 1
    ran = evaluate(data, runs, "--json")
    assert ran.json()["run"] == "second" and ran.err.count("second was begun last") == 1
    listed = strmctl("runs", "--runs", runs, "--json").json()["runs"]
    assert {row["name"]: row["latest"] for row in listed} == {"second": True, "sprites": False}
    assert strmctl("train", "--resume", "--data", data, "--runs", runs, "--json").json()["run"] == "second"
    assert {name: content for name, content in snapshot(runs).items() if name.startswith("latest")} == before

    command = ran.err.split("`")[1]
    subprocess.run(command, shell=True, check=True)  # noqa: S602 - what the message says
    assert all(shlex.split(part)[0] in ("mv", "ln") for part in command.split("&&"))
    assert (runs / "latest").readlink() == Path("second") and run_folder(runs, None) == runs / "second"
    ran = evaluate(data, runs, "--json")
    assert ran.json()["run"] == "second" and "note: " not in ran.err


def dangling(runs):
    (runs / "latest").unlink()
    (runs / "latest").symlink_to("gone")


def looping(runs):
    (runs / "latest").unlink()
    (runs / "latest").symlink_to("latest")


def missing(runs):
    (runs / "latest").unlink()


@pytest.mark.parametrize("spoil", [dangling, looping, missing])
def test_a_link_to_nowhere_is_replaced_by_the_next_training(data, runs, spoil):
    spoil(runs)
    ran = evaluate(data, runs, "--json")
    assert ran.json()["run"] == "sprites" and "note: " in ran.err and "ln -sfn sprites" in ran.err
    ran = train(data, runs, "--recipe", "sprites", "--name", "second")
    assert ran.code == 0 and "note: " not in ran.err
    assert (runs / "latest").readlink() == Path("second")


def test_where_no_links_can_be_made_the_run_that_was_begun_last_is_the_newest(tmp_path, monkeypatch):
    def no_links(*words, **options):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "symlink_to", no_links)
    said = []
    for name, seconds in (("b", 1_000), ("a", 2_000)):
        write_text(tmp_path / name / "recipe.yaml", "")
        os.utime(tmp_path / name / "recipe.yaml", (seconds, seconds))
        point_latest(tmp_path, tmp_path / name, said.append)
    assert len(said) == 2 and all("Operation not permitted" in message for message in said)
    assert newest_run(tmp_path) == tmp_path / "a"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_copy_of_the_newest_run_alone_is_no_run(tmp_path):
    write_text(tmp_path / "latest" / "recipe.yaml", "")
    for name in (None, "latest"):
        with pytest.raises(DataError):
            run_folder(tmp_path, name)


def test_the_newest_run_may_lie_elsewhere(tmp_path):
    write_text(tmp_path / "elsewhere" / "mine" / "recipe.yaml", "")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "latest").symlink_to("../elsewhere/mine")
    assert run_folder(tmp_path / "runs", None).samefile(tmp_path / "elsewhere" / "mine")
