"""Weights in run folders: written, read, and read back as a model that is ready for use.

`weights.pt` is a flat dict of tensors, and `weights.json` beside it says what made them. Only tensors are ever
unpickled.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from strmctl.errors import DataError, OutputError, UsageError
from strmctl.model.weight_files import check_fit, read_state_dict
from strmctl.paths import replacing
from strmctl.provenance import sha256_of
from strmctl.recipe import Recipe, load_recipe
from strmctl.runs.build import build_model
from strmctl.runs.folder import read_notes


def choose_device(name: str) -> torch.device:
    """The device of a name: `cpu`, `cuda`, or `auto` for a GPU where there is one.

    Raises:
        UsageError: `cuda` was asked for and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("there is no CUDA device here", "use --device cpu or --device auto")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def save_tensors(path: Path, content: Any) -> None:
    """Writes tensors, and plain numbers, lists and dicts around them, under a temporary name that is then renamed."""
    with replacing(path) as temporary:
        try:
            torch.save(content, temporary)
        except RuntimeError as error:  # torch's writer does not say why
            raise OutputError(f"{path} cannot be written: {error}", "is the disk full?") from error


def load_weights(model: nn.Module, path: Path) -> None:
    """Fills a model from a weights file, completely or not at all.

    Raises:
        DataError: there is no such file.
        CheckpointError: the file belongs to another model; the message names the first three differences.
    """
    state = read_state_dict(path, "was it written completely? give the weights.pt of a run")
    hint = "use the recipe that these weights were trained with"
    check_fit(model.state_dict(), state, f"{path} does not fit the model of this recipe", hint)
    model.load_state_dict(state)


@dataclass(frozen=True)
class LoadedRun:
    """A run read back for use.

    Attributes:
        name: name of the run.
        folder: folder of the run.
        recipe: recipe that it was trained with.
        model: model with its weights, in evaluation mode, on the device.
        weights: file that the weights were read from.
        weights_sha256: hash of that file.
        info: content of the JSON file beside the weights (training classes, validation, provenance), or nothing.
    """

    name: str
    folder: Path
    recipe: Recipe
    model: nn.Module
    weights: Path
    weights_sha256: str
    info: dict[str, Any]


def load_run(folder: Path, *, device: str = "auto", weights: Path | None = None) -> LoadedRun:
    """Reads a run folder.

    Args:
        folder: folder with `recipe.yaml` and `weights.pt`.
        device: `auto`, `cpu` or `cuda`.
        weights: file of weights to read in place of the folder's own.

    Raises:
        DataError: the run has no weights yet.
        CheckpointError: the weights do not fit the recipe.

    Example:
        >>> run = strmctl.load_run(Path("runs/strm"), device="cpu")
        >>> run.recipe.method, run.model.training
        ('strm', False)
    """
    path = weights or folder / "weights.pt"
    if not path.is_file():
        finish = f"finish its training: `strmctl train --resume --name {folder.name}`, or name another run with --run"
        hint = finish if weights is None else ""
        raise DataError(f"run {folder.name} has no weights at {path}", hint)
    recipe = load_recipe(folder / "recipe.yaml")
    model = build_model(recipe, pretrained=False)
    sha256, info = sha256_of(path), read_notes(path)
    load_weights(model, path)
    if sha256_of(path) != sha256:
        raise DataError(f"{path} was written anew while it was read", "run the same command again")
    return LoadedRun(folder.name, folder, recipe, model.to(choose_device(device)).eval(), path, sha256, info)
