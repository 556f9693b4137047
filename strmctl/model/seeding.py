"""Random numbers that depend on (seed, path) alone: initial weights of a sub-module, dropout of an episode.

A network that is built from one running stream of random numbers changes everywhere when one block is switched off, and
an ablation then compares two initialisations as much as two methods. Here every block has a stream of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def seed_of(seed: int, path: str) -> int:
    """A 64-bit seed for the sub-module at `path`: the first eight bytes of SHA-256 of "seed/path"."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{path}".encode()).digest()[:8], "big")


@contextmanager
def seeded(seed: int, path: str, device: torch.device | None = None) -> Iterator[None]:
    """A context whose random numbers are those of (seed, path); the caller's random state is untouched.

    Args:
        seed: seed of the whole model.
        path: place of the sub-module in the model, such as `query_class.2`, or another name for what is drawn.
        device: device that draws as well, such as the GPU that dropout runs on; None where only the CPU does.
    """
    generators = _generators(device)  # torch.manual_seed would reset those of all GPUs
    before = [generator.get_state() for generator in generators]
    try:
        for generator in generators:
            generator.manual_seed(seed_of(seed, path))
        yield
    finally:
        for generator, state in zip(generators, before, strict=True):
            generator.set_state(state)


def _generators(device: torch.device | None) -> list[torch.Generator]:
    """The generators that layers on a device draw from: that of the CPU, and the device's own."""
    if device is None or device.type == "cpu":
        return [torch.default_generator]
    if device.type == "mps":
        return [torch.default_generator, torch.mps._get_default_mps_generator()]
    index = torch.cuda.current_device() if device.index is None else device.index
    return [torch.default_generator, torch.cuda.default_generators[index]]
