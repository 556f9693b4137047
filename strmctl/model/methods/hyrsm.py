"""HyRSM (Wang et al., CVPR 2022): frames that know their clip, then the other clips of the episode. And HyRSM++.

    x = relu(layer(positions(H)))                   each frame attends to its clip: attention without a network
    p_c = mean over the shots of class c            frame by frame, x of a query stays as it is
    t_1 .. t_C, t_q = means over the frames of p_1 .. p_C and of one query
    u = relu(LN(t + attention(t)))                  the tokens of C classes and one query attend to each other
    z = W [x ; u] + b                               each frame with the token of its clip
    logit = -(Bi-MHM of z of the query and of the class), with 1 - cosine between frames

Loss: cross-entropy of the logits, and `class_weight` times that of each frame x among all training classes. The classes
are as one query sees them, so z of a class is another one for each query.

A class is the mean of its shots however many there are, as in the authors' `CNN_HyRSM_5shot`, which they use for 2 to 5
shots. `CNN_HyRSM_1shot`, in which each shot is a token of its own, is the same thing for one shot.

HyRSM++ is the same model with one more loss, which keeps frames z of one clip alike where they are near in time and
apart where they are not; d_ij is 1 - cosine of frames i and j, n = |i - j|, and the mean is over all i and j:

    d_ij / (n^2 + 1)                                           where n <= window
    balance * relu(1 - exp(-(n - window)^2 / spread) - d_ij)   elsewhere

The loss is the mean of classes as all queries see them plus that of queries. This was read in the authors' code,
`CNN_HyRSM_plusplus_5shot`: both lines, which z they are of, and the means. The default values are those of their
experiment with 5 shots of SSv2-Full.

Products with a matrix and means over frames and shots may be taken in any order. So `embed` has W x of each frame, and
queries, keys and values of each token, and `match` takes their means over shots.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from strmctl.model.backbones.build import Backbone
from strmctl.model.enrichment import Clips, Enriched, enrich
from strmctl.model.episode import Features, Logits, Truth, match_clips, mean_over_shots
from strmctl.model.layers.attention import MultiHeadAttention, TransformerLayer
from strmctl.model.layers.correspondence import Correspondence, nearest_of_means
from strmctl.model.layers.frame_distances import hausdorff
from strmctl.model.layers.scaled_positions import ScaledPositions
from strmctl.model.seeding import seeded

LARGEST = 1 << 26  # numbers of all classes as some queries see them; more are compared a few queries at a time


class TaskRelation(nn.Module):
    """The clips of an episode attend to each other, and each tells its frames what it found.

    Args:
        channels: D, the width of a frame.
        heads: number of heads.
        dropout: probability of dropout on the result of attention.
        attention_dropout: probability of dropout on its weights.
    """

    def __init__(self, *, channels: int, heads: int, dropout: float, attention_dropout: float) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(
            channels=channels, heads=heads, dropout=dropout, attention_dropout=attention_dropout
        )
        nn.init.normal_(self.attention.inputs.weight, std=(2 / (channels + self.attention.width)) ** 0.5)
        nn.init.xavier_normal_(self.attention.output.weight)
        self.norm = nn.LayerNorm(channels)
        self.fuse = nn.Linear(2 * channels, channels)

    def embed(self, frames: Tensor) -> Features:
        """What a clip decides, from its frames x `(N, L, D)`: `frames`, W x, `(N, L, D)`, `token` and `projected`."""
        token = frames.mean(dim=1)  # (N, D)
        fused = F.linear(frames, self.fuse.weight[:, : frames.shape[-1]])
        return {"frames": fused, "token": token, "projected": self.attention.project(token)}

    def forward(self, support: Mapping[str, Tensor], query: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Frames z of classes, `(B, Q, C, L, D)`, and of queries, `(B, Q, L, D)`, from outputs of `embed`.

        Args:
            support: means over shots, `(B, C, …)`.
            query: `(B, Q, …)`.
        """
        queries = query["token"].shape[1]

        def together(name: str) -> Tensor:
            """The classes, then one query: (B, Q, C + 1, …)."""
            return torch.cat([support[name][:, None].expand(-1, queries, -1, -1), query[name][:, :, None]], dim=2)

        tokens = F.relu(self.norm(together("token") + self.attention.mix(together("projected"))))
        told = F.linear(tokens, self.fuse.weight[:, tokens.shape[-1] :], self.fuse.bias)  # (B, Q, C + 1, D)
        return support["frames"][:, None] + told[:, :, :-1, None], query["frames"] + told[:, :, -1, None]


