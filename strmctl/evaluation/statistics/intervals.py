"""Intervals of accuracies: over episodes, and over classes (Student's t, bootstrap). The one file that knows scipy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

from strmctl.draws import philox

RESAMPLES = 1000  # bootstrap draws
Z_95 = 1.96  # of the normal distribution, for a 95 % interval


def episode_interval(accuracies: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """Mean of per-episode accuracies and the half-width of its 95 % interval, as fractions.

    The interval that papers report: 1.96 · population standard deviation / sqrt(number of episodes). It covers the draw
    of episodes from these clips and classes, not other classes, and not other training seeds.
    """
    values = np.asarray(accuracies, dtype=np.float64)
    return float(values.mean()), float(Z_95 * values.std() / np.sqrt(len(values)))


def t_interval(values: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """Mean of n ≥ 2 values and the half-width of its 95 % interval, in the unit of the values.

    Student (1908): t(0.975, n-1) · sample standard deviation / sqrt(n), for independent values that are near normal.
    Over the accuracies of n test classes it treats these classes as a sample of all that there are. It leaves out the
    training seed, and that the other classes of an episode are drawn too: a class that is easily taken for others
    lowers their accuracies as well, so that they are not independent.
    """
    sample = np.asarray(values, dtype=np.float64)
    count = len(sample)
    return float(sample.mean()), float(stdtrit(count - 1, 0.975) * sample.std(ddof=1) / np.sqrt(count))


def class_bootstrap(correct: np.ndarray, queries: np.ndarray, *, seed: int = 0) -> tuple[float, float]:
    """Ends of the 95 % percentile interval of the accuracy over redrawn classes, as fractions.

    The cluster bootstrap (Davison and Hinkley 1997, section 3.8): each of 1,000 resamples draws as many classes as
    there are, with replacement and with all their queries. With few classes it is narrower than by Student's t.

    Args:
        correct: (G,) number of right answers of each class.
        queries: (G,) number of queries of each class, at least 1.
        seed: seed of the draws, which are the same for the same number of classes.
    """
    count = len(queries)
    raw = philox("class bootstrap", seed).random_raw(RESAMPLES * count)
    drawn = (raw % np.uint64(count)).astype(np.intp).reshape(RESAMPLES, count)
    accuracies = np.asarray(correct)[drawn].sum(axis=1) / np.asarray(queries)[drawn].sum(axis=1)
    low, high = np.quantile(accuracies, [0.025, 0.975])
    return float(low), float(high)


def wilson_interval(correct: int, count: int) -> tuple[float, float]:
    """Ends of the 95 % interval of a share, as fractions (Wilson 1927), for independent trials.

    It stays within 0 and 1, and has a width also where all of few trials are right.
    """
    share, z = correct / count, Z_95
    centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2)) / (1 + z**2 / count)
    return float(max(0.0, centre - half)), float(min(1.0, centre + half))
