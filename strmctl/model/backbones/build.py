"""Backbones built from the table: the network, its weights, and what happens to pixels before it.

The ResNets are torchvision's without average pooling and classifier; `conv3` is a small network for the bundled 64×64
sprites; the vision transformer, EfficientNet-Lite, the networks of timm and those over clips have files of their own.
"""

from __future__ import annotations

import pkgutil
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from strmctl.errors import DataError
from strmctl.model.backbones.compiling import compiled
from strmctl.model.backbones.table import BACKBONES, PRETRAINING, TIMM, Entry, backbone_entry
from strmctl.model.backbones.timm_network import Known, look_at, timm_trunk
from strmctl.model.backbones.torchvision_models import models
from strmctl.model.backbones.weights import WAYS_OUT, fetch_torchvision, fetch_url, load_trunk
from strmctl.model.weight_files import read_tensors, state_dict_in
from strmctl.paths import with_home

BatchNorm = Literal["batch", "frozen"]
Announce = Callable[[str], None]  # receives a message before anything is downloaded


def _resnet_trunk(make: Callable[..., nn.Module]) -> nn.Module:
    """A torchvision ResNet up to `layer4`, its parts under their own names."""
    parts = OrderedDict(make(weights=None).named_children())
    del parts["avgpool"], parts["fc"]
    return nn.Sequential(parts)


resnet18_trunk = partial(_resnet_trunk, models.resnet18)
resnet34_trunk = partial(_resnet_trunk, models.resnet34)
resnet50_trunk = partial(_resnet_trunk, models.resnet50)


def conv3_trunk() -> nn.Module:
    """Three blocks of convolution, batch norm, 2×2 max-pooling and ReLU: 64×64 pixels to a 4×4 map."""

    def block(inputs: int, outputs: int, size: int, stride: int) -> nn.Module:
        # Batch norm subtracts the mean, so a bias of the convolution would do nothing. ReLU of the largest is the
        # largest ReLU, so ReLU comes after pooling, on a quarter of the numbers.
        convolution = nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=False)
        return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.MaxPool2d(2), nn.ReLU(inplace=True))

    return nn.Sequential(block(3, 32, size=5, stride=2), block(32, 64, size=3, stride=1), block(64, 128, 3, stride=1))


class Backbone(nn.Module):
    """Clips in [0, 1] to feature maps.

    Args:
        trunk: the network itself, from frames `(N·L, 3, H, W)` to `(N·L, D, h, w)`.
        dim: D, channels of its maps.
        batch_norm: statistics in training: `batch`, those of the batch, or `frozen`, the running ones, which stay.
        mean: number per colour that is subtracted; None leaves pixels as they are.
        std: number per colour that the difference is divided by; given together with `mean`.
        trained: whether training changes it; False keeps it in evaluation, without a gradient.
        whole_clips: whether the network is one from clips `(N, 3, L, H, W)` to `(N, D, L', h, w)`.
    """

    def __init__(
        self,
        *,
        trunk: nn.Module,
        dim: int,
        batch_norm: BatchNorm = "batch",
        mean: tuple[float, ...] | None = None,
        std: tuple[float, ...] | None = None,
        trained: bool = True,
        whole_clips: bool = False,
    ) -> None:
        super().__init__()
        # Convolutions of frames on a CPU are up to twice as fast in this order of memory, with the same numbers. Those
        # of clips are not.
        self.memory_format = torch.contiguous_format if whole_clips else torch.channels_last
        self.trunk = trunk.to(memory_format=self.memory_format)
        self.whole_clips = whole_clips
        self.dim = dim
        self.batch_norm = batch_norm
        self.trained = trained
        self.fast_trunk: Callable[[Tensor], Tensor] | None = None
        self.requires_grad_(trained)
        for name, colours in (("mean", mean), ("std", std)):
            # Kept in float64 until used; not saved, because they belong to the recipe.
            value = None if colours is None else torch.tensor(colours, dtype=torch.float64).view(3, 1, 1)  # (3, 1, 1)
            self.register_buffer(name, value, persistent=False)
        self.train()

    def train(self, mode: bool = True) -> Backbone:
        """Switch between training and evaluation; what is frozen stays in evaluation."""
        super().train(mode and self.trained)
        if self.batch_norm == "frozen":
            for module in self.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self

    def forward(self, clips: Tensor) -> Tensor:
        """Clips `(N, L, 3, H, W)`, float in [0, 1], to maps `(N, L', D, h, w)`, L' = L where frames pass singly."""
        if self.mean is not None:
            clips = (clips - self.mean.to(clips.dtype)) / self.std.to(clips.dtype)
        trunk = self.fast_trunk if self.training and self.fast_trunk else self.trunk
        if self.whole_clips:
            inputs = clips.transpose(1, 2)  # (N, 3, L, H, W)
            return trunk(inputs.contiguous(memory_format=self.memory_format)).transpose(1, 2)  # (N, L', D, h, w)
        maps = trunk(clips.flatten(0, 1).contiguous(memory_format=self.memory_format))  # (N·L, D, h, w)
        return maps.unflatten(0, clips.shape[:2])

    def least(self, clips: Tensor) -> Tensor:
        """As little of clips as the network takes, to try it on: one frame of one, or a whole one."""
        return clips[:1] if self.whole_clips else clips[:1, :1]

    def prepare_training(self, *, compiles: bool) -> None:
        """Compiles the network as training uses it, where that is wanted; evaluation computes as before.

        Raises:
            UsageError: nothing can be compiled here.
        """
        if compiles and self.trained:
            self.fast_trunk = compiled(self.trunk.forward, next(self.trunk.parameters()).device)


