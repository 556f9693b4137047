"""One step of training: the loss of an episode, its gradient, and the learning rate."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import nn

from strmctl.episodes.sampler import Episode
from strmctl.evaluation.ranks import Ranks
from strmctl.model.enrichment import Clips
from strmctl.model.episode import Truth
from strmctl.model.precision import fast_products
from strmctl.model.seeding import seeded
from strmctl.recipe import Recipe
from strmctl.training.gradients import forward

OPTIMIZERS = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}


class Outcome(NamedTuple):
    """What came of one training episode: its loss, the share of right answers, and the terms of the loss by name."""

    loss: float
    accuracy: float
    terms: dict[str, float]


def prepare(recipe: Recipe, model: nn.Module, device: torch.device, classes: int) -> None:
    """Makes a model ready to be trained on a number of training classes, on a device.

    Raises:
        UsageError: the recipe wants it compiled, and nothing can be compiled here.
    """
    if recipe.train.episodes and hasattr(model, "prepare_training"):
        with seeded(recipe.train.seed, "training only"):
            model.prepare_training(classes)
    model.to(device)
    model.backbone.prepare_training(compiles=recipe.backbone.compile)


def backward(
    recipe: Recipe, model: nn.Module, episode: Episode, clips: tuple[Clips, Clips], classes: Sequence[str] = ()
) -> Outcome:
    """Adds the gradient of one episode.

    Args:
        recipe: the experiment.
        model: method in training.
        episode: the episode, whose index seeds dropout.
        clips: its support and query: uint8 clips, or maps.
        classes: names of all training classes, in sorted order; none where the episode has no names either, as in
            measurements: numbers take their place.
    """
    settings = recipe.train
    device = next(model.parameters()).device
    labels = torch.arange(settings.way, device=device)
    numbers = torch.tensor([classes.index(name) for name in episode.classes], device=device) if classes else labels

    @contextlib.contextmanager
    def episode_draws() -> Iterator[None]:
        precision = torch.autocast(device.type, torch.bfloat16, enabled=settings.dtype == "bfloat16")
        with seeded(settings.seed, f"dropout of episode {episode.index}", device), precision:
            yield

    support_labels, targets = labels.repeat_interleave(settings.shot), labels.repeat_interleave(settings.queries)
    names = tuple(classes) or tuple(map(str, range(settings.way)))
    truth = Truth(targets[None], numbers[None], settings.loss_reduction, names)
    with fast_products():
        logits, losses, finish = forward(settings.memory, model, clips, support_labels, truth, draws=episode_draws)
        loss = sum(losses.values())
        if torch.isfinite(loss):
            (loss / accumulated(recipe, episode.index)).backward()
            finish()
    accuracy = (logits.total.argmax(dim=-1) == targets).double().mean().item()
    return Outcome(loss.item(), accuracy, {name: value.item() for name, value in losses.items()})


def accumulated(recipe: Recipe, index: int) -> int:
    """Number of episodes in the optimizer step of episode `index`; the last step may have fewer than the others."""
    first = index - index % recipe.train.accumulate
    return min(recipe.train.accumulate, recipe.train.episodes - first)


def add_gradients(model: nn.Module, ranks: Ranks) -> None:
    """Gives all ranks the sum of their gradients; a parameter that has none in any rank stays without."""
    if ranks.count == 1:
        return
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    having = torch.tensor([float(parameter.grad is not None) for parameter in trained], device=trained[0].device)
    ranks.add_up([having])
    for parameter, number in zip(trained, having.tolist(), strict=True):
        if number and parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    ranks.add_up([parameter.grad for parameter in trained if parameter.grad is not None])


def clip_gradient(model: nn.Module, limit: float | None) -> float:
    """Norm of the gradient, which is scaled down to `limit` where it is larger."""
    return torch.nn.utils.clip_grad_norm_(model.parameters(), math.inf if limit is None else limit).item()


def take_step(recipe: Recipe, optimizer: torch.optim.Optimizer, done: int) -> None:
    """Changes the weights after `done` training episodes, and clears the gradient."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(recipe, done)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def learning_rate(recipe: Recipe, done: int) -> float:
    """Learning rate of the step that ends with training episode number `done`."""
    if recipe.train.schedule == "constant":
        return recipe.train.learning_rate
    share = (done - 1) / recipe.train.episodes
    return recipe.train.learning_rate * 0.5 * (1 + math.cos(math.pi * share))
