"""ARN (Zhang et al., ECCV 2020): second-order descriptors of clips, compared by a relation network.

    X = ReLU(BN(W x)) at every place x of a clip's maps        64 channels, L·P² places
    X <- X * (1 + a)                                           a: spatial attention, temporal attention, or both in turn
    M = X Xᵀ / trace(X Xᵀ)        descriptor = 2 sigmoid(sigma M) - 1, element by element
    prototype = mean of the descriptors over the shots of a class
    logit = relation([prototype; descriptor of the query])     four convolutions, the last three residual, two layers
    loss = mean over queries and classes of (sigmoid(logit) - (1 if it is the class else 0))²

Attention is convolution, batch norm, ReLU and max-pooling, twice, and a convolution with a sigmoid: over time, which
leaves one number per place, or over places, which leaves one per frame. All that, the order of the pair, and the mean
were checked in the authors' evaluation code, which has spatial attention; its other heads are for temporal attention.
[ours]: W takes the place of the last layers of the authors' four-layer 3D encoder, and reads the map of any backbone,
max-pooled to P×P; pools of attention fit its size; batch norm averages over many episodes, where theirs keeps the last
one; both attentions are applied one after the other; the last two layers read what batch norm makes of the last
convolution's sum, and the last begins at the share of pairs that belong together, where theirs has no such norm and a
bias of 1: then all that is read is positive, near 5 on sprites, and the first steps of Adam at 1e-3 close three of the
eight ReLUs in between for good and open the others for every pair. Their two further losses are left out: their weights
are 0 in the released code and could not be found elsewhere, and a descriptor of maps that are made frame by frame
hardly knows the order of frames, so that telling permutations of a clip from it would not be what the authors trained.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from strmctl.model.backbones.build import Backbone
from strmctl.model.enrichment import Clips, Enriched, enrich
from strmctl.model.episode import Features, Logits, Truth, match_clips, mean_over_shots
from strmctl.model.seeding import seeded

Kind = Literal["spatial", "temporal", "both"]
HIDDEN, RELATION = 16, 8  # channels of attention, width of the last layer but one
WAY = 5  # classes of a usual episode: one pair in five belongs together
NUMBERS = 1 << 20  # in a tensor of pairs, beyond which a test compares fewer queries at a time


class PlaceAttention(nn.Module):
    """Attention over a clip, between 0 and 1: `(N, C, L, P, P)` to `(N, 1, 1, P, P)` or `(N, 1, L, 1, 1)`.

    Args:
        channels: C.
        spatial: whether there is one number per place in a frame; otherwise per frame.
    """

    def __init__(self, *, channels: int, spatial: bool) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv3d(before, HIDDEN, 3, padding=1, bias=False) for before in (channels, HIDDEN)
        )
        self.norms = nn.ModuleList(nn.BatchNorm3d(HIDDEN) for _ in self.convolutions)
        self.last = nn.Conv3d(HIDDEN, 1, 1)
        self.spatial = spatial

    def forward(self, places: Tensor) -> Tensor:
        """The attention."""
        length, *side = places.shape[2:]
        if self.spatial:
            sizes = (math.ceil(length / 2), *side), (1, *side)
        else:
            sizes = (length, *(math.ceil(one / 4) for one in side)), (length, 1, 1)
        for convolution, norm, size in zip(self.convolutions, self.norms, sizes, strict=True):
            places = F.adaptive_max_pool3d(F.relu(norm(convolution(places))), size)
        return self.last(places).sigmoid()


class Descriptor(nn.Module):
    """The second-order descriptor of a clip: `(N, L, P², D)` to `(N, C, C)`.

    Args:
        dim: D, the width of a patch.
        channels: C.
        attention: which attention there is.
        sigma: slope of the power normalisation.
    """

    def __init__(self, *, dim: int, channels: int, attention: Kind, sigma: float) -> None:
        super().__init__()
        self.reduce = nn.Linear(dim, channels, bias=False)
        self.norm = nn.BatchNorm3d(channels)
        kinds = ("spatial", "temporal") if attention == "both" else (attention,)
        self.attention = nn.ModuleList(PlaceAttention(channels=channels, spatial=one == "spatial") for one in kinds)
        self.sigma = sigma

    def forward(self, patches: Tensor) -> Tensor:
        """The descriptors."""
        # In bfloat16, products of sums of products are coarse, and PyTorch 2.14 at times leaves NaN in the gradient of
        # the kernel of a 3D convolution on a CPU.
        with torch.autocast(patches.device.type, enabled=False):
            return self._describe(patches.to(self.reduce.weight.dtype))

    def _describe(self, patches: Tensor) -> Tensor:
        side = math.isqrt(patches.shape[2])
        places = self.reduce(patches).unflatten(2, (side, side)).movedim(-1, 1)  # (N, C, L, P, P)
        places = F.relu(self.norm(places))
        for attention in self.attention:
            places = places * (1 + attention(places))
        places = places.flatten(2)  # (N, C, L·P²)
        products = places @ places.transpose(1, 2)  # (N, C, C)
        trace = products.diagonal(dim1=1, dim2=2).sum(dim=1)[:, None, None]
        shares = products / trace.clamp_min(torch.finfo(trace.dtype).tiny)
        return (self.sigma / 2 * shares).tanh()  # 2 sigmoid(x) - 1 is tanh(x / 2)


class Relation(nn.Module):
    """How alike two descriptors are.

    Args:
        channels: C, a multiple of 16.
    """

    def __init__(self, *, channels: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, channels, 3, padding=1, bias=False) for before in (2, channels, channels, channels)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for _ in self.convolutions)
        width = channels * (channels // 16) ** 2
        self.norm = nn.BatchNorm1d(width)
        self.first, self.last = nn.Linear(width, RELATION), nn.Linear(RELATION, 1)
        nn.init.normal_(self.first.weight, std=0.01)  # no ReLU of the few is dead in the beginning
        nn.init.ones_(self.first.bias)
        nn.init.constant_(self.last.bias, -math.log(WAY - 1))  # of which the sigmoid is 1 / WAY

    def forward(self, prototypes: Tensor, queries: Tensor) -> Tensor:
        """The score of each pair of an episode, any number: `(ways, C, C)` and `(Q, C, C)` to `(Q, ways)`."""
        # The first convolution of a pair is the sum of those of its two parts, which are fewer.
        kernels = self.convolutions[0].weight.unbind(1)  # (C, 3, 3) each
        classes, others = (
            F.conv2d(as_images(side), as_images(kernel), padding=1)
            for side, kernel in zip((prototypes, queries), kernels, strict=True)
        )  # (ways, C, C, C) and (Q, C, C, C)
        norm = self.norms[0]
        if not self.training:  # so is batch norm, whose shift the prototypes get
            classes = norm(classes)
            others = others * (norm.weight / (norm.running_var + norm.eps).sqrt())[:, None, None]
        # Batch statistics are of all pairs of an episode.
        at_a_time = len(others) if self.training else max(1, NUMBERS // classes.numel())
        scores = []
        for some in others.split(at_a_time):
            pairs = (classes + some[:, None]).flatten(0, 1)  # (S, C, C, C)
            pairs = norm(pairs) if self.training else pairs
            scores.append(self._scores(F.relu(F.max_pool2d(pairs, 2))))
        return torch.cat(scores).view(len(queries), len(prototypes))

    def _scores(self, pairs: Tensor) -> Tensor:
        """The scores of pairs from their first layer, `(S, C, C / 2, C / 2)` to `(S)`."""
        for convolution, norm in zip(self.convolutions[1:], self.norms[1:], strict=True):
            pairs = F.max_pool2d(pairs + F.relu(norm(convolution(pairs))), 2)  # (S, C, side, side)
        return self.last(F.relu(self.first(self.norm(pairs.flatten(1))))).squeeze(1)


def as_images(planes: Tensor) -> Tensor:
    """Planes `(N, height, width)` as images of one channel, `(N, 1, height, width)`, the channel last in memory."""
    return planes[:, None].contiguous(memory_format=torch.channels_last)


class ARN(nn.Module):
    """Relations of second-order descriptors.

    Args:
        backbone: clips `(N, L, 3, H, W)` to maps `(N, L', D, h, w)`.
        attention: which attention there is.
        sigma: slope of the power normalisation.
        channels: C, a multiple of 16.
        patches: P, patches along each side of a frame.
    """

    def __init__(
        self,
        *,
        backbone: Backbone,
        attention: Kind = "spatial",
        sigma: float = 100.0,
        channels: int = 64,
        patches: int = 4,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.descriptor = Descriptor(dim=backbone.dim, channels=channels, attention=attention, sigma=sigma)
        self.relation = Relation(channels=channels)
        self.patches = patches

    def enrich(self, clips: Clips) -> Enriched:
        """Clips `(N, L, 3, H, W)`, float in [0, 1], or their `Maps`, to patches and frames."""
        return enrich(clips, backbone=self.backbone, patches=self.patches)

    def embed(self, clips: Clips) -> Features:
        """Each clip's `descriptor`, `(N, C, C)`."""
        return {"descriptor": self.descriptor(self.enrich(clips).patches)}

    def match(self, support: Mapping[str, Tensor], query: Mapping[str, Tensor], mask: Tensor | None = None) -> Logits:
        """Logits `(B, Q, ways)` from `support` `(B, ways, K, C, C)`, `query` `(B, Q, C, C)`, `mask` `(B, ways, K)`."""
        prototypes = mean_over_shots(support["descriptor"], mask)  # (B, ways, C, C)
        episodes = zip(prototypes, query["descriptor"], strict=True)
        return Logits(torch.stack([self.relation(*episode) for episode in episodes]))

    def losses(
        self, logits: Logits, support: Mapping[str, Tensor], query: Mapping[str, Tensor], truth: Truth
    ) -> dict[str, Tensor]:
        """The squared error of each class, averaged over classes."""
        right = F.one_hot(truth.columns, logits.total.shape[-1])  # (B, Q, ways)
        errors = (logits.total.sigmoid() - right).square().mean(dim=-1)  # (B, Q)
        return {"match": errors.sum() if truth.reduction == "sum" else errors.mean()}

    def forward(self, support_clips: Clips, support_labels: Tensor, query_clips: Clips) -> Logits:
        """One episode from its clips; see `match_clips`. Logits `(Q, ways)`."""
        return match_clips(self, support_clips, support_labels, query_clips)


def build_arn(
    *, backbone: Backbone, attention: Kind = "spatial", sigma: float = 100.0, patches: int = 4, seed: int = 0
) -> ARN:
    """Builds ARN, initialised from its seed; arguments as for the class above."""
    with seeded(seed, "arn"):
        return ARN(backbone=backbone, attention=attention, sigma=sigma, patches=patches)
