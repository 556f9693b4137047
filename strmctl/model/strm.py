"""STRM: spatio-temporal relation modelling for few-shot action recognition.

    frames -> backbone -> patches -> PLE -> mean over patches: H -> FLE: E
    TRM compares E of query and support, QC compares H; total = TRM + lambda * QC (the same lambda as in the loss)

A clip's features do not depend on its episode (in evaluation mode), so the method is two functions: `embed`, everything
that one clip decides, and `match`, everything that needs both sides. Without PLE, H is the spatial mean of the unpooled
map; without FLE, E is H; without PLE, FLE and QC the model is TRX.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from strmctl.errors import RecipeError
from strmctl.model.backbones import BatchNorm, build_backbone
from strmctl.model.frame_enrichment import FrameEnrichment
from strmctl.model.patch_enrichment import PatchEnrichment
from strmctl.model.query_class import QueryClass, QueryClassSimilarity
from strmctl.model.seeding import seeded
from strmctl.model.temporal_relations import Distance, TemporalRelation, TemporalRelations

Prediction = Literal["joint", "trm"]
Features = dict[str, Tensor]


class Logits(NamedTuple):
    """Logits `(B, Q, C)`, or `(Q, C)` for a single episode; column c is the c-th label in sorted order.

    Attributes:
        total: what the prediction is the largest of.
        trm: minus the distance to the prototypes.
        query_class: minus the distance to the nearest tuples, not yet times lambda; None without QC.
    """

    total: Tensor
    trm: Tensor
    query_class: Tensor | None = None


@dataclass(frozen=True)
class Enriched:
    """A clip's features on their way through the model.

    Attributes:
        map_patches: the backbone's map, max-pooled to patches, row by row, `(N, L, P², D)`.
        patches: the same after PLE; `map_patches` itself without PLE.
        frames: H, `(N, L, D)`.
        enriched_frames: E, `(N, L, D)`.
    """

    map_patches: Tensor
    patches: Tensor
    frames: Tensor
    enriched_frames: Tensor


class STRM(nn.Module):
    """The whole model, made of blocks that can each be left out.

    Args:
        backbone: frames `(N·L, 3, H, W)` to maps `(N·L, D, h, w)`.
        patch_enrichment: PLE, on `(N, L, P², D)`; None to leave it out.
        frame_enrichment: FLE, on `(N, L, D)`; None to leave it out.
        temporal_relations: TRM, with `embed` and `match`.
        query_class: QC, with `embed` and `match`; None to leave it out.
        query_class_weight: lambda, the weight of QC in the prediction.
        prediction: `joint`: TRM + lambda * QC; `trm`: TRM alone, QC being trained all the same.
        patches: P, patches along each side of a frame.
    """

    def __init__(
        self,
        *,
        backbone: nn.Module,
        patch_enrichment: nn.Module | None,
        frame_enrichment: nn.Module | None,
        temporal_relations: nn.Module,
        query_class: nn.Module | None,
        query_class_weight: float = 0.1,
        prediction: Prediction = "joint",
        patches: int = 4,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.patch_enrichment = patch_enrichment
        self.frame_enrichment = frame_enrichment
        self.temporal_relations = temporal_relations
        self.query_class = query_class
        self.query_class_weight = query_class_weight
        self.prediction = prediction
        self.patches = patches

    def enrich(self, clips: Tensor) -> Enriched:
        """Frames to H and E, and the patches that attention maps are drawn from.

        Args:
            clips: `(N, L, 3, H, W)`, float in [0, 1].
        """
        clip_axes = clips.shape[:2]
        maps = self.backbone(clips.flatten(0, 1))  # (N·L, D, h, w)
        pooled = F.adaptive_max_pool2d(maps, self.patches).flatten(2).transpose(1, 2)  # (N·L, P², D)
        map_patches = pooled.unflatten(0, clip_axes)  # (N, L, P², D)
        if self.patch_enrichment is None:
            patches = map_patches
            frames = maps.mean(dim=(2, 3)).unflatten(0, clip_axes)  # (N, L, D)
        else:
            patches = self.patch_enrichment(map_patches)
            frames = patches.mean(dim=2)  # (N, L, D)
        enriched_frames = frames if self.frame_enrichment is None else self.frame_enrichment(frames)
        return Enriched(map_patches, patches, frames, enriched_frames)

    def embed(self, clips: Tensor) -> Features:
        """Everything that a clip decides on its own: projections of its frames, from which `match` forms tuples.

        Args:
            clips: `(N, L, 3, H, W)`, float in [0, 1].

        Returns:
            Per cardinality `trm{w}.key` and `trm{w}.value`, `(N, w, L, D')`; with QC also `qc{w}`, `(N, w, L, D'')`.
        """
        enriched = self.enrich(clips)
        features = self.temporal_relations.embed(enriched.enriched_frames)
        if self.query_class is not None:
            features |= self.query_class.embed(enriched.frames)
        return features

    def match(self, support: Mapping[str, Tensor], query: Mapping[str, Tensor], mask: Tensor | None = None) -> Logits:
        """Compare queries with the support of their episode, B episodes at once.

        Args:
            support: features of `embed`, `(B, C, K, …)`; any finite numbers where `mask` is False.
            query: features of `embed`, `(B, Q, …)`.
            mask: `(B, C, K)`, True where the shot exists, at least one per class; None when all do.

        Returns:
            Logits `(B, Q, C)`.
        """
        trm = self.temporal_relations.match(support, query, mask)
        if self.query_class is None:
            return Logits(trm, trm)
        query_class = self.query_class.match(support, query, mask)
        joint = self.prediction == "joint"
        return Logits(trm + self.query_class_weight * query_class if joint else trm, trm, query_class)

    def forward(self, support_clips: Tensor, support_labels: Tensor, query_clips: Tensor) -> Logits:
        """One episode from its clips.

        Support and query pass the backbone separately, because batch norm in training ties together what it sees.

        Args:
            support_clips: `(N, L, 3, H, W)`, in any order, each class with one clip or more.
            support_labels: `(N)`, integers.
            query_clips: `(Q, L, 3, H, W)`.

        Returns:
            Logits `(Q, C)`; column c is the c-th label in sorted order.
        """
        support, mask = group_by_label(self.embed(support_clips), support_labels)
        query = {name: value[None] for name, value in self.embed(query_clips).items()}  # (1, Q, …)
        return Logits(*(None if logits is None else logits[0] for logits in self.match(support, query, mask)))  # (Q, C)


def group_by_label(features: Mapping[str, Tensor], labels: Tensor) -> tuple[Features, Tensor]:
    """Sort the support clips of one episode into classes, padding those that have fewer shots than others.

    Args:
        features: of `embed`, `(N, …)`.
        labels: `(N)`, integers; classes follow their sorted order, shots the order of the clips.

    Returns:
        The features, `(1, C, K, …)`, K the most shots that a class has; and the mask, `(1, C, K)`, True where the shot
        exists. Elsewhere stands the class's last clip once more.
    """
    order = torch.argsort(labels, stable=True)  # (N)
    counts = torch.unique(labels, return_counts=True)[1]  # (C)
    first = counts.cumsum(0) - counts  # (C)
    shots = torch.arange(int(counts.max()), device=labels.device)  # (K)
    clips = order[first[:, None] + torch.minimum(shots, counts[:, None] - 1)]  # (C, K)
    mask = shots < counts[:, None]  # (C, K)
    return {name: value[clips][None] for name, value in features.items()}, mask[None]  # (1, C, K, …)


def build_strm(
    *,
    backbone: str = "resnet50",
    weights: str = "imagenet",
    batch_norm: BatchNorm = "batch",
    normalize: bool = False,
    frames: int = 8,
    patches: int = 4,
    patch_enrichment: bool = True,
    patch_hidden: int | None = None,
    frame_enrichment: bool = True,
    cardinalities: Sequence[int] = (2,),
    dim: int = 1152,
    distance: Distance = "squared",
    dropout: float = 0.1,
    query_class: bool = True,
    query_class_dim: int | None = None,
    query_class_weight: float = 0.1,
    prediction: Prediction = "joint",
    seed: int = 0,
    announce: Callable[[str], None] = lambda message: None,
) -> STRM:
    """Build STRM from numbers and names; every block is initialised from (seed, its path) alone.

    Args:
        backbone: a key of `strmctl.model.backbones.BACKBONES`.
        weights: of the backbone: `none`, `imagenet` or the path of a file.
        batch_norm: `batch` or `frozen`.
        normalize: apply the backbone's mean and standard deviation to the pixels.
        frames: L, frames per clip.
        patches: P, patches along each side of a frame.
        patch_enrichment: whether to have PLE.
        patch_hidden: hidden width of psi; D / 2 when None.
        frame_enrichment: whether to have FLE.
        cardinalities: each w once, from 1 to `frames`; TRM and QC have a block for each.
        dim: D', the width of keys and values.
        distance: of TRM, `squared` or `norm`.
        dropout: of TRM and QC, a probability.
        query_class: whether to have QC.
        query_class_dim: D'', the width of QC's projections; D / 2 when None.
        query_class_weight: lambda.
        prediction: `joint` or `trm`.
        seed: of all initial weights.
        announce: is told what is about to be downloaded.

    Raises:
        RecipeError: no such backbone, or a set of cardinalities that clips of this length do not have.
        DataError: the backbone's weights are missing or cannot be fetched.
        CheckpointError: they do not fit.
    """
    ways = set(cardinalities)
    if not ways or len(ways) < len(cardinalities) or not ways <= set(range(1, frames + 1)):
        problem = f"cardinalities must be different numbers from 1 to {frames}, the frames of a clip"
        raise RecipeError(f"{problem} (got {list(cardinalities)})")
    with seeded(seed, "backbone"):
        trunk = build_backbone(backbone, weights=weights, batch_norm=batch_norm, normalize=normalize, announce=announce)
    size = {"frames": frames, "channels": trunk.dim}
    relations, similarities = [], []
    for w in cardinalities:
        with seeded(seed, f"temporal_relations.{w}"):
            relations.append(TemporalRelation(cardinality=w, dim=dim, distance=distance, **size))
        with seeded(seed, f"query_class.{w}"):
            similarities.append(QueryClassSimilarity(cardinality=w, dim=query_class_dim, **size))
    with seeded(seed, "patch_enrichment"):
        ple = PatchEnrichment(channels=trunk.dim, hidden=patch_hidden) if patch_enrichment else None
    with seeded(seed, "frame_enrichment"):
        fle = FrameEnrichment(**size) if frame_enrichment else None
    return STRM(
        backbone=trunk,
        patch_enrichment=ple,
        frame_enrichment=fle,
        temporal_relations=TemporalRelations(relations=relations, dropout=dropout, **size),
        query_class=QueryClass(similarities=similarities, dropout=dropout) if query_class else None,
        query_class_weight=query_class_weight,
        prediction=prediction,
        patches=patches,
    )
