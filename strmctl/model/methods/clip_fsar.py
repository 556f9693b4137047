"""CLIP-FSAR (Wang et al., IJCV 2023): prototypes that the names of their classes refine.

    x        frames of a clip, projected to the width d of the texts       t_c = text("a photo of {name of class c}")
    q, p_c   layer(x) of the query; layer([mean over shots of x; t_c]) of class c, without its last element
    match    logit = -(alignment of the frames of q to those of p_c + the other way round), as OTAM's, smoothed by 0.5
    text     scale · cos(mean over frames of x, t_c), scale learned
    loss     cross-entropy of match + alpha · cross-entropy of text, of all clips among all training classes
    test     match, or with a weight w of the text: softmax(text)^w · softmax(-distance / L)^(1 - w), normalised

An episode must carry the names of its classes, which other methods do not see. The text tower stays as it is. One
departure: the authors' frames are CLIP's own, as wide as the texts; here any backbone's mean over its map takes their
place, and where its width D is not d, a learned projection without bias follows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from strmctl.model.backbones.build import Backbone
from strmctl.model.enrichment import Clips, Enriched, enrich
from strmctl.model.episode import Features, Logits, Truth, match_clips, mean_over_shots
from strmctl.model.layers.attention import TransformerLayer
from strmctl.model.layers.frame_distances import alignment, cosine_distances
from strmctl.model.seeding import seeded


class CLIPFSAR(nn.Module):
    """Prototypes of frames and a text, along a soft alignment.

    Args:
        backbone: frames `(N·L, 3, H, W)` to maps `(N·L, D, h, w)`.
        text_tower: names of classes to texts `(T, d)`.
        projection: frames `(…, D)` to `(…, d)`.
        layer: transformer layer on `(…, T, d)`.
        text_loss_weight: alpha, the weight of the text in the loss.
        text_weight: weight of the text in a test, from 0 to 1.
        smoothing: lambda of softmin.
        patches: P, patches along each side of a frame, only for attention maps.
    """

    terms = ("match", "text")

    def __init__(
        self,
        *,
        backbone: nn.Module,
        text_tower: nn.Module,
        projection: nn.Module,
        layer: nn.Module,
        text_loss_weight: float = 1.5,
        text_weight: float = 0.0,
        smoothing: float = 0.5,
        patches: int = 4,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.text_tower = text_tower
        self.projection = projection
        self.layer = layer
        self.scale = nn.Parameter(torch.ones(()))
        self.text_loss_weight = text_loss_weight
        self.text_weight = text_weight
        self.smoothing = smoothing
        self.patches = patches

    def text(self, names: Sequence[str]) -> Tensor:
        """Texts of class names, `(T, d)`."""
        return self.text_tower(names)

    def enrich(self, clips: Clips) -> Enriched:
        """Clips `(N, L, 3, H, W)`, float in [0, 1], or their `Maps`, to patches and frames."""
        return enrich(clips, backbone=self.backbone, patches=self.patches)

    def embed(self, clips: Clips) -> Features:
        """Each clip's frames as they are and as a query's, `frames` and `context`, `(N, L, d)`."""
        frames = self.projection(self.enrich(clips).frames)
        return {"frames": frames, "context": self.layer(frames)}

    def match(self, support: Mapping[str, Tensor], query: Mapping[str, Tensor], mask: Tensor | None = None) -> Logits:
        """Logits `(B, Q, C)`, and those of the text in `other`; in training, the text has no weight in the former.

        Args:
            support: output of `embed`, `(B, C, K, …)`, and `text`, `(B, C, K, d)`.
            query: output of `embed`, `(B, Q, …)`.
            mask: `(B, C, K)`, True where the shot exists; None when all do.

        Raises:
            ValueError: the support has no `text`.
        """
        if "text" not in support:
            raise ValueError("clip_fsar compares clips with the names of their classes: give them as names=[…]")
        text = support["text"][:, :, 0]  # (B, C, d)
        prototypes = torch.cat([mean_over_shots(support["frames"], mask), text[:, :, None]], dim=2)  # (B, C, L + 1, d)
        prototypes = self.layer(prototypes)[:, None, :, :-1]  # (B, 1, C, L, d)
        distances = cosine_distances(query["context"][:, :, None], prototypes)  # (B, Q, C, L, L)
        both = torch.stack([distances, distances.transpose(-2, -1)])  # (2, B, Q, C, L, L)
        matched = -alignment(both, self.smoothing).sum(dim=0)  # (B, Q, C)
        of_text = self._of_text(query["frames"], text)  # (B, Q, C)
        if self.training or not self.text_weight:
            return Logits(matched, other=of_text)
        few = matched / distances.shape[-1]
        return Logits(self.text_weight * of_text + (1 - self.text_weight) * few, other=of_text)

    def _of_text(self, frames: Tensor, text: Tensor) -> Tensor:
        """Logits of clips `(…, L, d)`, of each text: `(…, S, L, d)` and `(…, T, d)` to `(…, S, T)`."""
        return self.scale * (1 - cosine_distances(frames.mean(dim=-2), text))

    def losses(
        self, logits: Logits, support: Mapping[str, Tensor], query: Mapping[str, Tensor], truth: Truth
    ) -> dict[str, Tensor]:
        """Cross-entropy of the match, and alpha times that of the text, of all clips among all training classes."""
        texts = self.text(truth.names)  # (T, d)
        of_text = [self._of_text(side["frames"], texts) for side in (support, query)]  # (B, C, K, T) and (B, Q, T)
        return {
            "match": truth.cross_entropy(logits.total),
            "text": self.text_loss_weight * truth.class_cross_entropy(*of_text),
        }

    def forward(
        self,
        support_clips: Clips,
        support_labels: Tensor,
        query_clips: Clips,
        names: Sequence[str] | None = None,
    ) -> Logits:
        """One episode from its clips; see `match_clips`. Logits `(Q, C)`; `names[c]` is the class of column c."""
        return match_clips(self, support_clips, support_labels, query_clips, names)


def build_clip_fsar(
    *,
    backbone: Backbone,
    text_tower: nn.Module,
    text_loss_weight: float = 1.5,
    text_weight: float = 0.0,
    smoothing: float = 0.5,
    patches: int = 4,
    seed: int = 0,
) -> CLIPFSAR:
    """Builds CLIP-FSAR, initialised from its seed; other arguments as for the class."""
    width = text_tower.dim
    with seeded(seed, "clip_fsar.projection"):
        projection = nn.Identity() if backbone.dim == width else nn.Linear(backbone.dim, width, bias=False)
    with seeded(seed, "clip_fsar.layer"):
        layer = TransformerLayer(channels=width)
    return CLIPFSAR(
        backbone=backbone,
        text_tower=text_tower,
        projection=projection,
        layer=layer,
        text_loss_weight=text_loss_weight,
        text_weight=text_weight,
        smoothing=smoothing,
        patches=patches,
    )
