"""Files of tensors: read without running code that they may hold, and compared with what a module wants."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from strmctl.errors import CheckpointError, DataError


def read_tensors(path: Path, hint: str = "") -> Any:
    """The content of a file that `torch.save` wrote, on the CPU: tensors, and plain values around them.

    Args:
        path: the file.
        hint: what to do when it cannot be read.

    Raises:
        DataError: the file is missing or cannot be opened.
        CheckpointError: it is not a file of tensors.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise DataError(f"no weights at {path}", hint) from error
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}", hint) from error
    except Exception as error:  # torch.load raises whatever the first wrong byte leads to
        other = re.search(r"GLOBAL ([\w.]+)", str(error))
        reason = f": it holds a {other[1]}, and only tensors are read" if other else ""
        raise CheckpointError(
            f"{path} is not a file of weights{reason}", hint or "was it written completely?"
        ) from error


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
    return isinstance(name, str) and dense


def read_state_dict(path: Path, hint: str) -> Mapping[str, Tensor]:
    """The state dict in a file; errors as for `read_tensors` and `state_dict_in`."""
    return state_dict_in(read_tensors(path, hint), path, hint)


def check_fit(
    wanted: Mapping[str, Tensor],
    state: Mapping[str, Tensor],
    complaint: str,
    hint: str,
    *,
    optional: Collection[str] = (),
) -> None:
    """Makes sure that weights have the names and shapes that a module wants.

    Args:
        wanted: the module's own state dict.
        state: the weights.
        complaint: beginning of the message when they do not fit.
        hint: what to do then.
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
        raise CheckpointError(f"{complaint}: {'; '.join(problems[:3])}{more}", hint)
