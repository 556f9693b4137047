"""Numbers that are derived from the rows of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from strmctl.evaluation.statistics.intervals import class_bootstrap, episode_interval, t_interval
from strmctl.results import QueryRow

CONFUSED_PAIRS = 10  # named in a summary


def most_confused(classes: Sequence[str], counts: np.ndarray) -> list[dict[str, Any]]:
    """The pairs of classes that are confused most.

    A class can be predicted only in the episodes that drew it, so shares are small where there are many classes.

    Args:
        classes: names of rows and columns.
        counts: (G, G) numbers of queries, rows true, columns predicted.

    Returns:
        At most ten dicts of true, predicted and share (of the true class's queries, a fraction), the most confused
        first; equal shares in the order of the classes.
    """
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    np.fill_diagonal(shares, 0)
    order = np.argsort(-shares, axis=None, kind="stable")[:CONFUSED_PAIRS]
    pairs = zip(*np.unravel_index(order, shares.shape), strict=True)
    return [
        {"true": classes[true], "predicted": classes[predicted], "share": float(shares[true, predicted])}
        for true, predicted in pairs
        if shares[true, predicted] > 0
    ]


def summarise(rows: Sequence[QueryRow]) -> list[dict[str, Any]]:
    """Summaries of predictions, one per shot in ascending order; accuracies, shares and intervals are fractions.

    Returns:
        Dicts of shot; accuracy and ci95 (its half-width over episodes); episodes and queries (their numbers);
        per_class (class -> accuracy); classes (None with fewer than two): n of the true classes, their mean accuracy,
        ci95 by Student's t, and bootstrap, the low and high end for `accuracy`; confusion: classes, sorted, and counts,
        one row per true class; confused: see `most_confused`.

    Example:
        >>> rows = [(1, 0, "r1", "run", "run"), (1, 0, "s1", "sit", "run"), (1, 1, "r2", "run", "run")]
        >>> (figures,) = strmctl.summarise(rows)  # of shot, episode, query, true class, predicted class
        >>> figures["accuracy"], figures["per_class"]
        (0.75, {'run': 1.0, 'sit': 0.0})
    """
    if not rows:
        return []
    shots, episodes, _, true, predicted = zip(*rows, strict=True)
    names = sorted({*true, *predicted})
    number = {name: position for position, name in enumerate(names)}
    answers = np.array([[number[name] for name in true], [number[name] for name in predicted]])  # (2, rows)
    shot_of, episode_of = np.array(shots), np.array(episodes)
    return [
        _summary(int(shot), episode_of[shot_of == shot], answers[:, shot_of == shot], names)
        for shot in np.unique(shot_of)
    ]


def _summary(shot: int, episodes: np.ndarray, answers: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    """The summary of one shot, from the episodes (N,) of its queries and their true and predicted classes (2, N)."""
    present, positions = np.unique(answers, return_inverse=True)
    true, predicted = positions.reshape(2, -1)
    classes = [names[position] for position in present]
    side = len(classes)
    counts = np.bincount(true * side + predicted, minlength=side * side).reshape(side, side)

    _, episode = np.unique(episodes, return_inverse=True)
    per_episode = np.bincount(episode, weights=true == predicted) / np.bincount(episode)
    accuracy, ci95 = episode_interval(per_episode)

    tested = np.flatnonzero(counts.sum(axis=1))  # a class may have been predicted and never asked for
    correct, queries = counts.diagonal()[tested], counts.sum(axis=1)[tested]
    per_class = correct / queries
    over_classes = None
    if len(tested) > 1:
        mean, half = t_interval(per_class)
        bootstrap = list(class_bootstrap(correct, queries))
        over_classes = {"n": len(tested), "mean": mean, "ci95": half, "bootstrap": bootstrap}
    return {
        "shot": shot,
        "accuracy": accuracy,
        "ci95": ci95,
        "episodes": len(per_episode),
        "queries": len(true),
        "per_class": {classes[position]: float(share) for position, share in zip(tested, per_class, strict=True)},
        "classes": over_classes,
        "confusion": {"classes": classes, "counts": counts.tolist()},
        "confused": most_confused(classes, counts),
    }
