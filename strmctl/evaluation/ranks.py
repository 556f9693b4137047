"""The processes that work on one thing together, its ranks: what they tell each other, and how they share out work."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from strmctl.errors import SAME_COMMAND, StrmctlError

if TYPE_CHECKING:
    from torch import Tensor

Task = TypeVar("Task")
Value = TypeVar("Value")
Result = TypeVar("Result")

GONE = f"its message stands above; {SAME_COMMAND}"
BEGIN, NEXT, END = "begin", "next", "end"  # what the first process tells those that follow it


@dataclass(frozen=True)
class Ranks:
    """This process among those that work together; a process alone is the first and only one.

    Attributes:
        rank: number of this process, from 0.
        count: number of processes.
        local: number of this process on its machine: its GPU.
        device: where messages are added up: `cpu`, or `cuda` between GPUs.
    """

    rank: int = 0
    count: int = 1
    local: int = 0
    device: str = "cpu"

    @property
    def first(self) -> bool:
        """Whether this is the process that reads names, writes files and speaks."""
        return self.rank == 0

    def from_first(self, function: Callable[[], Value]) -> Value:
        """What a function gives in the first process, in all of them; the others wait and do not call it.

        Raises:
            SystemExit: the function has failed in the first process, which raises the error itself.
        """
        if self.count == 1:
            return function()
        error: StrmctlError | None = None
        content: list[Value | int | None] = [None, None]  # the value, or else the exit code
        if self.first:
            try:
                content[0] = function()
            except StrmctlError as problem:
                error, content[1] = problem, int(problem.exit_code)
        self._together(lambda dist: dist.broadcast_object_list(content, src=0))
        if error is not None:
            raise error
        if content[1] is not None:
            raise SystemExit(content[1])
        return content[0]

    def in_turn(self, function: Callable[[], Value]) -> Value:
        """What a function gives in each process; the first is ahead, and the others find what it has written.

        Raises:
            SystemExit: the function has failed in the first process, which raises the error itself.
        """
        values: list[Value] = []
        self.from_first(lambda: values.append(function()))
        return values[0] if self.first else function()

    def wait(self) -> None:
        """Waits until all processes are here."""
        if self.count > 1:
            self._together(lambda dist: dist.barrier())

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Replaces each tensor by the sum over all processes, which have tensors of the same shapes and types."""
        if self.count == 1 or not tensors:
            return
        import torch

        for dtype in sorted({tensor.dtype for tensor in tensors}, key=str):  # one message for each
            alike = [tensor for tensor in tensors if tensor.dtype == dtype]
            flat = torch.cat([tensor.detach().reshape(-1) for tensor in alike])
            sums = flat.to(self.device)
            self._together(lambda dist, sums=sums: dist.all_reduce(sums))
            parts = sums.split([tensor.numel() for tensor in alike])
            for tensor, part in zip(alike, parts, strict=True):
                tensor.detach().copy_(part.view_as(tensor))

    def to_first(self, function: Callable[[], Value]) -> list[Value]:
        """What a function gives in each process, by rank, in the first; in the others nothing.

        Raises:
            SystemExit: the function has failed somewhere; the first process raises the error itself.
        """
        if self.count == 1:
            return [function()]
        found = self._gathered(function)
        self.from_first(lambda: _check(found))
        return found

    def led(
        self, work: Callable[[Task], Iterator[Value]], lead: Callable[[Callable[[Task], Iterator[Value]]], Result]
    ) -> Result | None:
        """What a function gives in the first process, which hands tasks to all; the others work on these until it ends.

        Args:
            work: function of a task that yields this process's share of the values: the first rank has the first, the
                second the next and so on, and after the last it is the first one's turn again.
            lead: function that is called in the first process, with a function of a task that yields all its values.

        Returns:
            The value of `lead`; None in the other processes.

        Raises:
            SystemExit: something has failed somewhere; the first process raises the error itself.
        """
        if self.count == 1:
            return lead(work)
        if not self.first:
            self._follow(work)
            return None
        try:
            result = lead(partial(self._share, work))
        except Exception as error:
            with contextlib.suppress(StrmctlError):  # one that is lost hears nothing
                self._tell(END, int(getattr(error, "exit_code", StrmctlError.exit_code)))
            raise
        self._tell(END)
        return result

    def _share(self, work: Callable[[Task], Iterator[Value]], task: Task) -> Iterator[Value]:
        self._tell(BEGIN, task)
        own, values = work(task), [()]
        while not any(value is None for value in values):
            self._tell(NEXT)
            values = self._gathered(partial(next, own, None))
            _check(values)
            yield from (value for value in values if value is not None)

    def _follow(self, work: Callable[[Task], Iterator[Value]]) -> None:
        own: Iterator[Value] = iter(())
        while True:
            what, content = self._tell(END)
            if what == BEGIN:  # the first may have given up an earlier task
                own = work(content)
            elif what == NEXT:
                self._gathered(partial(next, own, None))
            elif content is None:
                return
            else:
                raise SystemExit(content)

    def _tell(self, *said: Any) -> tuple[str, Any]:
        """What the first process says: a word and, where there is more, its content."""
        message = [(*said, None)[:2]]
        self._together(lambda dist: dist.broadcast_object_list(message, src=0))
        return message[0]

    def _gathered(self, function: Callable[[], Value]) -> list:
        """What a function gives in each process, or its error, by rank, in the first; in the others nothing."""
        try:
            own: Value | StrmctlError = function()
        except StrmctlError as problem:
            own = problem
        found: list = [None] * self.count if self.first else []
        self._together(lambda dist: dist.gather_object(own, found if self.first else None, dst=0))
        return found

    def _together(self, call: Callable) -> None:
        import torch.distributed as dist

        try:
            call(dist)
        except RuntimeError as error:  # the others' connections break when a process ends
            raise StrmctlError(
                f"rank {self.rank} of {self.count} has lost another rank, which has ended or does not answer", GONE
            ) from error


ALONE = Ranks()


def _check(values: Sequence[Any]) -> None:
    """Raises the first of the values that is an error."""
    for value in values:
        if isinstance(value, StrmctlError):
            raise value