class Coherence(nn.Module):
    """How little the frames of a clip follow its time; see the formula above.

    Args:
        frames: L, frames per clip.
        window: largest distance in time at which frames should be alike.
        spread: how slowly the margin between other frames grows with their distance in time.
        balance: weight of the frames that should be apart.
    """

    def __init__(self, *, frames: int, window: int, spread: float, balance: float) -> None:
        super().__init__()
        number = torch.arange(frames, dtype=torch.float64)
        apart = (number[:, None] - number).abs()  # (L, L)
        self.balance = balance
        self.register_buffer("near", apart <= window, persistent=False)
        self.register_buffer("share", 1 / (apart**2 + 1), persistent=False)
        self.register_buffer("margin", 1 - torch.exp(-((apart - window) ** 2) / spread), persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """Frames of length 1, `(…, L, D)`, to one number per clip, `(…)`."""
        distances = 1 - frames @ frames.transpose(-2, -1)  # (…, L, L)
        alike = self.share.to(frames.dtype) * distances
        apart = self.balance * F.relu(self.margin.to(frames.dtype) - distances)
        return torch.where(self.near, alike, apart).mean(dim=(-2, -1))


class HyRSM(nn.Module):
    """Relations within each clip and among the clips of an episode, then Bi-MHM.

    Args:
        backbone: clips `(N, L, 3, H, W)` to maps `(N, L', D, h, w)`.
        positions: positional encoding of frames.
        within: layer in which the frames of a clip attend to each other.
        among: `TaskRelation`.
        class_weight: lambda, the weight of the cross-entropy over all training classes; 0 leaves it out.
        coherence: module that measures incoherence of clips; None for HyRSM.
        coherence_weight: weight of that loss.
        patches: P, patches along each side of a frame, only for attention maps.
    """

    relates_classes = True

    def __init__(
        self,
        *,
        backbone: Backbone,
        positions: nn.Module,
        within: nn.Module,
        among: nn.Module,
        class_weight: float = 0.6,
        coherence: nn.Module | None = None,
        coherence_weight: float = 0.3,
        patches: int = 4,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.positions = positions
        self.within = within
        self.among = among
        self.class_weight = class_weight
        self.coherence = coherence
        self.coherence_weight = coherence_weight
        self.patches = patches
        self.training_only: nn.Module | None = None

    def prepare_training(self, classes: int) -> None:
        """Makes the classifier of frames for a number of training classes."""
        self.training_only = nn.Linear(self.backbone.dim, classes) if self.class_weight else None

    def enrich(self, clips: Clips) -> Enriched:
        """Clips `(N, L, 3, H, W)`, float in [0, 1], or their `Maps`, to patches and frames."""
        return enrich(clips, backbone=self.backbone, patches=self.patches)

    def embed(self, clips: Clips) -> Features:
        """What a clip decides on its own; in training also `classes`, logits of each frame, `(N, L, classes)`."""
        frames = F.relu(self.within(self.positions(self.enrich(clips).frames)))  # (N, L, D)
        features = self.among.embed(frames)
        if self.training and self.training_only is not None:
            features["classes"] = self.training_only(frames)
        return features

    def match(self, support: Mapping[str, Tensor], query: Mapping[str, Tensor], mask: Tensor | None = None) -> Logits:
        """Logits `(B, Q, C)` from outputs of `embed`, `(B, C, K, …)` and `(B, Q, …)`, and `mask` `(B, C, K)`.

        In training, `other` holds the incoherence of each class as each query sees it, and of the query itself,
        `(B, Q, C + 1)`.
        """
        means = self._means(support, mask)
        most = max(1, LARGEST // means["frames"].numel())
        parts = []
        for first in range(0, query["token"].shape[1], most):
            classes, queries = self._related(
                means, {name: value[:, first : first + most] for name, value in query.items()}
            )
            parts.append([-hausdorff(self._distances(classes, queries))])
            if self.training and self.coherence is not None:
                parts[-1].append(torch.cat([self.coherence(classes), self.coherence(queries)[..., None]], dim=-1))
        total, *other = (torch.cat(part, dim=1) for part in zip(*parts, strict=True))
        return Logits(total, other=other[0] if other else None)

    def correspondence(
        self, support: Mapping[str, Tensor], query: Mapping[str, Tensor], mask: Tensor | None = None
    ) -> list[Correspondence]:
        """Likeness of the frames that are nearest to each other; arguments as for `match`."""
        distances = self._distances(*self._related(self._means(support, mask), query))
        return nearest_of_means(distances, support["frames"].shape[2], mask)

    @staticmethod
    def _means(support: Mapping[str, Tensor], mask: Tensor | None) -> Features:
        """The classes, `(B, C, …)`."""
        return {name: mean_over_shots(support[name], mask) for name in ("frames", "token", "projected")}

    def _related(self, means: Mapping[str, Tensor], query: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Frames z, of length 1, of classes `(B, Q, C, L, D)` and of queries `(B, Q, L, D)`."""
        classes, queries = self.among(means, query)
        return F.normalize(classes, dim=-1), F.normalize(queries, dim=-1)

    @staticmethod
    def _distances(classes: Tensor, queries: Tensor) -> Tensor:
        """Cosine distances of frames, `(B, Q, C, L, L)`, queries in rows."""
        return 1 - queries[:, :, None] @ classes.transpose(-2, -1)

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the losses, where there are several."""
        more = {"class": self.training_only is not None, "coherence": self.coherence is not None}
        return ("match", *(name for name, there in more.items() if there)) if any(more.values()) else ()

    def losses(
        self, logits: Logits, support: Mapping[str, Tensor], query: Mapping[str, Tensor], truth: Truth
    ) -> dict[str, Tensor]:
        """Cross-entropy of the logits, that of frames among all training classes, and incoherence, with weights."""
        found = {"match": truth.cross_entropy(logits.total)}
        if self.training_only is not None:
            found["class"] = self.class_weight * truth.class_cross_entropy(support["classes"], query["classes"])
        if self.coherence is not None:
            classes, queries = logits.other[..., :-1], logits.other[..., -1]
            found["coherence"] = self.coherence_weight * truth.beside(classes.mean() + queries.mean())
        return found

    def forward(self, support_clips: Clips, support_labels: Tensor, query_clips: Clips) -> Logits:
        """One episode from its clips; see `match_clips`. Logits `(Q, C)`."""
        return match_clips(self, support_clips, support_labels, query_clips)


def build_hyrsm(
    *,
    backbone: Backbone,
    frames: int = 8,
    heads: int = 8,
    position_a: float = 10.0,
    position_b: float = 1.0,
    position_dropout: float = 0.1,
    clip_dropout: float = 0.2,
    task_dropout: float = 0.05,
    attention_dropout: float = 0.1,
    class_weight: float = 0.6,
    coherence_weight: float = 0.0,
    coherence_window: int = 1,
    coherence_spread: float = 51.0,
    coherence_balance: float = 10.0,
    patches: int = 4,
    seed: int = 0,
) -> HyRSM:
    """Builds HyRSM, or HyRSM++ with a weight of coherence; every block is initialised from (seed, its path) alone.

    Args:
        backbone: network from frames to maps.
        frames: L, frames per clip.
        heads: number of heads of both attentions.
        position_a: A of the positional encoding.
        position_b: B of the positional encoding.
        position_dropout: probability of dropout after the positional encoding.
        clip_dropout: probability of dropout on the result of attention within a clip.
        task_dropout: probability of dropout on the result of attention among clips.
        attention_dropout: probability of dropout on the weights of the latter.
        class_weight: as for `HyRSM`.
        coherence_weight: weight of the loss that makes HyRSM++; 0 leaves it out.
        coherence_window: as for `Coherence`, likewise the next two.
        coherence_spread: see there.
        coherence_balance: see there.
        patches: P, patches along each side of a frame, only for attention maps.
        seed: seed of all initial weights.
    """
    size = {"channels": backbone.dim, "heads": heads}
    with seeded(seed, "within"):
        within = TransformerLayer(**size, hidden=None, dropout=clip_dropout)
    with seeded(seed, "among"):
        among = TaskRelation(**size, dropout=task_dropout, attention_dropout=attention_dropout)
    coherence = None
    if coherence_weight:
        coherence = Coherence(
            frames=frames, window=coherence_window, spread=coherence_spread, balance=coherence_balance
        )
    return HyRSM(
        backbone=backbone,
        positions=ScaledPositions(
            length=frames, channels=backbone.dim, a=position_a, b=position_b, dropout=position_dropout
        ),
        within=within,
        among=among,
        class_weight=class_weight,
        coherence=coherence,
        coherence_weight=coherence_weight,
        patches=patches,
    )
