"""What a training will take here, from a few of its episodes; nothing is written: `train --dry-run`.

They are the first episodes of the recipe on its data, in a process of its own, so that its memory is that of a training.
Weights are random, because they take the same time.
"""

from __future__ import annotations

import math
import os
import statistics
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from torch import nn

from strmctl.disk import free_bytes
from strmctl.errors import RecipeError, StrmctlError
from strmctl.evaluation.embed import LOADER_THREADS, embed_clips, evaluating, loading_depth, to_model
from strmctl.evaluation.match import all_clips, match_episodes
from strmctl.memory import HUGE_PAGES, keep_memory, keep_within_free_memory
from strmctl.model.enrichment import Maps, backbone_maps
from strmctl.recipe import Recipe
from strmctl.runs.build import build_model
from strmctl.runs.checkpoint import choose_device
from strmctl.threads import environment, use_threads
from strmctl.training.in_training import TrainingData, validation_protocol
from strmctl.training.measure import peak_bytes
from strmctl.training.run import TrainingRun
from strmctl.training.step import OPTIMIZERS, backward, take_step
from strmctl.training.train import training_episodes, training_sampler
from strmctl.workers import start_worker

MEASURED = 3  # episodes, after one that is not
EMBEDDED = 4  # validation clips that are timed
LINE = 60  # bytes of a line of train.csv
CLOSE = 0.8  # share of the memory here from which on it is said how to need less
LESS = (("train.memory", "checkpoint"), ("train.memory", "sides"), ("train.dtype", "bfloat16"))


def dry_run(run: TrainingRun, data_dir: Path, *, device: str = "auto") -> dict[str, Any]:
    """Checks the recipe, the data and the device of a training, and says what it will take.

    Returns:
        `clips` per split, `episodes`, optimizer `steps`, `seconds_per_episode` (median), `hours` in all, of which
        `validation_hours` and `maps_hours` of a frozen backbone; `peak_bytes` of the process, or on a GPU of its tensors,
        and the `memory_bytes` that there are; `disk_bytes` of the run, `maps_bytes` of a frozen backbone, and the
        `free_disk_bytes`; `less_memory`: changes of the recipe that need less, where it is close.

    Raises:
        DataError: the store is missing, or some of its classes.
        UsageError: there are too few classes or clips for the recipe's episodes, or there is no such device.
        StrmctlError: an episode does not fit into memory.
    """
    recipe, chosen = run.recipe, choose_device(device)
    data = run.open_data(data_dir, chosen)
    found = {"seconds_per_episode": 0.0, "validation_hours": 0.0, "maps_hours": 0.0, "peak_bytes": None, "maps_bytes": 0}
    weights = sum(value.nbytes for value in build_model(recipe, pretrained=False).state_dict().values())
    if training_sampler(recipe, data) is not None:
        found |= _in_a_process(run, data_dir, device)
    episodes = recipe.train.episodes
    hours = episodes * found["seconds_per_episode"] / 3600 + found["validation_hours"] + found["maps_hours"]
    total = torch.cuda.get_device_properties(chosen).total_memory if chosen.type == "cuda" else _machine_bytes()
    close = found["peak_bytes"] is not None and found["peak_bytes"] > CLOSE * total
    files = 3 + len(recipe.train.keep) + 2 * (recipe.train.optimizer == "adam")  # best, last, state and what Adam keeps
    return {
        "run": run.name,
        "recipe": recipe.name,
        "clips": {"train": len(all_clips(data.train)), "val": len(all_clips(data.val))},
        "episodes": episodes,
        "steps": math.ceil(episodes / recipe.train.accumulate),
        "device": torch.cuda.get_device_name(chosen) if chosen.type == "cuda" else chosen.type,
        "threads": torch.get_num_threads(),
        **found,
        "hours": hours,
        "memory_bytes": total,
        "disk_bytes": files * weights + LINE * episodes,
        "free_disk_bytes": free_bytes(run.folder),
        "less_memory": less_memory(recipe) if close else [],
    }


def less_memory(recipe: Recipe) -> list[str]:
    """Changes of a recipe that need less memory, as `--set` takes them, the smallest first."""
    if not recipe.backbone.trained:
        return []
    found = []
    for key, value in LESS:
        values, (section, name) = recipe.model_dump(), key.split(".")
        places = [one for _, one in LESS].index
        before = values[section][name]
        if before == value or (before in ("checkpoint", "sides", "clips") and before != "checkpoint"):
            continue
        values[section][name] = value
        try:
            Recipe.model_validate(values)
        except ValueError:
            continue
        found.append(f"{key}={value}")
    return found


def _in_a_process(run: TrainingRun, data_dir: Path, device: str) -> dict[str, Any]:
    context = get_context("spawn")
    try:
        with (
            environment({HUGE_PAGES: None}),
            ProcessPoolExecutor(1, mp_context=context, initializer=start_worker) as pool,
        ):
            return pool.submit(_measure, run, data_dir, device).result()
    except (BrokenProcessPool, MemoryError, RuntimeError) as error:
        ended = isinstance(error, BrokenProcessPool | MemoryError | torch.OutOfMemoryError)
        if not ended and "alloc" not in str(error):
            raise
        changes = less_memory(run.recipe)
        hint = " and ".join(f"`--set {change}`" for change in changes[-2:]) or "`--set train.queries=1`"
        raise StrmctlError("an episode of this recipe does not fit into the memory here", f"{hint} needs less") from error


def _measure(run: TrainingRun, data_dir: Path, device_name: str) -> dict[str, Any]:
    """What a training takes in this process, which has just begun."""
    recipe, device = run.recipe, choose_device(device_name)
    if device.type == "cpu":
        keep_within_free_memory()
    keep_memory()
    use_threads(None)
    data = run.open_data(data_dir, device)
    model = build_model(recipe, pretrained=False).to(device)
    model.backbone.prepare_training(compiles=recipe.backbone.compile)
    found = _training(recipe, data, model) | {"peak_bytes": peak_bytes(device)}
    return found | {"validation_hours": _validation(recipe, data, model) / 3600}
