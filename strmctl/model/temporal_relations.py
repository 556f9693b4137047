"""Temporal relation modelling (TRM): each query tuple is compared with a prototype made for it. Equation 1, as in TRX.

Frames get 0.1 times the sinusoidal positional encoding, then dropout. For each cardinality w, tuples of w frames have a
key (with LayerNorm) and a value (without). A query tuple attends to all K * T support tuples of a class with one
softmax; the attention-weighted support values are its prototype, and the logit is minus the distance of the query's
values to their prototypes. Logits of several cardinalities are summed; the released code takes their mean.

Deviation: Eq. 1 has a norm. TRX and the released code compute its square, and so does the default, `squared`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from torch import Tensor, nn

from strmctl.model.positional_encoding import PositionalEncoding
from strmctl.model.seeding import seeded
from strmctl.model.tuples import Combine, Tuples, project_positions, root

Distance = Literal["squared", "norm"]


class TemporalRelation(nn.Module):
    """TRM for one cardinality.

    Args:
        cardinality: w, frames per tuple.
        frames: L, frames per clip.
        channels: D, the width of a frame.
        dim: D', the width of keys and values.
        distance: `squared`, the squared Euclidean distance of each tuple, or `norm`, its root; both are averaged over
            the tuples of a query.
    """

    def __init__(self, *, cardinality: int, frames: int, channels: int, dim: int, distance: Distance) -> None:
        super().__init__()
        self.cardinality = cardinality
        self.distance = distance
        self.key = nn.Linear(cardinality * channels, dim)
        self.value = nn.Linear(cardinality * channels, dim)
        self.key_norm = nn.LayerNorm(dim)
        self.tuples = Tuples(frames=frames, cardinality=cardinality)

    def embed(self, frames: Tensor) -> dict[str, Tensor]:
        """Keys and values of single frames, one per position in a tuple: `(N, L, D)` to `(N, w, L, D')` each."""
        return {
            f"trm{self.cardinality}.key": project_positions(frames, self.key, self.cardinality),
            f"trm{self.cardinality}.value": project_positions(frames, self.value, self.cardinality),
        }

    def match(self, support: Mapping[str, Tensor], query: Mapping[str, Tensor], mask: Tensor | None = None) -> Tensor:
        """Compares queries with prototypes.

        Args:
            support: keys and values, `(B, C, K, w, L, D')`.
            query: keys and values, `(B, Q, w, L, D')`.
            mask: `(B, C, K)`, True where the shot exists; None when all do.

        Returns:
            Minus the distance of each query to its prototypes, `(B, Q, C)`.
        """
        support_keys, support_values = self._tuples(support)  # (B, C, K, T, D')
        query_keys, query_values = self._tuples(query)  # (B, Q, T, D')
        tuples, dim = support_values.shape[-2:]
        queries = query_values.shape[1]
        query_keys = query_keys.flatten(1, 2)[:, None] / math.sqrt(dim)  # (B, 1, Q·T, D')
        # One matrix product compares all query tuples with all support tuples of a class.
        scores = query_keys @ support_keys.flatten(2, 3).transpose(2, 3)  # (B, C, Q·T, K·T)
        if mask is not None:
            absent = ~mask.repeat_interleave(tuples, dim=2)  # (B, C, K·T)
            scores = scores.masked_fill(absent[:, :, None], -math.inf)
        prototypes = scores.softmax(dim=-1) @ support_values.flatten(2, 3)  # (B, C, Q·T, D')
        difference = query_values.flatten(1, 2)[:, None] - prototypes  # (B, C, Q·T, D')
        distance = difference.square().sum(dim=-1)  # (B, C, Q·T)
        if self.distance == "norm":
            distance = root(distance)
        return -distance.unflatten(2, (queries, tuples)).mean(dim=3).transpose(1, 2)  # (B, Q, C)

    def _tuples(self, features: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Normalised keys and plain values of all tuples, `(..., T, D')` each."""
        keys = self.tuples(features[f"trm{self.cardinality}.key"])
        return self.key_norm(keys), self.tuples(features[f"trm{self.cardinality}.value"])


class TemporalRelations(nn.Module):
    """TRM over a set of cardinalities, with one positional encoding and dropout for all.

    Args:
        relations: one `TemporalRelation` per cardinality.
        encoding: layer that all frames pass first, such as `PositionalEncoding`.
        combine: `sum` of the logits of several cardinalities, as in Eq. 1, or `mean`, as in the released code.
    """

    def __init__(self, *, relations: Sequence[TemporalRelation], encoding: nn.Module, combine: Combine = "sum") -> None:
        super().__init__()
        self.relations = nn.ModuleDict({str(relation.cardinality): relation for relation in relations})
        self.encoding = encoding
        self.share = 1 / len(relations) if combine == "mean" else 1.0

    def embed(self, frames: Tensor) -> dict[str, Tensor]:
        """E, `(N, L, D)`, to keys and values of single frames for every cardinality, `(N, w, L, D')` each."""
        frames = self.encoding(frames)
        return {name: value for relation in self.relations.values() for name, value in relation.embed(frames).items()}

    def match(self, support: Mapping[str, Tensor], query: Mapping[str, Tensor], mask: Tensor | None = None) -> Tensor:
        """Logits of all cardinalities together, `(B, Q, C)`; arguments as for `TemporalRelation.match`."""
        return self.share * sum(relation.match(support, query, mask) for relation in self.relations.values())


def build_temporal_relations(
    *,
    cardinalities: Sequence[int],
    frames: int,
    channels: int,
    dim: int = 1152,
    distance: Distance = "squared",
    dropout: float = 0.1,
    combine: Combine = "sum",
    seed: int = 0,
) -> TemporalRelations:
    """Builds TRM, each cardinality initialised from (seed, its path) alone; arguments as for the classes above."""
    size, relations = {"frames": frames, "channels": channels, "dim": dim}, []
    for w in cardinalities:
        with seeded(seed, f"temporal_relations.{w}"):
            relations.append(TemporalRelation(cardinality=w, distance=distance, **size))
    encoding = PositionalEncoding(length=frames, channels=channels, dropout=dropout)
    return TemporalRelations(relations=relations, encoding=encoding, combine=combine)
