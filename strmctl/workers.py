"""Work in several processes, in which a crash or a hang costs one task and an interruption ends all processes.

Each process has a pipe of its own: so it is known which task brought a process down, the others work on, and nothing
is needed that a system may lack, such as semaphores in /dev/shm.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from strmctl.errors import Note, StrmctlError
from strmctl.limits import what_helps

Task = TypeVar("Task")
Result = TypeVar("Result")
Member = tuple[Connection, BaseProcess]
_limit: list[float] = []  # seconds that a task of this process may take without a sign of life; empty for no limit


def each_in_processes(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    *,
    workers: int,
    crashed: Callable[[Task], Result],
    hung: Callable[[Task], Result] | None = None,
    seconds: float = 0,
) -> Iterator[Result]:
    """Yields the result of `function` for each task, in the order in which they finish.

    Args:
        function: module-level function; an exception in it ends the iteration.
        tasks: its arguments; picklable.
        workers: number of processes; with 1 and no time limit, this process does all the work.
        crashed: gives the result of a task that crashes its process, such as a video that kills the decoder, and does
            so again when it is alone (the first time, memory may have been short).
        hung: gives the result of a task that takes too long; it is not tried again.
        seconds: time that a task may take without a sign of life, see `alive`; 0 for no limit.

    Raises:
        StrmctlError: no process can be started.
    """
    if not tasks:
        return
    seconds = seconds if hasattr(signal, "setitimer") else 0
    if workers == 1 and not seconds:
        yield from map(function, tasks)
        return
    with contextlib.ExitStack() as ended:
        try:
            team = _Team(min(workers, len(tasks)), seconds, ended)
        except StrmctlError as error:
            if workers > 1:
                raise
            warnings.warn(f"{error.message}, so nothing stops a task that hangs: {error.hint}", Note, stacklevel=2)
            yield from map(function, tasks)
            return
        suspects: list[Task] = []
        for task, end in team.work(function, tasks):
            if end.hung and hung is not None:
                yield hung(task)
            elif end.died:
                suspects.append(task)
            else:
                yield end.result
        for task in suspects:
            for _, end in team.work(function, [task]):
                yield crashed(task) if end.died else end.result


class _End:
    """How a task ended: with a result, or with the end of its process, of which a time limit may be the reason."""

    def __init__(self, result: Any = None, *, died: bool = False, hung: bool = False) -> None:
        self.result, self.died, self.hung = result, died, hung


class _Team:
    """Processes that wait for tasks. One that dies is replaced.

    Args:
        size: number of processes.
        seconds: time limit of a task.
        ended: stack of what happens at the end: all processes are ended.

    Raises:
        StrmctlError: a process does not start.
    """

    def __init__(self, size: int, seconds: float, ended: contextlib.ExitStack) -> None:
        self.seconds, self.ended = seconds, ended
        self.dead = 0  # number of processes that are to be replaced
        self.idle = [self._start() for _ in range(size)]
        for member in self.idle:  # they start at the same time
            _await(member)

    def work(self, function: Callable[[Task], Any], tasks: Sequence[Task]) -> Iterator[tuple[Task, _End]]:
        """Yields each task and how it ended."""
        waiting, busy = deque(tasks), {}
        while waiting or busy:
            while waiting and (self.idle or self.dead):
                connection, process = self.idle.pop() if self.idle else self._replacement()
                busy[connection] = process, waiting.popleft()
                with contextlib.suppress(ConnectionError):  # it has died: seen below
                    connection.send((function, busy[connection][1]))
            for connection in wait(list(busy)):
                process, task = busy.pop(connection)
                try:
                    good, answer = connection.recv()
                except (EOFError, OSError):
                    process.join()
                    connection.close()
                    self.dead += 1
                    yield task, _End(died=True, hung=bool(self.seconds) and process.exitcode == -signal.SIGALRM)
                    continue
                if not good:
                    raise answer
                self.idle.append((connection, process))
                yield task, _End(answer)

    def _replacement(self) -> Member:
        self.dead -= 1
        return _await(self._start())

    def _start(self) -> Member:
        # spawn: a forked copy of a process that has used OpenCV or torch with threads may hang
        context = multiprocessing.get_context("spawn")
        try:
            ours, theirs = context.Pipe()
            with theirs:
                process = context.Process(target=_serve, args=(theirs, self.seconds), daemon=True)
                process.start()
        except OSError as error:
            raise _does_not_start(error.strerror or str(error), what_helps(error.errno)) from error
        self.ended.callback(end, process)
        return ours, process


def _await(member: Member) -> Member:
    """The same process, once it has started."""
    connection, process = member
    try:
        connection.recv()
    except (EOFError, OSError) as error:
        process.join()
        raise _does_not_start(f"exit code {process.exitcode}", "") from error
    return member


def _does_not_start(reason: str, helps: str) -> StrmctlError:
    hint = "`--workers 1` does without them"
    return StrmctlError(f"worker processes do not start: {reason}", f"{helps}; or {hint}" if helps else hint)


def end(process: BaseProcess) -> None:
    """Ends a process."""
    process.terminate()
    process.join()


def _serve(connection: Connection, seconds: float) -> None:
    """Does one task after the other, in a process of its own."""
    start_worker()
    if seconds:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # the system ends the process, wherever it hangs
        _limit.append(seconds)
    connection.send(None)
    while True:
        try:
            function, task = connection.recv()
        except EOFError:
            return
        alive()
        try:
            answer = True, function(task)
        except Exception as error:
            error.add_note("".join(traceback.format_exception(error)))  # a traceback itself cannot be sent
            answer = False, error
        if seconds:
            signal.setitimer(signal.ITIMER_REAL, 0)
        connection.send(answer)


def alive() -> None:
    """Says that the task of this process goes on, so that its time limit begins anew; nothing without one."""
    if _limit:
        signal.setitimer(signal.ITIMER_REAL, *_limit)


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
