"""Backbones: networks that turn single frames into feature maps.

The ResNets are torchvision's without average pooling and classifier; `conv3` is a small network for the bundled 64×64
sprites; the vision transformer and EfficientNet-Lite0 have files of their own. A new backbone is one entry in
`BACKBONES`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torchvision import models

from strmctl.errors import DataError, RecipeError
from strmctl.model.backbones import efficientnet_lite, vision_transformer
from strmctl.model.backbones.weights import WAYS_OUT, fetch_torchvision, load_trunk
from strmctl.model.weight_files import read_state_dict

BatchNorm = Literal["batch", "frozen"]
Announce = Callable[[str], None]  # is told what is about to be downloaded


@dataclass(frozen=True)
class Entry:
    """What the toolkit knows of a backbone.

    Attributes:
        trunk: makes the network, `(N·L, 3, H, W)` to `(N·L, D, h, w)`, with random weights.
        dim: D, channels of the map.
        mean: per colour, of pixels in [0, 1]; used when the recipe asks for normalisation.
        std: per colour, likewise.
        imagenet: gives ImageNet weights; None when there are none.
        classifier: what the names of the classifier begin with, which a file may hold and the trunk does not.
        rename: a name in a file of weights to the name in the network that the trunk was cut from.
    """

    trunk: Callable[[], nn.Module]
    dim: int
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    imagenet: Callable[[Announce], Mapping[str, Tensor]] | None = None
    classifier: str = "fc."
    rename: Callable[[str], str] = str


def _resnet_trunk(make: Callable[..., nn.Module]) -> nn.Module:
    """A torchvision ResNet up to `layer4`, its parts under their own names."""
    parts = OrderedDict(make(weights=None).named_children())
    del parts["avgpool"], parts["fc"]
    return nn.Sequential(parts)


def _conv3_trunk() -> nn.Module:
    """Three blocks of convolution, batch norm, 2×2 max-pooling and ReLU: 64×64 pixels to a 4×4 map."""

    def block(inputs: int, outputs: int, size: int, stride: int) -> nn.Module:
        # Batch norm subtracts the mean, so a bias of the convolution would do nothing. ReLU of the largest is the
        # largest ReLU, so ReLU comes after pooling, on a quarter of the numbers.
        convolution = nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=False)
        return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.MaxPool2d(2), nn.ReLU(inplace=True))

    return nn.Sequential(block(3, 32, size=5, stride=2), block(32, 64, size=3, stride=1), block(64, 128, 3, stride=1))


def _resnet(name: str, make: Callable[..., nn.Module], dim: int, weights: models.WeightsEnum) -> Entry:
    return Entry(partial(_resnet_trunk, make), dim, imagenet=partial(fetch_torchvision, name, weights))


BACKBONES: dict[str, Entry] = {
    "conv3": Entry(_conv3_trunk, 128, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
    "resnet18": _resnet("resnet18", models.resnet18, 512, models.ResNet18_Weights.IMAGENET1K_V1),
    "resnet34": _resnet("resnet34", models.resnet34, 512, models.ResNet34_Weights.IMAGENET1K_V1),
    "resnet50": _resnet("resnet50", models.resnet50, 2048, models.ResNet50_Weights.IMAGENET1K_V1),
    "vit_b16": Entry(
        vision_transformer.vit_b16_trunk,
        768,
        imagenet=partial(fetch_torchvision, "vit_b16", models.ViT_B_16_Weights.IMAGENET1K_V1),
        classifier="heads.",
        rename=vision_transformer.present_name,
    ),
    "efficientnet_lite0": Entry(
        efficientnet_lite.efficientnet_lite0_trunk,
        1280,
        mean=efficientnet_lite.MEAN,
        std=efficientnet_lite.STD,
        imagenet=efficientnet_lite.efficientnet_lite0_weights,
        classifier="classifier.",
        rename=efficientnet_lite.timm_name,
    ),
}


class Backbone(nn.Module):
    """Frames in [0, 1] to feature maps.

    Args:
        trunk: the network itself.
        dim: D, channels of its maps.
        batch_norm: `batch`: statistics of the batch in training; `frozen`: the running ones, which stay as they are.
        mean: subtracted per colour; None leaves pixels as they are.
        std: then divided by, per colour; given together with `mean`.
    """

    def __init__(
        self,
        *,
        trunk: nn.Module,
        dim: int,
        batch_norm: BatchNorm = "batch",
        mean: tuple[float, ...] | None = None,
        std: tuple[float, ...] | None = None,
    ) -> None:
        super().__init__()
        # Convolutions on a CPU are up to twice as fast in this order of memory, with the same numbers.
        self.trunk = trunk.to(memory_format=torch.channels_last)
        self.dim = dim
        self.batch_norm = batch_norm
        for name, colours in (("mean", mean), ("std", std)):
            # Kept in float64 until used; not saved, because they belong to the recipe.
            value = None if colours is None else torch.tensor(colours, dtype=torch.float64).view(3, 1, 1)  # (3, 1, 1)
            self.register_buffer(name, value, persistent=False)
        self.train()

    def train(self, mode: bool = True) -> Backbone:
        """Switch between training and evaluation; frozen batch norm stays in evaluation."""
        super().train(mode)
        if self.batch_norm == "frozen":
            for module in self.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self

    def forward(self, frames: Tensor) -> Tensor:
        """Frames `(N·L, 3, H, W)`, float in [0, 1], to maps `(N·L, D, h, w)`."""
        if self.mean is not None:
            frames = (frames - self.mean.to(frames.dtype)) / self.std.to(frames.dtype)
        return self.trunk(frames.contiguous(memory_format=torch.channels_last))


def build_backbone(
    name: str,
    *,
    weights: str = "imagenet",
    batch_norm: BatchNorm = "batch",
    normalize: bool = False,
    announce: Announce = lambda message: None,
) -> Backbone:
    """Build a backbone of `BACKBONES` and give it weights.

    Args:
        name: a key of `BACKBONES`.
        weights: `none` for random ones, `imagenet` for the entry's own, or the path of a file.
        batch_norm: see `Backbone`.
        normalize: subtract the entry's mean from the pixels and divide by its standard deviation.
        announce: is told what is about to be downloaded.

    Raises:
        RecipeError: there is no such backbone.
        UsageError: the backbone needs a package that is not installed.
        DataError: the weights are missing or cannot be fetched.
        CheckpointError: the file holds no weights, or those of another network.
    """
    if name not in BACKBONES:
        raise RecipeError(f"unknown backbone {name!r}", f"choose one of {', '.join(BACKBONES)}")
    entry = BACKBONES[name]
    trunk = entry.trunk()
    load = partial(load_trunk, trunk, classifier=entry.classifier, rename=entry.rename)
    if weights == "imagenet":
        if entry.imagenet is None:
            raise DataError(f"backbone {name} has no ImageNet weights", WAYS_OUT)
        load(entry.imagenet(announce), f"the ImageNet weights of {name}")
    elif weights != "none":
        load(read_state_dict(Path(weights).expanduser(), WAYS_OUT), weights)
    mean, std = (entry.mean, entry.std) if normalize else (None, None)
    return Backbone(trunk=trunk, dim=entry.dim, batch_norm=batch_norm, mean=mean, std=std)
