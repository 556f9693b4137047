"""Random draws that are the same on any machine and with any version of numpy.

Only the raw output of the Philox counter generator is used, whose stream is fixed by its definition; numpy's `choice`,
`permutation` and `normal` may change between versions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")


def philox(*parts: object) -> np.random.Philox:
    """The generator of raw 64-bit numbers that belongs to these parts (a seed, a name, an index)."""
    digest = hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).digest()
    return np.random.Philox(key=int.from_bytes(digest[:16], "little"))


class Draws:
    """Uniform draws, one after another, from the stream that belongs to `parts`."""

    def __init__(self, *parts: object) -> None:
        self._bits = philox(*parts)

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """A number in [low, high)."""
        return low + (high - low) * (int(self._bits.random_raw()) >> 11) * 2.0**-53

    def integer(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + int(self._bits.random_raw()) % (high - low + 1)

    def sign(self) -> int:
        """-1 or 1."""
        return 1 if int(self._bits.random_raw()) >> 63 else -1

    def choice(self, items: Sequence[Item]) -> Item:
        """One of the items."""
        return items[self.integer(0, len(items) - 1)]

    def noise(self, shape: tuple[int, ...], sigma: float) -> np.ndarray:
        """Nearly Gaussian float32 noise: the sum of four uniform bytes, centred and scaled to `sigma`."""
        count = int(np.prod(shape))
        raw = self._bits.random_raw((count + 1) // 2).view(np.uint8)[: 4 * count].reshape(count, 4)
        centred = raw.sum(axis=1, dtype=np.float32) - 510.0
        return (centred * (sigma / 147.8)).reshape(shape)  # 147.8: standard deviation of the sum of four bytes
