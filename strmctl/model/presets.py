"""Where the authors' released code departs from the paper's model, one by one: arguments of `build_strm`.

What that code does by accident is not imitated: its W_cls was in no list of parameters, so that it was neither trained
nor saved, and a dropout stayed on in evaluation. `query_class_trained=False` freezes W_cls, for comparison.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple


class Deviation(NamedTuple):
    """One departure.

    Attributes:
        part: part of STRM that it changes, by its recipe section; `trm` changes QC as well.
        argument: argument of `build_strm` that makes it.
        value: value of the argument.
    """

    part: str
    argument: str
    value: Any


DEVIATIONS = {
    "unscaled_scores": Deviation("patch_enrichment", "scaled_scores", False),  # no 1/sqrt(D)
    "gate": Deviation("patch_enrichment", "gated", True),  # a learned gate that starts at 0
    "patch_encoding": Deviation("patch_enrichment", "patch_encoding", True),  # of the patches, with dropout
    "frame_encoding": Deviation("frame_enrichment", "frame_encoding", True),  # of the frames, with dropout
    "mean_over_cardinalities": Deviation("trm", "combine", "mean"),
}


def preset_arguments(
    preset: str,
    deviations: Iterable[str] = (),
    parts: Collection[str] = ("patch_enrichment", "frame_enrichment", "trm"),
) -> dict[str, Any]:
    """Arguments of a method's builder for a preset.

    Args:
        preset: `paper`, or `released` for all of `DEVIATIONS`.
        deviations: names of single departures from the paper's model.
        parts: parts that the method has; departures of other parts are left out.
    """
    chosen = [DEVIATIONS[name] for name in (DEVIATIONS if preset == "released" else deviations)]
    return {argument: value for part, argument, value in chosen if part in parts}
