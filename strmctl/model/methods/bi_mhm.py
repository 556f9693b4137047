"""Bi-MHM: the bidirectional mean Hausdorff distance of frames alone, which HyRSM, MoLo and others build on.

    p_c = mean over the shots of class c, frame by frame        d(x, y) = 1 - x·y / (|x| |y| + 0.01) of two frames
    logit = -(sum over frames x of q of min over y of p_c of d + sum over frames y of p_c of min over x of q of d)

It has no parameters beside the backbone's, and is blind to the order of frames but for the mean over shots.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from strmctl.model.correspondence import Correspondence, nearest_weights, single_frames
from strmctl.model.enrichment import Clips, Enriched, enrich
from strmctl.model.episode import Features, Logits, match_clips, mean_over_shots
from strmctl.model.layers.frame_distances import cosine_distances, hausdorff


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
        prototypes = mean_over_shots(support["frames"], mask)[:, None]  # (B, 1, C, L, D)
        return Logits(-hausdorff(cosine_distances(query["frames"][:, :, None], prototypes)))  # (B, Q, C)

    def correspondence(
        self, support: Mapping[str, Tensor], query: Mapping[str, Tensor], mask: Tensor | None = None
    ) -> list[Correspondence]:
        """Likeness of the frames that are nearest to each other, the same for all shots; arguments as for `match`."""
        prototypes = mean_over_shots(support["frames"], mask)[:, None]  # (B, 1, C, L, D)
        similarity = 1 - cosine_distances(query["frames"][:, :, None], prototypes)  # (B, Q, C, L, L)
        similarity = similarity[:, :, :, None].expand(-1, -1, -1, support["frames"].shape[2], -1, -1)
        weights = nearest_weights(similarity, mask, back=True, joint=False)
        words = "cosine of the frames that are nearest to each other; those of a class are means over its shots"
        frames = single_frames(weights.shape[-1])
        return [Correspondence(words, weights, frames, frames)]

    def forward(self, support_clips: Clips, support_labels: Tensor, query_clips: Clips) -> Logits:
        """One episode from its clips; see `match_clips`. Logits `(Q, C)`."""
        return match_clips(self, support_clips, support_labels, query_clips)
