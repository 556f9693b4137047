"""Processes that work on cells: their results, their progress, and what becomes of errors and of deaths."""

import multiprocessing
import os
import signal
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
import torch

from strmctl.ablation.cell_workers import gpus_to_share, work_on
from strmctl.errors import RecipeError, StrmctlError
from strmctl.threads import environment

# the tasks are Python expressions; new processes find `evaluate` in this file


def evaluate(task, report):
    return eval(task, {**globals(), "report": report})  # noqa: S307


def fail(message, hint):
    raise RecipeError(message, hint)


def meet(mine, theirs):
    """Makes a file, and waits for that of another task."""
    Path(mine).touch()
    end = time.monotonic() + 60
    while not Path(theirs).exists() and time.monotonic() < end:
        time.sleep(0.01)
    return Path(theirs).exists()


def worked(tasks, jobs, ready=lambda task, others: True):
    """The results, in the order in which they came, and the progress that was reported."""
    reports = []
    how = {"threads": 2, "ready": ready, "progress": lambda *report: reports.append(report)}
    with closing(work_on(evaluate, tasks, jobs=jobs, **how)) as found:
        return list(found), reports


@pytest.fixture(autouse=True)
def nothing_is_left():
    """No test leaves processes behind, or another environment."""
    before, environment, threads = set(multiprocessing.active_children()), variables(), torch.get_num_threads()
    yield
    assert set(multiprocessing.active_children()) <= before
    assert variables() == environment
    torch.set_num_threads(threads)


def variables():
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}


TASKS = ["1 + 1", "fail('no', 'do this')", "1 / 0", "report('stage', 3, 5)", "torch.get_num_threads()"]


def check(found, reports):
    results = dict(found)
    assert results[TASKS[0]] == 2 and results[TASKS[3]] is None and results[TASKS[4]] == 2
    error = results[TASKS[1]]
    assert isinstance(error, RecipeError) and (error.message, error.hint) == ("no", "do this")
    assert isinstance(results[TASKS[2]], ZeroDivisionError)
    assert (TASKS[3], "stage", 3, 5) in reports


def test_one_process_is_this_one_and_works_in_order():
    found, reports = worked([*TASKS, "os.getpid()"], 1)
    check(found, reports)
    assert [task for task, _ in found] == [*TASKS, "os.getpid()"] and found[-1][1] == os.getpid()


def test_no_tasks():
    assert worked([], 1) == worked([], 2) == ([], [])


def test_tasks_run_beside_each_other_and_wait_for_those_they_need(tmp_path):
    """The first and the third wait for each other; the second may begin after the first; the fourth overtakes it."""
    one, three, four = (str(tmp_path / name) for name in ("one", "three", "four"))
    slow = f"report('slow', 0, 1) or meet({one!r}, {three!r}) and meet({one!r}, {four!r})"
    after, beside = "report('after', 0, 1) or 'after'", f"meet({three!r}, {one!r})"
    overtaking = f"meet({four!r}, {one!r}) and os.environ['OMP_NUM_THREADS']"
    tasks = [slow, after, beside, overtaking, *TASKS]
    found, reports = worked(tasks, 2, ready=lambda task, others: task != after or slow not in others)
    check(found, reports)
    assert {slow: True, after: "after", beside: True, overtaking: "2"}.items() <= dict(found).items()
    order = [task for task, _ in found]
    assert sorted(order) == sorted(tasks) and order.index(after) > order.index(slow) > order.index(beside)
    assert reports.index((slow, "slow", 0, 1)) < reports.index((after, "after", 0, 1))


@pytest.mark.slow
def test_a_process_that_dies_is_a_clear_error():
    start = time.monotonic()
    with pytest.raises(StrmctlError, match=r"the process that worked on .* has died") as caught:
        worked(["os.kill(os.getpid(), 9) or 'the training of x'", "time.sleep(60)"], 2)
    assert "the training of x" in caught.value.message and "--jobs" in caught.value.hint
    assert time.monotonic() - start < 40, "it does not wait for the others"


@pytest.mark.parametrize("when", ["before it gets its task", "before it reads its task"])
def test_a_process_that_dies_early_names_its_task(when):
    def kill():
        for process in tuple(multiprocessing.process._children):  # `active_children` would take their ends away
            os.kill(process.pid, signal.SIGKILL)

    def ready(task, others):
        if when == "before it gets its task":
            kill()
        return True

    if when == "before it reads its task":
        threading.Timer(0.15, kill).start()
    with pytest.raises(StrmctlError, match="has died") as caught:
        worked(["time.sleep(1)", "2"], 2, ready=ready)
    assert "the same command goes on" in caught.value.hint


def see(task, report):
    return os.environ.get("CUDA_VISIBLE_DEVICES", "")


@pytest.mark.parametrize(("gpus", "seen"), [(["0", "1"], {"0", "1"}), (["GPU-5a"], {"GPU-5a"}), ([], {"7"})])
def test_each_process_sees_one_gpu(gpus, seen):
    how = {"jobs": 2, "threads": 1, "ready": lambda task, others: True, "progress": lambda *news: None}
    with environment({"CUDA_VISIBLE_DEVICES": "7"}):
        assert {value for _, value in work_on(see, range(4), gpus=gpus, **how)} <= seen
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "7"


@pytest.mark.parametrize(
    ("device", "count", "visible", "shared"),
    [
        ("auto", 0, "", []),
        ("auto", 1, "", []),
        ("auto", 3, "", ["0", "1", "2"]),
        ("cuda", 2, "4,GPU-9", ["4", "GPU-9"]),
        ("cuda:1", 3, "", []),
        ("cpu", 3, "", []),
    ],
)
def test_gpus_are_shared_where_there_are_several_and_none_was_asked_for(device, count, visible, shared, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    with environment({"CUDA_VISIBLE_DEVICES": visible}):
        assert gpus_to_share(device) == shared
