"""A recipe becomes a model: each method with the keys of the recipe that are its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from strmctl.episodes.clip_loader import ClipLoader
from strmctl.frames.store.store import FrameStore
from strmctl.model.backbones.build import Backbone, build_backbone
from strmctl.model.methods.otam import OTAM
from strmctl.model.methods.prototype import Prototype
from strmctl.model.methods.strm import STRM, build_strm
from strmctl.model.methods.trx import TRX
from strmctl.model.presets import preset_arguments
from strmctl.model.seeding import seeded
from strmctl.model.temporal_relations import build_temporal_relations
from strmctl.model.tuples import keep_tuples
from strmctl.recipe import Recipe


def build_model(
    recipe: Recipe, *, pretrained: bool, announce: Callable[[str], None] = lambda message: None
) -> nn.Module:
    """The model that a recipe describes, initialised from its seed.

    Methods share the initial weights of the parts that they have in common.

    Args:
        recipe: what to build.
        pretrained: read the backbone's weights; False where a checkpoint is loaded over them anyway.
        announce: is told what is about to be downloaded.
    """
    with seeded(recipe.train.seed, "backbone"):
        backbone = build_backbone(
            recipe.backbone.name,
            weights=recipe.backbone.weights if pretrained else "none",
            batch_norm=recipe.backbone.batch_norm,
            normalize=recipe.input.normalize == "backbone",
            announce=announce,
        )
    model = METHODS[recipe.method](recipe, backbone)
    if recipe.trm.tuple_fraction < 1:
        keep_tuples(model, recipe.trm.tuple_fraction, recipe.trm.tuple_trial)
    return model


def _relations(recipe: Recipe) -> dict[str, Any]:
    """What STRM and TRX take alike: the arguments of TRM."""
    return {
        "frames": recipe.input.frames,
        "cardinalities": recipe.trm.cardinalities,
        "dim": recipe.trm.dim,
        "distance": recipe.trm.distance,
        "dropout": recipe.trm.dropout,
        "seed": recipe.train.seed,
    }


def _strm(recipe: Recipe, backbone: Backbone) -> STRM:
    return build_strm(
        backbone=backbone,
        **_relations(recipe),
        patches=recipe.patch_enrichment.patches,
        patch_enrichment=recipe.patch_enrichment.enabled,
        patch_hidden=recipe.patch_enrichment.hidden,
        frame_enrichment=recipe.frame_enrichment.enabled,
        query_class=recipe.query_class.enabled,
        query_class_dim=recipe.query_class.dim,
        query_class_weight=recipe.query_class.weight,
        query_class_trained=recipe.query_class.trained,
        prediction=recipe.prediction,
        **preset_arguments(recipe.model.preset, recipe.model.deviations),
    )


def _trx(recipe: Recipe, backbone: Backbone) -> TRX:
    combine = preset_arguments(recipe.model.preset, recipe.model.deviations).get("combine", "sum")
    relations = build_temporal_relations(channels=backbone.dim, combine=combine, **_relations(recipe))
    return TRX(backbone=backbone, temporal_relations=relations, patches=recipe.patch_enrichment.patches)


def _otam(recipe: Recipe, backbone: Backbone) -> OTAM:
    return OTAM(backbone=backbone, smoothing=recipe.otam.smoothing, patches=recipe.patch_enrichment.patches)


def _prototype(recipe: Recipe, backbone: Backbone) -> Prototype:
    settings = {"distance": recipe.prototype.distance, "scale": recipe.prototype.scale}
    return Prototype(backbone=backbone, **settings, patches=recipe.patch_enrichment.patches)


METHODS: dict[str, Callable[[Recipe, Backbone], nn.Module]] = {
    "strm": _strm,
    "trm": _trx,  # the cardinalities {2} come from the recipe
    "trx": _trx,  # and so do {2, 3}
    "otam": _otam,
    "prototype": _prototype,
}


def clip_loader(recipe: Recipe, store: FrameStore, **changes: Any) -> ClipLoader:
    """The loader that a recipe describes."""
    size = {"frames": recipe.input.frames, "size": recipe.input.size, "crop": recipe.input.crop}
    return ClipLoader(store, **size, flip=recipe.input.flip, **changes)
