"""Weights in run folders: written, read, and read back as a model that is ready for use.

`weights.pt` is a flat dict of tensors, and `weights.json` beside it says what made them; `last.pt` and `last.json` are
the same for the weights of the last training episode, and files in `snapshots/` for those after chosen ones. Only
tensors are ever unpickled.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from strmctl.errors import CheckpointError, DataError, OutputError, UsageError
from strmctl.model.precision import full_products
from strmctl.model.weight_files import check_fit, read_state_dict
from strmctl.paths import replacing, write_json
from strmctl.provenance import sha256_of
from strmctl.recipe import Recipe, load_recipe
from strmctl.runs.build import build_model
from strmctl.runs.folder import RECIPE
from strmctl.runs.notes import WEIGHTS, check_recipe, read_notes, run_of, snapshots, ways_out


def choose_device(name: str) -> torch.device:
    """The device of a name; it computes in full precision.

    Args:
        name: `cpu`, `cuda`, `cuda:1` and so on, `mps`, or `auto` for an NVIDIA GPU where there is one, else the CPU.

    Raises:
        UsageError: there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = name.partition(":")
    here = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if kind not in here or (number and not (kind == "cuda" and number.isascii() and number.isdigit())):
        raise UsageError(f"there is no device {name}", "devices are auto, cpu, cuda, cuda:1 and so on, and mps")
    if int(number or 0) >= here[kind]:
        found = f"there are {here[kind]} CUDA devices" if here[kind] else f"there is no {kind.upper()} device"
        raise UsageError(f"{found} here, so {name} is none of them", "`--device cpu` computes without one")
    full_products()
    return torch.device(name)


def device_name(device: torch.device) -> str:
    """What a device is called: a GPU by its model, such as `NVIDIA H200`, anything else by its kind."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def device_notes(device: torch.device) -> dict[str, str]:
    """What provenance holds of a device: `device`, and of a GPU its model, `gpu`."""
    return {"device": str(device)} | ({"gpu": device_name(device)} if device.type == "cuda" else {})


def save_tensors(path: Path, content: Any) -> None:
    """Writes tensors, and plain numbers, lists and dicts around them, under a temporary name that is then renamed."""
    with replacing(path) as temporary:
        try:
            torch.save(content, temporary)
        except RuntimeError as error:  # torch's writer does not say why
            raise OutputError(f"{path} cannot be written: {error}", "is the disk full?") from error


def save_weights(path: Path, state: Mapping[str, Tensor], notes: Mapping[str, Any]) -> dict[str, Any]:
    """Writes weights, then the notes beside them with their hash; returns the notes as they are read back."""
    save_tensors(path, state)
    write_json(path.with_suffix(".json"), {**notes, "sha256": sha256_of(path)})
    return read_notes(path)


def load_weights(model: nn.Module, path: Path) -> None:
    """Fills a model from a weights file, completely or not at all.

    Raises:
        DataError: there is no such file.
        CheckpointError: the file belongs to another model; the message names the first three differences.
    """
    state = read_state_dict(path, "was it written completely? give the weights.pt of a run")
    hint = "use the recipe that these weights were trained with"
    check_fit(model.state_dict(), state, path, "the model of this recipe", hint)
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

    @property
    def owns_weights(self) -> bool:
        """Whether the weights lie in the folder of the run."""
        return run_of(self.weights) == self.folder


def load_run(folder: Path, *, device: str = "auto", weights: Path | str = "best") -> LoadedRun:
    """Reads a run folder.

    Args:
        folder: folder with `recipe.yaml` and weights.
        device: name of the device, see `choose_device`.
        weights: `best` on the val split, `last`, or a file of weights: a path, or one in the folder of the run, such as
            `snapshots/00050.pt`.

    Raises:
        DataError: the run has no weights yet.
        CheckpointError: the weights do not fit the recipe, are not finite, or are not those that were written.

    Example:
        >>> run = strmctl.load_run(Path("runs/strm"), device="cpu")
        >>> run.recipe.method, run.model.training
        ('strm', False)
    """
    path = _weights_file(folder, weights)
    recipe = load_recipe(folder / RECIPE)
    if run_of(path) == folder:
        check_recipe(folder / RECIPE, recipe, read_notes(path).get("recipe"), path)
    model = build_model(recipe, pretrained=False)
    info, sha256 = _read(model, path)
    return LoadedRun(folder.name, folder, recipe, model.to(choose_device(device)).eval(), path, sha256, info)


def _weights_file(folder: Path, weights: Path | str) -> Path:
    kept = snapshots(folder)
    own = [folder / name for name in (*WEIGHTS.values(), *kept) if (folder / name).is_file()]
    if weights in WEIGHTS:
        path = folder / WEIGHTS[weights]
        if path not in own:
            hint = (
                f"finish its training: `strmctl train --resume --name {folder.name}`, or name another run with `--run`"
            )
            if read_notes(path).get("sha256") and not (folder / "state.pt").is_file():  # nothing to resume from either
                hint = f"copy {path.name} to it from where it was trained, or name another run with `--run`"
            raise DataError(f"run {folder.name} has no weights at {path}", hint)
        return path
    file = next((path for path in (Path(weights), folder / weights) if path.is_file()), None)
    if file is None:
        raise DataError(f"there are no weights at {weights}", "name a file, or one of " + ", ".join([*WEIGHTS, *kept]))
    return next((path for path in own if path.samefile(file)), file)


def _read(model: nn.Module, path: Path) -> tuple[dict[str, Any], str]:
    """Fills a model from weights; returns the notes beside them, and their hash.

    Raises:
        CheckpointError: the notes are of other weights, also when read again: a training may just be writing both.
    """
    for pause in (0.2, 1, 0):
        info, sha256 = read_notes(path), sha256_of(path)
        load_weights(model, path)
        if info.get("sha256", sha256) == sha256 == sha256_of(path):
            return info, sha256
        time.sleep(pause)
    raise CheckpointError(
        f"{path} is not the file that {path.with_suffix('.json').name} beside it describes: a kill came between "
        "writing the two, or one was swapped",
        ways_out(run_of(path)),
    )
