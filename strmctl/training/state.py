"""`state.pt` of a run: all that resuming needs, checked before any of it is used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from strmctl.errors import CheckpointError
from strmctl.forms import misfit
from strmctl.model.finite import is_finite
from strmctl.model.weight_files import check_fit, read_tensors, state_dict_in
from strmctl.recipe import Recipe
from strmctl.runs.folder import RECIPE
from strmctl.runs.notes import NOTES, check_recipe, lost

STATE = "state.pt"
FORM = {
    "done": int,
    "best": float,
    "manifest_sha256": str,
    "model": dict,
    "optimizer": {"state": dict},
    "recipe?": dict,  # of earlier versions there is neither
    "notes?": {"best?": NOTES, "last": NOTES},
}
MEMORY = {"sgd": set(), "adam": {"step", "exp_avg", "exp_avg_sq"}}  # what an optimizer remembers of a parameter


def read_state(folder: Path, recipe: Recipe, model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Reads the state of a run into its model and optimizer; returns the rest of it.

    Raises:
        CheckpointError: it is no state, that of another model or recipe, or holds numbers that are not finite.
    """
    path = folder / STATE
    hint = lost(folder)
    state = read_tensors(path, hint)
    if problem := misfit(state, FORM):
        raise CheckpointError(f"{path} does not hold what was written there: {problem}", hint)
    check_recipe(folder / RECIPE, recipe, state.get("recipe"), path)
    if not 0 <= state["done"] <= recipe.train.episodes:
        raise CheckpointError(
            f"{path} is of {state['done']} episodes, and the recipe has {recipe.train.episodes}", hint
        )
    weights = state_dict_in(state.pop("model"), path, hint)
    check_fit(model.state_dict(), weights, path, "the model of this recipe", hint)
    memory = state.pop("optimizer")["state"]
    if problem := _unfit(memory, optimizer, MEMORY[recipe.train.optimizer]):
        raise CheckpointError(f"{path} does not fit the optimizer of this recipe: {problem}", hint)
    model.load_state_dict(weights)
    # the settings are those of the recipe, whatever the file says
    optimizer.load_state_dict({"state": memory, "param_groups": optimizer.state_dict()["param_groups"]})
    return state


def _unfit(memory: Mapping[Any, Any], optimizer: torch.optim.Optimizer, names: set[str]) -> str:
    """What is wrong with what an optimizer remembers, or nothing; parameters that get no gradient have no entry."""
    parameters = dict(enumerate(parameter for group in optimizer.param_groups for parameter in group["params"]))
    for index, entry in memory.items():
        if index not in parameters or not isinstance(entry, Mapping) or not names <= set(entry):
            return f"entry {index!r} is not of a parameter"
        for name in names:
            value, shape = entry[name], torch.Size() if name == "step" else parameters[index].shape
            if not isinstance(value, Tensor) or value.shape != shape or not is_finite(value):
                return f"{name} of parameter {index} is not a finite tensor of shape {tuple(shape)}"
    return ""
