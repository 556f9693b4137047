"""Distances between clips from distances between their frames, for all pairs of clips at once.

    alignment    OTAM's soft alignment, which follows the order of frames
    hausdorff    bidirectional mean Hausdorff, Bi-MHM (HyRSM, Eq. 8): each frame and the nearest of the other clip,
                 both ways, in any order; a sum over frames, as in the authors' code, where the paper has means

Chamfer similarity, which looks for the nearest frame among all shots of a class, is in `methods.chamfer`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def cosine_distances(rows: Tensor, columns: Tensor) -> Tensor:
    """Cosine distances between frames, `(..., L, D)` and `(..., M, D)` to `(..., L, M)`, softened by 0.01."""
    lengths = rows.norm(dim=-1)[..., :, None] * columns.norm(dim=-1)[..., None, :]  # (..., L, M)
    return 1 - rows @ columns.transpose(-2, -1) / (lengths + 0.01)


def cosine_distances_of_pairs(queries: Tensor, classes: Tensor) -> Tensor:
    """Those between the frames of each query, `(B, Q, L, D)`, and each class, `(B, C, M, D)`: `(B, Q, C, L, M)`."""
    distances = cosine_distances(queries.flatten(1, 2), classes.flatten(1, 2))  # (B, Q·L, C·M)
    return distances.unflatten(2, classes.shape[1:3]).unflatten(1, queries.shape[1:3]).transpose(2, 3)


def by_clips(frames: Tensor, *, queries: int, shots: tuple[int, int, int]) -> Tensor:
    """Numbers of pairs of frames, `(B, Q·L, C·K·M)`, as those of pairs of clips, `(B, C, K, Q, L, M)`.

    Args:
        frames: one number for each frame of each query (rows) and each frame of each shot (columns).
        queries: Q.
        shots: C, K and M.
    """
    pairs = frames.unflatten(2, shots).unflatten(1, (queries, -1))  # (B, Q, L, C, K, M)
    return pairs.permute(0, 3, 4, 1, 2, 5)  # (B, C, K, Q, L, M)


def alignment(distances: Tensor, smoothing: float) -> Tensor:
    """The soft alignment of the rows to the columns; see `methods.otam` for the formula.

    Args:
        distances: d, `(..., L, M)`.
        smoothing: lambda of softmin; the smaller it is, the nearer the result is to the best path.

    Returns:
        `(...)`; below 0 where many paths share the least distance.
    """
    costs = F.pad(-distances / smoothing, (1, 1)).movedim((-2, -1), (0, 1))  # (L, M + 2, ...)
    last = costs.shape[1] - 1
    above = list(costs[0].cumsum(dim=0))  # -g / lambda of the first row
    for row in costs[1:]:
        current = [row[0]]
        for m in range(1, last + 1):
            before = [above[m - 1], current[m - 1]] + ([above[m]] if m in (1, last) else [])
            current.append(row[m] + torch.stack(before).logsumexp(dim=0))
        above = current
    return -smoothing * above[last]


def hausdorff(distances: Tensor) -> Tensor:
    """Bi-MHM, `(..., L, M)` to `(...)`: the sum of the least distance of each row and of each column."""
    return distances.amin(dim=-1).sum(dim=-1) + distances.amin(dim=-2).sum(dim=-1)