def build_backbone(
    name: str,
    *,
    weights: str = "imagenet",
    batch_norm: BatchNorm = "batch",
    trained: bool = True,
    normalize: bool = False,
    crop: int | None = None,
    announce: Announce = lambda message: None,
) -> Backbone:
    """Build a backbone and give it weights.

    Args:
        name: key of `BACKBONES`, or `timm:` and the name of a model in timm.
        weights: `none` for random weights, a key of the entry's `weights` for published ones, or the path of a file.
        batch_norm: as for `Backbone`.
        trained: likewise.
        normalize: whether to subtract the entry's mean from the pixels and divide by its standard deviation.
        crop: side in pixels of the frames, for networks of timm; None: their own.
        announce: receives a message before anything is downloaded.

    Raises:
        UsageError: the backbone needs a package that is not installed.
        RecipeError: timm has no such model, or it takes no frames of this size.
        DataError: the weights are missing or cannot be fetched.
        CheckpointError: the file holds no weights, or those of another network.
    """
    if weights in PRETRAINING and weights not in (published := backbone_entry(name).weights):
        own = "".join(f"`--set backbone.weights={word}` takes its own; " for word in published)
        raise DataError(f"backbone {name} has no {PRETRAINING[weights].label} weights", f"{own}{WAYS_OUT}")
    about: Entry | Known
    if name.startswith(TIMM):
        about = look_at(name, crop)
        trunk = timm_trunk(name, about, weights=weights, announce=announce)
    else:
        about = BACKBONES[name]
        trunk = _table_trunk(name, weights=weights, announce=announce)
    mean, std = (about.mean, about.std) if normalize else (None, None)
    how = {"batch_norm": batch_norm, "trained": trained, "whole_clips": backbone_entry(name).video is not None}
    return Backbone(trunk=trunk, dim=about.dim, mean=mean, std=std, **how)


def _table_trunk(name: str, *, weights: str, announce: Announce) -> nn.Module:
    """The network of an entry of the table, with weights as for `build_backbone`."""
    entry = BACKBONES[name]
    trunk = pkgutil.resolve_name(entry.trunk)()
    if weights in PRETRAINING:
        what = f"the {PRETRAINING[weights].label} weights of {name}"
        content, weights = _published(entry.weights[weights], what, announce), what
    elif weights == "none":
        return trunk
    else:
        content = read_tensors(Path(with_home(weights)), WAYS_OUT)
    if isinstance(content, Mapping) and entry.inside in content:
        content = content[entry.inside]
    rename = pkgutil.resolve_name(entry.rename) if entry.rename else str
    load_trunk(trunk, state_dict_in(content, weights, WAYS_OUT), weights, classifier=entry.classifier, rename=rename)
    return trunk


def _published(source: str, what: str, announce: Announce) -> Any:
    """What an entry's `weights` name: the content of a file, or weights."""
    if source.startswith("https://"):
        return fetch_url(what, source, announce)
    found = pkgutil.resolve_name(source)
    return fetch_torchvision(what, found, announce) if isinstance(found, models.WeightsEnum) else found()
