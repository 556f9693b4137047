"""Paired differences and the sign-flip test, against exact enumerations and in simulation."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from strmctl.evaluation.statistics.paired import FLIPS, paired_figures, sign_flip_p
from strmctl.results import QueryRow


def exact_p(differences):
    """The p-value over all sign vectors, by enumeration."""
    observed = abs(math.fsum(differences))
    signs = itertools.product((-1, 1), repeat=len(differences))
    sums = [abs(math.fsum(sign * value for sign, value in zip(row, differences, strict=True))) for row in signs]
    return sum(value >= observed - 1e-12 for value in sums) / len(sums)


def exact_p_of_whole_numbers(differences):
    """The same for many whole numbers: the distribution of the sum grows by one difference at a time."""
    span = int(np.abs(differences).sum())
    chances = np.zeros(2 * span + 1)
    chances[span] = 1
    for value in map(abs, differences.tolist()):
        chances = (np.roll(chances, value) + np.roll(chances, -value)) / 2
    sums = np.abs(np.arange(-span, span + 1))
    return chances[sums >= abs(int(differences.sum()))].sum()


def near(p, exact):
    """Within four standard errors of 9,999 flips."""
    return abs(p - exact) < 4 * math.sqrt(exact * (1 - exact) / FLIPS) + 1 / FLIPS


@pytest.mark.parametrize("shift", [0.0, 0.15, 0.4])
def test_p_of_few_differences_is_that_of_all_sign_vectors(shift):
    generator = np.random.default_rng(1)
    values = generator.normal(shift, 0.3, size=12)
    assert near(sign_flip_p(values), exact_p(values))
    equal = np.round(values * 5) / 5  # many equal magnitudes, and zeros
    assert near(sign_flip_p(equal), exact_p(equal))


@pytest.mark.parametrize("mean", [0.0, 0.06, 0.12, 0.2])
@pytest.mark.parametrize("count", [64, 129, 700])
def test_p_of_many_differences_is_the_exact_one(mean, count):
    values = np.round(np.random.default_rng(count).normal(mean, 1, size=count)).astype(int)
    assert near(sign_flip_p(values / 5), exact_p_of_whole_numbers(values))


def test_p_counts_the_observed_signs_and_ties():
    assert sign_flip_p([0.0, 0.0, 0.0]) == 1
    assert sign_flip_p([0.3]) == 1  # both signs are equally far from 0
    assert sign_flip_p([0.1, 0.2, 0.3, -0.6], flips=99) == 1  # a sum of 0, but for rounding
    assert sign_flip_p(np.full(200, 0.2)) == 1 / 10_000
    values = [0.1] * 8  # p = 2 / 2^8
    assert near(sign_flip_p(values), 2 / 256)


def test_p_is_reproducible_and_two_sided():
    values = np.random.default_rng(0).normal(0.1, 1, size=300)
    assert sign_flip_p(values) == sign_flip_p(-values) == sign_flip_p(values[::-1])
    assert sign_flip_p(values) != sign_flip_p(values, seed=1)


def simulated(episodes, gain, generator, way=5):
    """Differences of episodes between two runs that find the same episodes hard; the second is ahead by `gain`."""
    easy = generator.uniform(0.4, 0.8, size=(episodes, way))
    first, second = (generator.random((episodes, way)) < easy + more for more in (0, gain))
    return (second.astype(int) - first).sum(axis=1) / way


def rejected(draw, repetitions):
    """Share of repetitions that the test rejects at 5 %: at most 49 of 999 flips are as far from 0."""
    generator = np.random.default_rng(0)
    return np.mean([sign_flip_p(draw(generator), flips=999, seed=one) <= 0.05 for one in range(repetitions)])


def with_class_effects(generator, classes=24, episodes=300, way=5):
    """Two runs of which each is better at classes of its own, the same on average: differences, and their classes."""
    effects = generator.normal(0, 0.1, classes)
    drawn = np.argsort(generator.random((episodes, classes)), axis=1)[:, :way]
    first, second = (generator.random(drawn.shape) < 0.6 + sign * effects[drawn] / 2 for sign in (1, -1))
    return second.astype(int) - first, drawn


def over_episodes(generator):
    return with_class_effects(generator)[0].mean(axis=1)


def over_classes(generator):
    differences, drawn = (array.ravel() for array in with_class_effects(generator))
    return np.bincount(drawn, weights=differences) / np.bincount(drawn)


def test_a_true_null_is_rejected_in_five_percent():
    assert 0.04 <= rejected(lambda generator: simulated(600, 0, generator), 1500) <= 0.06


def test_over_classes_a_true_null_is_rejected_in_five_percent_and_over_episodes_far_more_often():
    assert 0.04 <= rejected(over_classes, 1500) <= 0.06
    assert rejected(over_episodes, 300) > 0.15  # these 24 classes do differ: the test over episodes speaks of them only


def test_a_real_difference_is_found():
    for gain in (0.06, -0.06):  # 4.4 standard errors
        assert rejected(lambda generator, gain=gain: simulated(500, gain, generator), 200) > 0.9


def test_figures_by_hand():
    truth = ["a", "b", "a", "c", "b", "c"]  # two queries in each of three episodes
    guesses = ["abbcba", "aabcbc"]
    base, other = (
        pd.DataFrame([QueryRow(1, i // 2 + 7, f"{i}", *pair) for i, pair in enumerate(zip(truth, row, strict=True))])
        for row in guesses
    )
    found = paired_figures(base, other)
    assert found["base_accuracy"] == pytest.approx(4 / 6) and found["accuracy"] == pytest.approx(4 / 6)
    # right: base 1 1 0 1 1 0, other 1 0 0 1 1 1; by episode -1/2, 0, 1/2; by class 0, -1/2, 1/2
    sd = math.sqrt(0.5 / 3)
    assert found["over_episodes"] == {"n": 3, "difference": 0, "ci95": pytest.approx(1.96 * sd / math.sqrt(3)), "p": 1}
    half = 4.302653 * 0.5 / math.sqrt(3)  # t with 2 degrees of freedom
    assert found["over_classes"] == {"n": 3, "difference": 0, "ci95": pytest.approx(half, rel=1e-6), "p": 1}


def test_episodes_and_classes_weigh_as_they_should():
    rows = [(0, "a"), (0, "b"), (1, "a"), (1, "a"), (1, "a"), (1, "b")]  # unequal counts
    base = pd.DataFrame([QueryRow(5, episode, str(i), name, "x") for i, (episode, name) in enumerate(rows)])
    other = base.assign(predicted=["a", "x", "x", "x", "x", "b"])
    found = paired_figures(base, other)
    assert found["base_accuracy"] == 0
    assert found["over_episodes"]["difference"] == found["accuracy"] == pytest.approx((1 / 2 + 1 / 4) / 2)
    assert found["over_classes"]["difference"] == pytest.approx((1 / 4 + 1 / 2) / 2)


def test_a_single_class_has_no_interval():
    rows = pd.DataFrame([QueryRow(1, episode, str(episode), "a", "a") for episode in range(4)])
    found = paired_figures(rows, rows.assign(predicted=["a", "b", "b", "b"]))
    assert found["over_classes"] == {"n": 1, "difference": -0.75, "ci95": None, "p": 1}
