"""Files of tensors: read without running code that they may hold, and compared with what a module wants."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from strmctl.errors import CheckpointError, DataError, UsageError
from strmctl.model.finite import not_finite

SPOILT = "use other weights; a training that diverged needs a smaller rate, such as `--set train.learning_rate=1e-4`"


def read_tensors(path: Path, hint: str = "") -> Any:
    """The content of a file of `torch.save` or of safetensors, on the CPU: tensors, and plain values around them.

    Args:
        path: the file.
        hint: what to do when it cannot be read.

    Raises:
        DataError: the file is missing or cannot be opened.
        CheckpointError: it is not a file of tensors.
        UsageError: it is one of safetensors, and that package is not installed.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        raise DataError(f"no weights at {path}", hint) from error
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}", hint) from error
    try:
        with file:
            if path.suffix == ".safetensors":
                return _safetensors().load(file.read())
            return torch.load(file, map_location="cpu", weights_only=True)
    except UsageError:
        raise
    except Exception as error:  # torch.load raises whatever the first wrong byte leads to
        other = re.search(r"GLOBAL ([\w.]+)", str(error))
        reason = f": it holds a {other[1]}, and only tensors are read" if other else ""
        raise CheckpointError(
            f"{path} is not a file of weights{reason}", hint or "was it written completely?"
        ) from error


def _safetensors() -> ModuleType:
    try:
        import safetensors.torch
    except ImportError as error:
        hint = "install it with `pip install 'strmctl[timm]'`"
        raise UsageError("files of safetensors need the package safetensors", hint) from error
    return safetensors.torch


def state_dict_in(content: Any, path: Path, hint: str) -> Mapping[str, Tensor]:
    """The content of a file, made sure to be a state dict.

    Args:
        content: the content.
        path: the file, for messages.
        hint: what to do when it is something else.

    Raises:
        CheckpointError: it is something else.
    """
    if not (isinstance(content, Mapping) and content and all(_is_weight(*item) for item in content.items())):
        raise CheckpointError(f"{path} holds no state dict: tensors under the names of their layers", hint)
    return content


def _is_weight(name: object, value: object) -> bool:
    dense = isinstance(value, Tensor) and value.layout == torch.strided and value.device.type != "meta"
    return isinstance(name, str) and dense and not value.is_complex()


def read_state_dict(path: Path, hint: str) -> Mapping[str, Tensor]:
    """The state dict in a file; errors as for `read_tensors` and `state_dict_in`."""
    return state_dict_in(read_tensors(path, hint), path, hint)


def check_fit(
    wanted: Mapping[str, Tensor],
    state: Mapping[str, Tensor],
    source: object,
    module: str,
    hint: str,
    *,
    optional: Collection[str] = (),
) -> None:
    """Makes sure that weights have the names and shapes that a module wants, and are finite in its precision.

    Args:
        wanted: the module's own state dict.
        state: the weights.
        source: where the weights come from, for messages.
        module: what they are meant for, for messages.
        hint: what to do when they do not fit.
        optional: names that may be missing.

    Raises:
        CheckpointError: they do not fit; names the first three differences.
    """
    problems = []
    for key, value in wanted.items():
        if key not in state and key not in optional:
            problems.append(f"{key} is missing")
        elif key in state and state[key].shape != value.shape:
            problems.append(f"{key} is {tuple(state[key].shape)}, not {tuple(value.shape)}")
    problems += [f"{key} is not part of it" for key in state if key not in wanted]
    if problems:
        more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
        raise CheckpointError(f"{source} does not fit {module}: {'; '.join(problems[:3])}{more}", hint)
    if names := not_finite({key: value.to(wanted[key].dtype) for key, value in state.items()}):
        raise CheckpointError(f"{source} holds numbers that are not finite: {names}", SPOILT)
