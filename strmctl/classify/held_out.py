"""What the examples say of each other: each is held out, with all clips of its source, and matched with others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from strmctl.model.episode import told

QUERIES = 16  # examples that are matched at a time with the same support


@dataclass(frozen=True)
class HeldOut:
    """Logits of the examples, each matched with examples of other sources.

    Attributes:
        logits: (N, C), of each example.
        labels: (N), position of its class.
        tested: (N), whether its class has an example of another source; otherwise the logit of its own class means
            nothing, for its support is the example itself.
        sources: number of distinct sources among the tested.
        without: (N, C - 1), of each example with its class left out; None where that leaves out a column of `logits`.
    """

    logits: np.ndarray
    labels: np.ndarray
    tested: np.ndarray
    sources: int
    without: np.ndarray | None = None

    def unknown(self) -> np.ndarray:
        """Logits (N, C - 1) of each example with its class left out."""
        if self.without is not None:
            return self.without
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
    model: nn.Module,
    features: Mapping[str, Tensor],
    labels: Sequence[int],
    sources: Sequence[str],
    names: Sequence[str] = (),
) -> HeldOut:
    """Holds out each example in turn, with all clips of its source, from every class that has others.

    Every other class gives up one of its sources as well, the same one if it has clips of it: beside full classes, the
    one that has lost an example would be the least like it, for the mean of fewer clips is farther from everything. Of
    examples of no meaning, such a test would get less right than guessing does, and more where other classes lost two.
    A class of which all clips are of the example's source keeps them: beside them, the example is harder to tell.

    Each class is matched alone, and once for all examples that are matched with the same clips of it. Where the logit
    of a class depends on which others there are, they are matched together, and once more with the example's left out.

    Args:
        model: model with `match`, see `strmctl.model.episode`.
        features: of the examples, `(N, …)`.
        labels: position of the class of each, from 0; each class occurs.
        sources: source video of each.
        names: names of the classes, for methods that are given them.
    """
    rows, classes = range(len(labels)), range(max(labels) + 1)
    members = [[row for row in rows if labels[row] == cls] for cls in classes]
    of_class = [[*dict.fromkeys(sources[row] for row in every)] for every in members]  # its sources

    def support(cls: int, row: int) -> tuple[int, ...]:
        """Clips of a class that an example is matched with."""
        others = [source for source in of_class[cls] if source != sources[row]]
        if len(others) > 1 and len(others) == len(of_class[cls]):  # it has given up none so far
            del others[of_class[labels[row]].index(sources[row]) % len(others)]
        return tuple(other for other in members[cls] if sources[other] in others) or tuple(members[cls])

    supports = [[support(cls, row) for cls in classes] for row in rows]

    def matched(chosen: Callable[[int], Sequence[int]]) -> np.ndarray:
        """Logits of each example and the classes that are chosen for it, in episodes of these classes alone."""
        alike = defaultdict(list)  # clips of the classes -> the examples that are matched with them
        for row in rows:
            alike[tuple(supports[row][cls] for cls in chosen(row))].append(row)
        logits = np.empty((len(labels), len(next(iter(alike)))))
        for clips, examples in alike.items():
            shots, mask = by_class(clips)
            called = [[names[labels[own[0]]] for own in clips]] if names else []
            chosen_support = told(model, take(features, shots[None]), called)
            present = None if mask.all() else mask[None].to(next(iter(features.values())).device)
            for first in range(0, len(examples), QUERIES):
                some = examples[first : first + QUERIES]
                queries = take(features, torch.tensor(some)[None])
                logits[some] = model.match(chosen_support, queries, present).total[0].double().cpu()
        return logits

    without = None
    if getattr(model, "relates_classes", False):
        logits = matched(lambda row: classes)
        if len(classes) > 1:
            without = matched(lambda row: [cls for cls in classes if cls != labels[row]])
    else:
        logits = np.concatenate([matched(lambda row, cls=cls: [cls]) for cls in classes], axis=1)
    tested = np.array([len(of_class[label]) > 1 for label in labels])
    return HeldOut(logits, np.array(labels), tested, len({sources[row] for row in rows if tested[row]}), without)
