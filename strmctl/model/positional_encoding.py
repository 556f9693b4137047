"""Sinusoidal positional encoding, as in TRX: a tenth of the table of "Attention is all you need", then dropout.

The paper uses it before TRM alone ("as in TRX"), the released code before PLE and FLE too.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def sinusoids(length: int, channels: int) -> Tensor:
    """The table `(length, D)` in float64: sine on even and cosine on odd channels, base 10,000."""
    position = torch.arange(length, dtype=torch.float64)[:, None]  # (length, 1)
    even = torch.arange(0, channels, 2, dtype=torch.float64)
    angle = position * torch.exp(even * (-math.log(10000.0) / channels))  # (length, ceil(D / 2))
    table = torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)  # (length, D or D + 1)
    return table[:, :channels]


class PositionalEncoding(nn.Module):
    """Adds the encoding to a sequence, then drops channels in training.

    Args:
        length: number of positions: frames of a clip, or patches of a frame.
        channels: D, the width of a frame or patch.
        scale: amplitude of the table.
        dropout: probability that a channel of a position is dropped in training.
    """

    def __init__(self, *, length: int, channels: int, scale: float = 0.1, dropout: float = 0.1) -> None:
        super().__init__()
        # Kept in float64 until it is used, so that a float64 model does not add a table rounded to float32. Saved with
        # the weights, because a released checkpoint has its own.
        self.register_buffer("table", scale * sinusoids(length, channels))  # (length, D)
        self.dropout = nn.Dropout(dropout)

    def forward(self, sequence: Tensor) -> Tensor:
        """Adds the encoding to `(..., length, D)`; the shape stays."""
        return self.dropout(sequence + self.table.to(sequence.dtype))
