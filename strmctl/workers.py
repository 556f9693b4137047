"""Work in several processes, in which a crash costs one task and an interruption ends all processes."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from strmctl.errors import StrmctlError

Task = TypeVar("Task")
Result = TypeVar("Result")
AHEAD = 2  # tasks per process handed out at a time; few, so that an interruption or a crash affects few


def each_in_processes(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    *,
    workers: int,
    crashed: Callable[[Task], Result],
) -> Iterator[Result]:
    """Yields the result of `function` for each task, in the order in which they finish.

    Args:
        function: module-level function; an exception in it ends the iteration.
        tasks: its arguments; picklable.
        workers: number of processes; with 1, this process does all the work.
        crashed: gives the result of a task that crashes its process, such as a video that kills the decoder.

    Raises:
        StrmctlError: no process can be started.
    """
    if workers == 1:
        yield from map(function, tasks)
        return
    waiting = deque(tasks)
    while waiting:
        running: dict[Future, Task] = {}
        try:
            with _pool(min(workers, len(waiting))) as pool:
                while waiting or running:
                    while waiting and len(running) < AHEAD * workers:
                        running[_submit(pool, function, waiting[0], lone=not running)] = waiting[0]
                        waiting.popleft()
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        result = future.result()
                        del running[future]
                        yield result
        except BrokenProcessPool:  # one of the running tasks crashed: each gets another try, alone in a process
            for task in running.values():
                yield _alone(function, task, crashed)


def _submit(pool: ProcessPoolExecutor, function: Callable[[Task], Result], task: Task, *, lone: bool) -> Future:
    try:
        return pool.submit(function, task)
    except OSError as error:
        if lone:
            raise
        # a pool that starts one more process while another dies may trip over its own closed pipes
        raise BrokenProcessPool from error


def _alone(function: Callable[[Task], Result], task: Task, crashed: Callable[[Task], Result]) -> Result:
    try:
        with _pool(1) as pool:
            return pool.submit(function, task).result()
    except BrokenProcessPool:
        return crashed(task)


@contextlib.contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """A pool whose processes are known to start, and end with it at once when anything goes wrong."""
    before = set(multiprocessing.active_children())
    # spawn: a forked copy of a process that has used OpenCV or torch with threads may hang
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=start_worker)
    try:
        _check_starts(pool, workers)
        yield pool
        pool.shutdown()
    except BaseException:
        for process in set(multiprocessing.active_children()) - before:
            process.terminate()
        pool.shutdown(cancel_futures=True)
        raise


def _check_starts(pool: ProcessPoolExecutor, workers: int) -> None:
    try:
        for future in [pool.submit(os.getpid) for _ in range(workers)]:
            future.result()
    except BrokenProcessPool as error:
        raise StrmctlError("worker processes do not start", "`--workers 1` does without them") from error


def start_worker() -> None:
    """Prepares a worker process: it ends with its parent and ignores Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interruption means
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Ends this process with its parent; otherwise the workers of a killed parent would wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
