"""ResNet-50 over clips: the "slow" network 8×8 of SlowFast (Feichtenhofer et al., ICCV 2019), by its layers.

    stem                1×7×7 convolution, 1×3×3 max-pooling
    stages 1 and 2      bottlenecks 1×1×1, 1×3×3, 1×1×1: each frame on its own
    stages 3 and 4      bottlenecks 3×1×1, 1×3×3, 1×1×1: each frame with the two beside it

It is torchvision's ResNet-50 whose layers have a further axis, time, without a stride along it: L frames give L time
steps. Beyond its ends a clip is 0.
"""

from __future__ import annotations

import re
from collections import OrderedDict

from torch import nn

from strmctl.model.backbones.torchvision_models import models

OVER_TIME = re.compile(r"layer[34]\.\d+\.conv1")  # convolutions that see three frames
# Layers in the file of pytorchvideo, and in torchvision, which counts stages from 1 as well.
STEM = {"conv": "conv1", "norm": "bn1"}
BLOCK = {
    "branch1_conv": "downsample.0",
    "branch1_norm": "downsample.1",
    "branch2.conv_a": "conv1",
    "branch2.norm_a": "bn1",
    "branch2.conv_b": "conv2",
    "branch2.norm_b": "bn2",
    "branch2.conv_c": "conv3",
    "branch2.norm_c": "bn3",
}


def resnet50_3d_trunk() -> nn.Module:
    """The network with random weights up to its last map, clips `(N, 3, L, H, W)` to `(N, 2048, L, h, w)`."""
    network = models.resnet50(weights=None)
    for name, layer in list(network.named_modules()):
        parent, _, own = name.rpartition(".")
        if (inflated := _inflated(layer, 3 if OVER_TIME.fullmatch(name) else 1)) is not None:
            setattr(network.get_submodule(parent), own, inflated)
    parts = OrderedDict(network.named_children())
    del parts["avgpool"], parts["fc"]
    return nn.Sequential(parts)


def _inflated(layer: nn.Module, frames: int) -> nn.Module | None:
    """A layer over clips in the place of one over frames; None where it is the same."""
    if isinstance(layer, nn.Conv2d):
        sizes = {"kernel_size": (frames, *layer.kernel_size), "stride": (1, *layer.stride)}
        padding = (frames // 2, *layer.padding)
        convolution = nn.Conv3d(layer.in_channels, layer.out_channels, padding=padding, bias=False, **sizes)
        nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")  # as torchvision's
        return convolution
    if isinstance(layer, nn.BatchNorm2d):
        return nn.BatchNorm3d(layer.num_features)
    if isinstance(layer, nn.MaxPool2d):
        size, stride, padding = layer.kernel_size, layer.stride, layer.padding
        return nn.MaxPool3d((1, size, size), stride=(1, stride, stride), padding=(0, padding, padding))
    return None


def torchvision_name(name: str) -> str:
    """The name in torchvision of a tensor in the file of pytorchvideo; others stay, also those of torchvision."""
    found = re.fullmatch(r"blocks\.(\d)\.(?:res_blocks\.(\d+)\.)?(.+)\.(\w+)", name)
    if found is None:
        return name
    stage, block, layer, tensor = found.groups()
    place, layers = ("", STEM) if block is None else (f"layer{stage}.{block}.", BLOCK)
    return f"{place}{layers[layer]}.{tensor}" if layer in layers and (stage == "0") == (block is None) else name
