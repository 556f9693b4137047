"""Backbones: networks that turn single frames into feature maps.

The ResNets are torchvision's without average pooling and classifier; `conv3` is a small network for the bundled 64×64
sprites. A new backbone is one entry in `BACKBONES`.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torchvision import models

from strmctl.errors import CheckpointError, DataError, RecipeError

BatchNorm = Literal["batch", "frozen"]
WAYS_OUT = "give a file with --set backbone.weights=PATH, or start from random weights with --set backbone.weights=none"


@dataclass(frozen=True)
class Entry:
    """What the toolkit knows of a backbone.

    Attributes:
        trunk: makes the network, `(N·L, 3, H, W)` to `(N·L, D, h, w)`, with random weights.
        dim: D, channels of the map.
        mean: per colour, of pixels in [0, 1]; used when the recipe asks for normalisation.
        std: per colour, likewise.
        weights: torchvision's ImageNet weights; None when there are none.
    """

    trunk: Callable[[], nn.Module]
    dim: int
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    weights: models.WeightsEnum | None = None


def _resnet_trunk(make: Callable[..., nn.Module]) -> nn.Module:
    """A torchvision ResNet up to `layer4`, its parts under their own names."""
    parts = OrderedDict(make(weights=None).named_children())
    del parts["avgpool"], parts["fc"]
    return nn.Sequential(parts)


def _conv3_trunk() -> nn.Module:
    """Three blocks of convolution, batch norm, ReLU and 2×2 max-pooling: 64×64 pixels to a 4×4 map."""

    def block(inputs: int, outputs: int, size: int, stride: int) -> nn.Module:
        # Batch norm subtracts the mean, so a bias of the convolution would do nothing.
        convolution = nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=False)
        return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True), nn.MaxPool2d(2))

    return nn.Sequential(block(3, 32, size=5, stride=2), block(32, 64, size=3, stride=1), block(64, 128, 3, stride=1))


BACKBONES: dict[str, Entry] = {
    "conv3": Entry(_conv3_trunk, 128, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
    "resnet18": Entry(lambda: _resnet_trunk(models.resnet18), 512, weights=models.ResNet18_Weights.IMAGENET1K_V1),
    "resnet34": Entry(lambda: _resnet_trunk(models.resnet34), 512, weights=models.ResNet34_Weights.IMAGENET1K_V1),
    "resnet50": Entry(lambda: _resnet_trunk(models.resnet50), 2048, weights=models.ResNet50_Weights.IMAGENET1K_V1),
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
    announce: Callable[[str], None] = lambda message: None,
) -> Backbone:
    """Build a backbone of `BACKBONES` and give it weights.

    Args:
        name: a key of `BACKBONES`.
        weights: `none` for random ones, `imagenet` for torchvision's, or the path of a file.
        batch_norm: see `Backbone`.
        normalize: subtract the entry's mean from the pixels and divide by its standard deviation.
        announce: is told what is about to be downloaded.

    Raises:
        RecipeError: there is no such backbone.
        DataError: the weights are missing or cannot be fetched.
        CheckpointError: the file holds no weights, or those of another network.
    """
    if name not in BACKBONES:
        raise RecipeError(f"unknown backbone {name!r}", f"choose one of {', '.join(BACKBONES)}")
    entry = BACKBONES[name]
    trunk = entry.trunk()
    if weights == "imagenet":
        load_trunk(trunk, fetch_imagenet(name, announce), f"the ImageNet weights of {name}")
    elif weights != "none":
        load_trunk(trunk, read_weights(Path(weights)), weights)
    mean, std = (entry.mean, entry.std) if normalize else (None, None)
    return Backbone(trunk=trunk, dim=entry.dim, batch_norm=batch_norm, mean=mean, std=std)


def fetch_imagenet(name: str, announce: Callable[[str], None]) -> Mapping[str, Tensor]:
    """ImageNet weights of torchvision, from torch's own cache or else from the net; never downloaded silently.

    Raises:
        DataError: there are none for this backbone, or they cannot be fetched.
    """
    weights = BACKBONES[name].weights
    if weights is None:
        raise DataError(f"backbone {name} has no ImageNet weights", WAYS_OUT)
    url, megabytes = weights.url, weights.meta["_file_size"]
    cached = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]
    if not cached.exists():
        announce(f"downloading the ImageNet weights of {name}: {megabytes:.0f} MB from {url} to {cached}")
    try:
        return torch.hub.load_state_dict_from_url(
            url, map_location="cpu", progress=sys.stderr.isatty(), check_hash=True, weights_only=True
        )
    except Exception as error:  # no net, no space, a wrong hash, or whatever a damaged file leads torch.load to
        reason = f"{type(error).__name__}: {error}"
        if cached.exists():
            raise DataError(
                f"{cached} cannot be read: {reason}", f"delete it to fetch it again, or {WAYS_OUT}"
            ) from error
        hint = f"download {url} by hand and {WAYS_OUT}"
        raise DataError(f"the ImageNet weights of {name} cannot be fetched from {url}: {reason}", hint) from error


def read_weights(path: Path) -> Mapping[str, Tensor]:
    """Read a file of weights without running code that it may hold.

    Raises:
        DataError: the file is missing or cannot be opened.
        CheckpointError: it is not a state dict.
    """
    path = path.expanduser()
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}", WAYS_OUT) from error
    except Exception as error:  # torch.load raises whatever the first wrong byte leads to
        raise CheckpointError(f"{path} is not a file of weights", WAYS_OUT) from error
    if not (isinstance(state, Mapping) and state and all(isinstance(value, Tensor) for value in state.values())):
        raise CheckpointError(f"{path} holds no state dict: tensors under the names of their layers", WAYS_OUT)
    return state


def load_trunk(trunk: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Load weights under torchvision's names, or under those that this project saves (`backbone.trunk.…`).

    Args:
        trunk: takes the weights.
        state: the weights; torchvision's classifier `fc` is left out.
        source: where they come from, for messages.

    Raises:
        CheckpointError: a tensor is missing, has another shape, or belongs to another network.
    """
    for prefix in ("backbone.trunk.", "trunk."):
        if any(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    state = {key: value for key, value in state.items() if not key.startswith("fc.")}
    # Files from before batch norm counted its batches are complete without the counter.
    counters = {key for key in trunk.state_dict() if key.endswith("num_batches_tracked")}
    hint = "name the backbone that the weights were made for with --set backbone.name=NAME"
    check_fit(trunk, state, f"{source} does not fit the backbone", hint, optional=counters)
    trunk.load_state_dict(state, strict=False)


def check_fit(
    module: nn.Module, state: Mapping[str, Tensor], complaint: str, hint: str, *, optional: Collection[str] = ()
) -> None:
    """Makes sure that weights are those of a module: the same names and shapes.

    Args:
        module: would take the weights.
        state: the weights.
        complaint: begins the message when they do not fit.
        hint: what to do then.
        optional: names that may be missing.

    Raises:
        CheckpointError: they do not fit; names the first three differences.
    """
    own = module.state_dict()
    problems = []
    for key, value in own.items():
        if key not in state and key not in optional:
            problems.append(f"{key} is missing")
        elif key in state and state[key].shape != value.shape:
            problems.append(f"{key} is {tuple(state[key].shape)}, not {tuple(value.shape)}")
    problems += [f"{key} is not part of it" for key in state if key not in own]
    if problems:
        more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
        raise CheckpointError(f"{complaint}: {'; '.join(problems[:3])}{more}", hint)
