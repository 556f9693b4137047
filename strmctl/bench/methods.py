"""How fast methods are here, beside each other: a training episode from frames, and test episodes from cached features.

Weights, frames and features are random, so that no data is needed. Methods take turns and the median counts, because
machines have other things to do as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn

from strmctl.bench.evaluation import check_methods, take_turns
from strmctl.episodes.sampler import Episode
from strmctl.evaluation.embed import ClipFeatures
from strmctl.evaluation.match import Protocol, match_episodes
from strmctl.model.enrichment import Clips, backbone_maps
from strmctl.model.methods.table import METHODS
from strmctl.progress import Progress, silent
from strmctl.recipe import Recipe, load_recipe
from strmctl.runs.build import build_model
from strmctl.runs.checkpoint import choose_device, device_name
from strmctl.training.step import OPTIMIZERS, backward, prepare, take_step

WAY, SHOT, QUERIES = 5, 5, 1  # of the test episodes
CLASSES, CLIPS_PER_CLASS = 24, 60  # of the test clips, which are too many for tables of pairs
TRAINING_CLASSES = 64
EVERY = ("strm", *(name for name in METHODS if name != "strm"))


def bench_methods(
    *,
    recipe: str = "sprites",
    assignments: Sequence[str] = (),
    methods: Sequence[str] = EVERY,
    device: str = "auto",
    episodes: int = 64,
    repeats: int = 3,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Measures methods, all with the backbone and the training episodes of a recipe.

    Args:
        recipe: name or file of the recipe.
        assignments: changes of it, such as `train.shot=1`.
        methods: names of methods; the others are compared with the first.
        device: see `choose_device`.
        episodes: test episodes that are matched per repetition, 5-way 5-shot with one query per class.
        repeats: repetitions of each measurement.
        progress: callable that receives (measurements done, measurements in all, next measurement).

    Returns:
        `methods`: name -> `training_seconds_per_episode` (None where nothing is trained) and
        `test_episodes_per_second`, each with the ratio of the first method's time to its own,
        `training_times_as_fast` and `test_times_as_fast`; `recipe`, `backbone`, `device`,
        `threads`, `episodes`, `repeats`.

    Raises:
        UsageError: there is no such method or device.
        RecipeError: the recipe is unknown or invalid.
    """
    check_methods(methods)
    chosen = choose_device(device)
    values = load_recipe(recipe, assignments).model_dump()
    recipes = {name: Recipe.model_validate(values | {"method": name}) for name in methods}
    recipes = {name: Recipe.model_validate(own.settled()) for name, own in recipes.items()}
    jobs: dict[tuple[str, str], Callable[[], Any]] = {}
    for name, own in recipes.items():
        if own.train.episodes:
            jobs[name, "training"] = _training(own, chosen)
        jobs[name, "testing"] = _testing(own, chosen, episodes)
    seconds = take_turns(jobs, repeats, progress)
    found = {}
    first = next(iter(methods))
    for name in methods:
        times = {kind: seconds.get((name, kind)) for kind in ("training", "testing")}
        ratios = {
            kind: seconds[first, kind] / own if own and (first, kind) in seconds else None
            for kind, own in times.items()
        }
        found[name] = {
            "training_seconds_per_episode": times["training"],
            "training_times_as_fast": ratios["training"],
            "test_episodes_per_second": episodes / times["testing"],
            "test_times_as_fast": ratios["testing"],
        }
    backbone = recipes[first].backbone.name
    how = {"device": device_name(chosen), "threads": torch.get_num_threads(), "episodes": episodes, "repeats": repeats}
    return {"recipe": recipe, "backbone": backbone, **how, "methods": found}


def _training(recipe: Recipe, device: torch.device) -> Callable[[], None]:
    """A function that takes one step of the optimizer, after one training episode of random clips."""
    settings = recipe.train
    model = build_model(recipe, pretrained=False)
    sides = tuple(_clips(recipe, model, settings.way * count) for count in (settings.shot, settings.queries))
    prepare(recipe, model, device, TRAINING_CLASSES)
    model.train()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = OPTIMIZERS[settings.optimizer](trained, lr=settings.learning_rate)
    names = [f"class {number}" for number in range(TRAINING_CLASSES)]
    episode = Episode(0, tuple(names[: settings.way]), (), ())

    def step() -> None:
        backward(recipe, model, episode, sides, names)
        take_step(recipe, optimizer, 1)
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return step


@torch.no_grad()
def _clips(recipe: Recipe, model: nn.Module, count: int) -> Clips:
    """Random clips as training reads them: frames, or maps of a frozen backbone."""
    shape = (count, recipe.input.frames, 3, recipe.input.crop, recipe.input.crop)
    if recipe.backbone.trained:
        return torch.randint(256, shape, dtype=torch.uint8)
    return backbone_maps(torch.rand(shape), backbone=model.backbone, patches=model.patches)


def _testing(recipe: Recipe, device: torch.device, count: int) -> Callable[[], Any]:
    """A function that matches episodes from the features of a split."""
    model = build_model(recipe, pretrained=False).eval()
    with torch.inference_mode():
        one = model.embed(torch.rand(2, recipe.input.frames, 3, recipe.input.crop, recipe.input.crop))
    clips = CLASSES * CLIPS_PER_CLASS
    generator = torch.Generator().manual_seed(0)
    tensors = {name: torch.randn(clips, *value.shape[1:], generator=generator) for name, value in one.items()}
    ids = [f"{row:04d}" for row in range(clips)]
    classes = {f"{number:02d}": ids[number::CLASSES] for number in range(CLASSES)}
    drawn = Protocol("test", WAY, (SHOT,), QUERIES, count).draw(classes)
    features = ClipFeatures(tensors, {clip: row for row, clip in enumerate(ids)})
    return partial(match_episodes, model.to(device), features, drawn, (SHOT,))
