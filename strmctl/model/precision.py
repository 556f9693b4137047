"""TF32, the fast products of float32 on NVIDIA's GPUs: in training, and nowhere else.

TF32 rounds what is multiplied to 10 bits after the point, as float16 does, which training bears. A test should predict
the same on every machine, so tests, labels and pictures are computed in full precision, and so are the maps of a frozen
backbone. `NVIDIA_TF32_OVERRIDE=0`, which NVIDIA's libraries read, forbids TF32 in training as well.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import torch


def full_products() -> None:
    """Lets this process compute products of float32 on a GPU in full precision; torch allows TF32 in convolutions."""
    _allow_tf32(False)


@contextlib.contextmanager
def fast_products() -> Iterator[None]:
    """A context that allows TF32; full precision comes after it."""
    _allow_tf32(True)
    try:
        yield
    finally:
        _allow_tf32(False)


def uses_tf32(device: torch.device) -> bool:
    """Whether products of float32 on a device may now be computed in TF32."""
    return device.type == "cuda" and (torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32)


def trains_in_tf32(device: torch.device) -> bool:
    """Whether products of float32 are computed in TF32 in training on a device."""
    forbidden = os.environ.get("NVIDIA_TF32_OVERRIDE") == "0"
    return device.type == "cuda" and not forbidden and torch.cuda.get_device_capability(device) >= (8, 0)


def _allow_tf32(allowed: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed
