"""TARN (Bishay et al., BMVC 2019): a query's segments, compared one by one with what of a shot is aligned to them.

    s_i, q_j                                         both directions of a GRU over the frames of a shot and of the query
    h_j = sum over i of softmax_i(s_i · W q_j) s_i   what of the shot is aligned to q_j
    m_j = one of
        multiply         q_j * h_j
        subtract         q_j - h_j
        cosine_euclid    [cos(q_j, h_j), |q_j - h_j| / sqrt(D')]      D', the width of a segment
        nn               ReLU(W' [q_j; h_j] + b')
        submultnn        ReLU(W' [(q_j - h_j)²; q_j * h_j] + b')
    score = w · GRU(m_1 .. m_L) + b                  the last state of a GRU in one direction
    logit = mean of the scores over the shots of a class

The paper could not be read beyond its beginning. Widths, the first three comparisons and the mean over shots are those
of an unofficial implementation (Seleucia/TARN), which compares by cosine and distance unless told otherwise. [ours]:
L frames stand for the paper's segments of 16 frames; distances are divided by sqrt(D'): without that they are near 8
after 30 training episodes of sprites, where the second GRU saturates and gives all pairs the same score; the softmax is
over the shot's segments, so that h_j is a mean, where the unofficial one is over the query's, and W's bias, which then
does nothing, is left out; the loss is cross-entropy of the scores, as a summary of the paper has it, where the
unofficial one is binary, pair by pair.
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
from strmctl.model.layers.correspondence import Correspondence, single_frames
from strmctl.model.seeding import seeded

Comparison = Literal["multiply", "subtract", "cosine_euclid", "nn", "submultnn"]
NUMBERS = 1 << 24  # in a tensor of all pairs of clips, beyond which fewer queries are compared at a time


class Compare(nn.Module):
    """How like a segment is to what is aligned to it: both `(…, D')` to `(…, width)`.

    Args:
        comparison: which of the five.
        dim: D', the width of a segment.

    Attributes:
        width: width of the result.
    """

    def __init__(self, *, comparison: Comparison, dim: int) -> None:
        super().__init__()
        self.comparison = comparison
        self.width = 2 if comparison == "cosine_euclid" else dim
        self.project = nn.Linear(2 * dim, dim) if comparison in ("nn", "submultnn") else None

    def forward(self, segments: Tensor, aligned: Tensor) -> Tensor:
        """The comparison of each segment; the shapes broadcast."""
        if self.comparison == "multiply":
            return segments * aligned
        if self.comparison == "subtract":
            return segments - aligned
        if self.comparison == "cosine_euclid":
            distance = (segments - aligned).norm(dim=-1) / segments.shape[-1] ** 0.5
            return torch.stack([F.cosine_similarity(segments, aligned, dim=-1), distance], dim=-1)
        if self.comparison == "nn":
            parts = [segments.expand_as(aligned), aligned]
        else:
            parts = [(segments - aligned).square(), segments * aligned]
        return F.relu(self.project(torch.cat(parts, dim=-1)))


class TARN(nn.Module):
    """A learned comparison of each query with each shot.

    Args:
        backbone: clips `(N, L, 3, H, W)` to maps `(N, L', D, h, w)`.
        hidden: width of the state of each GRU; segments have twice that.
        comparison: how a segment is compared with what is aligned to it.
        patches: P, patches along each side of a frame, only for attention maps.
    """

    def __init__(
        self, *, backbone: Backbone, hidden: int = 256, comparison: Comparison = "cosine_euclid", patches: int = 4
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.segments = nn.GRU(backbone.dim, hidden, batch_first=True, bidirectional=True)
        self.align = nn.Linear(2 * hidden, 2 * hidden, bias=False)
        self.compare = Compare(comparison=comparison, dim=2 * hidden)
        self.aggregate = nn.GRU(self.compare.width, hidden, batch_first=True)
        self.score = nn.Linear(hidden, 1)
        self.patches = patches

    def enrich(self, clips: Clips) -> Enriched:
        """Clips `(N, L, 3, H, W)`, float in [0, 1], or their `Maps`, to patches and frames."""
        return enrich(clips, backbone=self.backbone, patches=self.patches)

    def embed(self, clips: Clips) -> Features:
        """Each clip's `segments`, `(N, L, D')`, and what they are aligned by as a shot, `keys`, the same shape."""
        segments = self.segments(self.enrich(clips).frames)[0]  # (N, L, D')
        return {"segments": segments, "keys": self.align(segments)}

    def match(self, support: Mapping[str, Tensor], query: Mapping[str, Tensor], mask: Tensor | None = None) -> Logits:
        """Logits `(B, Q, C)` from `support` `(B, C, K, L, D')`, `query` `(B, Q, L, D')` and `mask` `(B, C, K)`."""
        shots = {name: value.flatten(1, 2) for name, value in support.items()}  # (B, C·K, L, D')
        scores = self._scores(shots, query).unflatten(2, support["segments"].shape[1:3])  # (B, Q, C, K)
        return Logits(mean_over_shots(scores.permute(0, 2, 3, 1), mask).transpose(1, 2))

    def pairs(self, support: Mapping[str, Tensor], query: Mapping[str, Tensor]) -> Features:
        """Table `score`, `(M, N)`, of each of M queries with each of N shots."""
        shots, queries = ({name: value[None] for name, value in side.items()} for side in (support, query))
        return {"score": self._scores(shots, queries)[0]}

    def match_pairs(self, tables: Mapping[str, Tensor], support: Tensor, query: Tensor) -> Logits:
        """Like `match`, from tables `(N, N)` and rows, `(B, C, K)` and `(B, Q)`."""
        scores = pick(tables["score"], query[:, None, None], support[..., None])  # (B, C, K, Q)
        return Logits(mean_over_shots(scores, None).transpose(1, 2))

    def _scores(self, shots: Mapping[str, Tensor], query: Mapping[str, Tensor]) -> Tensor:
        """Scores `(B, Q, S)` of each query, `(B, Q, L, D')`, with each of S shots, `(B, S, L, D')`."""
        episodes, count, length, dim = shots["segments"].shape
        at_a_time = max(1, NUMBERS // (episodes * count * length * max(dim, 3 * self.aggregate.hidden_size)))
        some = query["segments"].split(at_a_time, dim=1)
        return torch.cat([self._scores_of(shots["segments"], shots["keys"], part) for part in some], dim=1)

    def _scores_of(self, shots: Tensor, keys: Tensor, queries: Tensor) -> Tensor:
        aligned = self._alignment(keys, queries) @ shots[:, None]  # (B, Q, S, L, D')
        compared = self.compare(queries[:, :, None], aligned)  # (B, Q, S, L, width)
        last = self.aggregate(compared.flatten(0, 2))[1][0]  # (B·Q·S, hidden)
        return self.score(last).view(aligned.shape[:3])

    @staticmethod
    def _alignment(keys: Tensor, queries: Tensor) -> Tensor:
        """What share each segment of a shot has in what is aligned to a query's segment, `(B, Q, S, L, L)`."""
        fit = queries.flatten(1, 2) @ keys.flatten(1, 2).transpose(1, 2)  # (B, Q·L, S·L)
        fit = fit.unflatten(2, keys.shape[1:3]).unflatten(1, queries.shape[1:3])  # (B, Q, L, S, L)
        return fit.transpose(2, 3).softmax(dim=-1)

    def correspondence(
        self, support: Mapping[str, Tensor], query: Mapping[str, Tensor], mask: Tensor | None = None
    ) -> list[Correspondence]:
        """How far a shot's segments are aligned to each of a query's; arguments as for `match`."""
        shares = self._alignment(support["keys"].flatten(1, 2), query["segments"])  # (B, Q, C·K, L, L)
        weights = shares.unflatten(2, support["keys"].shape[1:3])  # (B, Q, C, K, L, L)
        if mask is not None:
            weights = weights.where(mask[:, None, :, :, None, None], 0)
        frames = single_frames(weights.shape[-1])
        words = "share of a shot's frame in what is aligned to the query's, which adds up to 1 over the shot"
        return [Correspondence(words, weights, frames, frames)]

    def forward(self, support_clips: Clips, support_labels: Tensor, query_clips: Clips) -> Logits:
        """One episode from its clips; see `match_clips`. Logits `(Q, C)`."""
        return match_clips(self, support_clips, support_labels, query_clips)


def build_tarn(
    *,
    backbone: Backbone,
    hidden: int = 256,
    comparison: Comparison = "cosine_euclid",
    patches: int = 4,
    seed: int = 0,
) -> TARN:
    """Builds TARN, initialised from its seed; arguments as for the class above."""
    with seeded(seed, "tarn"):
        return TARN(backbone=backbone, hidden=hidden, comparison=comparison, patches=patches)
