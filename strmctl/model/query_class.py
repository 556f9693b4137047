"""Query-class similarity (QC): the nearest support tuple of each class. Equation 8.

    z = relu(W_cls [h_1 .. h_w] + b)        phi(z, z') = -||z - z'||
    logit of a class = mean over the query's tuples of the largest phi over the class's K * T support tuples

It works on H after dropout: on frames before frame-level enrichment, without positional encoding. The paper leaves phi
open; the Euclidean distance and the ReLU are taken from the released code. Logits of several cardinalities are summed;
the released code takes their mean, and never trains W_cls.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from strmctl.model.episode import pick
from strmctl.model.seeding import seeded
from strmctl.model.tuples import Combine, Tuples, project_positions, root


class QueryClassSimilarity(nn.Module):
    """QC for one cardinality.

    Args:
        cardinality: w, frames per tuple.
        frames: L, frames per clip.
        channels: D, the width of a frame.
        dim: D'', the width of z; D / 2 when None.
    """

    def __init__(self, *, cardinality: int, frames: int, channels: int, dim: int | None = None) -> None:
        super().__init__()
        self.cardinality = cardinality
        self.project = nn.Linear(cardinality * channels, dim or channels // 2)
        self.tuples = Tuples(frames=frames, cardinality=cardinality)

    def embed(self, frames: Tensor) -> dict[str, Tensor]:
        """Projections of single frames, one per position in a tuple: `(N, L, D)` to `(N, w, L, D'')`."""
        return {f"qc{self.cardinality}": project_positions(frames, self.project, self.cardinality)}

    def match(self, support: Mapping[str, Tensor], query: Mapping[str, Tensor], mask: Tensor | None = None) -> Tensor:
        """Compares queries with the nearest tuples of each class.

        Args:
            support: projections, `(B, C, K, w, L, D'')`.
            query: projections, `(B, Q, w, L, D'')`.
            mask: `(B, C, K)`, True where the shot exists; None when all do.

        Returns:
            Minus the mean distance of each query's tuples to the nearest of each class, `(B, Q, C)`.
        """
        return -self._nearest(support, query, mask).mean(dim=2)

    def pairs(self, support: Mapping[str, Tensor], query: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The distance of each tuple of M clips to the nearest of each of N clips: `qc{w}`, `(M, N, T)`.

        Args:
            support: projections, `(N, w, L, D'')`.
            query: projections, `(M, w, L, D'')`.
        """
        name = f"qc{self.cardinality}"  # each clip is a class with one shot
        nearest = self._nearest({name: support[name][None, :, None]}, {name: query[name][None]})[0]  # (M, T, N)
        return {name: nearest.transpose(1, 2)}

    def match_pairs(self, tables: Mapping[str, Tensor], support: Tensor, query: Tensor) -> Tensor:
        """Like `match`, from tables of N clips with themselves and rows, `(B, C, K)` and `(B, Q)`: `(B, Q, C)`."""
        table = tables[f"qc{self.cardinality}"]
        nearest = pick(table, query[:, :, None, None], support[:, None])  # (B, Q, C, K, T)
        return -nearest.amin(dim=3).mean(dim=3)

    def _nearest(
        self, support: Mapping[str, Tensor], query: Mapping[str, Tensor], mask: Tensor | None = None
    ) -> Tensor:
        """The distance of each query tuple to the nearest of each class, `(B, Q, T, C)`; arguments as for `match`."""
        support_tuples, query_tuples = self._tuples(support), self._tuples(query)
        _, classes, shots, tuples, _ = support_tuples.shape  # (B, C, K, T, D'')
        queries = query_tuples.shape[1]  # (B, Q, T, D'')
        support_tuples = support_tuples.flatten(1, 3)  # (B, C·K·T, D'')
        query_tuples = query_tuples.flatten(1, 2)  # (B, Q·T, D'')
        query_lengths = query_tuples.square().sum(dim=-1)  # (B, Q·T)
        support_lengths = support_tuples.square().sum(dim=-1)  # (B, C·K·T)
        if mask is not None:
            absent = ~mask.flatten(1).repeat_interleave(tuples, dim=1)  # (B, C·K·T)
            support_lengths = support_lengths.masked_fill(absent, math.inf)
        # |z - z'|² = |z|² + |z'|² - 2 z·z' is one matrix product. Neither |z|² nor the root changes which z' is the
        # nearest to z, so both are computed for the nearest alone: for K·T times fewer numbers.
        squared = torch.baddbmm(support_lengths[:, None], query_tuples, support_tuples.transpose(1, 2), alpha=-2)
        squared = squared.unflatten(2, (classes, shots * tuples))  # (B, Q·T, C, K·T)
        nearest = root(squared.amin(dim=-1) + query_lengths[:, :, None])  # (B, Q·T, C)
        return nearest.unflatten(1, (queries, tuples))

    def _tuples(self, features: Mapping[str, Tensor]) -> Tensor:
        """The vectors z of all tuples, `(..., T, D'')`."""
        return self.tuples(features[f"qc{self.cardinality}"]).relu()


