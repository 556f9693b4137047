import errno
import multiprocessing
import os
import subprocess
import sys
import time

import pytest

from strmctl.errors import Note, StrmctlError
from strmctl.workers import each_in_processes
from tests.small_world import class_folders

# the tasks are Python expressions, so that `eval`, which any process can import, does the work


@pytest.mark.parametrize("workers", [1, 2])
def test_each_task_has_its_result(workers):
    tasks = [f"{number} * 2" for number in range(9)]
    assert sorted(each_in_processes(eval, tasks, workers=workers, crashed=repr)) == list(range(0, 18, 2))


def test_a_crash_costs_only_the_task_that_crashes():
    tasks = ["1", "__import__('os')._exit(3)", "2", "3", "__import__('os').abort()", "4"]
    results = list(each_in_processes(eval, tasks, workers=2, crashed=lambda task: f"crashed: {task}"))
    assert sorted(map(str, results)) == ["1", "2", "3", "4", f"crashed: {tasks[1]}", f"crashed: {tasks[4]}"]


def test_an_error_ends_the_work_and_its_processes_at_once():
    tasks = ["__import__('time').sleep(60)", "open('/nowhere/at/all')"]
    before, start = set(multiprocessing.active_children()), time.monotonic()
    with pytest.raises(FileNotFoundError) as caught:
        list(each_in_processes(eval, tasks, workers=2, crashed=repr))
    assert caught.value.filename == "/nowhere/at/all"
    assert time.monotonic() - start < 30
    assert set(multiprocessing.active_children()) <= before


def test_a_task_that_crashes_once_has_another_try_alone(tmp_path):
    flag = tmp_path / "flag"
    once = f"open({str(flag)!r}, 'a').close() or __import__('os').abort() if not __import__('os').path.exists("
    once += f"{str(flag)!r}) else 'the second time'"
    assert sorted(each_in_processes(eval, ["'a'", once], workers=2, crashed=repr)) == ["a", "the second time"]


SLEEP = "__import__('time').sleep(60)"
IN_C = "__import__('ctypes').PyDLL(None).sleep(60)"  # no other thread of Python runs meanwhile, and no signal handler


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_tasks_that_hang_cost_their_time_and_the_others_go_on_in_their_processes(workers):
    pid = "__import__('os').getpid()"
    tasks, start = [pid, SLEEP, pid, IN_C, pid], time.monotonic()
    hung = lambda task: f"hung: {task}"  # noqa: E731
    results = list(each_in_processes(eval, tasks, workers=workers, crashed=repr, hung=hung, seconds=1))
    assert {result for result in results if isinstance(result, str)} == {hung(SLEEP), hung(IN_C)}
    pids = [result for result in results if isinstance(result, int)]
    assert len(pids) == 3 and os.getpid() not in pids
    assert time.monotonic() - start < 30


@pytest.mark.slow
def test_signs_of_life_keep_a_long_task_going():
    alive = "__import__('strmctl.workers').workers.alive()"
    long = f"[{alive} or __import__('time').sleep(0.2) for _ in range(20)] and 'done'"
    assert list(each_in_processes(eval, [long], workers=1, crashed=repr, hung=repr, seconds=2)) == ["done"]


@pytest.mark.slow
def test_a_time_limit_is_of_one_task_and_not_of_the_wait_for_the_next():
    outcomes = each_in_processes(eval, ["1", "2", "3"], workers=1, crashed=repr, hung=repr, seconds=0.5)
    for expected in (1, 2, 3):
        assert next(outcomes) == expected
        time.sleep(0.8)
    outcomes.close()


def test_nothing_is_started_for_no_task(monkeypatch):
    monkeypatch.setattr("strmctl.workers._Team", None)
    assert list(each_in_processes(eval, [], workers=2, crashed=repr, seconds=1)) == []


