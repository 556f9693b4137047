"""HyRSM's positional encoding, which enlarges the frames before it adds a table to them, as MoLo's does.

    x sqrt(D / A) + B p        p[l, c] = sin(l / 10000^(2c / D)) for even channels c, cos(l / 10000^(2c / D)) for odd

The exponent is that of the authors' code: twice the usual one, and each channel has its own, where usually a sine and a
cosine share one.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def scaled_table(length: int, channels: int) -> Tensor:
    """p, `(length, D)`, in float64."""
    channel = torch.arange(channels, dtype=torch.float64)
    angle = torch.arange(length, dtype=torch.float64)[:, None] / 10000 ** (2 * channel / channels)  # (length, D)
    return torch.where(channel % 2 == 0, angle.sin(), angle.cos())


class ScaledPositions(nn.Module):
    """Enlarges a sequence, adds the table, then drops channels in training.

    Args:
        length: largest number of positions.
        channels: D, the width of an element.
        a: A, which D is divided by.
        b: B, the factor of the table.
        dropout: probability that a channel of a position is dropped in training.
    """

    def __init__(self, *, length: int, channels: int, a: float = 10.0, b: float = 1.0, dropout: float = 0.1) -> None:
        super().__init__()
        self.factor = math.sqrt(channels / a)
        # Kept in float64 until it is used; not saved, because it belongs to the recipe.
        self.register_buffer("table", b * scaled_table(length, channels), persistent=False)  # (length, D)
        self.dropout = nn.Dropout(dropout)

    def forward(self, sequence: Tensor) -> Tensor:
        """Encodes `(…, T, D)`, T at most `length`; the shape stays."""
        return self.dropout(sequence * self.factor + self.table[: sequence.shape[-2]].to(sequence.dtype))
