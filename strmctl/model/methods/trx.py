"""TRX (Perrett et al., CVPR 2021): temporal relations straight on the backbone's frames.

With cardinalities {2, 3} it is TRX as published; with {2} it is the STRM paper's baseline, TRM. Logits of several
cardinalities are summed, as in Eq. 1 of the STRM paper; the released TRX code takes their mean.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from strmctl.model.enrichment import Enriched, enrich
from strmctl.model.episode import Features, Logits, match_clips


class TRX(nn.Module):
    """Backbone and temporal relations.

    Args:
        backbone: frames `(N·L, 3, H, W)` to maps `(N·L, D, h, w)`.
        temporal_relations: TRM, with `embed` and `match`.
        patches: P, patches along each side of a frame, for attention maps alone.
    """

    def __init__(self, *, backbone: nn.Module, temporal_relations: nn.Module, patches: int = 4) -> None:
        super().__init__()
        self.backbone = backbone
        self.temporal_relations = temporal_relations
        self.patches = patches

    def enrich(self, clips: Tensor) -> Enriched:
        """Clips `(N, L, 3, H, W)`, float in [0, 1], to patches and frames."""
        return enrich(clips, backbone=self.backbone, patches=self.patches)

    def embed(self, clips: Tensor) -> Features:
        """Projections of each clip's frames: `trm{w}.key` and `trm{w}.value`, `(N, w, L, D')`."""
        return self.temporal_relations.embed(self.enrich(clips).frames)

    def match(self, support: Mapping[str, Tensor], query: Mapping[str, Tensor], mask: Tensor | None = None) -> Logits:
        """Logits `(B, Q, C)` from `support` `(B, C, K, …)`, `query` `(B, Q, …)` and `mask` `(B, C, K)`."""
        trm = self.temporal_relations.match(support, query, mask)
        return Logits(trm, trm)

    def forward(self, support_clips: Tensor, support_labels: Tensor, query_clips: Tensor) -> Logits:
        """One episode from its clips; see `match_clips`. Logits `(Q, C)`."""
        return match_clips(self, support_clips, support_labels, query_clips)
