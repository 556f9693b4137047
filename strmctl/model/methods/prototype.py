"""Prototypes of mean features (the TSN baseline): ProtoNet (Snell et al., NeurIPS 2017) on the mean over frames.

    p_c = mean of the support clips of class c        logit = -|q - p_c|²        or        scale * q·p_c / (|q| |p_c|)

It is blind to the order of frames and cannot tell a motion from the same one played backwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from strmctl.model.enrichment import Clips, Enriched, enrich
from strmctl.model.episode import Features, Logits, match_clips, mean_over_shots


class Prototype(nn.Module):
    """Distance of mean features to class means.

    Args:
        backbone: clips `(N, L, 3, H, W)` to maps `(N, L', D, h, w)`.
        distance: `squared`, squared Euclidean distance, or `cosine`.
        scale: factor of cosine logits, which otherwise lie between -1 and 1, too close together for cross-entropy.
        patches: P, patches along each side of a frame, only for attention maps.
    """

    def __init__(
        self,
        *,
        backbone: nn.Module,
        distance: Literal["squared", "cosine"] = "squared",
        scale: float = 10.0,
        patches: int = 4,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.distance = distance
        self.scale = scale
        self.patches = patches

    def enrich(self, clips: Clips) -> Enriched:
        """Clips `(N, L, 3, H, W)`, float in [0, 1], or their `Maps`, to patches and frames."""
        return enrich(clips, backbone=self.backbone, patches=self.patches)

    def embed(self, clips: Clips) -> Features:
        """The mean over each clip's frames: `mean`, `(N, D)`."""
        return {"mean": self.enrich(clips).frames.mean(dim=1)}  # (N, D)

    def match(self, support: Mapping[str, Tensor], query: Mapping[str, Tensor], mask: Tensor | None = None) -> Logits:
        """Logits `(B, Q, C)` from `support` `(B, C, K, D)`, `query` `(B, Q, D)` and `mask` `(B, C, K)`."""
        prototypes = mean_over_shots(support["mean"], mask)[:, None]  # (B, 1, C, D)
        queries = query["mean"][:, :, None]  # (B, Q, 1, D)
        if self.distance == "cosine":
            return Logits(self.scale * F.cosine_similarity(queries, prototypes, dim=-1))  # (B, Q, C)
        return Logits(-(queries - prototypes).square().sum(dim=-1))  # (B, Q, C)

    def forward(self, support_clips: Clips, support_labels: Tensor, query_clips: Clips) -> Logits:
        """One episode from its clips; see `match_clips`. Logits `(Q, C)`."""
        return match_clips(self, support_clips, support_labels, query_clips)
