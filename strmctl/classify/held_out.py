"""What the examples say of each other: each is held out, with all clips of its source, and matched with the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

BLOCK = 1 << 25  # bytes of support features that are gathered at a time; matching takes a multiple of them


@dataclass(frozen=True)
class HeldOut:
    """Logits of the examples, each matched with examples of other sources.

    Attributes:
        logits: (N, C), of each example.
        labels: (N), position of its class.
        tested: (N), whether its class has an example of another source; otherwise the logit of its own class means
            nothing, for its support is the example itself.
        sources: number of distinct sources among the tested.
    """

    logits: np.ndarray
    labels: np.ndarray
    tested: np.ndarray
    sources: int

    def unknown(self) -> np.ndarray:
        """Logits (N, C - 1) of each example with its class left out.

        A class's logit does not depend on which other classes there are, so that its column is left out.
        """
        count, classes = self.logits.shape
        others = np.arange(classes) != self.labels[:, None]
        return self.logits[others].reshape(count, classes - 1)


def by_class(members: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Rows of the support, `(C, K)`, and its mask; a class with fewer rows than others repeats its last."""
    most = max(map(len, members))
    rows = [[*rows, *[rows[-1]] * (most - len(rows))] for rows in members]
    mask = [[shot < len(rows) for shot in range(most)] for rows in members]
    return torch.tensor(rows), torch.tensor(mask)


def take(features: Mapping[str, Tensor], rows: Tensor) -> dict[str, Tensor]:
    """Features of rows of any shape: `(*rows.shape, …)`."""
    return {name: value[rows.to(value.device)] for name, value in features.items()}


@torch.inference_mode()
def hold_out(
    model: nn.Module, features: Mapping[str, Tensor], labels: Sequence[int], sources: Sequence[str]
) -> HeldOut:
    """Holds out each example in turn, with all clips of its source, from every class that has others.

    A class of which all clips are of that source keeps them: beside them, the example is harder to tell.

    Args:
        model: model with `match`.
        features: of the examples, `(N, …)`.
        labels: position of the class of each, from 0; each class occurs.
        sources: source video of each.
    """
    classes = range(max(labels) + 1)
    supports, tested = [], []
    for source, label in zip(sources, labels, strict=True):
        every = [[row for row, other in enumerate(labels) if other == cls] for cls in classes]
        rest = [[row for row in rows if sources[row] != source] for rows in every]
        tested.append(bool(rest[label]))
        supports.append([kept or rows for kept, rows in zip(rest, every, strict=True)])
    row_bytes = sum(value[0].numel() * value.element_size() for value in features.values())
    shots = max(len(rows) for support in supports for rows in support)
    block = max(1, BLOCK // max(1, row_bytes * len(classes) * shots))
    logits = []
    for first in range(0, len(labels), block):
        support, mask = _padded(supports[first : first + block])  # (B, C, K)
        queries = torch.arange(first, first + len(support))[:, None]  # (B, 1)
        device = next(iter(features.values())).device
        found = model.match(take(features, support), take(features, queries), mask.to(device)).total  # (B, 1, C)
        logits.append(found[:, 0].double().cpu())
    kept = np.array(tested)
    distinct = len({source for source, is_tested in zip(sources, tested, strict=True) if is_tested})
    return HeldOut(torch.cat(logits).numpy(), np.array(labels), kept, distinct)


def _padded(supports: Sequence[Sequence[Sequence[int]]]) -> tuple[Tensor, Tensor]:
    """Rows and mask `(B, C, K)` of several supports."""
    classes = len(supports[0])
    rows, mask = by_class([rows for support in supports for rows in support])
    return rows.unflatten(0, (-1, classes)), mask.unflatten(0, (-1, classes))