def test_processes_that_do_not_start(monkeypatch):
    monkeypatch.setattr("strmctl.workers._serve", os.abort)  # takes no arguments: it fails at once
    with pytest.raises(StrmctlError, match="do not start: exit code 1") as caught:
        list(each_in_processes(eval, ["1"] * 4, workers=2, crashed=repr))
    assert caught.value.hint == "`--workers 1` does without them"
    with pytest.warns(Note, match="do not start: exit code 1, so nothing stops a task that hangs"):
        assert list(each_in_processes(eval, ["1", "2"], workers=1, crashed=repr, seconds=9)) == [1, 2]


@pytest.mark.parametrize(
    ("code", "helps"),
    [
        (errno.EMFILE, "files open here; "),
        (errno.ENFILE, "end other programs"),
        (errno.EAGAIN, "`ulimit -u"),
        (errno.ENOMEM, "too little memory"),
    ],
)
def test_the_cause_is_named_when_the_system_has_no_more(monkeypatch, code, helps):
    def refuse(process):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(multiprocessing.get_context("spawn").Process, "start", refuse)
    before = set(multiprocessing.active_children())
    with pytest.raises(StrmctlError, match=os.strerror(code)) as caught:
        list(each_in_processes(eval, ["1"] * 4, workers=2, crashed=repr))
    assert helps in caught.value.hint and "`--workers 1`" in caught.value.hint
    assert set(multiprocessing.active_children()) <= before


LIMITED = """
import resource, sys
from strmctl.cli.main import main
_, hard = resource.getrlimit(getattr(resource, sys.argv[1]))
resource.setrlimit(getattr(resource, sys.argv[1]), (int(sys.argv[2]), hard))
main(sys.argv[3:])
"""


def limited(limit, value, *words):
    """A command in a process with a limit of the system."""
    command = [sys.executable, "-c", LIMITED, limit, value, *words]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def preparing(tmp_path):
    """Words of a `prepare` of three videos."""
    class_folders(tmp_path / "videos", ["hop"])
    return ("prepare", tmp_path / "videos", "--name", "mine", "--data", tmp_path / "data", "--workers")


@pytest.mark.slow
def test_too_few_open_files_name_the_limit_and_following_the_hint_helps(preparing):
    ran = limited("RLIMIT_NOFILE", 12, *preparing, 3)
    assert ran.returncode == 1 and "do not start: Too many open files" in ran.stderr
    assert "a process may have 12 files open here; `ulimit -n " in ran.stderr and "`--workers 1`" in ran.stderr
    assert "Traceback" not in ran.stderr and "defect" not in ran.stderr
    ran = limited("RLIMIT_NOFILE", 12, *preparing, 1)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.slow
def test_a_limit_on_the_size_of_files_is_named(preparing, tmp_path):
    for workers in (1, 2):
        ran = limited("RLIMIT_FSIZE", 3000, *preparing, workers)
        assert ran.returncode == 1 and f"File too large: {tmp_path / 'data'}" in ran.stderr, ran.stderr
        assert "`ulimit -f unlimited`" in ran.stderr and "defect" not in ran.stderr
    ran = limited("RLIMIT_FSIZE", 3000, "prepare", "sprites", "--data", tmp_path, "--workers", 1)
    assert ran.returncode == 1 and "`ulimit -f`" in ran.stderr, ran.stderr


@pytest.mark.slow
def test_a_limit_on_memory_is_named(tmp_path):
    ran = limited("RLIMIT_AS", 400_000_000, "eval", "--data", tmp_path, "--runs", tmp_path)  # too little for torch
    assert ran.returncode == 1 and ran.stderr.startswith("error: the memory is full\n"), ran.stderr
    assert "`ulimit -v unlimited`" in ran.stderr and "defect" not in ran.stderr


def test_no_semaphores_are_needed(monkeypatch):
    """As where /dev/shm is missing or read-only."""
    monkeypatch.setattr("multiprocessing.synchronize.SemLock.__init__", None)
    assert sorted(each_in_processes(eval, ["1", "2"], workers=2, crashed=repr)) == [1, 2]
