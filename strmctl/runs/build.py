"""What a recipe describes: the model, with those keys that its method reads, the frames and their loader."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from typing import Any

from torch import nn

from strmctl.episodes.clip_loader import ClipLoader
from strmctl.frames.store.fold import in_fold
from strmctl.frames.store.store import FrameStore
from strmctl.model.backbones.build import build_backbone
from strmctl.model.methods.table import METHODS
from strmctl.model.presets import preset_arguments
from strmctl.model.seeding import seeded
from strmctl.model.tuples import keep_tuples
from strmctl.recipe import Data, Recipe


def build_model(
    recipe: Recipe, *, pretrained: bool, announce: Callable[[str], None] = lambda message: None
) -> nn.Module:
    """The model that a recipe describes, initialised from its seed.

    Methods share the initial weights of the parts that they have in common.

    Args:
        recipe: what to build.
        pretrained: whether to read the backbone's weights; False where a checkpoint replaces them anyway.
        announce: receives a message before anything is downloaded.

    Example:
        >>> model = strmctl.build_model(strmctl.load_recipe("sprites"), pretrained=False).eval()
        >>> clips = torch.rand(3, 8, 3, 64, 64)
        >>> model(clips[:2], torch.tensor([0, 1]), clips).total.shape  # 3 queries, 2 classes
        torch.Size([3, 2])
    """
    with seeded(recipe.train.seed, "backbone"):
        backbone = build_backbone(
            recipe.backbone.name,
            weights=recipe.backbone.weights if pretrained else "none",
            batch_norm=recipe.backbone.batch_norm,
            trained=recipe.backbone.trained,
            normalize=recipe.input.normalize == "backbone",
            crop=recipe.input.crop,
            announce=announce,
        )
    method = METHODS[recipe.method]
    arguments = {argument: attrgetter(key)(recipe) for argument, key in method.arguments.items()}
    if method.names:
        arguments["text_tower"] = _text_tower(recipe, pretrained=pretrained, announce=announce)
    arguments |= preset_arguments(recipe.model.preset, recipe.model.deviations, method.parts)
    model = pkgutil.resolve_name(method.builder)(backbone=backbone, **arguments)
    if recipe.trm.tuple_fraction < 1:
        keep_tuples(model, recipe.trm.tuple_fraction, recipe.trm.tuple_trial)
    return model


def _text_tower(recipe: Recipe, **how: Any) -> nn.Module:
    """The text tower of a method that is given the names of classes; only then its file is imported."""
    from strmctl.model.text_tower import build_text_tower

    own = getattr(recipe, recipe.method)
    with seeded(recipe.train.seed, "text_tower"):
        return build_text_tower(own.tower, weights=own.text_weights, **how)


def frame_store(data: Data, data_dir: Path) -> FrameStore:
    """The frame store that a recipe names, with the subsets of the recipe's fold where it has one.

    Raises:
        DataError: it is missing, unfinished or damaged.
        UsageError: the data has too few classes for the folds.
    """
    store = FrameStore.open(data_dir, data.dataset)
    return in_fold(store, **data.fold.model_dump()) if data.fold else store


def clip_loader(recipe: Recipe, store: FrameStore, **changes: Any) -> ClipLoader:
    """The loader that a recipe describes; `changes` are further arguments of `ClipLoader`.

    Raises:
        DataError: the recipe has a rate, and that of stored frames is not known.
    """
    return ClipLoader(store, **recipe.input.taken, flip=recipe.input.flip, **changes)
