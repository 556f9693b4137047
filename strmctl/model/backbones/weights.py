"""Weights of backbones: fetched, renamed, checked against the network, loaded."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from strmctl.errors import DataError
from strmctl.model.backbones.torchvision_models import models
from strmctl.model.weight_files import check_fit

OURS = ("backbone.trunk.", "trunk.")  # what names of tensors begin with in files of this project
OTHER_NAME = "name the backbone that the weights were made for with --set backbone.name=NAME"
WAYS_OUT = "`--set backbone.weights=none` starts from random weights, `--set backbone.weights=PATH` from a file"


def fetch_torchvision(what: str, weights: models.WeightsEnum, announce: Callable[[str], None]) -> Mapping[str, Tensor]:
    """Weights of torchvision, from torch's own cache or else from the net.

    Args:
        what: what is fetched, for messages.
        weights: torchvision's entry for them.
        announce: receives a message before anything is downloaded.

    Raises:
        DataError: they cannot be fetched.
    """
    return fetch_url(what, weights.url, announce, megabytes=weights.meta["_file_size"])


def fetch_url(
    what: str, url: str, announce: Callable[[str], None], *, megabytes: float | None = None
) -> Mapping[str, Tensor]:
    """Weights at an address, from torch's own cache or else from the net.

    Args:
        what: what is fetched, for messages.
        url: its address.
        announce: receives a message before anything is downloaded.
        megabytes: size of the file; None where nobody has said it.

    Raises:
        DataError: they cannot be fetched.
    """
    cached = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]
    if not cached.exists():
        size = "" if megabytes is None else f"{megabytes:.0f} MB "
        announce(f"downloading {what}: {size}from {url} to {cached}")
    try:
        return torch.hub.load_state_dict_from_url(
            url, map_location="cpu", progress=sys.stderr.isatty(), check_hash=True, weights_only=True
        )
    except Exception as error:  # no net, no space, a wrong hash, or whatever a damaged file leads torch.load to
        reason, hint = f"{type(error).__name__}: {error}", f"download {url} by hand and {WAYS_OUT}"
        problem = f"{what} cannot be fetched from {url}"
        if cached.exists():
            problem, hint = f"{cached} cannot be read", f"delete it to fetch it again, or {WAYS_OUT}"
        raise DataError(f"{problem}: {reason}", hint) from error


def is_ours(state: Mapping[str, Tensor]) -> bool:
    """Whether weights have the names of this project."""
    return any(key.startswith(OURS) for key in state)


def load_trunk(
    trunk: nn.Module,
    state: Mapping[str, Tensor],
    source: str,
    *,
    classifier: str = "fc.",
    rename: Callable[[str], str] = str,
) -> None:
    """Load weights under the names of the trunk's origin, or under those that this project saves (`backbone.trunk.…`).

    Args:
        trunk: network that receives the weights.
        state: the weights.
        source: where they come from, for messages.
        classifier: prefix of the classifier's names, which are left out.
        rename: a name in the file to the name in the network that the trunk was cut from.

    Raises:
        CheckpointError: a tensor is missing, has another shape, or belongs to another network.
    """
    for prefix in OURS:
        if any(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    state = {rename(key): value for key, value in state.items()}
    state = {key: value for key, value in state.items() if not key.startswith(classifier)}
    # Files from before batch norm counted its batches are complete without the counter.
    wanted = trunk.state_dict()
    counters = {key for key in wanted if key.endswith("num_batches_tracked")}
    check_fit(wanted, state, source, "the backbone", OTHER_NAME, optional=counters)
    trunk.load_state_dict(state, strict=False)
