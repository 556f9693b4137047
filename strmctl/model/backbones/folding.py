"""Batch norm folded into convolutions: the same network in evaluation, with fewer passes over its maps.

In evaluation, batch norm multiplies each channel by a number and adds another, which the convolution before it can do
at no cost.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

CONVOLUTIONS, NORMS = (nn.Conv2d, nn.Conv3d), (nn.BatchNorm2d, nn.BatchNorm3d)
TOLERANCE = 1e-4  # of the largest number in the network's maps


@torch.no_grad()
def folded(network: nn.Module, inputs: Tensor) -> nn.Module:
    """A copy of a network in evaluation whose convolutions do what the batch norms after them did.

    Batch norm follows a convolution where it is the next part of the same module. Other networks may compute in another
    order than they list their parts, so the copy is tried.

    Args:
        network: network in evaluation mode.
        inputs: what the network takes, such as clips `(N, L, 3, H, W)`, to try it on.

    Returns:
        The copy, in the network's precision; the network itself where there is nothing to fold, or where the copy would
        give other maps.
    """
    precision = next(network.parameters()).dtype
    exact = copy.deepcopy(network).to(torch.promote_types(precision, torch.float32))
    inputs = inputs.to(next(exact.parameters()).dtype)
    expected = exact(inputs)
    if not _fold(exact):
        return network
    found = exact(inputs)
    same = found.shape == expected.shape and (found - expected).abs().max() <= TOLERANCE * expected.abs().max()
    return exact.to(precision) if same else network


def _fold(network: nn.Module) -> bool:
    """Folds all batch norms after convolutions, in place; whether there were any."""
    pairs = [
        (parent, layer, name, norm)
        for parent in network.modules()
        for (_, layer), (name, norm) in pairwise(parent.named_children())
        if isinstance(layer, CONVOLUTIONS) and isinstance(norm, NORMS) and norm.track_running_stats
    ]
    for parent, layer, name, norm in pairs:
        if layer.out_channels == norm.num_features:
            of_norm = (norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias)
            layer.weight, layer.bias = fuse_conv_bn_weights(layer.weight, layer.bias, *of_norm)
            setattr(parent, name, getattr(norm, "act", nn.Identity()))  # timm's batch norm brings its activation
    return bool(pairs)


@contextlib.contextmanager
def folded_backbone(model: nn.Module, clips: Tensor) -> Iterator[None]:
    """Gives a model in evaluation mode, for a block, the `folded` copy of its backbone, tried on clips."""
    before = model.backbone
    model.backbone = folded(before, before.least(clips))
    try:
        yield
    finally:
        model.backbone = before
