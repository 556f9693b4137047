"""Temperature, losses and intervals against slow references that share nothing with them."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from strmctl.classify.calibration import BINS, calibrate, calibration_error, fit_temperature, log_loss, softmax
from strmctl.classify.held_out import HeldOut
from strmctl.evaluation.statistics.intervals import wilson_interval


def drawn(seed, count=40, classes=4, scale=1.0, signal=1.0):
    random = np.random.default_rng(seed)
    labels = random.integers(classes, size=count)
    logits = random.normal(size=(count, classes))
    logits[np.arange(count), labels] += signal
    return logits * scale, labels


def slow_softmax(row):
    powers = [math.exp(value - max(row)) for value in row]
    return [power / sum(powers) for power in powers]


def smoothed_loss(temperature, logits, labels):
    """Cross-entropy with Platt's targets, clip by clip."""
    count, classes = logits.shape
    loss = 0.0
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        scaled = [value / temperature for value in row]
        total = max(scaled) + math.log(sum(math.exp(value - max(scaled)) for value in scaled))
        for cls, value in enumerate(scaled):
            target = (count + 1) / (count + 2) if cls == label else 1 / (count + 2) / (classes - 1)
            loss += target * (total - value)
    return loss / count


@pytest.mark.parametrize("scale", [1e-3, 0.1, 1, 30, 1e4])
@pytest.mark.parametrize("signal", [0.5, 1.5, 20])
def test_the_temperature_has_the_least_loss_whatever_the_scale_of_the_logits(scale, signal):
    logits, labels = drawn(3, scale=scale, signal=signal)
    found = fit_temperature(logits, labels)
    search = minimize_scalar(
        lambda log: smoothed_loss(math.exp(log), logits, labels),
        bounds=(math.log(found) - 5, math.log(found) + 5),
        method="bounded",
        options={"xatol": 1e-9},
    )
    assert found == pytest.approx(math.exp(search.x), rel=1e-4)


def test_few_examples_that_are_all_right_give_no_certainty():
    logits = np.array([[9.0, 0, 0], [0, 9, 0], [0, 0, 9]])
    labels = np.arange(3)
    best = softmax(logits / fit_temperature(logits, labels)).max(axis=1)
    assert best == pytest.approx(4 / 5, abs=1e-6)  # (n + 1) / (n + 2)


def test_logits_that_say_nothing_or_the_wrong_give_even_probabilities():
    assert fit_temperature(np.zeros((4, 3)), np.arange(4) % 3) == 1.0
    logits, labels = drawn(0, signal=-20)
    shares = softmax(logits / fit_temperature(logits, labels))
    assert shares == pytest.approx(1 / 4, abs=1e-3)


def test_losses_are_those_of_plain_loops():
    logits, labels = drawn(5)
    shares = np.array([slow_softmax(row) for row in logits.tolist()])
    assert softmax(logits) == pytest.approx(shares, abs=1e-12)
    assert log_loss(shares, labels) == pytest.approx(
        -sum(math.log(row[label]) for row, label in zip(shares, labels, strict=True)) / len(labels), abs=1e-12
    )
    error = 0.0
    for number in range(BINS):
        inside = [
            (row, label)
            for row, label in zip(shares, labels, strict=True)
            if number / BINS <= max(row) < (number + 1) / BINS
        ]
        if inside:
            right = sum(row.argmax() == label for row, label in inside) / len(inside)
            sure = sum(max(row) for row, _ in inside) / len(inside)
            error += len(inside) / len(labels) * abs(right - sure)
    assert calibration_error(shares, labels) == pytest.approx(error, abs=1e-12)
    assert calibration_error(np.eye(3), np.arange(3)) == 0 and math.isfinite(log_loss(np.eye(3), np.array([1, 2, 0])))


@pytest.mark.parametrize(("correct", "count"), [(0, 1), (1, 1), (7, 9), (20, 20), (50, 200)])
def test_the_interval_of_a_share_solves_its_equation(correct, count):
    """The ends are the shares p with |share - p| = 1.96 · sqrt(p (1 - p) / n)."""
    share, ends = correct / count, wilson_interval(correct, count)
    roots = np.roots([1 + 1.96**2 / count, -2 * share - 1.96**2 / count, share**2])
    assert ends == pytest.approx(sorted(roots.real), abs=1e-7)
    assert 0 <= ends[0] <= share <= ends[1] <= 1 and ends[1] - ends[0] > 0.05


def test_only_tested_examples_count():
    logits = np.array([[2.0, 0], [1, 3], [9, 0], [5, 0]])
    held_out = HeldOut(logits, np.array([0, 1, 1, 1]), np.array([True, True, True, False]), 3)
    found = calibrate(held_out)
    assert (found.n, found.untested, found.accuracy, found.sources) == (3, 1, 2 / 3, 3)
    assert found.confusion.tolist() == [[1, 0], [1, 1]]
    before = softmax(logits[:3])
    assert found.log_loss[0] == pytest.approx(log_loss(before, np.array([0, 1, 1])))
    after = softmax(logits[:3] / found.temperature)
    assert found.log_loss[1] == pytest.approx(log_loss(after, np.array([0, 1, 1]))) and found.log_loss[1] < 2
    assert calibrate(HeldOut(logits, np.array([0, 1, 1, 1]), np.zeros(4, bool), 0)) is None
