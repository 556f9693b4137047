"""Work on the cells of a grid in several processes, each with its own number of threads, that tell how far they are."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

import torch

from strmctl.errors import StrmctlError
from strmctl.workers import start_worker

Task = TypeVar("Task")
Tell = Callable[[str, int, int], None]  # (stage, done, in all)
# The C library gives large blocks of memory back at once, and every step then pays for fresh pages. Keeping them makes
# training steps of small models about 15 % faster. Other systems than Linux ignore these.
MALLOC = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40), "MALLOC_TOP_PAD_": str(256 << 20)}


def work_on(
    function: Callable[[Task, Tell], Any],
    tasks: Sequence[Task],
    *,
    jobs: int,
    threads: int,
    ready: Callable[[Task, Sequence[Task]], bool],
    told: Callable[[Task, str, int, int], None],
) -> Iterator[tuple[Task, Any]]:
    """`function` of each task, in the order in which they finish; the value of one that failed is its error.

    Args:
        function: a module-level function of a task and of a callable that it tells how far it is.
        tasks: picklable, in the order in which to begin them.
        jobs: processes; with 1, all is done in this one.
        threads: of each process.
        ready: whether a task can begin while others, the second argument, are not done.
        told: is given the task and what the function tells.
    """
    if jobs == 1:
        torch.set_num_threads(threads)
        for task in tasks:
            yield task, _attempt(function, task, lambda *news, task=task: told(task, *news))
        return
    waiting, running = list(tasks), {}
    with _workers(function, min(jobs, len(tasks)), threads) as idle:
        while waiting or running:
            for task in list(waiting):
                if idle and ready(task, [*running.values(), *waiting]):
                    waiting.remove(task)
                    connection = idle.pop()
                    with _naming(task):
                        connection.send(task)
                    running[connection] = task
            for connection in wait(list(running)):
                task = running[connection]
                with _naming(task):
                    kind, news = connection.recv()
                if kind == "told":
                    told(task, *news)
                else:
                    idle.append(connection)
                    del running[connection]
                    yield task, news


@contextlib.contextmanager
def _naming(task: Task) -> Iterator[None]:
    """Turns the end of a process into an error that names its task."""
    try:
        yield
    except (EOFError, OSError) as error:
        hint = "out of memory? the same command goes on from there; take fewer --jobs"
        raise StrmctlError(f"the process that worked on {task} has died", hint) from error


@contextlib.contextmanager
def _workers(function: Callable[..., Any], count: int, threads: int) -> Iterator[list[Connection]]:
    """Connections to new processes, which end with the block and with this process."""
    context = multiprocessing.get_context("spawn")  # a forked copy of a process with torch's threads may hang
    connections, processes = [], []
    try:
        with _environment({**MALLOC, "OMP_NUM_THREADS": str(threads)}):
            for _ in range(count):
                ours, theirs = context.Pipe()
                process = context.Process(target=_serve, args=(theirs, function, threads), daemon=True)
                process.start()
                theirs.close()
                connections.append(ours)
                processes.append(process)
        yield list(connections)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Sets what processes that are started now inherit."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _serve(connection: Connection, function: Callable[..., Any], threads: int) -> None:
    """In a process of its own: works on one task after the other."""
    start_worker()
    torch.set_num_threads(threads)
    while True:
        task = connection.recv()
        value = _attempt(function, task, lambda *news: connection.send(("told", news)))
        connection.send(("done", value))


def _attempt(function: Callable[[Task, Tell], Any], task: Task, tell: Tell) -> Any:
    """The value of a task, or its error: the others go on."""
    try:
        return function(task, tell)
    except Exception as error:
        return error
