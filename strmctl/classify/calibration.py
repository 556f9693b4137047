"""Probabilities that mean something: a temperature that is fitted on held-out examples (Guo et al., ICML 2017).

    p = softmax(logits / temperature)

The temperature minimises the log loss against Platt's targets (Platt 1999): of n examples each has its class with
probability (n + 1) / (n + 2), and any other with its share of the rest. Where every held-out example is right, log loss
against plain labels would ask for certainty, which a few examples cannot give.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from strmctl.classify.held_out import HeldOut
from strmctl.evaluation.statistics.intervals import wilson_interval

BINS = 10  # of equal width, for the expected calibration error
FLATTEST, SHARPEST = 1e-4, 1e4  # largest difference of logits, after the temperature, that is looked at
STEPS = 60  # halvings of the range in which the temperature is sought


@dataclass(frozen=True)
class Calibration:
    """What the held-out examples say.

    Attributes:
        n: number of held-out examples.
        sources: number of their source videos.
        untested: number of examples that are the only source of their class.
        accuracy: share that is right.
        interval: ends of its 95 % interval (Wilson).
        confusion: (C, C) numbers of examples, rows true, columns answered.
        temperature: what logits are divided by.
        log_loss: mean of -log p of the true class, before (temperature 1) and after, on the examples of the fit.
        calibration_error: expected calibration error, likewise.
    """

    n: int
    sources: int
    untested: int
    accuracy: float
    interval: tuple[float, float]
    confusion: np.ndarray
    temperature: float
    log_loss: tuple[float, float]
    calibration_error: tuple[float, float]


def calibrate(held_out: HeldOut) -> Calibration | None:
    """The calibration by held-out examples; None where none can be held out."""
    logits, labels = held_out.logits[held_out.tested], held_out.labels[held_out.tested]
    if not len(labels):
        return None
    classes = logits.shape[1]
    answers = logits.argmax(axis=1)
    correct = int((answers == labels).sum())
    temperature = fit_temperature(logits, labels)
    before, after = softmax(logits), softmax(logits / temperature)
    return Calibration(
        n=len(labels),
        sources=held_out.sources,
        untested=int((~held_out.tested).sum()),
        accuracy=correct / len(labels),
        interval=wilson_interval(correct, len(labels)),
        confusion=np.bincount(labels * classes + answers, minlength=classes**2).reshape(classes, classes),
        temperature=temperature,
        log_loss=(log_loss(before, labels), log_loss(after, labels)),
        calibration_error=(calibration_error(before, labels), calibration_error(after, labels)),
    )


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities along the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean of -log p of the true class, in nats; p of 0 counts as the smallest positive number."""
    own = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(own, np.finfo(np.float64).tiny)).mean())


def calibration_error(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Expected calibration error, a fraction: |accuracy - mean probability of the answers| over bins, by their size."""
    best = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    bins = np.minimum((best * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, weights=right - best, minlength=BINS)  # size of the bin · its gap
    return float(np.abs(gaps).sum() / len(labels))


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature with the least log loss against Platt's targets.

    The loss is convex in 1 / temperature: its slope is the mean of the logits under the probabilities less their mean
    under the targets. So its sign is followed, over a range of temperatures.

    Args:
        logits: (N, C), of held-out examples.
        labels: (N), positions of their classes.
    """
    count, classes = logits.shape
    spread = float(np.ptp(logits, axis=1).max())
    if spread == 0:  # any temperature gives the same
        return 1.0
    targets = np.full((count, classes), 1 / (count + 2) / (classes - 1))
    targets[np.arange(count), labels] = (count + 1) / (count + 2)
    wanted = (targets * logits).sum(axis=1).mean()
    low, high = np.log(FLATTEST / spread), np.log(SHARPEST / spread)  # of 1 / temperature
    for _ in range(STEPS):
        middle = (low + high) / 2
        if (softmax(np.exp(middle) * logits) * logits).sum(axis=1).mean() < wanted:
            low = middle
        else:
            high = middle
    return float(np.exp(-(low + high) / 2))
