"""Which frames of a query go with which frames of a class: what a method may say of how it compares clips."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Correspondence(NamedTuple):
    """How much each tuple of a query's frames counts together with each tuple of a shot's frames.

    Attributes:
        words: what the weights are, for a person.
        weights: `(B, Q, C, K, T, T')`, not below 0; 0 for absent shots.
        query_frames: frames of each tuple of a query, `(T, w)`, from 0.
        support_frames: frames of each tuple of a shot, `(T', w')`.
    """

    words: str
    weights: Tensor
    query_frames: Tensor
    support_frames: Tensor


def single_frames(count: int) -> Tensor:
    """Each frame by itself, `(L, 1)`."""
    return torch.arange(count)[:, None]


def nearest_weights(similarity: Tensor, mask: Tensor | None, *, back: bool, joint: bool) -> Tensor:
    """Similarities of those pairs that are nearest to each other, and 0 elsewhere and where they are negative.

    Args:
        similarity: of frames of queries (rows) and of shots, `(B, Q, C, K, L, M)`.
        mask: `(B, C, K)`, True where the shot exists; None when all do.
        back: whether a pair counts as well where the query's frame is the nearest to the shot's.
        joint: whether a query's frame has one nearest frame among all shots of a class, and not one in each.
    """
    if mask is not None:
        similarity = similarity.where(mask[:, None, :, :, None, None], -torch.inf)
    greatest = similarity.amax(dim=(3, 5) if joint else 5, keepdim=True)
    nearest = similarity == greatest
    if back:
        nearest |= similarity == similarity.amax(dim=4, keepdim=True)
    return similarity.where(nearest, 0).clamp(min=0)


def nearest_of_means(distances: Tensor, shots: int, mask: Tensor | None) -> list[Correspondence]:
    """What Bi-MHM adds up where a class is the mean of its shots frame by frame: the same for all of these.

    Args:
        distances: cosine distances of frames of queries and of classes, `(B, Q, C, L, M)`.
        shots: K.
        mask: as above.
    """
    similarity = (1 - distances)[:, :, :, None].expand(-1, -1, -1, shots, -1, -1)
    weights = nearest_weights(similarity, mask, back=True, joint=False)
    words = "cosine of the frames that are nearest to each other; those of a class are means over its shots"
    return [Correspondence(words, weights, *map(single_frames, distances.shape[-2:]))]
