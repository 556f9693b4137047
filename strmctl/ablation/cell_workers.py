"""Work on the cells of a grid in several processes, which report their progress."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

import torch

from strmctl.errors import StrmctlError
from strmctl.memory import keep_memory
from strmctl.threads import LOADERS, environment, loader_threads
from strmctl.workers import start_worker

Task = TypeVar("Task")
VISIBLE = "CUDA_VISIBLE_DEVICES"  # the variable that names the GPUs of a process
Report = Callable[[str, int, int], None]  # (stage, done, in all)


def work_on(
    function: Callable[[Task, Report], Any],
    tasks: Sequence[Task],
    *,
    jobs: int,
    threads: int,
    ready: Callable[[Task, Sequence[Task]], bool],
    progress: Callable[[Task, str, int, int], None],
    gpus: Sequence[str] = (),
) -> Iterator[tuple[Task, Any]]:
    """Each task and the value of `function` for it, in the order in which they finish; an error is a value, too.

    Args:
        function: module-level function of a task and of a callable that it reports its progress to.
        tasks: picklable tasks, in the order in which to begin them.
        jobs: number of processes; with 1, this process does all the work.
        threads: number of threads of each process.
        ready: callable that decides whether a task can begin while others, its second argument, are unfinished.
        progress: callable that receives the task and what the function reports.
        gpus: names of GPUs, of which each process sees one, in turn; without any, all processes see all.

    Raises:
        StrmctlError: a process has died.
    """
    if jobs == 1:
        torch.set_num_threads(threads)
        for task in tasks:
            yield task, _attempt(function, task, partial(progress, task))
        return
    waiting, running = list(tasks), {}
    with _workers(function, min(jobs, len(tasks)), threads, gpus) as idle:
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
                if kind == "progress":
                    progress(task, *news)
                else:
                    idle.append(connection)
                    del running[connection]
                    yield task, news


def gpus_to_share(device: str) -> list[str]:
    """Names of the GPUs that processes share out, where there are several and none of them was asked for."""
    count = torch.cuda.device_count() if device in ("auto", "cuda") else 0
    names = os.environ.get(VISIBLE, "")
    return (names.split(",") if names else [str(number) for number in range(count)]) if count > 1 else []


@contextlib.contextmanager
def _naming(task: Task) -> Iterator[None]:
    """Turns the end of a process into an error that names its task."""
    try:
        yield
    except (EOFError, OSError) as error:
        hint = "out of memory? the same command goes on from there; take fewer --jobs"
        raise StrmctlError(f"the process that worked on {task} has died", hint) from error


@contextlib.contextmanager
def _workers(function: Callable[..., Any], count: int, threads: int, gpus: Sequence[str]) -> Iterator[list[Connection]]:
    """Connections to new processes, which end with the block, and at the latest with this process."""
    context = multiprocessing.get_context("spawn")  # a forked copy of a process with torch's threads may hang
    connections, processes = [], []
    loaders = loader_threads()
    try:
        for number in range(count):
            ours, theirs = context.Pipe()
            processes.append(context.Process(target=_serve, args=(theirs, function, threads), daemon=True))
            own = {VISIBLE: gpus[number % len(gpus)]} if gpus else {}
            with environment({"OMP_NUM_THREADS": str(threads), LOADERS: str(max(1, loaders // count)), **own}):
                processes[-1].start()
            theirs.close()
            connections.append(ours)
        yield connections
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()


def _serve(connection: Connection, function: Callable[..., Any], threads: int) -> None:
    """Works on one task after the other, in a process of its own."""
    start_worker()
    keep_memory()
    torch.set_num_threads(threads)
    while True:
        task = connection.recv()
        value = _attempt(function, task, lambda *news: connection.send(("progress", news)))
        connection.send(("done", value))


def _attempt(function: Callable[[Task, Report], Any], task: Task, report: Report) -> Any:
    """The value of a task, or its error, so that the others go on."""
    try:
        return function(task, report)
    except Exception as error:
        return error
