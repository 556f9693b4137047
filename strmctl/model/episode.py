"""One episode through any method: a method is a module with `embed`, `match` and `enrich`.

`embed(clips)` is everything that one clip decides, `match(support, query, mask)` everything that needs both sides.

A method that is trained on more than the cross-entropy of its logits adds

    terms                                  names of its losses, where there are several; each has a column in the log
    losses(logits, support, query, truth)  {name: loss}, with weights; the step follows the gradient of their sum
    prepare_training(classes)              builds `training_only`, a module for what only losses need, such as a
                                           classifier of so many training classes; it is not among the kept weights

In training mode its `embed` may return further features, of which the losses alone know. One that reads the pixels of
clips beside their maps for that says `reads_pixels = True`, and finds them in `Maps` as well.

A method whose logit of a class depends on which other classes the episode has says so: `relates_classes = True`.

A method that is given the names of classes has a function

    text(names)                            what it makes of class names, `(T, d)`; of the same name always the same

and finds that of each shot's class in `support["text"]`, `(B, C, K, d)`: see `told`. It says `names: True` in the table
of methods, because others are not given them.

A method may add two functions, with which the test of a small set of clips computes nothing twice. `match` alone is
enough.

    pairs(support, query)                  features of N and M clips, `(N, …)` and `(M, …)`, to tables `(M, N, …)`:
                                           row m holds what clip m as a query and each support clip decide
    match_pairs(tables, support, query)    tables `(N, N, …)` of N clips with themselves, and the rows of clips,
                                           `(B, C, K)` and `(B, Q)`, to the logits of `match` with all shots present

A method that compares frames, or tuples of them, can say which of them go together, for pictures:

    correspondence(support, query, mask)   features as for `match` to a list of `layers.correspondence.Correspondence`
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from strmctl.model.enrichment import Clips, Maps

Features = dict[str, Tensor]
TRAINING_ONLY = "training_only"  # the part of a method that only its losses need


class Logits(NamedTuple):
    """Logits `(B, Q, C)`, or `(Q, C)` for a single episode; column c is the c-th label in sorted order.

    Attributes:
        total: logits whose largest is the prediction.
        trm: minus the distance to the prototypes of tuples; None without TRM.
        query_class: minus the distance to the nearest tuples, not yet times lambda; None without QC.
        other: what else a method's losses compare with the truth, such as logits of a part of it; None without.
    """

    total: Tensor
    trm: Tensor | None = None
    query_class: Tensor | None = None
    other: Tensor | None = None


@dataclass(frozen=True)
class Truth:
    """The right answers of training episodes.

    Attributes:
        columns: column of each query's class, `(B, Q)`.
        classes: number of each column's class among all training classes, `(B, C)`.
        reduction: `sum` or `mean`, over the queries of an episode.
        names: names of all training classes; none where they have none.
    """

    columns: Tensor
    classes: Tensor
    reduction: str = "mean"
    names: Sequence[str] = ()

    def cross_entropy(self, logits: Tensor) -> Tensor:
        """Cross-entropy of logits `(B, Q, C)`, summed or averaged over the queries."""
        return F.cross_entropy(logits.flatten(0, 1), self.columns.flatten(), reduction=self.reduction)

    def beside(self, mean: Tensor) -> Tensor:
        """A mean over an episode, so large that its weight beside `cross_entropy` is the same with both reductions."""
        return mean * self.columns.numel() if self.reduction == "sum" else mean

    def class_cross_entropy(self, support: Tensor, query: Tensor) -> Tensor:
        """Mean cross-entropy of logits over all training classes, `beside` that of the queries.

        Args:
            support: `(B, C, K, …, classes)`, all shots present; axes in between, such as frames, count on their own.
            query: `(B, Q, …, classes)`.
        """
        logits = torch.cat([support.flatten(1, 2), query], dim=1)  # (B, C·K + Q, …, classes)
        shots = self.classes.repeat_interleave(support.shape[2], dim=1)  # (B, C·K)
        numbers = torch.cat([shots, self.classes.gather(1, self.columns)], dim=1)  # (B, C·K + Q)
        numbers = numbers.reshape(*numbers.shape, *(1,) * (logits.dim() - 3)).expand(logits.shape[:-1])
        return self.beside(F.cross_entropy(logits.flatten(0, -2), numbers.flatten()))


def match_clips(
    method: nn.Module,
    support_clips: Clips,
    support_labels: Tensor,
    query_clips: Clips,
    names: Sequence[str] | None = None,
) -> Logits:
    """One episode from its clips.

    Support and query pass the backbone separately, because batch norm in training ties together what it sees. Under
    autocast, clips are embedded in its precision and compared in float32: in bfloat16, small differences of large
    numbers, which distances are, drown.

    Args:
        method: module with `embed` and `match`.
        support_clips: `(N, L, 3, H, W)`, float in [0, 1], or their `Maps`, in any order, each class with one clip
            or more.
        support_labels: `(N)`, integers.
        query_clips: `(Q, L, 3, H, W)`, or their `Maps`.
        names: name of each column's class, for methods that are given them.

    Returns:
        Logits `(Q, C)`; column c is the c-th label in sorted order.

    Raises:
        ValueError: other shapes, pixels that are no floating-point numbers, or not as many names as classes.
    """
    for name, clips in (("support", support_clips), ("query", query_clips)):
        if not isinstance(clips, Maps) and (clips.dim() != 5 or not clips.is_floating_point()):
            raise ValueError(f"{name} clips must be float (N, L, 3, H, W), got {clips.dtype} {tuple(clips.shape)}")
    if support_labels.shape != (len(support_clips),):
        raise ValueError(f"{len(support_clips)} support clips need as many labels, got {tuple(support_labels.shape)}")
    support, query = embed_side(method, support_clips), embed_side(method, query_clips)
    return match_sides(method, support, support_labels, query, names)


def embed_side(method: nn.Module, clips: Clips) -> Features:
    """Features of the support or of the query clips of an episode, `(N, …)`; under autocast they become float32."""
    features = method.embed(clips)
    if torch.is_autocast_enabled(next(iter(features.values())).device.type):
        return {name: value.float() for name, value in features.items()}
    return features


def match_sides(
    method: nn.Module,
    support: Features,
    support_labels: Tensor,
    query: Features,
    names: Sequence[str] | None = None,
) -> Logits:
    """Logits `(Q, C)` of an episode from the features of its sides, `(N, …)` and `(Q, …)`; see `match_clips`."""
    return _of_one(_compared(method, support, support_labels, query, [names] if names else [])[0])


def judge_sides(
    method: nn.Module, support: Features, support_labels: Tensor, query: Features, truth: Truth
) -> tuple[Logits, Features]:
    """Logits `(Q, C)` as of `match_sides`, and the method's losses by name; truth of one episode, B = 1.

    The loss of a method without any of its own is `match`, the cross-entropy of its logits.
    """
    names = [[truth.names[number] for number in own] for own in truth.classes.tolist() if truth.names]
    found, support, query = _compared(method, support, support_labels, query, names)
    own = getattr(method, "losses", None)
    with torch.autocast(support_labels.device.type, enabled=False):
        losses = own(found, support, query, truth) if own else {"match": truth.cross_entropy(found.total)}
    return _of_one(found), losses


def _compared(
    method: nn.Module, support: Features, labels: Tensor, query: Features, names: Sequence[Sequence[str]]
) -> tuple[Logits, Features, Features]:
    """Logits `(1, Q, C)` of an episode, and the features of its sides as they were compared, with B = 1."""
    support, mask = group_by_label(support, labels)
    query = {name: value[None] for name, value in query.items()}  # (1, Q, …)
    with torch.autocast(labels.device.type, enabled=False):
        support = told(method, support, names)
        return method.match(support, query, mask), support, query


def told(method: nn.Module, support: Features, names: Sequence[Sequence[str]]) -> Features:
    """The support of B episodes, `(B, C, K, …)`, and what a method makes of the names of their classes.

    Args:
        method: any method; of one that is not given names, the support stays as it is.
        support: its support.
        names: for each episode the names of its classes, in the order of columns; none where they have none.

    Returns:
        The features, with `text` `(B, C, K, d)` where there are names.

    Raises:
        ValueError: not as many names as classes.
    """
    if not names or not hasattr(method, "text"):
        return support
    episodes, classes, shots = next(iter(support.values())).shape[:3]
    if [len(own) for own in names] != [classes] * episodes:
        raise ValueError(f"{episodes} × {classes} classes need as many names, got {[len(own) for own in names]}")
    every = list(dict.fromkeys(name for own in names for name in own))
    rows = torch.tensor([[every.index(name) for name in own] for own in names])
    text = method.text(every)  # (T, d)
    text = text[rows.to(text.device)][:, :, None]  # (B, C, 1, d)
    return {**support, "text": text.expand(-1, -1, shots, -1)}


def _of_one(logits: Logits) -> Logits:
    """The logits of the only episode, `(1, Q, C)` to `(Q, C)`."""
    return Logits(*(None if part is None else part[0] for part in logits))


def without_training_only(state: Mapping[str, Tensor]) -> Features:
    """The weights of a method that tests need."""
    return {name: value for name, value in state.items() if not name.startswith(f"{TRAINING_ONLY}.")}


def group_by_label(features: Mapping[str, Tensor], labels: Tensor) -> tuple[Features, Tensor]:
    """Sort the support clips of one episode into classes; those with fewer shots than others are padded.

    Args:
        features: output of `embed`, `(N, …)`.
        labels: `(N)`, integers; classes follow their sorted order, shots the order of the clips.

    Returns:
        The features, `(1, C, K, …)`, K being the most shots of a class, and the mask, `(1, C, K)`, True where the shot
        exists. Elsewhere the class's last clip is repeated.
    """
    order = torch.argsort(labels, stable=True)  # (N)
    counts = torch.unique(labels, return_counts=True)[1]  # (C)
    first = counts.cumsum(0) - counts  # (C)
    shots = torch.arange(int(counts.max()), device=labels.device)  # (K)
    clips = order[first[:, None] + torch.minimum(shots, counts[:, None] - 1)]  # (C, K)
    mask = shots < counts[:, None]  # (C, K)
    return {name: value[clips][None] for name, value in features.items()}, mask[None]  # (1, C, K, …)


def pick(table: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Entries of a table of all pairs, `(N, N, …)`: `(S, …)` for rows and columns that broadcast to a shape S."""
    places = rows * table.shape[1] + columns
    return table.flatten(0, 1).index_select(0, places.flatten()).unflatten(0, places.shape)


def mean_over_shots(values: Tensor, mask: Tensor | None) -> Tensor:
    """Mean over the existing shots of each class.

    Args:
        values: `(B, C, K, …)`.
        mask: `(B, C, K)`, True where the shot exists; None when all do.

    Returns:
        `(B, C, …)`.
    """
    if mask is None:
        return values.mean(dim=2)
    present = mask.reshape(*mask.shape, *(1,) * (values.dim() - 3))  # (B, C, K, 1, …)
    return values.where(present, 0).sum(dim=2) / present.sum(dim=2)
