"""Temporal relation modelling (TRM): query tuples against prototypes made for them. Equation 1, as in TRX.

Frames get 0.1 times the sinusoidal positional encoding, then dropout. For each cardinality w, tuples of w frames have a
key (with LayerNorm) and a value (without). A query tuple attends to all K * T support tuples of a class with one
softmax; the attention-weighted support values are its prototype, and the logit is minus the distance of the query's
values to their prototypes. Logits of several cardinalities are summed.

Deviation: Eq. 1 prints a norm; `squared` is what TRX and the released code compute, and the default. `norm` is Eq. 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from strmctl.model.tuples import form_tuples, project_positions, root, tuple_indices

Distance = Literal["squared", "norm"]


def positional_encoding(frames: int, channels: int) -> Tensor:
    """The table of "Attention is all you need": sine on even and cosine on odd channels, base 10,000.

    Args:
        frames: L, rows of the table.
        channels: D, columns of the table.

    Returns:
        `(L, D)` in float64.
    """
    position = torch.arange(frames, dtype=torch.float64)[:, None]  # (L, 1)
    even = torch.arange(0, channels, 2, dtype=torch.float64)
    angle = position * torch.exp(even * (-math.log(10000.0) / channels))  # (L, ceil(D / 2))
    table = torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)  # (L, D or D + 1)
    return table[:, :channels]


class TemporalRelation(nn.Module):
    """TRM for one cardinality.

    Args:
        cardinality: w, frames per tuple.
        frames: L, frames per clip.
        channels: D, the width of a frame.
        dim: D', the width of keys and values.
        distance: `squared`: summed over channels, mean over the query's tuples; `norm`: the Euclidean norm per tuple.
    """

    def __init__(self, *, cardinality: int, frames: int, channels: int, dim: int, distance: Distance) -> None:
        super().__init__()
        self.cardinality = cardinality
        self.distance = distance
        self.key = nn.Linear(cardinality * channels, dim)
        self.value = nn.Linear(cardinality * channels, dim)
        self.key_norm = nn.LayerNorm(dim)
        self.register_buffer("indices", tuple_indices(frames, cardinality), persistent=False)  # (T, w)

    def embed(self, frames: Tensor) -> dict[str, Tensor]:
        """Keys and values of single frames, one per position in a tuple: `(N, L, D)` to `(N, w, L, D')` each."""
        return {
            f"trm{self.cardinality}.key": project_positions(frames, self.key, self.cardinality),
            f"trm{self.cardinality}.value": project_positions(frames, self.value, self.cardinality),
        }

    def match(self, support: Mapping[str, Tensor], query: Mapping[str, Tensor], mask: Tensor | None = None) -> Tensor:
        """Minus the distance of each query to its prototypes.

        Args:
            support: keys and values, `(B, C, K, w, L, D')`.
            query: keys and values, `(B, Q, w, L, D')`.
            mask: `(B, C, K)`, True where the shot exists; None when all do.

        Returns:
            Logits `(B, Q, C)`.
        """
        support_keys, support_values = self._tuples(support)  # (B, C, K, T, D')
        query_keys, query_values = self._tuples(query)  # (B, Q, T, D')
        _, classes, shots, tuples, dim = support_values.shape
        queries = query_values.shape[1]
        query_keys = query_keys.flatten(1, 2) / math.sqrt(dim)  # (B, Q·T, D')
        # All query tuples against all support tuples of the episode is one matrix product.
        scores = query_keys @ support_keys.flatten(1, 3).transpose(1, 2)  # (B, Q·T, C·K·T)
        scores = scores.unflatten(2, (classes, shots * tuples))  # (B, Q·T, C, K·T)
        if mask is not None:
            absent = ~mask.repeat_interleave(tuples, dim=2)  # (B, C, K·T)
            scores = scores.masked_fill(absent[:, None], -math.inf)
        attention = scores.softmax(dim=-1)
        prototypes = torch.einsum("bqcs,bcsd->bqcd", attention, support_values.flatten(2, 3))  # (B, Q·T, C, D')
        difference = query_values.flatten(1, 2)[:, :, None] - prototypes  # (B, Q·T, C, D')
        distance = difference.square().sum(dim=-1)  # (B, Q·T, C)
        if self.distance == "norm":
            distance = root(distance)
        return -distance.unflatten(1, (queries, tuples)).mean(dim=2)  # (B, Q, C)

    def _tuples(self, features: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Normalised keys and plain values of all tuples, `(..., T, D')` each."""
        keys = form_tuples(features[f"trm{self.cardinality}.key"], self.indices)
        return self.key_norm(keys), form_tuples(features[f"trm{self.cardinality}.value"], self.indices)


class TemporalRelations(nn.Module):
    """TRM over a set of cardinalities: one positional encoding and dropout for all, logits summed.

    Args:
        relations: one `TemporalRelation` per cardinality.
        frames: L, frames per clip.
        channels: D, the width of a frame.
        dropout: probability that a channel of a frame is dropped in training.
        encoding_scale: amplitude of the positional encoding.
    """

    def __init__(
        self,
        *,
        relations: Sequence[TemporalRelation],
        frames: int,
        channels: int,
        dropout: float = 0.1,
        encoding_scale: float = 0.1,
    ) -> None:
        super().__init__()
        self.relations = nn.ModuleDict({str(relation.cardinality): relation for relation in relations})
        # Kept in float64 until it is used, so that a float64 model does not add a table rounded to float32.
        encoding = encoding_scale * positional_encoding(frames, channels)
        self.register_buffer("encoding", encoding, persistent=False)  # (L, D)
        self.dropout = nn.Dropout(dropout)

    def embed(self, frames: Tensor) -> dict[str, Tensor]:
        """Keys and values of single frames for every cardinality: E, `(N, L, D)`, to `(N, w, L, D')` each."""
        frames = self.dropout(frames + self.encoding.to(frames.dtype))
        return {name: value for relation in self.relations.values() for name, value in relation.embed(frames).items()}

    def match(self, support: Mapping[str, Tensor], query: Mapping[str, Tensor], mask: Tensor | None = None) -> Tensor:
        """Logits `(B, Q, C)`, summed over cardinalities; arguments as for `TemporalRelation.match`."""
        return sum(relation.match(support, query, mask) for relation in self.relations.values())
