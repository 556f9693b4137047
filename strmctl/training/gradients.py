"""Ways to the gradient of an episode, `train.memory`: the same numbers, with less memory for more time.

    plain         everything is kept from the forward to the backward pass
    checkpoint    of the stem and of each residual block of the backbone, the input is kept, and the rest computed again
    sides         as well, query and support go back one after the other: the support is embedded without a gradient,
                  and again when that of its features is known
    clips         maps are made without a gradient, and again a few clips at a time when their gradient is known

Batch statistics belong to one side of an episode, so `sides` leaves them as they are; `clips` needs a backbone without
them, while a method's own layers see the maps of a whole side all four ways. Running averages count each side once.
Dropout draws the same numbers all four ways: what is computed again draws from the state that it drew from before, and
`clips` computes the backbone alone again, which has no dropout.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, groupby
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from strmctl.evaluation.embed import to_model
from strmctl.model.enrichment import Clips, Maps, backbone_maps
from strmctl.model.episode import Features, Logits, Truth, embed_side, judge_sides

CLIPS_AT_A_TIME = 2

Draws = Callable[[], contextlib.AbstractContextManager[None]]
Found = tuple[Logits, Features, Callable[[], None]]  # logits, losses, and what adds the rest of the gradient


def forward(
    memory: str, model: nn.Module, sides: tuple[Clips, Clips], labels: Tensor, truth: Truth, *, draws: Draws
) -> Found:
    """The logits and losses of an episode, and what is to be called after `backward` of the sum of the losses.

    Args:
        memory: one of the ways above.
        model: method in training.
        sides: support and query: uint8 clips `(N, L, 3, H, W)`, or `Maps`.
        labels: labels of the support, `(N)`.
        truth: the right answers, of one episode.
        draws: context in which an episode is embedded: its precision, and its random numbers from their beginning.

    Returns:
        Logits `(Q, C)`, losses by name, and a function that adds the rest of the gradient.
    """
    return WAYS[memory](model, sides, labels, truth, draws)


def _plain(model: nn.Module, sides: tuple[Clips, Clips], labels: Tensor, truth: Truth, draws: Draws) -> Found:
    with draws():
        support, query = (embed_side(model, to_model(clips, model)) for clips in sides)
        return *judge_sides(model, support, labels, query, truth), lambda: None


def _checkpoint(model: nn.Module, sides: tuple[Clips, Clips], labels: Tensor, truth: Truth, draws: Draws) -> Found:
    with recomputing(model.backbone):
        return _plain(model, sides, labels, truth, draws)


def _sides(model: nn.Module, sides: tuple[Clips, Clips], labels: Tensor, truth: Truth, draws: Draws) -> Found:
    with draws():
        with _without_gradient():
            support = _leaves(embed_side(model, to_model(sides[0], model)))
        with recomputing(model.backbone):
            embedded = [embed_side(model, to_model(sides[1], model))]
        query = _leaves(embedded[0])
        logits, losses = judge_sides(model, support, labels, query, truth)

    def finish() -> None:
        _pass_on(_gradients(query), embedded.pop())
        with draws(), recomputing(model.backbone), counted_before(model):  # these draws begin with the support's
            again = embed_side(model, to_model(sides[0], model))
        _pass_on(_gradients(support), again)

    return logits, losses, finish


def _clips(model: nn.Module, sides: tuple[Clips, Clips], labels: Tensor, truth: Truth, draws: Draws) -> Found:
    if isinstance(sides[0], Maps):
        return _plain(model, sides, labels, truth, draws)

    def parts(count: int) -> Iterator[slice]:
        return (slice(first, first + CLIPS_AT_A_TIME) for first in range(0, count, CLIPS_AT_A_TIME))

    def maps_of(clips: Tensor) -> Features:
        maps = backbone_maps(to_model(clips, model), backbone=model.backbone, patches=model.patches)
        return {"patches": maps.patches, "mean": maps.mean}

    with draws():
        with _without_gradient():
            made = [[maps_of(clips[some]) for some in parts(len(clips))] for clips in sides]
        leaves = [_leaves({name: torch.cat([part[name] for part in side]) for name in side[0]}) for side in made]
        pixels = [to_model(clips, model) if getattr(model, "reads_pixels", False) else None for clips in sides]
        support, query = (embed_side(model, Maps(**side, pixels=own)) for side, own in zip(leaves, pixels, strict=True))
        logits, losses = judge_sides(model, support, labels, query, truth)

    def finish() -> None:
        for clips, gradients in zip(sides, map(_gradients, leaves), strict=True):
            for some in parts(len(clips)):
                with draws():
                    again = maps_of(clips[some])
                _pass_on({name: value[some] for name, value in gradients.items()}, again)

    return logits, losses, finish


WAYS = {"plain": _plain, "checkpoint": _checkpoint, "sides": _sides, "clips": _clips}


@contextlib.contextmanager
def _without_gradient() -> Iterator[None]:
    """Like `torch.no_grad`; autocast keeps no copy of a weight from it, through which no gradient would pass."""
    with torch.no_grad():
        yield
    torch.clear_autocast_cache()


def _leaves(features: Mapping[str, Tensor]) -> Features:
    """The same numbers, where the gradient ends."""
    return {name: value.detach().requires_grad_() for name, value in features.items()}


def _gradients(leaves: Mapping[str, Tensor]) -> Features:
    """The gradients of those that have one."""
    return {name: leaf.grad for name, leaf in leaves.items() if leaf.grad is not None}


def _pass_on(gradients: Mapping[str, Tensor], features: Mapping[str, Tensor]) -> None:
    """Takes gradients of features to the weights."""
    names = [name for name in gradients if features[name].requires_grad]
    if names:
        torch.autograd.backward([features[name] for name in names], [gradients[name] for name in names])


@contextlib.contextmanager
def recomputing(network: nn.Module) -> Iterator[None]:
    """Lets the blocks of a network, within this context, keep only their input for the gradient."""
    blocks = blocks_of(network)
    for block in blocks:
        first, *others = block
        whole = partial(_in_turn, [part.forward for part in block])
        first.forward = partial(checkpoint, whole, use_reentrant=False, context_fn=partial(_contexts, block))
        for other in others:  # the first has done its work
            other.forward = _as_it_is
    try:
        yield
    finally:
        for part in chain.from_iterable(blocks):
            del part.forward  # that of its class is left


def _in_turn(forwards: Sequence[Callable[..., Any]], *inputs: Any, **options: Any) -> Any:
    value = forwards[0](*inputs, **options)
    for forward_of_next in forwards[1:]:
        value = forward_of_next(value)
    return value


def _as_it_is(value: Tensor) -> Tensor:
    return value


def _contexts(block: Sequence[nn.Module]) -> tuple[contextlib.AbstractContextManager, ...]:
    """Where a block is computed at first and where it is computed again."""
    return contextlib.nullcontext(), counted_before(*block)


def blocks_of(network: nn.Module) -> list[list[nn.Module]]:
    """What is computed again as one: a part of a sequence with parts of its own, or several without that follow.

    The former are residual blocks and the like; of parts within parts, the inner ones. The latter are such as a stem;
    those that begin with a layer in place are left out, because it overwrites their input.
    """
    sequences = [module for module in network.modules() if isinstance(module, nn.Sequential | nn.ModuleList)]
    blocks = list(dict.fromkeys(part for sequence in sequences for part in sequence if not _is_layer(part)))
    blocks = [part for part in blocks if not any(other is not part and other in blocks for other in part.modules())]
    within = {module for block in blocks for module in block.modules()}
    found = [[block] for block in blocks]
    for sequence in sequences:
        if sequence not in within and type(sequence).forward is nn.Sequential.forward:
            found += [list(parts) for layers, parts in groupby(sequence, _is_layer) if layers]
    return [parts for parts in found if not getattr(parts[0], "inplace", False)]


def _is_layer(module: nn.Module) -> bool:
    """Whether a module has no parts; timm's batch norm holds an activation."""
    return isinstance(module, _BatchNorm) or not any(True for _ in module.children())


@contextlib.contextmanager
def counted_before(*modules: nn.Module) -> Iterator[None]:
    """Leaves running averages of batch norm as they are, because these maps are computed a second time."""
    every = {module for whole in modules for module in whole.modules()}
    buffers = [(module, *named) for module in every for named in module.named_buffers(recurse=False)]
    for module, name, buffer in buffers:
        setattr(module, name, buffer.clone())
    try:
        yield
    finally:
        for module, name, buffer in buffers:
            setattr(module, name, buffer)
