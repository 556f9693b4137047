"""The one check that numbers are finite: NaN and infinity must never become a prediction, a picture or weights."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


def is_finite(tensor: Tensor) -> bool:
    """Whether a tensor holds neither NaN nor infinite numbers; reads it once and makes no copy."""
    if not tensor.is_floating_point() or tensor.numel() == 0:
        return True
    low, high = tensor.detach().aminmax()  # both are NaN where one number is
    return bool(low.isfinite() & high.isfinite())


def not_finite(tensors: Mapping[str, Tensor]) -> str:
    """Names of the tensors that hold NaN or infinite numbers, for a message; empty when all are finite."""
    names = [name for name, tensor in tensors.items() if not is_finite(tensor)]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
