"""The processes that train one model together, its ranks: who they are, and what they tell each other.

`torchrun`, or Slurm's `srun`, starts the same command several times and says in the environment which process is which.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from strmctl.errors import StrmctlError, UsageError

if TYPE_CHECKING:
    from torch import Tensor

Value = TypeVar("Value")

PATIENCE = timedelta(hours=2)  # while one rank validates or makes maps, the others wait
LAUNCHERS = (  # variables of a process's number, the number of processes, and its number on its machine
    ("RANK", "WORLD_SIZE", "LOCAL_RANK"),  # torchrun
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID"),  # srun; a batch script by itself is no step
)
FIRST_PORT, PORTS = 20_000, 10_000  # of which a job of Slurm takes one where MASTER_PORT is not set
GONE = "its message stands above; then `strmctl train --resume`, started alike, goes on from what was saved last"


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
        try:
            own: Value | StrmctlError = function()
        except StrmctlError as problem:
            own = problem
        found: list = [None] * self.count if self.first else []
        self._together(lambda dist: dist.gather_object(own, found if self.first else None, dst=0))

        def check() -> None:
            for value in found:
                if isinstance(value, StrmctlError):
                    raise value

        self.from_first(check)
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


@contextlib.contextmanager
def joined(device: str = "auto") -> Iterator[Ranks]:
    """Joins the processes that were started together, for a block; a process that was started alone stays alone.

    Args:
        device: `auto`, `cpu` or `cuda`; on GPUs, the ranks of a machine take one each.

    Raises:
        UsageError: the environment names ranks that make no sense, or the others do not answer.
    """
    ranks, address = in_environment(os.environ)
    if ranks.count == 1:
        yield ranks
        return
    import torch
    import torch.distributed as dist

    if ":" in device:
        raise UsageError(f"{device} is one GPU, and {ranks.count} ranks take one each", "leave `--device` out")
    backend = "nccl" if device in ("auto", "cuda") and torch.cuda.is_available() else "gloo"
    if backend == "nccl":
        if ranks.local >= torch.cuda.device_count():
            raise UsageError(
                f"rank {ranks.rank} is number {ranks.local} on its machine, which has {torch.cuda.device_count()} GPUs",
                "start one process per GPU: `torchrun --nproc-per-node N -m strmctl train …`",
            )
        torch.cuda.set_device(ranks.local)
        ranks = replace(ranks, device="cuda")
    try:
        dist.init_process_group(
            backend, init_method=f"tcp://{address}", rank=ranks.rank, world_size=ranks.count, timeout=PATIENCE
        )
    except (RuntimeError, ValueError) as error:
        raise UsageError(
            f"rank {ranks.rank} of {ranks.count} cannot reach the others at {address}: {error}",
            "start all of them at once with torchrun or srun; MASTER_ADDR and MASTER_PORT say where the first one is",
        ) from error
    try:
        yield ranks
    finally:
        dist.destroy_process_group()


def in_environment(environment: Mapping[str, str]) -> tuple[Ranks, str]:
    """The ranks that torchrun or `srun` has named, and the address of the first, `host:port`.

    Raises:
        UsageError: a number makes no sense, or it is not known where the first is.
    """
    for names in LAUNCHERS:
        if any(name not in environment for name in names):
            continue
        given = [environment[name] for name in names]
        said = ", ".join(f"{name}={text}" for name, text in zip(names, given, strict=True))
        rank, count, local = (int(text) if text.isascii() and text.isdigit() else -1 for text in given)
        if not 0 <= rank < count or not 0 <= local < count:
            raise UsageError(f"the environment names no rank of several: {said}", f"unset {names[1]} to train alone")
        if count == 1:
            return ALONE, ""
        host = environment.get("MASTER_ADDR") or _first_host(environment.get("SLURM_STEP_NODELIST", ""))
        job = environment.get("SLURM_JOB_ID", "")
        port = environment.get("MASTER_PORT") or (job.isdigit() and FIRST_PORT + int(job) % PORTS)
        if not host or not port:
            raise UsageError(
                f"the environment names a rank ({said}) and not where the first is",
                "set MASTER_ADDR and MASTER_PORT, or start the command with torchrun or srun",
            )
        return Ranks(rank, count, local), f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return ALONE, ""


def _first_host(names: str) -> str:
    """The first machine of a list as Slurm writes it, such as `node[07-09,12],login1`."""
    found = re.match(r"([^,\[\]]*)(?:\[([^-,\]]+)[^\]]*\]([^,]*))?", names)
    return "".join(part or "" for part in found.groups()) if found else ""
