"""Figures that are derived from the rows of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from strmctl.results import QueryRow


def episode_interval(accuracies: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """Mean of per-episode accuracies and the half-width of its 95 % interval, as fractions.

    The interval that papers report: 1.96 · population standard deviation / sqrt(number of episodes). It covers the draw
    of episodes from these clips and classes, not other classes, and not other training seeds.
    """
    values = np.asarray(accuracies, dtype=np.float64)
    return float(values.mean()), float(1.96 * values.std() / np.sqrt(len(values)))


def summarise(rows: Sequence[QueryRow]) -> list[dict[str, Any]]:
    """Per shot, in ascending order: accuracy, its interval, the counts behind it, and accuracy per class."""
    frame = pd.DataFrame(rows, columns=QueryRow._fields)
    frame["correct"] = frame["true"] == frame["predicted"]
    summary = []
    for shot, part in frame.groupby("shot", sort=True):
        episodes = part.groupby("episode")["correct"].mean()
        accuracy, ci95 = episode_interval(episodes.to_numpy())
        summary.append(
            {
                "shot": int(shot),
                "accuracy": accuracy,
                "ci95": ci95,
                "episodes": len(episodes),
                "queries": len(part),
                "per_class": {name: float(share) for name, share in part.groupby("true")["correct"].mean().items()},
            }
        )
    return summary
