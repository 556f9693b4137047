"""Frame-wise Chamfer similarity with joint matching of the shots, after Chamfer++ (arXiv 2303.16084).

    s(x, y) = x·y / (|x| |y|)                                    of two frames
    to(q, c) = mean over frames x of q of max over frames y of all shots of c of s(x, y)
    back(q, c) = mean over frames y of all shots of c of max over frames x of q of s(x, y)
    logit = scale * to        or        scale * (to + back) / 2

All shots of a class stand side by side, so that a query may be like one of them here and like another one there; no
prototype is made. Of frames, it is blind to their order and has no parameters beside the backbone's.

`chamfer_tuples` is the published head, on frames in place of clips: x and y are tuples of w frames in their order,
concatenated, projected and normalised, LayerNorm(W [h_1 .. h_w] + b), and the scale is learned.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from strmctl.model.backbones.build import Backbone
from strmctl.model.enrichment import Clips, Enriched, enrich
from strmctl.model.episode import Features, Logits, match_clips, mean_over_shots, pick
from strmctl.model.layers.correspondence import Correspondence, nearest_weights, single_frames
from strmctl.model.layers.frame_distances import by_clips
from strmctl.model.seeding import seeded
from strmctl.model.tuples import Tuples, project_positions

Directions = Literal["both", "query"]


class FrameTuples(nn.Module):
    """Tuples of frames, projected: `(N, L, D)` to `(N, T, D')`.

    Args:
        cardinality: w, frames per tuple.
        frames: L, frames per clip.
        channels: D, the width of a frame.
        dim: D', the width of a tuple.
    """

    def __init__(self, *, cardinality: int, frames: int, channels: int, dim: int) -> None:
        super().__init__()
        self.project = nn.Linear(cardinality * channels, dim)
        self.norm = nn.LayerNorm(dim)
        self.tuples = Tuples(frames=frames, cardinality=cardinality)

    def forward(self, frames: Tensor) -> Tensor:
        """All tuples of each clip."""
        return self.norm(self.tuples(project_positions(frames, self.project, self.tuples.cardinality)))  # (N, T, D')


class Chamfer(nn.Module):
    """Nearest frames, or tuples of frames, of a class.

    Args:
        backbone: clips `(N, L, 3, H, W)` to maps `(N, L', D, h, w)`.
        tuples: frames `(N, L, D)` to tuples `(N, T, D')`, which take their place; the scale is then learned. None to
            compare frames as they are.
        directions: `query`, from each frame of the query to its nearest in the class, or `both`, and back.
        scale: factor of the logits, which otherwise lie between -1 and 1, too close together for cross-entropy.
        patches: P, patches along each side of a frame, only for attention maps.
    """

    def __init__(
        self,
        *,
        backbone: nn.Module,
        tuples: nn.Module | None = None,
        directions: Directions = "both",
        scale: float = 10.0,
        patches: int = 4,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.tuples = tuples
        self.directions = directions
        self.scale = scale if tuples is None else nn.Parameter(torch.tensor(scale))
        self.patches = patches

    def enrich(self, clips: Clips) -> Enriched:
        """Clips `(N, L, 3, H, W)`, float in [0, 1], or their `Maps`, to patches and frames."""
        return enrich(clips, backbone=self.backbone, patches=self.patches)

    def embed(self, clips: Clips) -> Features:
        """Each clip's frames, of length 1: `frames`, `(N, L, D)`; or its tuples, `(N, T, D')`."""
        frames = self.enrich(clips).frames
        return {"frames": F.normalize(frames if self.tuples is None else self.tuples(frames), dim=-1)}

    def match(self, support: Mapping[str, Tensor], query: Mapping[str, Tensor], mask: Tensor | None = None) -> Logits:
        """Logits `(B, Q, C)` from `support` `(B, C, K, L, D)`, `query` `(B, Q, L, D)` and `mask` `(B, C, K)`."""
        return self._logits(*self._nearest(self._similarity(support["frames"], query["frames"])), mask)

    @staticmethod
    def _similarity(shots: Tensor, queries: Tensor) -> Tensor:
        """Cosines of frames, `(B, C, K, L, D)` and `(B, Q, L, D)` to `(B, C, K, Q, L, L)`, the query's in rows."""
        similarity = queries.flatten(1, 2) @ shots.flatten(1, 3).transpose(1, 2)  # (B, Q·L, C·K·L)
        return by_clips(similarity, queries=queries.shape[1], shots=shots.shape[1:4])

    def correspondence(
        self, support: Mapping[str, Tensor], query: Mapping[str, Tensor], mask: Tensor | None = None
    ) -> list[Correspondence]:
        """Cosines of the frames, or tuples, that are nearest to each other; arguments as for `match`."""
        similarity = self._similarity(support["frames"], query["frames"]).permute(
            0, 3, 1, 2, 4, 5
        )  # (B, Q, C, K, L, L)
        weights = nearest_weights(similarity, mask, back=self.directions == "both", joint=True)
        frames = single_frames(weights.shape[-1]) if self.tuples is None else self.tuples.tuples.indices
        what = "frames" if self.tuples is None else "tuples of frames"
        return [Correspondence(f"cosine of the {what} that are nearest to each other", weights, frames, frames)]

    def pairs(self, support: Mapping[str, Tensor], query: Mapping[str, Tensor]) -> Features:
        """What M clips and N decide: `to`, `(M, N, L)`, and `back`, `(M, N)`; see `_nearest`."""
        shots, queries = support["frames"], query["frames"]
        similarity = queries.flatten(0, 1) @ shots.flatten(0, 1).T  # (M·L, N·L)
        similarity = similarity.unflatten(1, shots.shape[:2]).unflatten(0, queries.shape[:2])  # (M, L, N, L)
        to, back = self._nearest(similarity.transpose(1, 2))
        return {"to": to} if back is None else {"to": to, "back": back}

    def match_pairs(self, tables: Mapping[str, Tensor], support: Tensor, query: Tensor) -> Logits:
        """Like `match`, from tables `(N, N, …)` and rows, `(B, C, K)` and `(B, Q)`."""
        found = {name: pick(table, query[:, None, None], support[..., None]) for name, table in tables.items()}
        return self._logits(found["to"], found.get("back"), None)  # (B, C, K, Q, L) and (B, C, K, Q)

    def _nearest(self, similarity: Tensor) -> tuple[Tensor, Tensor | None]:
        """How near each frame of the query is to the shot, `(…, L)`, and the frames of the shot to the query, `(…)`.

        The latter is a mean over frames, and None where it does not count. `similarity`: `(…, L, L)`, query in rows.
        """
        return similarity.amax(dim=-1), similarity.amax(dim=-2).mean(dim=-1) if self.directions == "both" else None

    def _logits(self, to: Tensor, back: Tensor | None, mask: Tensor | None) -> Logits:
        """Logits `(B, Q, C)` from `(B, C, K, Q, L)`, `(B, C, K, Q)` and the mask `(B, C, K)`."""
        if mask is not None:
            to = to.where(mask[..., None, None], -2)  # less than any cosine
        similarity = to.amax(dim=2).mean(dim=-1)  # (B, C, Q)
        if back is not None:
            similarity = (similarity + mean_over_shots(back, mask)) / 2
        return Logits(self.scale * similarity.transpose(1, 2))  # (B, Q, C)

    def forward(self, support_clips: Clips, support_labels: Tensor, query_clips: Clips) -> Logits:
        """One episode from its clips; see `match_clips`. Logits `(Q, C)`."""
        return match_clips(self, support_clips, support_labels, query_clips)


def build_chamfer_tuples(
    *,
    backbone: Backbone,
    cardinality: int = 2,
    dim: int = 1152,
    directions: Directions = "both",
    scale: float = 10.0,
    frames: int = 8,
    patches: int = 4,
    seed: int = 0,
) -> Chamfer:
    """Builds Chamfer++ on tuples of frames, initialised from its seed; other arguments as for the classes above."""
    with seeded(seed, "chamfer_tuples"):
        tuples = FrameTuples(cardinality=cardinality, frames=frames, channels=backbone.dim, dim=dim)
    return Chamfer(backbone=backbone, tuples=tuples, directions=directions, scale=scale, patches=patches)
