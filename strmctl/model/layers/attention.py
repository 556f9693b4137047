"""Multi-head self-attention whose queries, keys and values have no bias, and a transformer layer of it.

    head h of x:  softmax(Q_h K_h^T / sqrt(E)) V_h,  Q_h, K_h, V_h = x W_h        E: width of a head
    layer:        y = x + attention(LN x)        z = y + W_2 gelu(W_1 y)

HyRSM, MoLo and CLIP-FSAR use this layer. The second half has no norm of its own, and HyRSM leaves it out. `project` is
linear in each element of a sequence and `mix` is the rest, so that a method can project its clips in `embed`.
"""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn


class MultiHeadAttention(nn.Module):
    """Attention among the elements of each sequence.

    Args:
        channels: D, the width of an element.
        heads: number of heads; each is D / heads wide, rounded up.
        dropout: probability of dropout on the result.
        attention_dropout: probability of dropout on the weights that a softmax gives.
    """

    def __init__(self, *, channels: int, heads: int = 8, dropout: float = 0.0, attention_dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.width = math.ceil(channels / heads)
        self.inputs = nn.Linear(channels, 3 * heads * self.width, bias=False)
        self.output = nn.Linear(heads * self.width, channels)
        self.dropout = nn.Dropout(dropout)
        self.attention_dropout = nn.Dropout(attention_dropout)

    def project(self, sequence: Tensor) -> Tensor:
        """Queries, keys and values of each element side by side: `(…, T, D)` to `(…, T, 3·heads·E)`."""
        return self.inputs(sequence)

    def mix(self, projected: Tensor) -> Tensor:
        """What each element takes from its sequence: `(…, T, 3·heads·E)` to `(…, T, D)`."""
        parts = projected.unflatten(-1, (3, self.heads, self.width)).movedim((-3, -2), (0, -3))  # (3, …, heads, T, E)
        query, key, value = parts
        weights = F.softmax(query @ key.transpose(-2, -1) / math.sqrt(self.width), dim=-1)  # (…, heads, T, T)
        mixed = self.attention_dropout(weights) @ value  # (…, heads, T, E)
        return self.dropout(self.output(mixed.movedim(-3, -2).flatten(-2)))

    def forward(self, sequence: Tensor) -> Tensor:
        """Attention among the elements of `(…, T, D)`; the shape stays."""
        return self.mix(self.project(sequence))


class TransformerLayer(nn.Module):
    """Attention and a network on each element, each with a residual.

    Args:
        channels: D, the width of an element.
        heads: number of heads.
        hidden: width of the network on each element; None to leave it out.
        dropout: probability of dropout on the result of attention.
        hidden_dropout: probability of dropout within and after that network.
    """

    def __init__(
        self,
        *,
        channels: int,
        heads: int = 8,
        hidden: int | None = 2048,
        dropout: float = 0.2,
        hidden_dropout: float = 0.05,
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.attention = MultiHeadAttention(channels=channels, heads=heads, dropout=dropout)
        self.network = hidden and nn.Sequential(
            nn.Linear(channels, hidden),
            nn.GELU(),
            nn.Dropout(hidden_dropout),
            nn.Linear(hidden, channels),
            nn.Dropout(hidden_dropout),
        )

    def forward(self, sequence: Tensor) -> Tensor:
        """One layer on `(…, T, D)`; the shape stays."""
        attended = sequence + self.attention(self.norm(sequence))
        return attended if self.network is None else attended + self.network(attended)
