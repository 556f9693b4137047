import contextlib
import errno
import fcntl
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from strmctl import paths
from strmctl.errors import DataError, Note
from strmctl.paths import alone, read_json, replacing, shipped, write_json, write_text
from strmctl.runs.folder import point_latest, run_folder
from tests.small_world import class_folders
from tests.videos_for_tests import strmctl


def test_shipped_files_are_found():
    for parts in (("recipes", "sprites.yaml"), ("splits", "ucf101.yaml"), ("reports", "paper.yaml")):
        assert shipped(*parts).is_file()


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "new" / "x.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_runs_by_name_and_the_newest(tmp_path):
    for name in ("a", "b"):
        write_text(tmp_path / name / "recipe.yaml", "")
        point_latest(tmp_path, tmp_path / name)
    assert run_folder(tmp_path, None) == tmp_path / "b"
    assert run_folder(tmp_path, "a") == tmp_path / "a"
    with pytest.raises(DataError, match="no run named 'c'") as caught:
        run_folder(tmp_path, "c")
    assert caught.value.hint == "runs here: a, b"


def test_without_a_run_the_hint_is_the_demo(tmp_path):
    with pytest.raises(DataError, match="no run yet") as caught:
        run_folder(tmp_path, None)
    assert "strmctl demo" in caught.value.hint


def test_a_json_file_is_read_back_and_anything_else_is_named(tmp_path):
    path, folder = tmp_path / "a.json", tmp_path / "folder.json"
    write_json(path, {"name": "日本語", "number": 0.1})
    assert read_json(path) == {"name": "日本語", "number": 0.1}
    folder.mkdir()
    for content in (b"", b"{", b"\xff\xfe", b"\0" * 9, b"[" * 100_000):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"a\.json is damaged") as caught:
            read_json(path, "write it again")
        assert caught.value.hint == "write it again"
    for absent, reason in ((tmp_path / "b.json", "No such file"), (folder, "Is a directory")):
        with pytest.raises(DataError, match=f"{absent}: {reason}"):
            read_json(absent)


@pytest.fixture
def without_locks(monkeypatch):
    """A file system that has no locks, in a process that has said nothing about it yet."""

    def refuse(descriptor, kind):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(paths, "_without_locks", [])


@pytest.mark.usefixtures("without_locks")
def test_where_there_are_no_locks_one_note_says_so(tmp_path):
    with pytest.warns(Note, match=f"no file can be locked in {tmp_path / 'a'} .*one at a time") as told:
        for name, shared in (("a", False), ("b", True), ("a", False)):
            with alone(tmp_path / name / "lock", wait=False, shared=shared) as is_held:
                assert not is_held
    assert len(told) == 1


def test_a_system_without_the_module_of_locks_says_so_too(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setattr(paths, "_without_locks", [])
    with pytest.warns(Note, match="this system has none"), alone(tmp_path / "lock") as is_held:
        assert not is_held


@pytest.mark.usefixtures("without_locks")
def test_the_note_reaches_stderr_once_in_a_command(tmp_path):
    class_folders(tmp_path / "videos", ["hop"])
    ran = strmctl("prepare", tmp_path / "videos", "--name", "mine", "--data", tmp_path, "--workers", 1)
    assert ran.code == 0 and ran.err.count("note: no file can be locked in") == 1


HOLD = """
import sys
from pathlib import Path
from strmctl.paths import alone
with alone(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def held_elsewhere(lock):
    """A lock that another process holds until it is killed."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", HOLD, str(lock)], **pipes) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_who_waits_for_a_lock_says_so_and_has_it_when_its_holder_is_killed(tmp_path):
    lock, told = tmp_path / "lock", []
    with held_elsewhere(lock) as holder:
        with pytest.raises(BlockingIOError), alone(lock, wait=False):
            pass

        def kill(message, *where, **more):
            told.append(str(message))
            holder.kill()

        with warnings.catch_warnings():
            warnings.showwarning = kill
            with alone(lock, waiting="another process is at it") as is_held:
                assert is_held and told == ["another process is at it"]
    with warnings.catch_warnings(action="error"), alone(lock, waiting="nobody has it"):
        pass


def test_writers_of_one_file_have_a_temporary_file_each(tmp_path):
    path = tmp_path / "picture.png"
    with replacing(path, suffix=".png") as first, replacing(path, suffix=".png") as second:
        assert first != second and first.suffix == second.suffix == ".png"
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["/proc/table.csv", "/sys/table.csv", "/proc/self/fd/table.csv"])
@pytest.mark.skipif(sys.platform != "linux", reason="folders in which nobody can write lie elsewhere")
def test_a_file_that_cannot_be_written_is_named_as_it_was_asked_for(name):
    with pytest.raises(OSError) as failed, replacing(Path(name)):
        pass
    assert failed.value.filename == name
