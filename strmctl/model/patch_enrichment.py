"""Patch-level enrichment (PLE): the patches of one frame attend to each other. Equations 2 and 3.

    alpha = softmax((x W1) (x W2)^T / sqrt(D)) (x W3) + x        f = psi(alpha) + alpha

psi has three layers with ReLU between them; every projection has a bias. The released code departs from this in three
places, each of which is an argument: `scaled`, `gated` and `encoding`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class PatchEnrichment(nn.Module):
    """Self-attention over the patches of each frame, then a residual network on each patch.

    Args:
        channels: D, the width of a patch.
        hidden: width of the two hidden layers of psi; D / 2 when None.
        scaled: whether the scores are divided by sqrt(D), as in Eq. 3.
        gated: whether the output of attention is multiplied by a learned number that starts at 0.
        encoding: positional encoding, applied to the patches first; None in the paper.
    """

    def __init__(
        self,
        *,
        channels: int,
        hidden: int | None = None,
        scaled: bool = True,
        gated: bool = False,
        encoding: nn.Module | None = None,
    ) -> None:
        super().__init__()
        hidden = hidden or channels // 2
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels)
        self.value = nn.Linear(channels, channels)
        self.psi = nn.Sequential(
            nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, channels)
        )
        self.divisor = math.sqrt(channels) if scaled else 1.0
        self.gate = nn.Parameter(torch.zeros(1)) if gated else None
        self.encoding = encoding

    def attend(self, patches: Tensor) -> Tensor:
        """The output of attention for each patch, without the residual: `(..., P, D)` to `(..., P, D)`."""
        query, key, value = self.query(patches), self.key(patches), self.value(patches)
        scores = query @ key.transpose(-2, -1) / self.divisor  # (..., P, P)
        attended = scores.softmax(dim=-1) @ value  # (..., P, D)
        return attended if self.gate is None else self.gate * attended

    def forward(self, patches: Tensor) -> Tensor:
        """Enriches the patches of each frame: x, `(..., P, D)`, to f, `(..., P, D)`; attention runs over P."""
        if self.encoding is not None:
            patches = self.encoding(patches)
        attended = self.attend(patches) + patches
        return self.psi(attended) + attended
