"""Bi-MHM: the bidirectional mean Hausdorff distance of frames alone, which HyRSM, MoLo and others build on.

    p_c = mean over the shots of class c, frame by frame        d(x, y) = 1 - x·y / (|x| |y| + 0.01) of two frames
    logit = -(sum over frames x of q of min over y of p_c of d + sum over frames y of p_c of min over x of q of d)

It has no parameters beside the backbone's, and is blind to the order of frames but for the mean over shots.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from strmctl.model.enrichment import Clips, Enriched, enrich
from strmctl.model.episode import Features, Logits, match_clips, mean_over_shots
from strmctl.model.layers.correspondence import Correspondence, nearest_of_means
from strmctl.model.layers.frame_distances import cosine_distances_of_pairs, hausdorff


class BiMHM(nn.Module):
    """Nearest frames of a class's mean clip, both ways.

    Args:
        backbone: clips `(N, L, 3, H, W)` to maps `(N, L', D, h, w)`.
        patches: P, patches along each side of a frame, only for attention maps.
    """

    def __init__(self, *, backbone: nn.Module, patches: int = 4) -> None:
        super().__init__()
        self.backbone = backbone
        self.patches = patches

    def enrich(self, clips: Clips) -> Enriched:
        """Clips `(N, L, 3, H, W)`, float in [0, 1], or their `Maps`, to patches and frames."""
        return enrich(clips, backbone=self.backbone, patches=self.patches)

    def embed(self, clips: Clips) -> Features:
        """Each clip's frames: `frames`, `(N, L, D)`."""
        return {"frames": self.enrich(clips).frames}

    def match(self, support: Mapping[str, Tensor], query: Mapping[str, Tensor], mask: Tensor | None = None) -> Logits:
        """Logits `(B, Q, C)` from `support` `(B, C, K, L, D)`, `query` `(B, Q, L, D)` and `mask` `(B, C, K)`."""
        return Logits(-hausdorff(self._distances(support, query, mask)))

    def correspondence(
        self, support: Mapping[str, Tensor], query: Mapping[str, Tensor], mask: Tensor | None = None
    ) -> list[Correspondence]:
        """Likeness of the frames that are nearest to each other; arguments as for `match`."""
        return nearest_of_means(self._distances(support, query, mask), support["frames"].shape[2], mask)

    def _distances(self, support: Mapping[str, Tensor], query: Mapping[str, Tensor], mask: Tensor | None) -> Tensor:
        """Distances between frames of queries and of mean clips, `(B, Q, C, L, L)`."""
        return cosine_distances_of_pairs(query["frames"], mean_over_shots(support["frames"], mask))

    def forward(self, support_clips: Clips, support_labels: Tensor, query_clips: Clips) -> Logits:
        """One episode from its clips; see `match_clips`. Logits `(Q, C)`."""
        return match_clips(self, support_clips, support_labels, query_clips)
