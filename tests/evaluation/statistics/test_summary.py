import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from strmctl.draws import philox
from strmctl.evaluation.statistics.intervals import class_bootstrap, episode_interval, t_interval
from strmctl.evaluation.statistics.summary import most_confused, summarise
from strmctl.results import QueryRow


def random_rows(classes):
    """60 random 3-way episodes with 2 queries, rows in an arbitrary order; some classes are easier than others."""
    generator = np.random.default_rng(0)
    rows = []
    for shot in (1, 5):
        for episode in range(60):
            chosen = sorted(generator.choice(classes, 3, replace=False).tolist())
            for true in chosen * 2:
                right = generator.random() < (classes.index(true) + 1) / len(classes)
                rows.append(QueryRow(shot, episode, "clip", true, true if right else str(generator.choice(chosen))))
    return [rows[position] for position in generator.permutation(len(rows))]


def test_interval_by_hand():
    values = [1.0, 0.5, 0.0, 0.5]
    mean, half = episode_interval(values)
    assert mean == 0.5
    assert half == pytest.approx(1.96 * math.sqrt((0.25 + 0 + 0.25 + 0) / 4) / math.sqrt(4), rel=1e-12)


@pytest.mark.parametrize(("count", "tabulated"), [(2, 12.70620), (4, 3.18245), (12, 2.20099), (24, 2.06866)])
def test_t_interval_with_the_quantiles_of_a_printed_table(count, tabulated):
    values = np.arange(count) / 7
    mean, half = t_interval(values.tolist())
    deviation = math.sqrt(sum((value - values.mean()) ** 2 for value in values) / (count - 1))
    assert mean == pytest.approx((count - 1) / 14, rel=1e-12)
    assert half == pytest.approx(tabulated * deviation / math.sqrt(count), rel=1e-5)


def test_bootstrap_draws_classes_with_all_their_queries():
    correct, queries = [3, 10, 0, 7, 25], [4, 10, 6, 20, 30]
    bits = philox("class bootstrap", 3)
    resamples = []
    for _ in range(1000):
        drawn = [int(bits.random_raw()) % 5 for _ in range(5)]
        resamples.append(sum(correct[i] for i in drawn) / sum(queries[i] for i in drawn))
    resamples.sort()
    low, high = class_bootstrap(np.array(correct), np.array(queries), seed=3)
    # percentiles lie between neighbours of the sorted resamples: 999 · 0.025 = 24.975
    assert low == pytest.approx(0.025 * resamples[24] + 0.975 * resamples[25], rel=1e-12)
    assert high == pytest.approx(0.975 * resamples[974] + 0.025 * resamples[975], rel=1e-12)


def test_bootstrap_draws_are_a_function_of_the_seed():
    correct, queries = np.arange(1, 25) ** 2, np.full(24, 577)
    first, again, other = (class_bootstrap(correct, queries, seed=seed) for seed in (0, 0, 1))
    assert first == again != other
    drawn = np.random.default_rng(0).integers(0, 24, (20_000, 24))  # with so many, ends known to 0.001
    ends = np.quantile(correct[drawn].sum(axis=1) / queries[drawn].sum(axis=1), [0.025, 0.975])
    assert first == pytest.approx(ends, abs=0.02) and other == pytest.approx(ends, abs=0.02)  # 4 · 0.005


def test_the_most_confused_pairs_by_hand():
    counts = np.array([[90, 4, 6], [0, 10, 0], [2, 3, 45]])
    assert most_confused(["a", "b", "c"], counts) == [
        {"true": "a", "predicted": "c", "share": 0.06},
        {"true": "c", "predicted": "b", "share": 0.06},  # as large, but of a later class
        {"true": "a", "predicted": "b", "share": 0.04},
        {"true": "c", "predicted": "a", "share": 0.04},
    ]


@pytest.mark.parametrize("classes", [list("cabed"), [f"class {number}" for number in range(12)]])
def test_summary_against_a_slow_reference(classes):
    rows = random_rows(classes)
    summary = summarise(rows)
    assert summary == summarise(sorted(rows))
    assert [figures["shot"] for figures in summary] == [1, 5]
    for figures in summary:
        part = [row for row in rows if row.shot == figures["shot"]]
        by_episode, by_class = {}, {}
        for row in part:
            by_episode.setdefault(row.episode, []).append(row.true == row.predicted)
            by_class.setdefault(row.true, []).append(row.true == row.predicted)
        episodes = [sum(right) / len(right) for right in by_episode.values()]
        mean = sum(episodes) / len(episodes)
        spread = math.sqrt(sum((value - mean) ** 2 for value in episodes) / len(episodes))
        assert figures["accuracy"] == pytest.approx(mean, rel=1e-12)
        assert figures["ci95"] == pytest.approx(1.96 * spread / math.sqrt(len(episodes)), rel=1e-12)
        assert (figures["episodes"], figures["queries"]) == (60, len(part))

        names = sorted(classes)
        accuracies = {name: sum(by_class[name]) / len(by_class[name]) for name in names}
        assert figures["per_class"] == pytest.approx(accuracies, rel=1e-12)
        assert list(figures["per_class"]) == names
        over = figures["classes"]
        assert over["n"] == len(names)
        assert (over["mean"], over["ci95"]) == pytest.approx(t_interval(list(accuracies.values())), rel=1e-12)
        sums = np.array([[sum(by_class[name]), len(by_class[name])] for name in names]).T
        assert over["bootstrap"] == list(class_bootstrap(*sums))
        assert over["bootstrap"][0] < mean < over["bootstrap"][1]

        pairs = Counter((row.true, row.predicted) for row in part)
        assert figures["confusion"]["classes"] == names
        assert figures["confusion"]["counts"] == [[pairs[true, other] for other in names] for true in names]
        shares = {
            (true, other): Fraction(count, len(by_class[true]))
            for (true, other), count in pairs.items()
            if true != other
        }
        worst = sorted(shares, key=lambda pair: (-shares[pair], pair))[:10]
        assert [(pair["true"], pair["predicted"]) for pair in figures["confused"]] == worst
        assert [pair["share"] for pair in figures["confused"]] == [float(shares[pair]) for pair in worst]


def test_summary_counts_queries_episodes_and_classes():
    answers = [
        (5, 0, "a", "a"),
        (5, 0, "b", "a"),
        (1, 0, "a", "b"),
        (1, 0, "b", "b"),
        (1, 1, "a", "a"),
        (1, 1, "b", "b"),
    ]
    one, five = summarise([QueryRow(shot, episode, "clip", *pair) for shot, episode, *pair in answers])
    assert (one["shot"], one["accuracy"], one["episodes"], one["queries"]) == (1, 0.75, 2, 4)
    assert one["ci95"] == pytest.approx(1.96 * 0.25 / math.sqrt(2))
    assert one["per_class"] == {"a": 0.5, "b": 1.0}
    assert (five["shot"], five["accuracy"], five["ci95"]) == (5, 0.5, 0.0)
    assert five["confusion"] == {"classes": ["a", "b"], "counts": [[1, 0], [1, 0]]}
    assert five["confused"] == [{"true": "b", "predicted": "a", "share": 1.0}]


def test_one_class_has_no_interval_over_classes():
    figures = summarise([QueryRow(1, 0, "b/0", "b", "a"), QueryRow(1, 1, "b/1", "b", "b")])[0]
    assert figures["classes"] is None
    assert figures["per_class"] == {"b": 0.5}  # nothing was asked about a
    assert figures["confusion"] == {"classes": ["a", "b"], "counts": [[0, 0], [1, 1]]}
    assert summarise([]) == []
