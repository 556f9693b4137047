"""Tuples of frames: all increasing w-combinations of a clip's L frames, w the cardinality. As in TRX.

A linear layer on the concatenated frames of a tuple is a sum of one linear layer per position on single frames:
W [h_1 .. h_w] + b = W_1 h_1 + .. + W_w h_w + b. So each frame is projected once for every position, w * L projections
per clip, and tuples are formed afterwards by gathering and adding; a cache holds the former, never the latter.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from strmctl.errors import RecipeError

Combine = Literal["sum", "mean"]  # of the logits of several cardinalities


def check_cardinalities(cardinalities: Sequence[int], frames: int) -> None:
    """Makes sure that clips of `frames` frames have tuples of all these cardinalities.

    Raises:
        RecipeError: none, one of them twice, or one out of range.
    """
    ways = set(cardinalities)
    if not ways or len(ways) < len(cardinalities) or not ways <= set(range(1, frames + 1)):
        problem = f"cardinalities must be different numbers from 1 to {frames}, the frames of a clip"
        raise RecipeError(f"{problem} (got {list(cardinalities)})")


def tuple_indices(frames: int, cardinality: int) -> Tensor:
    """The frames of every tuple, `(T, w)`, in lexicographic order; T = L! / (w! (L - w)!).

    Args:
        frames: L, frames per clip.
        cardinality: w, frames per tuple.
    """
    return torch.tensor(list(combinations(range(frames), cardinality)), dtype=torch.long)


def project_positions(frames: Tensor, layer: nn.Linear, cardinality: int) -> Tensor:
    """Project every frame once for each position that it may have in a tuple.

    Args:
        frames: `(N, L, D)`.
        layer: the layer on concatenated frames, weight `(D', w * D)`, bias `(D')`.
        cardinality: w.

    Returns:
        `(N, w, L, D')`; the bias is in position 0 only, so that a tuple's sum has it once.
    """
    width, channels = layer.out_features, frames.shape[-1]
    weight = layer.weight.view(width, cardinality, channels).transpose(0, 1)  # (w, D', D)
    bias = F.pad(layer.bias, (0, (cardinality - 1) * width))  # (w * D')
    projected = F.linear(frames, weight.reshape(cardinality * width, channels), bias)  # (N, L, w * D')
    return projected.unflatten(-1, (cardinality, width)).transpose(1, 2)  # (N, w, L, D')


def form_tuples(projections: Tensor, indices: Tensor) -> Tensor:
    """Add up the projections of each tuple's frames.

    Args:
        projections: `(..., w, L, D')`, of `project_positions`.
        indices: `(T, w)`, of `tuple_indices`.

    Returns:
        `(..., T, D')`: the layer's output on the concatenated frames of every tuple.
    """
    first, *others = indices.unbind(1)
    total = projections.select(-3, 0).index_select(-2, first)  # (..., T, D')
    for position, members in enumerate(others, start=1):
        total = total + projections.select(-3, position).index_select(-2, members)  # (..., T, D')
    return total


def root(squared: Tensor) -> Tensor:
    """Square root whose gradient at 0 is 0, not infinite; rounding below 0 counts as 0."""
    positive = squared > 0
    return torch.where(positive, squared, 1).sqrt().where(positive, 0)
