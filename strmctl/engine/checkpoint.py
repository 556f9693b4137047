"""Run folders: a recipe becomes a model, weights go to and from disk, and a model is read back for use.

`weights.pt` is a flat dict of tensors, and `weights.json` beside it says what made them. Only tensors are ever
unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from strmctl.errors import CheckpointError, DataError, OutputError, UsageError
from strmctl.model.backbones import check_fit
from strmctl.model.strm import STRM, build_strm
from strmctl.paths import replacing
from strmctl.recipe import Recipe, load_recipe


def build_model(recipe: Recipe, *, pretrained: bool, announce: Callable[[str], None] = lambda message: None) -> STRM:
    """The model that a recipe describes, initialised from its seed.

    Args:
        recipe: what to build.
        pretrained: read the backbone's weights; False where a checkpoint is loaded over them anyway.
        announce: is told what is about to be downloaded.
    """
    return build_strm(
        backbone=recipe.backbone.name,
        weights=recipe.backbone.weights if pretrained else "none",
        batch_norm=recipe.backbone.batch_norm,
        normalize=recipe.input.normalize == "backbone",
        frames=recipe.input.frames,
        patches=recipe.patch_enrichment.patches,
        patch_enrichment=recipe.patch_enrichment.enabled,
        patch_hidden=recipe.patch_enrichment.hidden,
        frame_enrichment=recipe.frame_enrichment.enabled,
        cardinalities=recipe.trm.cardinalities,
        dim=recipe.trm.dim,
        distance=recipe.trm.distance,
        dropout=recipe.trm.dropout,
        query_class=recipe.query_class.enabled,
        query_class_dim=recipe.query_class.dim,
        query_class_weight=recipe.query_class.weight,
        prediction=recipe.prediction,
        seed=recipe.train.seed,
        announce=announce,
    )


def choose_device(name: str) -> torch.device:
    """`auto` is a GPU when there is one.

    Raises:
        UsageError: `cuda` was asked for and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("there is no CUDA device here", "use --device cpu or --device auto")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def save_tensors(path: Path, content: Any) -> None:
    """Writes tensors (and plain numbers, lists, dicts around them) under a temporary name, then renames."""
    with replacing(path) as temporary:
        try:
            torch.save(content, temporary)
        except RuntimeError as error:  # torch's writer does not say why
            raise OutputError(f"{path} cannot be written: {error}", "is the disk full?") from error


def read_tensors(path: Path) -> Any:
    """What `save_tensors` wrote, on the CPU.

    Raises:
        DataError: no such file.
        CheckpointError: not a file of tensors.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise DataError(f"no weights at {path}") from error
    except OSError:
        raise
    except Exception as error:  # torch.load raises whatever the first wrong byte leads to
        raise CheckpointError(f"{path} is not a checkpoint of tensors", "was it written completely?") from error


def load_weights(model: STRM, path: Path) -> None:
    """Fills a model from a weights file, completely or not at all.

    Raises:
        DataError: no such file.
        CheckpointError: the file belongs to another model; names the first three differences.
    """
    state = read_tensors(path)
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(f"{path} holds no state dict", "give the weights.pt of a run")
    hint = "use the recipe that these weights were trained with"
    check_fit(model, state, f"{path} does not fit the model of this recipe", hint)
    model.load_state_dict(state)


@dataclass(frozen=True)
class LoadedRun:
    """A run read back for use.

    Attributes:
        name: of the run.
        folder: where it lies.
        recipe: what it was trained with.
        model: with its weights, in evaluation mode, on the device.
        weights: the file that was read.
        info: the JSON file beside the weights: training classes, validation, provenance; empty when there is none.
    """

    name: str
    folder: Path
    recipe: Recipe
    model: STRM
    weights: Path
    info: dict[str, Any]


def load_run(folder: Path, *, device: str = "auto", weights: Path | None = None) -> LoadedRun:
    """Reads a run folder.

    Args:
        folder: holds `recipe.yaml` and `weights.pt`.
        device: `auto`, `cpu` or `cuda`.
        weights: another file than the folder's own.

    Raises:
        DataError: the run has no weights yet.
        CheckpointError: the weights do not fit the recipe.
    """
    path = weights or folder / "weights.pt"
    if not path.is_file():
        finish = f"finish its training: `strmctl train --resume --name {folder.name}`, or name another run with --run"
        hint = finish if weights is None else ""
        raise DataError(f"run {folder.name} has no weights at {path}", hint)
    recipe = load_recipe(folder / "recipe.yaml")
    model = build_model(recipe, pretrained=False)
    load_weights(model, path)
    notes = path.with_suffix(".json")
    info = json.loads(notes.read_text(encoding="utf-8")) if notes.is_file() else {}
    return LoadedRun(folder.name, folder, recipe, model.to(choose_device(device)).eval(), path, info)
