"""What a training will take here, from a few of its episodes; nothing is written: `train --dry-run`.

They are the first episodes of the recipe on its data, in a process of its own, so that its memory is that of a
training. Weights are random, because they take the same time.
"""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from strmctl.disk import free_bytes
from strmctl.errors import StrmctlError
from strmctl.evaluation.embed import ClipFeatures, embed_clips, evaluating, loading_depth, to_model
from strmctl.evaluation.map_cache import maps_of
from strmctl.evaluation.match import all_clips, match_episodes
from strmctl.evaluation.ranks import ALONE, Ranks
from strmctl.memory import keep_memory, keep_within_free_memory, machine_bytes, return_memory
from strmctl.recipe import Recipe
from strmctl.runs.build import build_model
from strmctl.runs.checkpoint import choose_device, device_name
from strmctl.threads import use_threads
from strmctl.training.in_training import TrainingData, validation_protocol
from strmctl.training.measure import in_a_new_process, is_out_of_memory, peak_bytes
from strmctl.training.run import TrainingRun
from strmctl.training.step import OPTIMIZERS, backward, prepare, take_step
from strmctl.training.train import parts_of, training_episodes, training_sampler

MEASURED = 3  # episodes, after one that is not
EMBEDDED, MATCHED = 4, 20  # validation clips and episodes that are timed
LINE = 60  # bytes of a line of train.csv
CLOSE = 0.8  # share of the memory here from which on it is said how to need less
WAYS = ("plain", "checkpoint", "sides")  # values of train.memory, each with less memory than the one before


def dry_run(run: TrainingRun, data_dir: Path, *, device: str = "auto", ranks: Ranks = ALONE) -> dict[str, Any] | None:
    """Checks the recipe, the data and the device of a training, and says what it will take.

    Args:
        run: training that has not begun.
        data_dir: folder of the frame stores.
        device: name of the device, see `choose_device`.
        ranks: processes that would train together, all of which call this and measure at the same time.

    Returns:
        In the first process, else None:
        `clips` per split, `episodes`, optimizer `steps`, `seconds_per_episode` (median), `hours` in all, of which
        `validation_hours` and `maps_hours` of a frozen backbone; `peak_bytes` of the process, or on a GPU of its
        tensors, and the `memory_bytes` that there are for it; `disk_bytes` of the run, `maps_bytes` of a frozen
        backbone, and the `free_disk_bytes`; `less_memory`: changes of the recipe that need less, where it is close;
        `ranks`: their number. Of several, times and memory are those of the slowest and the largest, and sums of
        gradients are not counted.

    Raises:
        DataError: the store is missing, or some of its classes.
        UsageError: there are too few classes or clips for the recipe's episodes, or there is no such device.
        StrmctlError: an episode does not fit into memory.
    """
    recipe, chosen = run.recipe, choose_device(device)
    data = run.open_data(data_dir, chosen)
    found = {
        "seconds_per_episode": 0.0,
        "validation_hours": 0.0,
        "maps_hours": 0.0,
        "peak_bytes": None,
        "maps_bytes": 0,
    }
    model = build_model(recipe, pretrained=False)
    weights = sum(value.nbytes for value in model.state_dict().values())
    trained = sum(parameter.nbytes for parameter in model.parameters() if parameter.requires_grad)
    beside = 1  # ranks on this machine
    if training_sampler(recipe, data) is not None:
        own = f"cuda:{ranks.local}" if chosen.type == "cuda" and ranks.count > 1 else device
        of_each = ranks.to_first(lambda: _in_a_process(run, data_dir, own, ranks) | {"local": ranks.local})
        most = {name: max(each[name] for each in of_each) for name in (of_each or [{}])[0]}
        beside += most.pop("local", 0)
        found |= most
    if not ranks.first:
        return None
    episodes = recipe.train.episodes
    rounds = sum(1 for _ in parts_of(recipe, 0, ranks.count))  # episodes one after the other
    hours = rounds * found["seconds_per_episode"] / 3600 + found["validation_hours"] + found["maps_hours"]
    total = (
        torch.cuda.get_device_properties(chosen).total_memory if chosen.type == "cuda" else machine_bytes() // beside
    )
    close = found["peak_bytes"] is not None and found["peak_bytes"] > CLOSE * total
    files = (3 + len(recipe.train.keep)) * weights  # best, last and state
    files += 2 * trained * (recipe.train.optimizer == "adam" and episodes > 0)  # what it keeps of each, in the state
    return {
        "run": run.name,
        "recipe": recipe.name,
        "clips": {"train": len(all_clips(data.train)), "val": len(all_clips(data.val))},
        "episodes": episodes,
        "steps": math.ceil(episodes / recipe.train.accumulate),
        "device": device_name(chosen),
        "threads": torch.get_num_threads(),
        **found,
        "hours": hours,
        "memory_bytes": total,
        "disk_bytes": files + LINE * episodes,
        "free_disk_bytes": free_bytes(run.folder),
        "less_memory": less_memory(recipe) if close else [],
        "ranks": ranks.count,
    }


