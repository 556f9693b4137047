"""How long a training episode takes and what memory it needs, each way that a recipe may be trained.

Weights and frames are random, so that no data is needed, and nothing is written. Each way is a process of its own,
because memory is settled before torch's first tensor and never given back. The authors' way is plain PyTorch: frames in
NCHW order, float32, everything kept for the gradient, freed memory returned to the system. It has the same model, with
our projections of single frames, which flatters it a little.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Any

import torch

from strmctl.bench.methods import TRAINING_CLASSES
from strmctl.episodes.sampler import Episode
from strmctl.errors import RecipeError, UsageError
from strmctl.memory import keep_memory, keep_within_free_memory, return_memory
from strmctl.model.precision import trains_in_tf32
from strmctl.progress import Progress, silent
from strmctl.recipe import Recipe, load_recipe
from strmctl.runs.build import build_model
from strmctl.runs.checkpoint import choose_device, device_name
from strmctl.threads import use_threads
from strmctl.training.gradients import WAYS
from strmctl.training.measure import in_a_new_process, is_out_of_memory, peak_bytes
from strmctl.training.step import OPTIMIZERS, backward, prepare, take_step

AUTHORS = "authors' way"
DTYPES = ("float32", "bfloat16")
PLAIN = ("train.memory=plain", "train.dtype=float32", "backbone.compile=false")
NO_ROOM = "out of memory"


def bench_train(
    source: str,
    assignments: Sequence[str] = (),
    *,
    modes: Sequence[str] | None = None,
    dtypes: Sequence[str] = DTYPES,
    device: str = "auto",
    repeats: int = 3,
    peers: bool = True,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Measures training episodes of a recipe.

    Args:
        source: name of a shipped recipe, or the path of a file.
        assignments: changes of its keys, such as `train.shot=1`.
        modes: values of `train.memory`; None for all that suit the recipe.
        dtypes: values of `train.dtype`.
        device: `auto`, `cpu` or `cuda`.
        repeats: episodes that are measured, after one that is not.
        peers: whether the authors' way is measured as well.
        progress: callable that receives (ways done, ways in all, next way).

    Returns:
        `ways`: a document for each, the authors' first, with the median `seconds_per_episode`, `ms_per_frame`,
        `hours` of the recipe's training episodes, `peak_bytes` of the process, or on a GPU of its tensors, and there
        `reserved_bytes`; `times_as_fast` and `memory_ratio`, against the authors' way; or None for all of these, and
        the `problem`. `left_out`: a mode that does not suit the recipe -> the reason.

    Raises:
        RecipeError: the recipe is unknown or invalid, or does not suit a mode that was asked for.
        UsageError: its backbone is frozen, or `cuda` was asked for and there is none.
    """
    recipe = load_recipe(source, assignments)
    if not recipe.backbone.trained:
        raise UsageError(
            f"recipe {recipe.name} trains on kept maps of a frozen backbone, which fits anywhere",
            "measure it with a backbone that is trained: `--set backbone.trained=true --set train.views=1`",
        )
    cells = [(AUTHORS, load_recipe(source, [*assignments, *PLAIN]))] if peers else []
    left_out: dict[str, str] = {}
    for mode in WAYS if modes is None else modes:
        own = [*assignments, f"train.memory={mode}"]
        try:
            cells += [(mode, load_recipe(source, [*own, f"train.dtype={dtype}"])) for dtype in dtypes]
        except RecipeError as error:
            if modes is not None:
                raise
            left_out[mode] = error.message.splitlines()[-1].strip()
    chosen = choose_device(device)
    ways = []
    for number, (way, own) in enumerate(cells):
        progress(number, len(cells), f"{way}, {own.train.dtype}")
        ways.append({"way": way, "dtype": own.train.dtype, **_in_a_process(own, way == AUTHORS, str(chosen), repeats)})
    progress(len(cells), len(cells), "")
    for way in ways:
        seconds, first = way["seconds_per_episode"], ways[0]
        compares = peers and seconds and first["seconds_per_episode"]
        frames = recipe.train.way * (recipe.train.shot + recipe.train.queries) * recipe.input.frames
        way["ms_per_frame"] = seconds and 1e3 * seconds / frames
        way["hours"] = seconds and seconds * recipe.train.episodes / 3600
        way["times_as_fast"] = first["seconds_per_episode"] / seconds if compares else None
        way["memory_ratio"] = way["peak_bytes"] / first["peak_bytes"] if compares else None
    return {
        "recipe": recipe.name,
        "backbone": recipe.backbone.name,
        **{key: getattr(recipe.train, key) for key in ("way", "shot", "queries", "episodes")},
        "pixels": recipe.input.crop,
        "device": device_name(chosen),
        "tf32": trains_in_tf32(chosen),
        "threads": torch.get_num_threads(),
        "repeats": repeats,
        "ways": ways,
        "left_out": left_out,
    }


def _in_a_process(recipe: Recipe, authors: bool, device: str, repeats: int) -> dict[str, Any]:
    try:
        return in_a_new_process(_measure, recipe, authors, device, repeats)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return {"seconds_per_episode": None, "peak_bytes": None, "reserved_bytes": None, "problem": NO_ROOM}


def _measure(recipe: Recipe, authors: bool, device_name: str, repeats: int) -> dict[str, Any]:
    """What training takes in this process, which has just begun."""
    device = choose_device(device_name)
    if device.type == "cpu":
        keep_within_free_memory()
    if not authors:
        keep_memory()
    if recipe.train.memory != "plain":
        return_memory()  # as training does
    use_threads(None)
    return {
        "seconds_per_episode": statistics.median(_seconds(recipe, authors, device, repeats)),
        "peak_bytes": peak_bytes(device),
        "reserved_bytes": torch.cuda.max_memory_reserved(device) if device.type == "cuda" else None,
        "problem": None,
    }


def _seconds(recipe: Recipe, authors: bool, device: torch.device, repeats: int) -> list[float]:
    """Seconds of single episodes; gradients wait for the optimizer as in training."""
    settings, shape = recipe.train, recipe.input
    model = build_model(recipe, pretrained=False)
    prepare(recipe, model, device, TRAINING_CLASSES)
    model.train()
    if authors:
        model.to(memory_format=torch.contiguous_format)
        model.backbone.memory_format = torch.contiguous_format  # not the faster order of memory
    optimizer = OPTIMIZERS[settings.optimizer](model.parameters(), lr=settings.learning_rate)
    counts = (settings.way * settings.shot, settings.way * settings.queries)
    size = (shape.frames, 3, shape.crop, shape.crop)
    seconds = []
    for index in range(1 + repeats):
        sides = tuple(torch.randint(256, (count, *size), dtype=torch.uint8) for count in counts)
        begin = time.perf_counter()
        backward(recipe, model, Episode(index, (), (), ()), sides)
        if index == 0 or index % settings.accumulate == 0:  # the first, so that the optimizer has its own tensors
            take_step(recipe, optimizer, index + 1)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - begin)
    return seconds[1:]
