"""STRM: spatio-temporal relation modelling for few-shot action recognition.

    frames -> backbone -> patches -> PLE -> mean over patches: H -> FLE: E
    TRM compares E of query and support, QC compares H; total = TRM + lambda * QC (the same lambda as in the loss)

A clip's features do not depend on its episode (in evaluation mode), so the method is two functions: `embed`, everything
that one clip decides, and `match`, everything that needs both sides. Without PLE, H is the spatial mean of the unpooled
map; without FLE, E is H; without PLE, FLE and QC the model is TRX.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from torch import Tensor, nn

from strmctl.model.backbones.build import Backbone
from strmctl.model.enrichment import Clips, Enriched, enrich
from strmctl.model.episode import Features, Logits, Truth, match_clips
from strmctl.model.frame_enrichment import FrameEnrichment
from strmctl.model.layers.correspondence import Correspondence
from strmctl.model.patch_enrichment import PatchEnrichment
from strmctl.model.positional_encoding import PositionalEncoding
from strmctl.model.query_class import build_query_class
from strmctl.model.seeding import seeded
from strmctl.model.temporal_relations import Distance, build_temporal_relations
from strmctl.model.tuples import Combine

Prediction = Literal["joint", "trm"]


class STRM(nn.Module):
    """The whole model; each block but TRM can be left out.

    Args:
        backbone: clips `(N, L, 3, H, W)` to maps `(N, L', D, h, w)`.
        patch_enrichment: PLE, on `(N, L, P², D)`; None to leave it out.
        frame_enrichment: FLE, on `(N, L, D)`; None to leave it out.
        temporal_relations: TRM, with `embed` and `match`.
        query_class: QC, with `embed` and `match`; None to leave it out.
        query_class_weight: lambda, the weight of QC in the prediction.
        prediction: `joint`, TRM + lambda * QC, or `trm`, TRM alone, while QC is trained all the same.
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

    def enrich(self, clips: Clips) -> Enriched:
        """Clips `(N, L, 3, H, W)`, float in [0, 1], or their `Maps`, to H, E and patches."""
        blocks = {"patch_enrichment": self.patch_enrichment, "frame_enrichment": self.frame_enrichment}
        return enrich(clips, backbone=self.backbone, patches=self.patches, **blocks)

    def embed(self, clips: Clips) -> Features:
        """What a clip decides on its own: projections of its frames, from which `match` forms tuples.

        Args:
            clips: `(N, L, 3, H, W)`, float in [0, 1], or their `Maps`.

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
            support: output of `embed`, `(B, C, K, …)`; any finite numbers where `mask` is False.
            query: output of `embed`, `(B, Q, …)`.
            mask: `(B, C, K)`, True where the shot exists, at least one per class; None when all do.

        Returns:
            Logits `(B, Q, C)`.
        """
        trm = self.temporal_relations.match(support, query, mask)
        return self._logits(trm, self.query_class and self.query_class.match(support, query, mask))

    def pairs(self, support: Mapping[str, Tensor], query: Mapping[str, Tensor]) -> Features:
        """What two clips decide: tables `(M, N, …)` from outputs of `embed`, `(N, …)` and `(M, …)`."""
        blocks = filter(None, (self.temporal_relations, self.query_class))
        return {name: table for block in blocks for name, table in block.pairs(support, query).items()}

    def match_pairs(self, tables: Mapping[str, Tensor], support: Tensor, query: Tensor) -> Logits:
        """Like `match`, from tables of N clips with themselves and rows, `(B, C, K)` and `(B, Q)`."""
        trm = self.temporal_relations.match_pairs(tables, support, query)
        return self._logits(trm, self.query_class and self.query_class.match_pairs(tables, support, query))

    def correspondence(
        self, support: Mapping[str, Tensor], query: Mapping[str, Tensor], mask: Tensor | None = None
    ) -> list[Correspondence]:
        """What the tuples of TRM attend to, for every cardinality; arguments as for `match`."""
        return self.temporal_relations.correspondence(support, query, mask)

    def _logits(self, trm: Tensor, query_class: Tensor | None) -> Logits:
        """The logits of both blocks, `(B, Q, C)` each, together."""
        if query_class is None:
            return Logits(trm, trm)
        joint = self.prediction == "joint"
        return Logits(trm + self.query_class_weight * query_class if joint else trm, trm, query_class)

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the losses, where there are several."""
        return () if self.query_class is None else ("trm", "query_class")

    def losses(
        self, logits: Logits, support: Mapping[str, Tensor], query: Mapping[str, Tensor], truth: Truth
    ) -> dict[str, Tensor]:
        """L_TM and lambda · L_QC, cross-entropies."""
        found = {"trm": truth.cross_entropy(logits.trm)}
        if logits.query_class is not None:
            found["query_class"] = self.query_class_weight * truth.cross_entropy(logits.query_class)
        return found

    def forward(self, support_clips: Clips, support_labels: Tensor, query_clips: Clips) -> Logits:
        """One episode from its clips; see `match_clips`. Logits `(Q, C)`."""
        return match_clips(self, support_clips, support_labels, query_clips)


def build_strm(
    *,
    backbone: Backbone,
    frames: int = 8,
    patches: int = 4,
    patch_enrichment: bool = True,
    patch_hidden: int | None = None,
    scaled_scores: bool = True,
    gated: bool = False,
    patch_encoding: bool = False,
    frame_enrichment: bool = True,
    frame_encoding: bool = False,
    cardinalities: Sequence[int] = (2,),
    dim: int = 1152,
    distance: Distance = "squared",
    dropout: float = 0.1,
    combine: Combine = "sum",
    query_class: bool = True,
    query_class_dim: int | None = None,
    query_class_weight: float = 0.1,
    query_class_trained: bool = True,
    prediction: Prediction = "joint",
    seed: int = 0,
) -> STRM:
    """Build STRM from numbers; every block is initialised from (seed, its path) alone.

    Args:
        backbone: network from frames to maps.
        frames: L, frames per clip.
        patches: P, patches along each side of a frame.
        patch_enrichment: whether to have PLE.
        patch_hidden: hidden width of psi; D / 2 when None.
        scaled_scores: whether PLE's scores are divided by sqrt(D).
        gated: whether PLE has a learned gate.
        patch_encoding: whether PLE adds a positional encoding to the patches, with dropout.
        frame_enrichment: whether to have FLE.
        frame_encoding: whether FLE adds a positional encoding to the frames, with dropout.
        cardinalities: different numbers w from 1 to `frames`; TRM and QC have a block for each.
        dim: D', the width of keys and values.
        distance: distance of TRM, `squared` or `norm`.
        dropout: probability of dropout in TRM, QC and the encodings.
        combine: `sum` or `mean` of the logits over cardinalities.
        query_class: whether to have QC.
        query_class_dim: D'', the width of QC's projections; D / 2 when None.
        query_class_weight: lambda, the weight of QC in the prediction.
        query_class_trained: whether W_cls is trained; False freezes it.
        prediction: `joint` or `trm`, as for `STRM`.
        seed: seed of all initial weights.
    """
    channels = backbone.dim
    size = {"frames": frames, "channels": channels}
    tuples = {"cardinalities": cardinalities, "dropout": dropout, "combine": combine, "seed": seed, **size}

    def encoding(wanted: bool, length: int) -> PositionalEncoding | None:
        return PositionalEncoding(length=length, channels=channels, dropout=dropout) if wanted else None

    ple = fle = None
    if patch_enrichment:
        changes = {"scaled": scaled_scores, "gated": gated, "encoding": encoding(patch_encoding, patches * patches)}
        with seeded(seed, "patch_enrichment"):
            ple = PatchEnrichment(channels=channels, hidden=patch_hidden, **changes)
    if frame_enrichment:
        with seeded(seed, "frame_enrichment"):
            fle = FrameEnrichment(**size, encoding=encoding(frame_encoding, frames))
    return STRM(
        backbone=backbone,
        patch_enrichment=ple,
        frame_enrichment=fle,
        temporal_relations=build_temporal_relations(dim=dim, distance=distance, **tuples),
        query_class=build_query_class(dim=query_class_dim, trained=query_class_trained, **tuples)
        if query_class
        else None,
        query_class_weight=query_class_weight,
        prediction=prediction,
        patches=patches,
    )
