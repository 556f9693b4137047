"""Any image model of timm as a backbone: its map of features, however it lays it out. The one file that imports timm.

    frames -> forward_features -> maps (N·L, D, h, w) of convolutions; or the same, channels last (Swin);
                                  or tokens (N·L, prefix + h·w, D) of transformers, row by row

Prefix tokens (class token, registers) take part in attention, as they were trained to, and are dropped from the map.
What timm does beyond `forward_features`, pooling and classifier, is left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from strmctl.errors import CheckpointError, DataError, RecipeError, UsageError, did_you_mean, in_one_line
from strmctl.model.backbones.hub import fetch_hub
from strmctl.model.backbones.table import TIMM, Colours
from strmctl.model.backbones.weights import OTHER_NAME, WAYS_OUT, fetch_url, is_ours, load_trunk
from strmctl.model.weight_files import read_state_dict
from strmctl.paths import with_home

# What lets networks take frames of other sizes than their own: vision transformers, then windowed ones.
OPTIONS: tuple[dict[str, Any], ...] = ({}, {"dynamic_img_size": True}, {"strict_img_size": False})
NEARBY = 32  # pixels around a crop that does not fit, within which others are tried: the largest patch


class TimmTrunk(nn.Module):
    """A network of timm, from frames to its map.

    Args:
        network: the network; `num_prefix_tokens` and `output_fmt` are its own.
    """

    def __init__(self, *, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.prefix = getattr(network, "num_prefix_tokens", 0)
        self.own_size = network.pretrained_cfg["input_size"][-1]  # pixels
        self.channels_last = getattr(network, "output_fmt", None) == "NHWC"

    def forward(self, frames: Tensor) -> Tensor:
        """Frames `(N·L, 3, H, W)` to maps `(N·L, D, h, w)`, rows from top to bottom."""
        features = self.network.forward_features(frames)
        if features.ndim == 4:
            return features.permute(0, 3, 1, 2) if self.channels_last else features  # (N·L, D, h, w)
        tokens = features[:, self.prefix :].transpose(1, 2)  # (N·L, D, h·w)
        height, width = frames.shape[-2:]
        rows = round(math.sqrt(tokens.shape[2] * height / width))
        return tokens.unflatten(2, (rows, -1))  # (N·L, D, h, w)


@dataclass(frozen=True)
class Known:
    """What is known of a network before it is made.

    Attributes:
        options: further arguments of `timm.create_model`, with which it takes the crop.
        dim: D, channels of its map.
        mean: mean per colour of pixels in [0, 1] that its weights were trained with.
        std: standard deviation per colour, likewise.
    """

    options: Mapping[str, Any]
    dim: int
    mean: Colours
    std: Colours


def the_timm(backbone: str, extra: str = "timm") -> ModuleType:
    """The package timm.

    Args:
        backbone: name of the backbone that needs it, for messages.
        extra: extra of this package that installs what the backbone needs.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import timm
    except ImportError as error:
        hint = f"install it with `pip install 'strmctl[{extra}]'`"
        raise UsageError(f"backbone {backbone} needs the package timm", hint) from error
    return timm


def look_at(name: str, crop: int | None = None) -> Known:
    """Finds out what a network makes of frames, on the meta device: nothing is computed, downloaded or kept.

    Args:
        name: `timm:` and the name of a model in timm.
        crop: side in pixels of the frames; None: the network's own.

    Raises:
        UsageError: timm is not installed.
        RecipeError: timm has no such model, it gives no map, or it takes no frames of this size; names sizes that fit.
    """
    config = _config(name)
    crop = crop or config.input_size[-1]
    with torch.device("meta"):
        trunks = []
        for options, network in _variants(name):
            trunks.append(_trunk(network))
            if dim := _channels(trunks[-1], crop):
                return Known(options, dim, config.mean, config.std)
        if not any(_channels(trunk, trunk.own_size) for trunk in trunks):
            raise RecipeError(f"backbone {name} gives no single map of features", "choose another network")
        fitting = _fitting(trunks, crop)
    others = f"; {' and '.join(map(str, fitting[1:]))} would do as well" if fitting[1:] else ""
    raise RecipeError(
        f"backbone {name} takes no frames of {crop}×{crop} pixels",
        f"write `input.crop: {fitting[0]}` in the recipe, or add `--set input.crop={fitting[0]}`{others}",
    )