class QueryClass(nn.Module):
    """QC over a set of cardinalities, with one dropout for all.

    Args:
        similarities: one `QueryClassSimilarity` per cardinality.
        dropout: probability that a channel of a frame is dropped in training.
        combine: `sum` of the logits of several cardinalities, as in Eq. 8, or `mean`, as in the released code.
    """

    def __init__(
        self, *, similarities: Sequence[QueryClassSimilarity], dropout: float = 0.1, combine: Combine = "sum"
    ) -> None:
        super().__init__()
        self.similarities = nn.ModuleDict({str(similarity.cardinality): similarity for similarity in similarities})
        self.dropout = nn.Dropout(dropout)
        self.share = 1 / len(similarities) if combine == "mean" else 1.0

    def embed(self, frames: Tensor) -> dict[str, Tensor]:
        """H, `(N, L, D)`, to projections of single frames for every cardinality, `(N, w, L, D'')` each."""
        frames = self.dropout(frames)
        return {name: value for layer in self.similarities.values() for name, value in layer.embed(frames).items()}

    def match(self, support: Mapping[str, Tensor], query: Mapping[str, Tensor], mask: Tensor | None = None) -> Tensor:
        """Logits of all cardinalities together, `(B, Q, C)`; arguments as for `QueryClassSimilarity.match`."""
        return self.share * sum(layer.match(support, query, mask) for layer in self.similarities.values())

    def pairs(self, support: Mapping[str, Tensor], query: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tables of all cardinalities; arguments as for `QueryClassSimilarity.pairs`."""
        return {n: t for layer in self.similarities.values() for n, t in layer.pairs(support, query).items()}

    def match_pairs(self, tables: Mapping[str, Tensor], support: Tensor, query: Tensor) -> Tensor:
        """Like `match`, from tables; arguments as for `QueryClassSimilarity.match_pairs`."""
        return self.share * sum(layer.match_pairs(tables, support, query) for layer in self.similarities.values())


def build_query_class(
    *,
    cardinalities: Sequence[int],
    frames: int,
    channels: int,
    dim: int | None = None,
    dropout: float = 0.1,
    combine: Combine = "sum",
    trained: bool = True,
    seed: int = 0,
) -> QueryClass:
    """Builds QC, each cardinality initialised from (seed, its path) alone; arguments as for the classes above.

    `trained=False` freezes W_cls as it is initialised, which the released code does by accident.
    """
    similarities = []
    for w in cardinalities:
        with seeded(seed, f"query_class.{w}"):
            similarities.append(QueryClassSimilarity(cardinality=w, frames=frames, channels=channels, dim=dim))
    return QueryClass(similarities=similarities, dropout=dropout, combine=combine).requires_grad_(trained)
