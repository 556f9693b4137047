"""What memory training takes, and whether it was too much."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import ParamSpec, TypeVar

import torch

from strmctl.memory import HUGE_PAGES
from strmctl.threads import environment
from strmctl.workers import start_worker

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")


def in_a_new_process(
    function: Callable[Arguments, Value], *arguments: Arguments.args, **options: Arguments.kwargs
) -> Value:
    """The value of a module-level function in a process of its own, which still has to settle its memory.

    Raises:
        MemoryError: the system has ended the process, for want of memory.
    """
    how = {"mp_context": get_context("spawn"), "initializer": start_worker}
    try:
        with environment({HUGE_PAGES: None}), ProcessPoolExecutor(1, **how) as pool:
            return pool.submit(function, *arguments, **options).result()
    except BrokenProcessPool as error:
        raise MemoryError("the process was ended") from error


def peak_bytes(device: torch.device) -> int:
    """The most memory so far, in bytes: of this process, or on an NVIDIA GPU of its tensors there."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory was short: Python's, torch's own, or that of its allocator on a CPU."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "alloc" in str(error)
    )
