"""OTAM (Cao et al., CVPR 2020): clips are compared along a soft, monotonic alignment of their frames.

    d(l, m) = 1 - x·y / (|x| |y| + 0.01)      between frame l of one clip (rows) and frame m of the other (columns),
                                              a column of zeros before the first frame and one after the last
    g(0, m) = g(0, m-1) + d(0, m)             the first row is a running sum
    g(l, m) = d(l, m) + softmin{g(l-1, m-1), g(l, m-1)}      with g(l-1, m) too in the first frame's and the last column
    softmin{a} = -lambda log sum exp(-a / lambda)

The leading column of zeros stays 0: an alignment may begin and end anywhere in the rows. The distance of two clips is g
at the end of the last row and column, query to support plus support to query; a class's distance is the mean over its
shots.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from strmctl.model.enrichment import Clips, Enriched, enrich
from strmctl.model.episode import Features, Logits, match_clips, mean_over_shots, pick
from strmctl.model.layers.correspondence import Correspondence, single_frames
from strmctl.model.layers.frame_distances import alignment, by_clips, cosine_distances


class OTAM(nn.Module):
    """Ordered temporal alignment.

    Args:
        backbone: clips `(N, L, 3, H, W)` to maps `(N, L', D, h, w)`.
        smoothing: lambda of softmin.
        patches: P, patches along each side of a frame, only for attention maps.
    """

    def __init__(self, *, backbone: nn.Module, smoothing: float = 0.1, patches: int = 4) -> None:
        super().__init__()
        self.backbone = backbone
        self.smoothing = smoothing
        self.patches = patches

    def enrich(self, clips: Clips) -> Enriched:
        """Clips `(N, L, 3, H, W)`, float in [0, 1], or their `Maps`, to patches and frames."""
        return enrich(clips, backbone=self.backbone, patches=self.patches)

    def embed(self, clips: Clips) -> Features:
        """Each clip's frames: `frames`, `(N, L, D)`."""
        return {"frames": self.enrich(clips).frames}

    def match(self, support: Mapping[str, Tensor], query: Mapping[str, Tensor], mask: Tensor | None = None) -> Logits:
        """Logits `(B, Q, C)` from `support` `(B, C, K, L, D)`, `query` `(B, Q, L, D)` and `mask` `(B, C, K)`."""
        distance = self._distances(support["frames"], query["frames"])  # (B, C, K, Q)
        return Logits(-mean_over_shots(distance, mask).transpose(1, 2))  # (B, Q, C)

    def pairs(self, support: Mapping[str, Tensor], query: Mapping[str, Tensor]) -> Features:
        """Distances of M clips to N: `distances`, `(M, N)`, from `support` `(N, L, D)` and `query` `(M, L, D)`."""
        distance = self._distances(support["frames"][None, None], query["frames"][None])  # (1, 1, N, M)
        return {"distances": distance[0, 0].T}

    def match_pairs(self, tables: Mapping[str, Tensor], support: Tensor, query: Tensor) -> Logits:
        """Like `match`, from the table `(N, N)` and rows, `(B, C, K)` and `(B, Q)`."""
        distance = pick(tables["distances"], query[:, None, None], support[..., None])  # (B, C, K, Q)
        return Logits(-mean_over_shots(distance, None).transpose(1, 2))  # (B, Q, C)

    def _distances(self, shots: Tensor, queries: Tensor) -> Tensor:
        """Distances of clips, `(B, C, K, L, D)` and `(B, Q, L, D)` to `(B, C, K, Q)`."""
        return self._aligned(self._frame_distances(shots, queries))

    @staticmethod
    def _frame_distances(shots: Tensor, queries: Tensor) -> Tensor:
        """Distances of frames, likewise to `(B, C, K, Q, L, L)`, those of the query in rows."""
        distances = cosine_distances(queries.flatten(1, 2), shots.flatten(1, 3))  # (B, Q·L, C·K·L)
        return by_clips(distances, queries=queries.shape[1], shots=shots.shape[1:4])

    def _aligned(self, pairs: Tensor) -> Tensor:
        """Distances of clips from those of frames, `(…, L, L)` to `(…)`: the alignments both ways."""
        both = torch.stack([pairs, pairs.transpose(-2, -1)])  # (2, …, L, L)
        return alignment(both, self.smoothing).sum(dim=0)

    def correspondence(
        self, support: Mapping[str, Tensor], query: Mapping[str, Tensor], mask: Tensor | None = None
    ) -> list[Correspondence]:
        """How much the soft alignments use each pair of frames: the gradient of the distance; arguments as `match`."""
        with torch.enable_grad():
            pairs = self._frame_distances(support["frames"], query["frames"]).detach().requires_grad_()
            (used,) = torch.autograd.grad(self._aligned(pairs).sum(), pairs)  # (B, C, K, Q, L, L)
        weights = used.permute(0, 3, 1, 2, 4, 5) / 2  # (B, Q, C, K, L, L)
        if mask is not None:
            weights = weights.where(mask[:, None, :, :, None, None], 0)
        frames = single_frames(weights.shape[-1])
        return [Correspondence("use of a pair of frames in the soft alignment", weights, frames, frames)]

    def forward(self, support_clips: Clips, support_labels: Tensor, query_clips: Clips) -> Logits:
        """One episode from its clips; see `match_clips`. Logits `(Q, C)`."""
        return match_clips(self, support_clips, support_labels, query_clips)
