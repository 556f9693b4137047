"""Why a query was taken for a class: the distance of each class, and which frames of its shots were compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from strmctl.errors import NotFiniteError
from strmctl.evaluation.embed import CLIPS_PER_BATCH, OVERFLOW, to_model
from strmctl.explain.subjects import Subject
from strmctl.model.episode import group_by_label, told
from strmctl.model.finite import is_finite
from strmctl.model.layers.correspondence import Correspondence
from strmctl.runs.checkpoint import LoadedRun


@dataclass(frozen=True)
class Pair:
    """A tuple of a query's frames and the tuple of a class's frames that counts most beside it.

    Attributes:
        words: what the weight is.
        weight: how much the pair counts.
        query_frames: which of the query's L frames, from 0; of a model whose steps of time cover several, the first.
        shot: which of the class's shots, from 0.
        support_frames: which of its L frames.
    """

    words: str
    weight: float
    query_frames: Sequence[int]
    shot: int
    support_frames: Sequence[int]


@dataclass(frozen=True)
class ClassMatch:
    """What a query and a class have to do with each other.

    Attributes:
        name: name of the class.
        shots: its support clips.
        distance: minus the logit; the least decides.
        probability: softmax of the logits, as in training, a fraction; not calibrated.
        parts: distances that it is made of, by the name of the part; empty where there is one.
        pairs: for each tuple of the query the one that counts most beside it, the strongest pairs first; one sequence
            for each kind of tuples.
    """

    name: str
    shots: Sequence[Subject]
    distance: float
    probability: float
    parts: Mapping[str, float]
    pairs: Sequence[Sequence[Pair]] = field(repr=False)


@dataclass(frozen=True)
class Match:
    """A query and all classes of its episode, the nearest first.

    Attributes:
        query: the query.
        true: its class, which need not be one of these; None where it is not known.
        classes: the classes.
    """

    query: Subject
    true: str | None
    classes: Sequence[ClassMatch]

    @property
    def of_distances(self) -> bool:
        """Whether the logits are minus distances, and not likenesses, as those of Chamfer and CMN."""
        return self.classes[0].distance >= 0


def match_query(run: LoadedRun, query: Subject, support: Mapping[str, Sequence[Subject]], *, true: str | None) -> Match:
    """Compares a query with the support of some classes, as a test does.

    Args:
        run: run whose model compares.
        query: the query.
        support: class -> its shots, one or more.
        true: class of the query, where it is known.

    Raises:
        NotFiniteError: what the model makes of the clips is not finite.
    """
    names = sorted(support)
    labels = torch.tensor([column for column, name in enumerate(names) for _ in support[name]])
    shots = [shot for name in names for shot in support[name]]
    with torch.no_grad():
        features = _embedded(run, [*shots, query])
        grouped, mask = group_by_label(
            {name: value[:-1] for name, value in features.items()}, labels.to(next(iter(features.values())).device)
        )
        grouped = told(run.model, grouped, [names])
        asked = {name: value[None, -1:] for name, value in features.items()}  # (1, 1, …)
        logits = run.model.match(grouped, asked, mask)
        if not is_finite(logits.total):
            raise NotFiniteError(f"the logits of {query.name} are not finite", OVERFLOW)
        correspondence = getattr(run.model, "correspondence", None)
        found = correspondence(grouped, asked, mask) if correspondence else []
    total = logits.total[0, 0].double()  # (C)
    parts = {"TRM": logits.trm, "query-class": logits.query_class} if logits.query_class is not None else {}
    frames, steps = run.recipe.input.frames, run.recipe.steps
    first = [step * frames // steps for step in range(steps)]  # frame of each step of time
    matches = [
        ClassMatch(
            name,
            support[name],
            -float(total[column]),
            float(total.softmax(dim=0)[column]),
            {part: -float(own[0, 0, column]) for part, own in parts.items()},
            [_pairs(one, column, first) for one in found],
        )
        for column, name in enumerate(names)
    ]
    return Match(query, true, sorted(matches, key=lambda one: one.distance))


def _embedded(run: LoadedRun, subjects: Sequence[Subject]) -> dict[str, Tensor]:
    parts = []
    for first in range(0, len(subjects), CLIPS_PER_BATCH):
        clips = torch.stack([subject.pixels for subject in subjects[first : first + CLIPS_PER_BATCH]])
        parts.append(run.model.embed(to_model(clips, run.model)))
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _pairs(found: Correspondence, column: int, first: Sequence[int]) -> list[Pair]:
    """For each tuple of the only query, the tuple of a class that counts most beside it, the strongest first.

    Args:
        found: what the method says.
        column: number of the class.
        first: the frame that each step of time begins with.
    """
    weights = found.weights[0, 0, column]  # (K, T, T')
    shots, tuples, others = weights.shape
    greatest, place = weights.transpose(0, 1).reshape(tuples, shots * others).max(dim=1)  # (T)
    order = greatest.argsort(descending=True, stable=True).tolist()
    return [
        Pair(
            found.words,
            float(greatest[row]),
            [first[step] for step in found.query_frames[row].tolist()],
            int(place[row]) // others,
            [first[step] for step in found.support_frames[int(place[row]) % others].tolist()],
        )
        for row in order
    ]
