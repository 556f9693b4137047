"""What cannot be read is named, and the exit code says that something may be missing: nothing vanishes."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from strmctl.datasets.download import unpack
from strmctl.errors import DataError
from tests.small_world import refused
from tests.videos_for_tests import strmctl, write_video


@pytest.fixture(params=(errno.EACCES, errno.EIO), ids=errno.errorcode.get)
def close(request, monkeypatch):
    """Makes folders of a name unreadable (file rights would not stop the root user of a container)."""

    def close(name):
        for function in (os.scandir, os.listdir):
            monkeypatch.setattr(os, function.__name__, refusing(function, name))
        return os.strerror(request.param)

    def refusing(function, name):
        def call(path="."):
            if not isinstance(path, int) and Path(os.fsdecode(path)).name == name:
                raise OSError(request.param, os.strerror(request.param), path)
            return function(path)

        return call

    return close


@pytest.fixture
def videos(tmp_path):
    """Three classes of two videos each."""
    for seed, name in enumerate(("run/a", "run/b", "sit/a", "sit/b", "walk/deep/a", "walk/b")):
        write_video(tmp_path / "clips" / f"{name}.mp4", seed=seed)
    return tmp_path / "clips"


@pytest.mark.parametrize(("closed", "rest"), [("sit", 4), ("deep", 5)])
@pytest.mark.parametrize("words", [(), ("--dry-run",)])
def test_a_class_folder_that_cannot_be_read_is_named(videos, close, closed, rest, words):
    reason = close(closed)
    data = ("--data", videos.parent / "data", "--workers", 1)
    ran = strmctl("prepare", videos, "--name", "mine", *data, *words)
    assert ran.code == 3 and f"{closed}: cannot be read: {reason}" in ran.err
    assert f"{rest} of {rest} clips stored" in ran.err or words
    document = strmctl("prepare", videos, "--name", "mine", *data, *words, "--json")
    assert document.code == 3 and document.json()["clips"] == rest
    assert [folder.split(":")[0].split("/")[-1] for folder in document.json()["unreadable"]] == [closed]


def test_no_split_is_drawn_without_the_classes_that_cannot_be_read(videos, tmp_path, close):
    reason = close("sit")
    ran = strmctl("prepare", videos, "--split", "60/20/20", "--data", tmp_path / "data", "--workers", 1)
    refused(ran, 3, f"sit: cannot be read: {reason}")
    assert not (tmp_path / "data").exists()


def test_a_folder_of_frames_that_cannot_be_read_is_named(own_data, tmp_path, close):
    frames = tmp_path / "frames"
    for clip in ("run/a", "run/b", "sit/a"):
        shutil.unpack_archive(next((own_data / "mine" / "frames").rglob("*.zip")), frames / clip)
    reason = close("b")
    ran = strmctl("prepare", "mine2", "--frames-from", frames, "--data", tmp_path / "data", "--workers", 1)
    assert ran.code == 3 and f"run/b: cannot be read: {reason}" in ran.err
    assert "2 of 2 clips stored" in ran.err


def test_a_link_to_a_folder_that_is_read_under_another_name_is_named(videos, tmp_path):
    (videos / "jog").symlink_to(videos / "run", target_is_directory=True)
    (videos / "walk" / "up").symlink_to(videos, target_is_directory=True)
    ran = strmctl("prepare", videos, "--name", "mine", "--data", tmp_path / "data", "--workers", 1, "--json")
    assert ran.code == 0 and ran.json()["clips"] == 6
    (ignored,) = ran.json()["ignored_because"]
    assert "another name" in ignored["reason"] and len(ignored["first"]) == 2


def test_results_that_cannot_be_read_are_named(runs, close):
    reason = close("eval")
    ran = strmctl("runs", "--runs", runs)
    assert ran.code == 3 and f"{reason}" in ran.err and "eval" in ran.err
    refused(strmctl("compare", "sprites", "sprites", "--runs", runs), 3, reason, "eval")


@pytest.mark.parametrize("words", [("runs",), ("report", "g", "--out", "never"), ("eval", "--run", "sprite")])
def test_a_folder_of_runs_that_cannot_be_read_is_named(runs, close, words):
    reason = close(runs.name)
    refused(strmctl(*words, "--runs", runs), 3, f"the folder {runs} cannot be read: {reason}")


@pytest.mark.parametrize("words", [("data", "check"), ("data", "show")])
def test_a_folder_of_stores_that_cannot_be_read_is_named(data, close, words):
    reason = close(data.name)
    refused(strmctl(*words, "--data", data), 3, f"the folder {data} cannot be read: {reason}")


def test_a_store_whose_frames_cannot_be_read_is_named(data, close):
    reason = close("frames")
    refused(strmctl("data", "check", "mine", "--data", data, "--workers", 1), 3, reason, "frames")


def test_frames_that_cannot_be_read_are_not_thrown_away_in_part(own_data, videos, close):
    made = [path for path in (own_data / "mine").rglob("*") if path.is_file()]
    reason = close("frames")
    ran = strmctl("prepare", videos, "--name", "mine", "--redo", "--data", own_data, "--workers", 1)
    refused(ran, 3, reason, "frames")
    assert len(made) > 20 and all(path.is_file() for path in made)


def test_an_unpacked_folder_that_cannot_be_read_is_named(tmp_path, videos, close):
    """Such as one whose rights in the archive allow nothing."""
    archive = shutil.make_archive(str(tmp_path / "UCF101"), "gztar", tmp_path, "clips")
    reason = close("sit")
    with pytest.raises(DataError, match=f"sit cannot be read: {reason}"):
        unpack(Path(archive), tmp_path / "unpacked", classes=["run"])
    assert not list(tmp_path.glob("*unpack*"))
