"""Tuples of frames: all increasing combinations of w of a clip's L frames, as in TRX; w is the cardinality.

A linear layer on the concatenated frames of a tuple is a sum of one linear layer per position on single frames:
W [h_1 .. h_w] + b = W_1 h_1 + .. + W_w h_w + b. So each frame is projected once for every position, which makes w * L
projections per clip, and tuples are formed afterwards by addition; a cache holds projections, never tuples.
"""

from __future__ import annotations

from itertools import combinations
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from strmctl.model.seeding import seeded

Combine = Literal["sum", "mean"]  # what is taken of the logits of several cardinalities


def tuple_indices(frames: int, cardinality: int) -> Tensor:
    """The w frames of every tuple of L frames, `(T, w)`, in lexicographic order; T = L! / (w! (L - w)!)."""
    return torch.tensor(list(combinations(range(frames), cardinality)), dtype=torch.long)


def project_positions(frames: Tensor, layer: nn.Linear, cardinality: int) -> Tensor:
    """Projects every frame once for each position that it may have in a tuple.

    Args:
        frames: `(N, L, D)`.
        layer: the layer on concatenated frames, weight `(D', w * D)`, bias `(D')`.
        cardinality: w, frames per tuple.

    Returns:
        `(N, w, L, D')`; the bias is added in position 0 only, so that the sum over a tuple has it once.
    """
    width, channels = layer.out_features, frames.shape[-1]
    weight = layer.weight.view(width, cardinality, channels).transpose(0, 1)  # (w, D', D)
    bias = F.pad(layer.bias, (0, (cardinality - 1) * width))  # (w * D')
    projected = F.linear(frames, weight.reshape(cardinality * width, channels), bias)  # (N, L, w * D')
    return projected.unflatten(-1, (cardinality, width)).transpose(1, 2)  # (N, w, L, D')


class Tuples(nn.Module):
    """The tuples of one cardinality, formed from projections of single frames.

    The sums over all tuples are one product with a constant matrix of zeros and ones, which is several times as fast as
    gathering and adding.

    Args:
        frames: L, frames per clip.
        cardinality: w, frames per tuple.
    """

    def __init__(self, *, frames: int, cardinality: int) -> None:
        super().__init__()
        self.frames, self.cardinality = frames, cardinality
        self.register_buffer("indices", tuple_indices(frames, cardinality), persistent=False)  # (T, w)
        self.register_buffer("members", self._members(), persistent=False)  # (T, w·L)

    def forward(self, projections: Tensor) -> Tensor:
        """Adds up each tuple's projections: those of `project_positions`, `(..., w, L, D')`, to `(..., T, D')`."""
        return self.members @ projections.flatten(-3, -2)  # (T, w·L) @ (..., w·L, D')

    def keep(self, fraction: float, trial: int) -> int:
        """Keeps a random max(1, round(fraction · T)) of all tuples, and returns how many these are.

        They depend on (trial, L, w) alone, and include those of smaller fractions of the same trial.
        """
        every = tuple_indices(self.frames, self.cardinality)
        with seeded(trial, f"tuples.{self.frames}.{self.cardinality}"):
            order = torch.rand(len(every)).argsort()
        kept = order[: max(1, round(fraction * len(every)))].sort().values
        self.indices = every[kept].to(self.indices.device)
        self.members = self._members().to(self.members)
        return len(kept)

    def _members(self) -> Tensor:
        """A matrix `(T, w·L)` that is 1 where a tuple has a frame in a position, and 0 elsewhere."""
        return F.one_hot(self.indices, self.frames).flatten(1).to(torch.get_default_dtype())


def keep_tuples(model: nn.Module, fraction: float, trial: int) -> dict[int, int]:
    """Keeps a random share of a model's tuples, the same ones for query and support, TRM and QC; no weight changes.

    Args:
        model: any method.
        fraction: share of the tuples of each cardinality, above 0 and at most 1.
        trial: number of the random draw.

    Returns:
        Cardinality -> number of tuples kept; empty for a method without tuples.
    """
    layers = [module for module in model.modules() if isinstance(module, Tuples)]
    return {layer.cardinality: layer.keep(fraction, trial) for layer in layers}


def root(squared: Tensor) -> Tensor:
    """Square root whose gradient at 0 is 0 in place of infinite; what rounding left below 0 counts as 0."""
    positive = squared > 0
    return torch.where(positive, squared, 1).sqrt().where(positive, 0)
