"""What episodes are matched from: features of clips, or tables of all pairs of a small set of clips, made once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from strmctl.evaluation.embed import ClipFeatures
from strmctl.model.episode import Logits
from strmctl.model.finite import is_finite


class Block(NamedTuple):
    """How large a block of episodes may be.

    Attributes:
        bytes: size of its features.
        episodes: number of its episodes.
    """

    bytes: int
    episodes: int


# Larger blocks are slower: what `match` makes of them falls out of the processor's cache, and beyond some megabytes
# every tensor costs fresh pages of memory, whose zeroing takes longer than the computation.
SMALL = Block(2 << 20, 16)
# A GPU has no such cache to stay in, and each of the many small steps of a block takes the same time however large.
LARGE = Block(256 << 20, 256)
# Whether there are tables depends on the method and the number of clips alone, never on free memory or on the number of
# episodes, so that an episode is computed alike however many there are.
TABLE_BYTES = 1 << 30
# What tables cost grows with the square. For 210 clips and D' = 1152 one core needs 2 s for TRM and 9 s for TRX, which
# are 150 episodes without them, and 0.3 s for OTAM.
TABLE_CLIPS = 384
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


def matching_from(
    model: nn.Module,
    features: ClipFeatures,
    tables: Mapping[str, Tensor] | None,
    *,
    way: int,
    queries: int,
    shot: int,
) -> tuple[ClipFeatures, Callable[..., Logits], int]:
    """What episodes of a shape are matched from, the function that matches them, and their number in one block.

    With tables, clips have the number of their row in place of features.
    """
    device = next(model.parameters()).device
    if tables is None:
        size = block_size(features.gathered_bytes, way * queries, way * shot, way, device)
        return features.on(device), model.match, size
    rows = {clip: row for row, clip in enumerate(features.row)}

    def match(support: Mapping[str, Tensor], query: Mapping[str, Tensor]) -> Logits:
        return model.match_pairs(tables, support["row"], query["row"])

    # Pairs stand in the place of clips.
    size = block_size(pair_bytes(tables), way * queries, way * shot**2, way * shot, device)
    return ClipFeatures({"row": torch.arange(len(rows), device=device)}, rows), match, size


def block_size(clip_bytes: int, queries: int, support: int, classes: int, device: torch.device) -> int:
    """Episodes per block, so that gathered features, and prototypes of that size for each class, fit the block.

    `clip_bytes` are those of one clip's features; `queries`, `support` and `classes` are numbers of an episode.
    """
    largest = SMALL if device.type == "cpu" else LARGE
    return max(1, min(largest.episodes, largest.bytes // (clip_bytes * (support + queries * classes))))
