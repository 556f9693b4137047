"""Processes that work on cells: what each task gives, what it tells, and what becomes of errors and of deaths."""

import multiprocessing
import os
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
import torch

from strmctl.ablation.cell_workers import work_on
from strmctl.errors import RecipeError, StrmctlError

# the tasks are Python expressions; new processes find `evaluate` in this file


def evaluate(task, tell):
    return eval(task, {**globals(), "tell": tell})  # noqa: S307


def fail(message, hint):
    raise RecipeError(message, hint)


def meet(mine, theirs):
    """Makes a file, and waits for that of another task."""
    Path(mine).touch()
    end = time.monotonic() + 60
    while not Path(theirs).exists() and time.monotonic() < end:
        time.sleep(0.01)
    return Path(theirs).exists()


def always(task, others):
    return True


def silent(task, *news):
    pass


def worked(tasks, jobs, ready=always, told=silent, threads=1):
    with closing(work_on(evaluate, tasks, jobs=jobs, threads=threads, ready=ready, told=told)) as found:
        return list(found)


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


def check_results_and_errors(jobs):
    tasks = ["1 + 1", "fail('no', 'do this')", "1 / 0", "tell('stage', 3, 5)", "torch.get_num_threads()"]
    told = []
    results = dict(worked(tasks, jobs, told=lambda *news: told.append(news), threads=2))
    assert results.keys() == set(tasks)
    assert results[tasks[0]] == 2 and results[tasks[3]] is None and results[tasks[4]] == 2
    error = results[tasks[1]]
    assert isinstance(error, RecipeError) and (error.message, error.hint) == ("no", "do this")
    assert isinstance(results[tasks[2]], ZeroDivisionError)
    assert told == [(tasks[3], "stage", 3, 5)]


def test_one_process_is_this_one_and_works_in_order():
    check_results_and_errors(1)
    tasks = ["os.getpid()", "2", "os.getpid() + 0"]
    assert worked(tasks, 1) == [(tasks[0], os.getpid()), ("2", 2), (tasks[2], os.getpid())]


def test_no_tasks():
    assert worked([], 1) == worked([], 2) == []


def test_two_processes_give_the_same():
    check_results_and_errors(2)


def test_tasks_run_beside_each_other_and_wait_for_those_they_need(tmp_path):
    """The first and the third wait for each other; the second may begin after the first; the fourth overtakes it."""
    one, three, four = (str(tmp_path / name) for name in ("one", "three", "four"))
    slow = f"tell('slow', 0, 1) or meet({one!r}, {three!r}) and meet({one!r}, {four!r})"
    after, beside = "tell('after', 0, 1) or 'after'", f"meet({three!r}, {one!r})"
    overtaking = f"meet({four!r}, {one!r}) and os.environ['OMP_NUM_THREADS']"
    told = []
    found = worked(
        [slow, after, beside, overtaking],
        2,
        ready=lambda task, others: task != after or slow not in others,
        told=lambda task, *news: told.append((task, *news)),
        threads=2,
    )
    assert dict(found) == {slow: True, after: "after", beside: True, overtaking: "2"}
    assert found[-1] == (after, "after")
    assert told == [(slow, "slow", 0, 1), (after, "after", 0, 1)]


@pytest.mark.parametrize("death", ["os._exit(3)", "os.kill(os.getpid(), 9)"])
def test_a_process_that_dies_is_a_clear_error(death):
    start = time.monotonic()
    with pytest.raises(StrmctlError, match=r"the process that worked on .* has died") as caught:
        worked([f"{death} or 'the training of x'", "time.sleep(60)"], 2)
    assert "the training of x" in caught.value.message and "--jobs" in caught.value.hint
    assert time.monotonic() - start < 40, "it does not wait for the others"


def test_leaving_ends_the_processes():
    start = time.monotonic()
    with closing(work_on(evaluate, ["1", "time.sleep(60)"], jobs=2, threads=1, ready=always, told=silent)) as found:
        assert next(found) == ("1", 1)
    assert time.monotonic() - start < 40


@pytest.mark.parametrize("when", ["before it gets its task", "before it reads its task"])
def test_a_process_that_dies_early_names_its_task(when):
    def kill():
        for process in multiprocessing.active_children():
            process.kill()
            process.join()

    def ready(task, others):
        if when == "before it gets its task":
            kill()
        return True

    if when == "before it reads its task":
        threading.Timer(0.15, kill).start()
    with pytest.raises(StrmctlError, match="has died") as caught:
        worked(["time.sleep(1)", "2"], 2, ready=ready)
    assert "the same command goes on" in caught.value.hint
