"""Figures that are derived from the rows of an evaluation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from strmctl.results import QueryRow


def episode_interval(accuracies: Sequence[float]) -> tuple[float, float]:
    """Mean of per-episode accuracies and the half-width of its 95 % interval, as fractions.

    The interval that papers report: 1.96 · population standard deviation / sqrt(number of episodes). It covers the draw
    of episodes from these clips and classes, not other classes, and not other training seeds.
    """
    values = np.asarray(accuracies, dtype=np.float64)
    return float(values.mean()), float(1.96 * values.std() / np.sqrt(len(values)))


def summarise(rows: Iterable[QueryRow]) -> list[dict[str, Any]]:
    """Per shot, in ascending order: accuracy, its interval, the counts behind it, and accuracy per class."""
    per_episode: dict[int, dict[int, list[bool]]] = defaultdict(lambda: defaultdict(list))
    per_class: dict[int, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        correct = row.true == row.predicted
        per_episode[row.shot][row.episode].append(correct)
        per_class[row.shot][row.true].append(correct)
    summary = []
    for shot in sorted(per_episode):
        episodes = per_episode[shot]
        accuracy, ci95 = episode_interval([float(np.mean(answers)) for answers in episodes.values()])
        summary.append(
            {
                "shot": shot,
                "accuracy": accuracy,
                "ci95": ci95,
                "episodes": len(episodes),
                "queries": sum(len(answers) for answers in episodes.values()),
                "per_class": {name: float(np.mean(per_class[shot][name])) for name in sorted(per_class[shot])},
            }
        )
    return summary
