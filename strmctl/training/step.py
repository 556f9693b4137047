"""One step of training: the loss of an episode, its gradient, and the learning rate."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from strmctl.episodes.sampler import Episode
from strmctl.evaluation.ranks import Ranks
from strmctl.model.enrichment import Clips
from strmctl.model.episode import Logits
from strmctl.model.precision import fast_products
from strmctl.model.seeding import seeded
from strmctl.recipe import Recipe
from strmctl.training.gradients import forward

OPTIMIZERS = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}


def episode_loss(logits: Logits, targets: Tensor, *, weight: float, reduction: str) -> Tensor:
    """L_TM + lambda · L_QC: cross-entropies, summed or averaged over the queries `(Q)`.

    A method without TRM has one cross-entropy, that of its total.
    """
    loss = F.cross_entropy(logits.total if logits.trm is None else logits.trm, targets, reduction=reduction)
    if logits.query_class is not None:
        loss = loss + weight * F.cross_entropy(logits.query_class, targets, reduction=reduction)
    return loss


def backward(recipe: Recipe, model: nn.Module, episode: Episode, clips: tuple[Clips, Clips]) -> tuple[float, float]:
    """Adds the gradient of one episode, whose index seeds dropout, from its support and query: uint8 clips, or maps.

    Returns:
        The loss, and the share of right answers.
    """
    settings = recipe.train
    device = next(model.parameters()).device
    labels = torch.arange(settings.way, device=device)

    @contextlib.contextmanager
    def episode_draws() -> Iterator[None]:
        precision = torch.autocast(device.type, torch.bfloat16, enabled=settings.dtype == "bfloat16")
        with seeded(settings.seed, f"dropout of episode {episode.index}", device), precision:
            yield

    support_labels, targets = labels.repeat_interleave(settings.shot), labels.repeat_interleave(settings.queries)
    with fast_products():
        logits, finish = forward(settings.memory, model, clips, support_labels, episode_draws)
        loss = episode_loss(logits, targets, weight=recipe.query_class.weight, reduction=settings.loss_reduction)
        if torch.isfinite(loss):
            (loss / accumulated(recipe, episode.index)).backward()
            finish()
    return loss.item(), (logits.total.argmax(dim=-1) == targets).double().mean().item()


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