def less_memory(recipe: Recipe) -> list[str]:
    """Changes of a recipe that need less memory, as `--set` takes them, the smallest first of each kind."""
    settings = recipe.train
    if not recipe.backbone.trained:
        return []
    further = WAYS[WAYS.index(settings.memory) + 1 :] if settings.memory in WAYS else ()
    changes = [*(("memory", way) for way in further), *[("dtype", "bfloat16")] * (settings.dtype != "bfloat16")]
    return [f"train.{key}={value}" for key, value in changes if _suits(recipe, key, value)]


def _suits(recipe: Recipe, key: str, value: str) -> bool:
    values = recipe.model_dump()
    values["train"][key] = value
    try:
        Recipe.model_validate(values)
    except ValueError:
        return False
    return True


def _in_a_process(run: TrainingRun, data_dir: Path, device: str, ranks: Ranks) -> dict[str, Any]:
    try:
        found = in_a_new_process(_measure, run, data_dir, device)
        embedding, matching = found.pop("embedding_hours"), found.pop("matching_hours")
        found["maps_hours"] = found.get("maps_hours", 0.0) / ranks.count
        return found | {"validation_hours": embedding / ranks.count + matching}
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        changes = less_memory(run.recipe)
        hint = " and ".join(f"`--set {change}`" for change in changes[-2:]) or "`--set train.queries=1`"
        raise StrmctlError(
            "an episode of this recipe does not fit into the memory here", f"{hint} needs less"
        ) from error


def _measure(run: TrainingRun, data_dir: Path, device_name: str) -> dict[str, Any]:
    """What a training takes in this process, which has just begun."""
    recipe, device = run.recipe, choose_device(device_name)
    if device.type == "cpu":
        keep_within_free_memory()
    keep_memory()
    if recipe.train.memory != "plain":
        return_memory()  # as training does
    use_threads(None)
    data = run.open_data(data_dir, device)
    model = build_model(recipe, pretrained=False)
    prepare(recipe, model, device, len(data.train))
    found = _training(recipe, data, model) | {"peak_bytes": peak_bytes(device)}
    return found | _validation(recipe, data, model)


def _training(recipe: Recipe, data: TrainingData, model: nn.Module) -> dict[str, Any]:
    """Seconds of an episode, as training goes from one to the next; of a frozen backbone, what its maps take, too."""
    device = next(model.parameters()).device
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = OPTIMIZERS[recipe.train.optimizer]([{"params": trained}], lr=recipe.train.learning_rate)
    sampler, loader = training_sampler(recipe, data), data.loader
    found: dict[str, Any] = {}
    indices = range(min(1 + MEASURED, recipe.train.episodes))
    episodes = training_episodes(sampler, loader, indices, loading_depth(model))
    if not recipe.backbone.trained:
        begin = time.perf_counter()
        with torch.no_grad(), evaluating(model):
            episodes = [
                (episode, tuple(maps_of(recipe, model, to_model(clips, model)) for clips in sides))
                for episode, sides in episodes
            ]
        clips = [maps for _, sides in episodes for maps in sides]
        count = sum(len(maps.mean) for maps in clips)
        units = recipe.train.views * len(all_clips(data.train)) + len(all_clips(data.val))
        size = 2 if recipe.backbone.maps == "half" else 4
        numbers = sum(part.numel() for maps in clips for part in (maps.patches, maps.mean))
        found["maps_bytes"] = units * size * numbers // count
        found["maps_hours"] = units * (time.perf_counter() - begin) / count / 3600
    model.train()
    classes, seconds, begin = sorted(data.train), [], time.perf_counter()
    for episode, sides in episodes:
        backward(recipe, model, episode, sides, classes)
        if episode.index % recipe.train.accumulate == 0:  # the first, so that the optimizer has its own tensors
            take_step(recipe, optimizer, episode.index + 1)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        end = time.perf_counter()
        seconds.append(end - begin)
        begin = end
    return found | {"seconds_per_episode": statistics.median(seconds[1:] or seconds)}


def _validation(recipe: Recipe, data: TrainingData, model: nn.Module) -> dict[str, float]:
    """Hours of all validations, from a few clips and episodes."""
    if len(data.val) < 2:
        return {"embedding_hours": 0.0, "matching_hours": 0.0}
    protocol, count = validation_protocol(recipe, data), len(all_clips(data.val))
    drawn = replace(protocol, episodes=min(MATCHED, protocol.episodes)).draw(data.val, data.loader.store.groups)
    clips = all_clips(data.val)[:EMBEDDED]
    begin = time.perf_counter()
    features = embed_clips(model, data.loader, clips)
    middle = time.perf_counter()
    rows = {clip: number % len(clips) for number, clip in enumerate(all_clips(data.val))}
    match_episodes(model, ClipFeatures(features.tensors, rows), drawn, protocol.shots)
    embedding, matching = (middle - begin) / len(clips), (time.perf_counter() - middle) / len(drawn)
    hours = math.ceil(recipe.train.episodes / recipe.validation.every) / 3600
    embedded = count * recipe.backbone.trained  # else maps are read
    return {"embedding_hours": hours * embedded * embedding, "matching_hours": hours * protocol.episodes * matching}
