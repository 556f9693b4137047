"""Two runs on the very same queries: paired differences, their intervals, and a sign-flip permutation test.

Under the null hypothesis that two runs are interchangeable, the difference of an episode (or of a class) is as likely
to have either sign, whatever its size; so the test flips signs at random and counts how often the sum is at least as
far from 0 as the observed one. It assumes no distribution, only that the differences are independent: for episodes,
which share classes and clips, that holds given these weights and clips; differences of classes speak for other classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from strmctl.draws import philox
from strmctl.evaluation.statistics.intervals import episode_interval, t_interval

Interval = Callable[[np.ndarray], tuple[float, float]]  # values -> mean, half-width

FLIPS = 9_999
BITS_SET = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1, dtype=np.uint8)  # of each byte


def sign_flip_p(differences: Sequence[float] | np.ndarray, *, flips: int = FLIPS, seed: int = 0) -> float:
    """Two-sided p-value of the sign-flip permutation test of a mean of 0: (b + 1) / (flips + 1).

    b counts the flips whose sum is at least as far from 0 as the observed one. The observed one counts too, so that p
    is never 0 and the test never rejects too often (Phipson and Smyth 2010).

    Args:
        differences: paired differences, of episodes or of classes.
        flips: number of random sign vectors.
        seed: seed of the flips.
    """
    values = np.asarray(differences, dtype=np.float64)
    sums, bits = np.zeros(flips), philox("sign flips", seed)
    # Of n equal magnitudes only the number of positive signs matters, so each distinct magnitude is one binomial draw.
    for magnitude, count in zip(*np.unique(np.abs(values), return_counts=True), strict=True):
        if magnitude > 0:
            sums += magnitude * (2 * _heads(bits, int(count), flips) - count)
    rounding = 1e-9 * np.abs(values).sum()  # sums that are equal on paper differ in their last digits
    at_least = np.count_nonzero(np.abs(sums) >= abs(values.sum()) - rounding)
    return float((at_least + 1) / (flips + 1))


def _heads(bits: np.random.Philox, count: int, draws: int) -> np.ndarray:
    """Exact binomial (count, 1/2) draws: numbers of set bits among `count` raw bits."""
    heads = np.zeros(draws, dtype=np.int64)
    for done in range(0, count, 64):
        used = min(64, count - done)
        raw = bits.random_raw(draws) >> np.uint64(64 - used)
        few = used <= 8  # they fit into the lowest byte
        heads += BITS_SET[raw] if few else BITS_SET[raw.view(np.uint8)].reshape(draws, 8).sum(axis=1, dtype=np.int64)
    return heads


def paired_figures(base: pd.DataFrame, other: pd.DataFrame, *, seed: int = 0) -> dict[str, Any]:
    """The lead of another run over the base at one number of shots.

    Args:
        base: rows as in `QueryRow`, of one shot.
        other: rows of the same queries in the same order.
        seed: seed of the flips.

    Returns:
        base_accuracy, accuracy: means over episodes, fractions. over_episodes, over_classes: n, difference (mean of
        other - base, fraction), ci95 (half-width: 1.96 · standard deviation / sqrt(n) over episodes, t with n - 1
        degrees of freedom over classes; None where n < 2), p (sign-flip test).
    """
    correct = [(rows["true"] == rows["predicted"]).to_numpy(dtype=np.int64) for rows in (base, other)]
    episodes, classes = (pd.factorize(base[column], sort=True)[0] for column in ("episode", "true"))
    by_episode = means_by(correct[1] - correct[0], episodes)
    by_class = means_by(correct[1] - correct[0], classes)
    return {
        "base_accuracy": float(means_by(correct[0], episodes).mean()),
        "accuracy": float(means_by(correct[1], episodes).mean()),
        "over_episodes": lead_figures(by_episode, episode_interval, seed=seed),
        "over_classes": lead_figures(by_class, t_interval, seed=seed),
    }


def means_by(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Mean of the whole numbers `values` for each code from 0; equal shares become equal floats."""
    return np.bincount(codes, weights=values) / np.bincount(codes)


def mean_figures(differences: np.ndarray, interval: Interval) -> dict[str, Any]:
    """n, difference (the mean) and ci95 (its half-width by the given formula, None for a single value)."""
    mean, half = interval(differences) if len(differences) > 1 else (float(differences[0]), None)
    return {"n": len(differences), "difference": mean, "ci95": half}


def lead_figures(differences: np.ndarray, interval: Interval, *, seed: int = 0) -> dict[str, Any]:
    """`mean_figures` and p, of the sign-flip test with flips of this seed."""
    return {**mean_figures(differences, interval), "p": sign_flip_p(differences, seed=seed)}