def timm_trunk(
    name: str, known: Known, *, weights: str = "imagenet", announce: Callable[[str], None] = lambda message: None
) -> TimmTrunk:
    """A network of timm without its classifier.

    Args:
        name: `timm:` and the name of a model in timm, with a tag (`resnet50.a1_in1k`) where it has several weights.
        known: what `look_at` found.
        weights: `imagenet` for those that timm names, on whatever they were trained, `none`, or the path of a file.
        announce: receives a message before anything is downloaded.

    Raises:
        DataError: the weights are missing or cannot be fetched.
        CheckpointError: the file holds no weights, or those of another network.
    """
    trunk = _trunk(the_timm(name).create_model(name.removeprefix(TIMM), num_classes=0, **known.options))
    if weights == "none":
        return trunk
    if weights == "imagenet":
        state, source = _fetch(name, announce), f"the weights of {name}"
    else:
        state, source = read_state_dict(Path(with_home(weights)), WAYS_OUT), weights
    if not is_ours(state):
        state = _trunk(_with_weights(name, known, state, source)).state_dict()
    load_trunk(trunk, state, source)
    return trunk


def _config(name: str) -> Any:
    """What timm says of a model and its weights."""
    model = name.removeprefix(TIMM)
    timm = the_timm(name)
    architecture = model.partition(".")[0]
    if timm.is_model(architecture):
        with suppress(RuntimeError):  # no such tag
            return timm.get_pretrained_cfg(model)
        tagged = timm.list_pretrained(f"{architecture}.*")
        guess = did_you_mean(tagged, model)
        raise RecipeError(f"timm has no weights named {model!r}", f"{guess}known: {', '.join(tagged) or 'none'}")
    names = timm.list_models(include_tags="." in model)
    hint = f"{did_you_mean(names, model)}`python -c 'import timm; print(*timm.list_models())'` lists all"
    raise RecipeError(f"timm {timm.__version__} has no model named {model!r}", hint)


def _variants(name: str) -> Iterator[tuple[dict[str, Any], nn.Module]]:
    """The network as timm makes it, and with those options for other sizes of frames that it knows."""
    create_model, model = the_timm(name).create_model, name.removeprefix(TIMM)
    for options in OPTIONS:
        with suppress(TypeError):  # it does not know the option
            yield options, create_model(model, num_classes=0, **options).eval()


def _trunk(network: nn.Module) -> TimmTrunk:
    """The network without what comes after its map."""
    try:
        network.reset_classifier(0, "")  # no pooling either, which may have weights
    except Exception:  # each network has its own reasons
        network.reset_classifier(0)
    return TimmTrunk(network=network)


@torch.no_grad()
def _channels(trunk: TimmTrunk, size: int) -> int | None:
    """D; None where frames of this size have no map."""
    try:
        maps = trunk(torch.empty(1, 3, size, size))
        pooled = maps.shape[2:] == (1, 1) and size == trunk.own_size  # a class token that is not counted as a prefix
        return None if pooled or maps.shape[1] != trunk.network.num_features else maps.shape[1]
    except Exception:  # assertions of timm, shapes that do not match, and features that are no tensor
        return None


def _fitting(trunks: Sequence[TimmTrunk], crop: int) -> list[int]:
    """Sizes of frames to take in place of a crop: the nearest below, the nearest above, and the network's own."""

    def fits(size: int) -> bool:
        return any(_channels(trunk, size) for trunk in trunks)

    below = filter(fits, range(crop - 1, max(0, crop - NEARBY - 1), -1))
    above = filter(fits, range(crop + 1, crop + NEARBY + 1))
    return list(dict.fromkeys((*islice(below, 1), *islice(above, 1), trunks[0].own_size)))


def _fetch(name: str, announce: Callable[[str], None]) -> Mapping[str, Tensor]:
    """The weights that timm names for a model."""
    config = _config(name)
    if config.hf_hub_id:
        return fetch_hub(name, config.hf_hub_id, announce)
    if config.url:
        return fetch_url(f"the weights of {name}", config.url, announce)
    raise DataError(f"timm has no weights for {name}", WAYS_OUT)


def _with_weights(name: str, known: Known, state: Mapping[str, Tensor], source: str) -> nn.Module:
    """The network with weights under whatever names timm knows them by; none may be missing.

    timm is strict as long as the network has the classifier that the file holds, so it is given that one.
    """
    config, create_model = _config(name), the_timm(name).create_model
    classifiers = [config.classifier] if isinstance(config.classifier, str) else config.classifier or []
    heads = [len(state[f"{layer}.weight"]) for layer in classifiers if f"{layer}.weight" in state]
    errors = []
    for classes in heads[:1] or dict.fromkeys((config.num_classes, 0)):
        overlay = {"state_dict": dict(state), "num_classes": classes, "label_offset": 0}
        options = {"pretrained_cfg_overlay": overlay, "num_classes": classes, **known.options}
        try:
            return create_model(name.removeprefix(TIMM), pretrained=True, **options)
        except Exception as error:  # names and shapes, and whatever a foreign file leads timm's renaming to
            errors.append(error)
    raise CheckpointError(
        f"{source} does not fit {name}: {in_one_line(errors[0])[:400]}",
        OTHER_NAME,
    ) from errors[0]
