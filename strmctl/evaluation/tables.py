"""What two clips decide, of all pairs of a small set of clips: made once, used in every episode."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from strmctl.evaluation.embed import ClipFeatures
from strmctl.model.finite import is_finite

# Whether there are tables depends on the method and the number of clips alone, never on free memory or on the number of
# episodes, so that an episode is computed alike however many there are.
TABLE_BYTES = 1 << 30
TABLE_CLIPS = 256  # what tables cost grows with the square: 2 s for TRM with D' = 1152, as much as 150 episodes
QUERIES = 16  # clips that are compared with all at a time


def tables_fit(model: nn.Module, features: Mapping[str, Tensor], clips: int) -> bool:
    """Whether a method makes tables, and those of so many clips are small; `features` are of one clip, `(1, …)`."""
    if clips > TABLE_CLIPS or not hasattr(model, "pairs"):
        return False
    return clips**2 * pair_bytes(model.pairs(features, features)) <= TABLE_BYTES


def pair_bytes(tables: Mapping[str, Tensor]) -> int:
    """Size of what tables hold of one pair of clips."""
    return sum(table[0, 0].nbytes for table in tables.values())


@torch.inference_mode()
def make_tables(model: nn.Module, features: ClipFeatures) -> dict[str, Tensor] | None:
    """Tables of all pairs of N clips, `(N, N, …)` each, their rows in the order of `features.row`.

    None where the method makes none, where they would be large, or where not all their numbers are finite: without
    tables, what overflows stays in the episodes of its clip.

    Args:
        model: model in evaluation mode.
        features: features of the clips.
    """
    clips, device = list(features.row), next(model.parameters()).device

    def gathered(some: list[str]) -> dict[str, Tensor]:
        return {name: value.to(device) for name, value in features.gather(some, (len(some),)).items()}

    if not tables_fit(model, gathered(clips[:1]), len(clips)):
        return None
    every, tables = gathered(clips), {}
    for first in range(0, len(clips), QUERIES):
        some = {name: value[first : first + QUERIES] for name, value in every.items()}
        for name, part in model.pairs(every, some).items():
            table = tables.setdefault(name, part.new_empty(len(clips), *part.shape[1:]))
            table[first : first + QUERIES] = part
    return tables if all(is_finite(table) for table in tables.values()) else None
