"""The model of a classifier: that of a trained run, or one that is used without any training."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from strmctl.evaluation.map_cache import tensors_sha256
from strmctl.recipe import Recipe, load_recipe
from strmctl.runs.build import build_model
from strmctl.runs.checkpoint import choose_device, load_run


@dataclass(frozen=True)
class ChosenModel:
    """A model in evaluation mode, and where it is from.

    Attributes:
        model: the model, with `embed` and `match`.
        recipe: its recipe.
        weights_sha256: hash of its tensors.
        run: name of the run; None where it was not trained.
    """

    model: nn.Module
    recipe: Recipe
    weights_sha256: str
    run: str | None = None


def chosen_model(
    run: str | os.PathLike[str] | None,
    recipe: str | os.PathLike[str],
    *,
    device: str,
    announce: Callable[[str], None],
) -> ChosenModel:
    """The model of a run, or without one, the model of a recipe with its initial weights.

    Args:
        run: folder of a trained run of any method.
        recipe: name or path of the recipe, where no run is given.
        device: name of the device, see `choose_device`.
        announce: callable that receives what a user should know.

    Raises:
        UsageError: there is no such device, or a package that the model needs is missing.
        DataError: there is no such run.
        RecipeError: there is no such recipe, or it is invalid.
        CheckpointError: the run cannot be used.
    """
    if run is not None:
        loaded = load_run(Path(run), device=device)
        return ChosenModel(loaded.model, loaded.recipe, tensors_sha256(loaded.model), loaded.name)
    settings = load_recipe(recipe)
    if settings.train.episodes:
        announce(f"note: recipe {settings.name} describes a training, and its model is used without")
    model = build_model(settings, pretrained=True, announce=announce).to(choose_device(device)).eval()
    return ChosenModel(model, settings, tensors_sha256(model))
