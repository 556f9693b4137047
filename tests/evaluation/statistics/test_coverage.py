"""How often 95 % intervals cover what they claim to, in simulated evaluations whose true mean is known.

An evaluation draws classes from all that there are, then 5-way episodes from these classes. Class accuracies are near
normal (beta distribution) or moderately skewed (a logit that is normal). Of 2,000 evaluations 0.95 ± 0.01 would be
covered by an exact interval. Where most classes are near 100 % and a few far below, even the interval by Student's t
covers less: 0.89 of the evaluations of 12 classes with mean 0.88 and standard deviation 1.2 of the logit.
"""

import numpy as np
import pytest

from strmctl.evaluation.statistics.intervals import class_bootstrap, episode_interval, t_interval

REPETITIONS, WAY, EPISODES = 2000, 5, 600


def beta(generator, shape):
    """Accuracies with mean 0.7 and standard deviation 0.1."""
    return generator.beta(14, 6, shape)


def logit_normal(generator, shape):
    """Accuracies with mean 0.69 and standard deviation 0.15, more of them high than low."""
    return 1 / (1 + np.exp(-(0.9 + 0.8 * generator.standard_normal(shape))))


NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(80)  # of Gauss-Hermite quadrature, for the second mean
LOGIT_NORMAL_MEAN = WEIGHTS @ (1 / (1 + np.exp(-(0.9 + 0.8 * NODES)))) / WEIGHTS.sum()
EFFECTS = {"beta": (beta, 0.7), "logit-normal": (logit_normal, LOGIT_NORMAL_MEAN)}


def draw_episodes(generator, classes):
    """Class numbers (E, 5), the same episodes in every repetition, as with one seed."""
    return np.argsort(generator.random((EPISODES, classes)), axis=1)[:, :WAY]


def simulate(generator, chosen, chances):
    """Answers with given chances (R, E, 5): accuracy per episode (R, E), right answers and queries per class."""
    right = generator.random(chances.shape, np.float32) < chances
    membership = np.eye(chosen.max() + 1, dtype=np.float32)[chosen.ravel()]  # (E·5, G)
    return right.mean(axis=2), right.reshape(len(right), -1) @ membership, membership.sum(axis=0)


def coverage(intervals, truth):
    """Share of (mean, half-width) that hold the true value."""
    return np.mean([abs(mean - truth) <= half for mean, half in intervals])


def test_episode_interval_covers_the_mean_of_independent_episodes():
    accuracies = np.random.default_rng(0).binomial(5, 0.7, size=(REPETITIONS, 400)) / 5
    assert 0.93 <= coverage(map(episode_interval, accuracies), 0.7) <= 0.97


@pytest.mark.parametrize("effects", EFFECTS)
@pytest.mark.parametrize("classes", [12, 24])
def test_with_class_effects_only_the_interval_over_classes_covers_the_mean(classes, effects):
    generator = np.random.default_rng(classes)
    draw, truth = EFFECTS[effects]
    chosen = draw_episodes(generator, classes)
    chances = draw(generator, (REPETITIONS, classes)).astype(np.float32)[:, chosen]
    per_episode, correct, queries = simulate(generator, chosen, chances)
    assert 0.92 <= coverage(map(t_interval, correct / queries), truth) <= 0.97
    assert coverage(map(episode_interval, per_episode), truth) < 0.6  # with 10,000 episodes below 0.2
    ends = np.array([class_bootstrap(right, queries) for right in correct[:400]])
    hits = np.mean((ends[:, 0] <= truth) & (truth <= ends[:, 1]))
    assert 0.85 <= hits <= 0.96  # about sqrt((G-1)/G) · 1.96 / t of the width by Student's t


@pytest.mark.parametrize("classes", [12, 24])
def test_what_the_interval_over_classes_leaves_out_the_other_classes_of_an_episode(classes):
    """A class that looks like many others is recognised badly, and takes answers from the others of its episodes.

    The chance of an error against each of the four others is the sum of both classes' effects. A class's mean accuracy
    then varies by twice of what its own accuracy shows, and the interval covers about 2 Φ(1.96 / 2) - 1 = 67 %.
    """
    generator = np.random.default_rng(classes)
    chosen = draw_episodes(generator, classes)
    effects = 0.06 * generator.standard_normal((REPETITIONS, classes), np.float32)[:, chosen]
    others = effects.sum(axis=2, keepdims=True) - effects
    _, correct, queries = simulate(generator, chosen, 0.7 - effects - others / (WAY - 1))
    assert 0.6 <= coverage(map(t_interval, correct / queries), 0.7) <= 0.8
