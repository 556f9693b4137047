"""Initial weights that depend on (seed, path of the sub-module) and on nothing else.

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
def seeded(seed: int, path: str) -> Iterator[None]:
    """A context in which to construct the sub-module at `path`; the caller's random state is untouched.

    Args:
        seed: seed of the whole model.
        path: place of the sub-module in the model, such as `query_class.2`.
    """
    with torch.random.fork_rng(devices=[]):
        # Layers are initialised on the CPU; torch.manual_seed would reset the generators of the GPUs too.
        torch.default_generator.manual_seed(seed_of(seed, path))
        yield
