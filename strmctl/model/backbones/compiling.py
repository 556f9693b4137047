"""torch.compile, where it works: it needs a C++ compiler, on a GPU Triton as well, and says so only in use."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

from strmctl.errors import UsageError, in_one_line


def compiled(function: Callable[[Tensor], Tensor], device: torch.device) -> Callable[[Tensor], Tensor]:
    """The same function, faster; it is compiled anew for each shape of its input.

    Args:
        function: function of tensors, such as the `forward` of a network.
        device: device that it runs on.

    Raises:
        UsageError: nothing can be compiled here.
    """
    now = time.time()  # so that the cache of what was compiled before holds no such function
    try:
        torch.compile(lambda numbers: numbers * now)(torch.zeros(8, device=device))
    except Exception as error:  # no compiler, none that works, no Triton, or a Python that torch does not know yet
        hint = "install what it misses, such as a C++ compiler, or leave it out: `--set backbone.compile=false`"
        raise UsageError(f"torch.compile does not work here: {in_one_line(error)[:300]}", hint) from error
    return torch.compile(function, dynamic=False)
