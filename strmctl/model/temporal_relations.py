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

from strmctl.model.episode import pick
from strmctl.model.layers.correspondence import Correspondence
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
        attention = self._attention(support, query, mask)  # (B, C, Q·T, K·T)
        values = f"trm{self.cardinality}.value"  # to (B, C, K, T, D') and (B, Q, T, D')
        support_values, query_values = self.tuples(support[values]), self.tuples(query[values])
        prototypes = attention @ support_values.flatten(2, 3)  # (B, C, Q·T, D')
        difference = query_values.flatten(1, 2)[:, None] - prototypes  # (B, C, Q·T, D')
        return self._logits(difference.square().sum(dim=-1), query_values.shape[1])

    def pairs(self, support: Mapping[str, Tensor], query: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What two clips decide.

        The values of tuples are sums over frames. So the products of single frames' projections, which are fewer, give
        all products of tuples and prototypes.

        Args:
            support: keys and values, `(N, w, L, D')`.
            query: keys and values, `(M, w, L, D')`.

        Returns:
            `trm{w}.scores`, of the query's tuples with those of the support, `(M, N, T, T)`; `trm{w}.products`, of
            values, each less the mean of its position over `support`, `(M, N, w·L, w·L)`.
        """
        key, value = f"trm{self.cardinality}.key", f"trm{self.cardinality}.value"
        queries, tuples = len(query[key]), len(self.tuples.indices)
        # All clips are shots of one class.
        scores = self._scores({key: support[key][None, None]}, {key: query[key][None]})[0, 0]  # (M·T, N·T)
        centre = support[value].mean(dim=(0, 2), keepdim=True)  # (1, w, 1, D')
        rows, columns = ((side[value] - centre).flatten(1, 2) for side in (query, support))  # (M or N, w·L, D')
        products = rows.flatten(0, 1) @ columns.flatten(0, 1).T  # (M·w·L, N·w·L)
        products = products.unflatten(1, columns.shape[:2]).unflatten(0, rows.shape[:2])  # (M, w·L, N, w·L)
        return {
            f"trm{self.cardinality}.scores": scores.unflatten(1, (-1, tuples))
            .unflatten(0, (queries, tuples))
            .transpose(1, 2),
            f"trm{self.cardinality}.products": products.transpose(1, 2),
        }

    def match_pairs(self, tables: Mapping[str, Tensor], support: Tensor, query: Tensor) -> Tensor:
        """Like `match`, from tables.

        With a query tuple's values x, the values v of the support's frames in each position, and the weights a that
        attention gives them,

            |x - aᵀv|² = x·x - 2 aᵀv x + aᵀ (v vᵀ) a

        The weights of each position add up to 1. So the distance is the same when each value is less a mean, and the
        three terms, which nearly cancel, are smaller.

        Args:
            tables: output of `pairs`, of N clips with themselves.
            support: rows, `(B, C, K)`.
            query: rows, `(B, Q)`.

        Returns:
            Minus the distance of each query to its prototypes, `(B, Q, C)`.
        """
        members, shots = self.tuples.members, support.shape[2]  # (T, w·L)
        products = tables[f"trm{self.cardinality}.products"]
        pair = query[:, None, :, None], support[:, :, None]  # (B, 1, Q, 1) and (B, C, 1, K)
        scores = pick(tables[f"trm{self.cardinality}.scores"], *pair).transpose(3, 4)  # (B, C, Q, T, K, T)
        attention = scores.flatten(4).flatten(2, 3).softmax(dim=-1)  # (B, C, Q·T, K·T)
        weights = (attention.unflatten(3, (shots, -1)) @ members).flatten(3)  # (B, C, Q·T, K·w·L)
        crossed = (members @ pick(products, *pair)).transpose(3, 4).flatten(4).flatten(2, 3)  # (B, C, Q·T, K·w·L)
        within = pick(products, support[..., None], support[:, :, None])  # (B, C, K, K, w·L, w·L)
        within = within.transpose(3, 4).flatten(4).flatten(2, 3)  # (B, C, K·w·L, K·w·L)
        own = ((members @ pick(products, query, query)) * members).sum(dim=-1).flatten(1)  # (B, Q·T)
        distance = own[:, None] + ((weights @ within - 2 * crossed) * weights).sum(dim=-1)  # (B, C, Q·T)
        return self._logits(distance.clamp(min=0), query.shape[1])

    def correspondence(
        self, support: Mapping[str, Tensor], query: Mapping[str, Tensor], mask: Tensor | None = None
    ) -> Correspondence:
        """How much each tuple of a query attends to each support tuple of a class; arguments as for `match`."""
        tuples = self.tuples.indices  # (T, w)
        weights = self._attention(support, query, mask).unflatten(3, (-1, len(tuples))).unflatten(2, (-1, len(tuples)))
        words = f"attention of tuples of {self.cardinality} frames, which adds up to 1 over a class's tuples"
        return Correspondence(words, weights.permute(0, 2, 1, 4, 3, 5), tuples, tuples)  # from (B, C, Q, T, K, T)

    def _attention(self, support: Mapping[str, Tensor], query: Mapping[str, Tensor], mask: Tensor | None) -> Tensor:
        """Weights of a class's support tuples for each query tuple, `(B, C, Q·T, K·T)`; arguments as for `match`."""
        scores = self._scores(support, query)
        if mask is not None:
            absent = ~mask.repeat_interleave(len(self.tuples.indices), dim=2)  # (B, C, K·T)
            scores = scores.masked_fill(absent[:, :, None], -math.inf)
        return scores.softmax(dim=-1)

    def _scores(self, support: Mapping[str, Tensor], query: Mapping[str, Tensor]) -> Tensor:
        """Scores of query tuples with support tuples of each class, `(B, C, Q·T, K·T)`; arguments as for `match`."""
        name = f"trm{self.cardinality}.key"
        support_keys = self.key_norm(self.tuples(support[name]))  # (B, C, K, T, D')
        query_keys = self.key_norm(self.tuples(query[name]))  # (B, Q, T, D')
        query_keys = query_keys.flatten(1, 2)[:, None] / math.sqrt(query_keys.shape[-1])  # (B, 1, Q·T, D')
        # One matrix product compares all query tuples with all support tuples of a class.
        return query_keys @ support_keys.flatten(2, 3).transpose(2, 3)

    def _logits(self, distance: Tensor, queries: int) -> Tensor:
        """Squared distances of tuples to their prototypes, `(B, C, Q·T)`, to logits `(B, Q, C)`."""
        if self.distance == "norm":
            distance = root(distance)
        return -distance.unflatten(2, (queries, -1)).mean(dim=3).transpose(1, 2)


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

    def correspondence(
        self, support: Mapping[str, Tensor], query: Mapping[str, Tensor], mask: Tensor | None = None
    ) -> list[Correspondence]:
        """What tuples attend to, for every cardinality; arguments as for `TemporalRelation.match`."""
        return [relation.correspondence(support, query, mask) for relation in self.relations.values()]

    def pairs(self, support: Mapping[str, Tensor], query: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tables of all cardinalities; arguments as for `TemporalRelation.pairs`."""
        return {n: t for relation in self.relations.values() for n, t in relation.pairs(support, query).items()}

    def match_pairs(self, tables: Mapping[str, Tensor], support: Tensor, query: Tensor) -> Tensor:
        """Like `match`, from tables; arguments as for `TemporalRelation.match_pairs`."""
        return self.share * sum(relation.match_pairs(tables, support, query) for relation in self.relations.values())


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
