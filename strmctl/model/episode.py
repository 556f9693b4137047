"""One episode through any method: a method is a module with `embed`, `match` and `enrich`.

`embed(clips)` is everything that one clip decides, `match(support, query, mask)` everything that needs both sides.

A method may add two functions, with which the test of a small set of clips computes nothing twice. `match` alone is
enough.

    pairs(support, query)                  features of N and M clips, `(N, …)` and `(M, …)`, to tables `(M, N, …)`:
                                           row m holds what clip m as a query and each support clip decide
    match_pairs(tables, support, query)    tables `(N, N, …)` of N clips with themselves, and the rows of clips,
                                           `(B, C, K)` and `(B, Q)`, to the logits of `match` with all shots present
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from strmctl.model.enrichment import Clips, Maps

Features = dict[str, Tensor]


class Logits(NamedTuple):
    """Logits `(B, Q, C)`, or `(Q, C)` for a single episode; column c is the c-th label in sorted order.

    Attributes:
        total: logits whose largest is the prediction.
        trm: minus the distance to the prototypes of tuples; None without TRM.
        query_class: minus the distance to the nearest tuples, not yet times lambda; None without QC.
    """

    total: Tensor
    trm: Tensor | None = None
    query_class: Tensor | None = None


def match_clips(method: nn.Module, support_clips: Clips, support_labels: Tensor, query_clips: Clips) -> Logits:
    """One episode from its clips.

    Support and query pass the backbone separately, because batch norm in training ties together what it sees. Under
    autocast, clips are embedded in its precision and compared in float32: in bfloat16, small differences of large
    numbers, which distances are, drown.

    Args:
        method: module with `embed` and `match`.
        support_clips: `(N, L, 3, H, W)`, float in [0, 1], or their `Maps`, in any order, each class with one clip
            or more.
        support_labels: `(N)`, integers.
        query_clips: `(Q, L, 3, H, W)`, or their `Maps`.

    Returns:
        Logits `(Q, C)`; column c is the c-th label in sorted order.

    Raises:
        ValueError: other shapes, or pixels that are no floating-point numbers.
    """
    for name, clips in (("support", support_clips), ("query", query_clips)):
        if not isinstance(clips, Maps) and (clips.dim() != 5 or not clips.is_floating_point()):
            raise ValueError(f"{name} clips must be float (N, L, 3, H, W), got {clips.dtype} {tuple(clips.shape)}")
    if support_labels.shape != (len(support_clips),):
        raise ValueError(f"{len(support_clips)} support clips need as many labels, got {tuple(support_labels.shape)}")
    support, query = embed_side(method, support_clips), embed_side(method, query_clips)
    return match_sides(method, support, support_labels, query)


def embed_side(method: nn.Module, clips: Clips) -> Features:
    """Features of the support or of the query clips of an episode, `(N, …)`; under autocast they become float32."""
    features = method.embed(clips)
    if torch.is_autocast_enabled(next(iter(features.values())).device.type):
        return {name: value.float() for name, value in features.items()}
    return features


def match_sides(method: nn.Module, support: Features, support_labels: Tensor, query: Features) -> Logits:
    """Logits `(Q, C)` of an episode from the features of its sides, `(N, …)` and `(Q, …)`; see `match_clips`."""
    support, mask = group_by_label(support, support_labels)
    query = {name: value[None] for name, value in query.items()}  # (1, Q, …)
    with torch.autocast(support_labels.device.type, enabled=False):
        found = method.match(support, query, mask)
    return Logits(*(None if logits is None else logits[0] for logits in found))  # (Q, C)


def group_by_label(features: Mapping[str, Tensor], labels: Tensor) -> tuple[Features, Tensor]:
    """Sort the support clips of one episode into classes; those with fewer shots than others are padded.

    Args:
        features: output of `embed`, `(N, …)`.
        labels: `(N)`, integers; classes follow their sorted order, shots the order of the clips.

    Returns:
        The features, `(1, C, K, …)`, K being the most shots of a class, and the mask, `(1, C, K)`, True where the shot
        exists. Elsewhere the class's last clip is repeated.
    """
    order = torch.argsort(labels, stable=True)  # (N)
    counts = torch.unique(labels, return_counts=True)[1]  # (C)
    first = counts.cumsum(0) - counts  # (C)
    shots = torch.arange(int(counts.max()), device=labels.device)  # (K)
    clips = order[first[:, None] + torch.minimum(shots, counts[:, None] - 1)]  # (C, K)
    mask = shots < counts[:, None]  # (C, K)
    return {name: value[clips][None] for name, value in features.items()}, mask[None]  # (1, C, K, …)


def pick(table: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Entries of a table of all pairs, `(N, N, …)`: `(S, …)` for rows and columns that broadcast to a shape S."""
    places = rows * table.shape[1] + columns
    return table.flatten(0, 1).index_select(0, places.flatten()).unflatten(0, places.shape)


def mean_over_shots(values: Tensor, mask: Tensor | None) -> Tensor:
    """Mean over the existing shots of each class.

    Args:
        values: `(B, C, K, …)`.
        mask: `(B, C, K)`, True where the shot exists; None when all do.

    Returns:
        `(B, C, …)`.
    """
    if mask is None:
        return values.mean(dim=2)
    present = mask.reshape(*mask.shape, *(1,) * (values.dim() - 3))  # (B, C, K, 1, …)
    return values.where(present, 0).sum(dim=2) / present.sum(dim=2)
