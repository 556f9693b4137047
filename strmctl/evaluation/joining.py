"""How processes become ranks: `torchrun` or Slurm's `srun` has started all of them, or the first one does.

The former say in the environment which process is which.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from multiprocessing.connection import Connection
from typing import Any

from strmctl.errors import StrmctlError, UsageError
from strmctl.evaluation.ranks import ALONE, Ranks
from strmctl.memory import keep_memory
from strmctl.threads import LOADERS, available_cpus, loader_threads, use_loader_threads, use_threads
from strmctl.workers import end, start_worker

PATIENCE = timedelta(hours=2)  # while one rank validates, the others wait
OF_TESTS = timedelta(days=1)  # while one rank matches, the others wait
LAUNCHERS = (  # variables of a process's number, the number of processes, and its number on its machine
    ("RANK", "WORLD_SIZE", "LOCAL_RANK"),  # torchrun
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID"),  # srun; a batch script by itself is no step
)
FIRST_PORT, PORTS = 20_000, 10_000  # of which a job of Slurm takes one where MASTER_PORT is not set
HERE = "127.0.0.1"


@contextlib.contextmanager
def joined(device: str = "auto", *, adds_up: bool = True) -> Iterator[Ranks]:
    """Joins the processes that were started together, for a block; a process that was started alone stays alone.

    Args:
        device: `auto`, `cpu` or `cuda`; on GPUs, the ranks of a machine take one each.
        adds_up: whether tensors of GPUs are added up.

    Raises:
        UsageError: the environment names ranks that make no sense, or the others do not answer.
    """
    ranks, address = in_environment(os.environ)
    if ranks.count == 1:
        yield ranks
        return
    gpu = _take_gpu(ranks, device)
    with _group(ranks, f"tcp://{address}", PATIENCE if adds_up else OF_TESTS, on_gpus=gpu and adds_up) as group:
        yield group


@contextlib.contextmanager
def with_helpers(count: int, device: str, function: Callable[[Ranks], None]) -> Iterator[Ranks]:
    """Starts processes beside this one, for a block: ranks, of which this one is the first.

    Args:
        count: number of processes, with this one.
        device: `auto`, `cpu` or `cuda`; on GPUs, they take one each.
        function: module-level function that each of the others calls.

    Raises:
        UsageError: there are fewer GPUs, or processes have been started by others already.
        StrmctlError: a process does not start.
    """
    if in_environment(os.environ)[0].count > 1:
        raise UsageError("the environment names ranks, which others have started", "leave `--jobs` out")
    if "OMP_NUM_THREADS" not in os.environ:
        use_threads(max(1, available_cpus() // count))
    if LOADERS not in os.environ:
        use_loader_threads(max(1, loader_threads() // count))
    if _take_gpu(Ranks(), device):
        check_gpus(count)
    import torch.distributed as dist

    store = dist.TCPStore(HERE, 0, count, True, wait_for_workers=False)
    with contextlib.ExitStack() as ended:
        try:
            others = [Ranks(rank, count, rank) for rank in range(1, count)]
            for connection in [_started(ranks, store.port, device, function, ended) for ranks in others]:
                connection.recv()
        except (EOFError, OSError) as error:
            raise StrmctlError("the processes of `--jobs` do not start", "`--jobs 1` needs none") from error
        with _group(Ranks(0, count), "", OF_TESTS, store=store) as group:
            yield group


def check_gpus(count: int) -> None:
    """Makes sure that there are so many GPUs.

    Raises:
        UsageError: there are fewer.
    """
    import torch

    if count > (here := torch.cuda.device_count()):
        raise UsageError(
            f"{count} processes take a GPU each, and this machine has {here}", f"start {here}, or give `--device cpu`"
        )


def _started(
    ranks: Ranks, port: int, device: str, function: Callable[[Ranks], None], ended: contextlib.ExitStack
) -> Connection:
    """A connection on which a new process speaks when it is ready; it is terminated at the end."""
    context = multiprocessing.get_context("spawn")  # a forked copy of a process with torch's threads may hang
    ours, theirs = context.Pipe()
    with theirs:
        process = context.Process(target=_help, args=(theirs, ranks, port, device, function), daemon=True)
        process.start()
    ended.callback(end, process)
    return ours


def _help(connection: Connection, ranks: Ranks, port: int, device: str, function: Callable[[Ranks], None]) -> None:
    """Works for the first rank, in a process of its own."""
    start_worker()
    keep_memory()
    import torch.distributed as dist

    _take_gpu(ranks, device)
    connection.send(True)
    store = dist.TCPStore(HERE, port, ranks.count, False)
    with _group(ranks, "", OF_TESTS, store=store) as group, contextlib.suppress(StrmctlError):  # which the first says
        function(group)


def _take_gpu(ranks: Ranks, device: str) -> bool:
    """Whether ranks compute on GPUs, of which this one then has its own.

    Raises:
        UsageError: there is none for it, or one of them was asked for.
    """
    import torch

    if ":" in device:
        raise UsageError(f"{device} is one GPU, and several processes take one each", "leave `--device` out")
    if device not in ("auto", "cuda") or not torch.cuda.is_available():
        return False
    check_gpus(ranks.local + 1)
    torch.cuda.set_device(ranks.local)
    return True


@contextlib.contextmanager
def _group(ranks: Ranks, address: str, patience: timedelta, *, on_gpus: bool = False, **where: Any) -> Iterator[Ranks]:
    import torch.distributed as dist

    where |= {"init_method": address} if address else {}
    how = {"rank": ranks.rank, "world_size": ranks.count, "timeout": patience, **where}
    try:
        dist.init_process_group("nccl" if on_gpus else "gloo", **how)
    except (RuntimeError, ValueError) as error:
        raise UsageError(
            f"rank {ranks.rank} of {ranks.count} cannot reach the others{address and f' at {address}'}: {error}",
            "start all of them at once with torchrun or srun; MASTER_ADDR and MASTER_PORT say where the first one is",
        ) from error
    try:
        yield replace(ranks, device="cuda") if on_gpus else ranks
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
            raise UsageError(f"the environment names no rank of several: {said}", f"unset {names[1]} to work alone")
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
