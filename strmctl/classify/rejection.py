"""None of these: a threshold below which an answer is refused, chosen on the examples.

Known are examples that are held out, unknown are examples whose class is left out. Of two scores, the largest
probability and the largest logit, that is used which tells known from unknown better.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from strmctl.classify.calibration import softmax
from strmctl.classify.held_out import HeldOut
from strmctl.errors import UsageError

Score = Literal["probability", "logit"]
FEWEST = 3  # classes: of two, one left out leaves one, which is certain


@dataclass(frozen=True)
class Rejection:
    """When an answer is refused.

    Attributes:
        score: what is compared: the largest calibrated probability, or the largest logit.
        threshold: answers with a lower score are refused.
        separation: score -> probability that a known example has a higher one than an unknown (area under the ROC
            curve, ties by half).
        known: number of held-out examples.
        known_refused: share of them that the threshold refuses.
        unknown: number of examples with their class left out.
        unknown_refused: share of them that the threshold refuses.
    """

    score: Score
    threshold: float
    separation: dict[Score, float]
    known: int
    known_refused: float
    unknown: int
    unknown_refused: float

    def refuses(self, logits: np.ndarray, temperature: float) -> np.ndarray:
        """Whether the answers to logits (N, C) are refused, (N)."""
        return scores(logits, temperature)[self.score] < self.threshold


def scores(logits: np.ndarray, temperature: float) -> dict[Score, np.ndarray]:
    """Both scores (N) of logits (N, C), the preferred one first."""
    return {"probability": softmax(logits / temperature).max(axis=1), "logit": logits.max(axis=1)}


def choose(held_out: HeldOut, temperature: float, share: float) -> Rejection | str:
    """The score that separates best, and its threshold; a reason in words where there can be none.

    Args:
        held_out: logits of the examples.
        temperature: what logits are divided by.
        share: largest share of the known examples that may be refused, a fraction.

    Raises:
        UsageError: the share is not a fraction below 1.
    """
    if not 0 <= share < 1:
        raise UsageError(f"the share of examples that may be refused must be at least 0 and below 1 (got {share})")
    classes = held_out.logits.shape[1]
    if classes < FEWEST:
        return f"{FEWEST} classes are needed to learn what belongs to none, and there are {classes}"
    if not held_out.tested.any():
        return "no example can be held out"
    known = scores(held_out.logits[held_out.tested], temperature)
    unknown = scores(held_out.unknown(), temperature)
    separation = {name: roc_area(known[name], unknown[name]) for name in known}
    score = max(separation, key=separation.__getitem__)  # the first of equal ones
    ordered = np.sort(known[score])
    threshold = float(ordered[int(share * len(ordered) + 1e-9)])
    return Rejection(
        score=score,
        threshold=threshold,
        separation=separation,
        known=len(ordered),
        known_refused=float((ordered < threshold).mean()),
        unknown=len(unknown[score]),
        unknown_refused=float((unknown[score] < threshold).mean()),
    )


def roc_area(known: np.ndarray, unknown: np.ndarray) -> float:
    """Area under the ROC curve: probability that a known one of two scores is the higher one, ties by half."""
    ordered = np.sort(unknown)
    below, up_to = (np.searchsorted(ordered, known, side=side) for side in ("left", "right"))
    return float((below + up_to).mean() / 2 / len(ordered))
