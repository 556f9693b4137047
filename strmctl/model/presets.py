"""Where the authors' released code departs from the paper's model, one by one: arguments of `build_strm`.

What it does by accident is not imitated: its W_cls was in no list of parameters, so that it was neither trained nor
saved, and a dropout stayed on in evaluation. `query_class_trained=False` freezes W_cls, for comparison.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

DEVIATIONS: dict[str, dict[str, Any]] = {
    "unscaled_scores": {"scaled_scores": False},  # PLE: no 1/sqrt(D)
    "gate": {"gated": True},  # PLE: a learned gate that starts at 0
    "patch_encoding": {"patch_encoding": True},  # PLE: positional encoding and dropout on the patches
    "frame_encoding": {"frame_encoding": True},  # FLE: positional encoding and dropout on the frames
    "mean_over_cardinalities": {"combine": "mean"},  # TRM and QC
}


def preset_arguments(preset: str, deviations: Iterable[str] = ()) -> dict[str, Any]:
    """Arguments of `build_strm` for a preset.

    Args:
        preset: `paper`, or `released` for all of `DEVIATIONS`.
        deviations: of the released code, on top of the paper's model.
    """
    names = DEVIATIONS if preset == "released" else deviations
    return {argument: value for name in names for argument, value in DEVIATIONS[name].items()}
