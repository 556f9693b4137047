"""TEAM (Lee et al., CVPR 2025): clips as a fixed number of pattern tokens, compared token by token, not aligned.

    A(x) = softmax(n(P) n(x)ᵀ / sqrt(D / 8)) n(x)             M learned tokens P, the frames x of a clip, a LayerNorm n
    r(z) = ReLU(z + W_2 ReLU(W_1 z + b_1) + b_2)
    Q+ = r(P + A(q))    Q- = r(P - A(q))                      of a query: what its patterns are, and what they are not
    A_c = A(mean over the shots of class c, frame by frame)    P+_c, P-_c likewise
    P~+_c = mean over other classes o of r(P + A_c - e+ (A_o - A_c))        e+ = cos(P+_c, P+_o), token by token
    P~-_c = mean over other classes o of r(P - A_c + e- (A_o - A_c))        e- = cos(P-_c, P-_o)
    d(x, y) = sum over tokens of 1 - cos(x, y)
    positive = d(P~+_c, Q+)
    negative = (max over other classes o of d(P~+_o, Q-) + max over other classes o of d(P~-_o, Q+)) / 2
    logit = -(positive + negative)        loss = CE(-positive) + CE(-negative)

A class is adapted to those it has to be told from, so that its logit depends on them. The frames carry a tenth of the
sinusoidal encoding. Signs, the places of the two ReLUs, the halves of `negative` with a largest class each, and the
separate cross-entropies were read in copies of the authors' `model.py` and `model_util.py`; their own repository could
not be reached. Theirs draws dropout of A_c anew where a class is adapted, here it is drawn once per class. [ours]
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from strmctl.model.backbones.build import Backbone
from strmctl.model.enrichment import Clips, Enriched, enrich
from strmctl.model.episode import Features, Logits, Truth, match_clips, mean_over_shots
from strmctl.model.positional_encoding import PositionalEncoding
from strmctl.model.seeding import seeded

HEADS = 8  # by which D is divided in the scale of the scores, though there is one head
NUMBERS = 1 << 19  # of the largest tensor while classes are adapted


class PatternTokens(nn.Module):
    """Learned tokens that gather patterns from the frames of a clip.

    Args:
        tokens: M, the number of tokens.
        frames: L, frames per clip.
        channels: D, the width of a frame and of a token.
        dropout: probability of dropout of encoded frames, attention and patterns.
    """

    def __init__(self, *, tokens: int, frames: int, channels: int, dropout: float) -> None:
        super().__init__()
        self.tokens = nn.Parameter(torch.randn(tokens, channels))
        self.encoding = PositionalEncoding(length=frames, channels=channels, dropout=dropout)
        self.norm = nn.LayerNorm(channels)
        self.first, self.last = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, frames: Tensor) -> list[tuple[Tensor, Tensor]]:
        """P + A and P - A of frames `(…, L, D)`, each with its W_1 z + b_1; all `(…, M, D)`."""
        frames = self.norm(self.encoding(frames))  # (…, L, D)
        scores = self.norm(self.tokens) @ frames.transpose(-2, -1) * (HEADS / frames.shape[-1]) ** 0.5  # (…, M, L)
        shares = self.dropout(scores.softmax(dim=-1))
        patterns = self.dropout(shares @ frames)  # A, (…, M, D)
        # W_1 of a mean is the mean of W_1, and there are fewer frames than tokens; in training, dropout is in between.
        weight = self.first.weight
        moved = F.linear(patterns, weight) if self.training else shares @ F.linear(frames, weight)
        fixed = self.first(self.tokens)  # (M, D)
        return [(self.tokens + sign * patterns, fixed + sign * moved) for sign in (1, -1)]

    def refine(self, tokens: Tensor, hidden: Tensor) -> Tensor:
        """The refined tokens r of `(…, M, D)`; `hidden` is W_1 z + b_1, the same shape."""
        return self.last(F.relu(hidden)).add_(tokens).relu_()

    def adapted(self, tokens: Tensor, hidden: Tensor) -> Tensor:
        """P~+ or P~- of each class, from P + A or P - A and its `hidden`, `(B, C, M, D)`; the shape stays.

        A single class has nothing to adapt to.
        """
        refined = self.refine(tokens, hidden)
        episodes, classes, *size = refined.shape
        if classes == 1:
            return refined
        unit = F.normalize(refined, dim=-1)
        away = -torch.einsum("bnmd,bomd->bnom", unit, unit)[..., None]  # -e, (B, C, C, M, 1)
        others = torch.arange(classes - 1, device=refined.device).repeat(classes, 1)
        others = others + (others >= torch.arange(classes, device=refined.device)[:, None])  # (C, C - 1)
        at_a_time = max(1, NUMBERS // (episodes * (classes - 1) * size[0] * size[1]))
        found = []
        for rows in torch.arange(classes, device=refined.device).split(at_a_time):
            columns = others[rows]  # (n, C - 1)
            # P + A_c - e (A_o - A_c) is on the line through P + A_c and P + A_o, and its W_1 on that through theirs:
            # W_1 is computed once per class, not once per pair.
            pairs = [
                torch.lerp(own[:, rows, None], own[:, columns], away[:, rows[:, None], columns])
                for own in (tokens, hidden)
            ]  # (B, n, C - 1, M, D) each
            found.append(self.refine(*pairs).mean(dim=2))  # (B, n, M, D)
        return torch.cat(found, dim=1)


class TEAM(nn.Module):
    """Pattern tokens of a query, compared with those of classes that are adapted to each other.

    Args:
        backbone: clips `(N, L, 3, H, W)` to maps `(N, L', D, h, w)`.
        patterns: frames to patterns, and to tokens with them.
        patches: P, patches along each side of a frame, only for attention maps.
    """

    terms = ("positive", "negative")
    relates_classes = True

    def __init__(self, *, backbone: nn.Module, patterns: PatternTokens, patches: int = 4) -> None:
        super().__init__()
        self.backbone = backbone
        self.patterns = patterns
        self.patches = patches

    def enrich(self, clips: Clips) -> Enriched:
        """Clips `(N, L, 3, H, W)`, float in [0, 1], or their `Maps`, to patches and frames."""
        return enrich(clips, backbone=self.backbone, patches=self.patches)

    def embed(self, clips: Clips) -> Features:
        """Each clip's `frames`, `(N, L, D)`, for a class, and `plus` and `minus`, `(N, M, D)`, for a query.

        The latter have tokens of length 1.
        """
        frames = self.enrich(clips).frames
        plus, minus = (F.normalize(self.patterns.refine(*side), dim=-1) for side in self.patterns(frames))
        return {"frames": frames, "plus": plus, "minus": minus}

    def match(self, support: Mapping[str, Tensor], query: Mapping[str, Tensor], mask: Tensor | None = None) -> Logits:
        """Compare queries with the classes of their episode, B episodes at once.

        Args:
            support: `frames`, `(B, C, K, L, D)`.
            query: `plus` and `minus`, `(B, Q, M, D)`.
            mask: `(B, C, K)`, True where the shot exists.

        Returns:
            Logits `(B, Q, C)`; `other` is minus the positive distance.
        """
        sides = self.patterns(mean_over_shots(support["frames"], mask))  # (B, C, M, D) each
        plus, minus = (F.normalize(self.patterns.adapted(*side), dim=-1) for side in sides)
        positive = distances(query["plus"], plus)  # (B, Q, C)
        negative = farthest_other(distances(query["minus"], plus)) + farthest_other(distances(query["plus"], minus))
        return Logits(-(positive + negative / 2), other=-positive)

    def losses(
        self, logits: Logits, support: Mapping[str, Tensor], query: Mapping[str, Tensor], truth: Truth
    ) -> dict[str, Tensor]:
        """Cross-entropies of both distances."""
        negative = logits.total - logits.other
        return {"positive": truth.cross_entropy(logits.other), "negative": truth.cross_entropy(negative)}

    def forward(self, support_clips: Clips, support_labels: Tensor, query_clips: Clips) -> Logits:
        """One episode from its clips; see `match_clips`. Logits `(Q, C)`."""
        return match_clips(self, support_clips, support_labels, query_clips)


def distances(queries: Tensor, classes: Tensor) -> Tensor:
    """Distances d of tokens of length 1, `(B, Q, M, D)` and `(B, C, M, D)`, to `(B, Q, C)`."""
    return queries.shape[2] - queries.flatten(2) @ classes.flatten(2).transpose(1, 2)


def farthest_other(found: Tensor) -> Tensor:
    """The largest of distances `(B, Q, C)` to the other classes than each, the same shape; 0 without any other."""
    if found.shape[-1] == 1:
        return torch.zeros_like(found)
    own = torch.eye(found.shape[-1], dtype=torch.bool, device=found.device)
    return found[..., None, :].masked_fill(own, -torch.inf).amax(dim=-1)  # (B, Q, C, C) to (B, Q, C)


def build_team(
    *, backbone: Backbone, tokens: int = 60, dropout: float = 0.1, frames: int = 8, patches: int = 4, seed: int = 0
) -> TEAM:
    """Builds TEAM, initialised from its seed; arguments as for the classes above."""
    with seeded(seed, "team"):
        patterns = PatternTokens(tokens=tokens, frames=frames, channels=backbone.dim, dropout=dropout)
    return TEAM(backbone=backbone, patterns=patterns, patches=patches)
