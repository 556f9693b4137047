import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor

import pytest

from strmctl.errors import StrmctlError
from strmctl.workers import each_in_processes

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


def test_a_pool_that_trips_while_it_breaks_is_a_crash_like_any_other(monkeypatch):
    submit = ProcessPoolExecutor.submit

    def trip_once(pool, function, *task):
        if task == ("2",) and not tripped:
            tripped.append(task)
            raise OSError("handle is closed")
        return submit(pool, function, *task)

    tripped = []
    monkeypatch.setattr(ProcessPoolExecutor, "submit", trip_once)
    assert sorted(each_in_processes(eval, ["1", "2", "3"], workers=2, crashed=repr)) == [1, 2, 3] and tripped


def test_processes_that_do_not_start(monkeypatch):
    monkeypatch.setattr("strmctl.workers.start_worker", os.abort)
    with pytest.raises(StrmctlError, match="do not start") as caught:
        list(each_in_processes(eval, ["1"] * 4, workers=2, crashed=repr))
    assert "--workers 1" in caught.value.hint
