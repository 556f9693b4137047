import math

import numpy as np
import pytest

from strmctl.engine.statistics import episode_interval, summarise
from strmctl.results import QueryRow


def test_interval_by_hand():
    values = [1.0, 0.5, 0.0, 0.5]
    mean, half = episode_interval(values)
    assert mean == 0.5
    assert half == pytest.approx(1.96 * math.sqrt((0.25 + 0 + 0.25 + 0) / 4) / math.sqrt(4), rel=1e-12)


def test_interval_covers_the_mean_of_independent_episodes():
    generator = np.random.default_rng(0)
    hits = 0
    for _ in range(2000):
        mean, half = episode_interval(generator.binomial(5, 0.7, size=400) / 5)
        hits += abs(mean - 0.7) <= half
    assert 0.93 <= hits / 2000 <= 0.97


def test_summary_counts_queries_episodes_and_classes():
    rows = [
        QueryRow(5, 0, "a/0", "a", "a"),
        QueryRow(5, 0, "b/0", "b", "a"),
        QueryRow(1, 0, "a/0", "a", "b"),
        QueryRow(1, 0, "b/0", "b", "b"),
        QueryRow(1, 1, "a/1", "a", "a"),
        QueryRow(1, 1, "b/1", "b", "b"),
    ]
    one, five = summarise(rows)
    assert (one["shot"], one["accuracy"], one["episodes"], one["queries"]) == (1, 0.75, 2, 4)
    assert one["ci95"] == pytest.approx(1.96 * 0.25 / math.sqrt(2))
    assert one["per_class"] == {"a": 0.5, "b": 1.0}
    assert (five["shot"], five["accuracy"], five["ci95"]) == (5, 0.5, 0.0)
