"""Texts of class names: what CLIP's text tower makes of "a photo of {name}". The one file that imports open_clip."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from strmctl.errors import DataError, RecipeError, UsageError, did_you_mean
from strmctl.model.backbones.hub import fetch_hub
from strmctl.model.weight_files import check_fit, read_state_dict
from strmctl.paths import with_home

PROMPT = "a photo of {}"
TINY = "tiny"  # a tower for tests and for the bundled sprites
OWN = {TINY: {"embed_dim": 128, "text_cfg": {"context_length": 32, "width": 64, "heads": 2, "layers": 2}}}
SIZES = ("context_length", "vocab_size", "width", "heads", "layers")  # of a transformer as CLIP has it
FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")  # the first that is there holds the weights
BORDER = re.compile(r"[_\s]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
OTHER_NAME = "name the model that the weights were made for: `--set clip_fsar.tower=NAME`"
WAYS_OUT = "`--set clip_fsar.text_weights=none` takes random weights, `--set clip_fsar.text_weights=PATH` a file"


def readable(name: str) -> str:
    """The name of a class as one writes it: `ApplyEyeMakeup` and `apply_eye_makeup` become `apply eye makeup`.

    Brackets of placeholders, as in `Pushing [something]`, are left out.
    """
    return " ".join(filter(None, BORDER.split(re.sub(r"[\[\]]", "", name)))).lower()


class TextTower(nn.Module):
    """Names of classes to vectors, each made once; nothing trains it.

    Args:
        network: transformer from tokens `(T, length)` to vectors `(T, d)`.
        tokenize: function from prompts to tokens.
        dim: d.
    """

    def __init__(self, *, network: nn.Module, tokenize: Callable[[Sequence[str]], Tensor], dim: int) -> None:
        super().__init__()
        self.network = network.requires_grad_(False)
        self.tokenize = tokenize
        self.dim = dim
        self.known: dict[str, Tensor] = {}
        self.register_load_state_dict_post_hook(lambda module, keys: module.known.clear())
        self.eval()

    def train(self, mode: bool = True) -> TextTower:
        """Stays in evaluation mode."""
        return super().train(False)

    def forward(self, names: Sequence[str]) -> Tensor:
        """A vector for each name, `(T, d)`, on the device and in the precision of the weights."""
        weight = next(self.parameters())
        if missing := [name for name in dict.fromkeys(names) if name not in self.known]:
            tokens = self.tokenize([PROMPT.format(readable(name)) for name in missing]).to(weight.device)
            # What training keeps for its gradient must be made outside of inference mode.
            with torch.inference_mode(False), torch.no_grad(), torch.autocast(weight.device.type, enabled=False):
                self.known |= zip(missing, self.network(tokens.clone()), strict=True)
        return torch.stack([self.known[name] for name in names]).to(weight.device, weight.dtype)


def build_text_tower(
    name: str, *, weights: str, pretrained: bool = True, announce: Callable[[str], None] = lambda message: None
) -> TextTower:
    """The text tower of a CLIP model.

    Args:
        name: a model of open_clip whose text tower is as CLIP's, such as `ViT-B-16`, or `tiny`.
        weights: a tag of open_clip, such as `openai`, `none` for random weights, or the path of a file.
        pretrained: whether to read the weights; False where a checkpoint replaces them anyway.
        announce: receives a message before anything is downloaded.

    Raises:
        UsageError: open_clip is not installed.
        RecipeError: it has no such model, or no text tower of CLIP's kind in it.
        DataError: the weights are missing or cannot be fetched.
        CheckpointError: the file holds no weights, or those of another tower.
    """
    open_clip = _open_clip()
    config = OWN.get(name) or _config(open_clip, name)
    sizes, dim = config["text_cfg"], config["embed_dim"]
    about = open_clip.get_pretrained_cfg(name, weights)  # {} where it is no tag
    quick = about.get("quick_gelu", config.get("quick_gelu", False))
    transformer = open_clip.transformer
    network = transformer.TextTransformer(
        **sizes, output_dim=dim, act_layer=transformer.QuickGELU if quick else nn.GELU
    )
    if pretrained and weights != "none":
        state = _fetched(name, about, announce) if about else _of_file(open_clip, name, weights)
        _load(network, state, f"{weights} of {name}" if about else weights)
    tokenize = open_clip.tokenizer.SimpleTokenizer(context_length=network.context_length)
    return TextTower(network=network, tokenize=tokenize, dim=dim)


def _open_clip() -> ModuleType:
    try:
        import open_clip
    except ImportError as error:
        hint = "install it with `pip install 'strmctl[clip]'`"
        raise UsageError("method clip_fsar needs the package open_clip", hint) from error
    return open_clip


def _config(open_clip: ModuleType, name: str) -> dict[str, Any]:
    """What open_clip says of a model.

    Raises:
        RecipeError: there is no such model, or its text tower is of another kind.
    """
    configs = {model: open_clip.get_model_config(model) for model in open_clip.list_models()}
    fitting = [model for model, config in configs.items() if {*config["text_cfg"]} <= {*SIZES}]
    if name in fitting:
        return configs[name]
    problem = "has no text tower as CLIP has it" if name in configs else "is no model of open_clip"
    raise RecipeError(
        f"clip_fsar.tower {name} {problem}",
        f"{did_you_mean([*fitting, TINY], name)}known: {', '.join([*fitting, TINY])}",
    )


def _fetched(name: str, about: Mapping[str, Any], announce: Callable[[str], None]) -> Mapping[str, Tensor]:
    """Weights that open_clip knows of, from the hub; `about` is what it knows."""
    repository, _, file = about["hf_hub"].rpartition("/")
    return fetch_hub(f"the text tower {name}", repository, announce, (file, file) if file else FILES, WAYS_OUT)


def _of_file(open_clip: ModuleType, name: str, path: str) -> Mapping[str, Tensor]:
    """The weights in a file.

    Raises:
        DataError: there is no such file, and no weights of this name either.
        CheckpointError: it holds no weights.
    """
    file = Path(with_home(path))
    if file.exists():
        return read_state_dict(file, WAYS_OUT)
    tags = open_clip.list_pretrained_tags_by_model(name)
    known = f"known: {', '.join(tags)}; " if tags else ""
    raise DataError(
        f"the tower {name} has no weights named {path!r}, and there is no such file",
        f"{did_you_mean(tags, path)}{known}{WAYS_OUT}",
    )


def _load(network: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Loads the text tower of a whole model, whichever of the usual names its tensors have."""
    wanted = network.state_dict()
    plain = {key.removeprefix("text_tower.network.").removeprefix("text."): value for key, value in state.items()}
    found = {key: value for key, value in plain.items() if key in wanted}
    check_fit(
        wanted, found, source, "the text tower", "name the model that they were made for: `--set clip_fsar.tower=NAME`"
    )
    network.load_state_dict(found)
