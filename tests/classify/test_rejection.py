"""The threshold and the separation against counting, pair by pair."""

import numpy as np
import pytest

from strmctl.classify.held_out import HeldOut
from strmctl.classify.rejection import choose, scores
from strmctl.errors import UsageError


def drawn(seed, count=60, classes=4, digits=8, drift=0.0):
    """Logits of examples; `drift` moves all logits of an example together, which probabilities do not see."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    logits = random.normal(size=(count, classes)) + drift * random.normal(size=(count, 1))
    logits[np.arange(count), labels] += 2
    return HeldOut(np.round(logits, digits), labels, random.random(count) < 0.8, count)


def slow(held_out, temperature):
    known = held_out.logits[held_out.tested]
    unknown = [[value for cls, value in enumerate(row) if cls != own] for row, own in zip(*of(held_out), strict=True)]
    found = scores(known, temperature), scores(np.array(unknown), temperature)
    areas = {
        name: np.mean([(a > b) + (a == b) / 2 for a in found[0][name] for b in found[1][name]]) for name in found[0]
    }
    return *found, areas


def of(held_out):
    return held_out.logits, held_out.labels


@pytest.mark.parametrize("digits", [8, 0])  # with 0, many scores are equal
@pytest.mark.parametrize("drift", [0, 5])
@pytest.mark.parametrize("share", [0, 0.05, 0.3, 0.99])
def test_the_better_score_and_a_threshold_that_refuses_no_more_than_asked(digits, drift, share):
    held_out = drawn(1, digits=digits, drift=drift)
    known, unknown, areas = slow(held_out, 0.7)
    found = choose(held_out, 0.7, share)
    assert found.separation == pytest.approx(areas, abs=1e-12)
    assert found.score == ("probability" if areas["probability"] >= areas["logit"] else "logit")
    refused = (known[found.score] < found.threshold).mean()
    assert found.known_refused == refused <= share
    assert found.unknown_refused == (unknown[found.score] < found.threshold).mean()
    higher = known[found.score][known[found.score] > found.threshold]
    if len(higher):  # the next threshold would refuse too many
        assert (known[found.score] < higher.min()).mean() > share
    assert (found.refuses(held_out.logits[held_out.tested], 0.7).mean()) == refused


def test_what_moves_all_logits_of_an_example_favours_probabilities_and_the_reverse():
    assert choose(drawn(2, drift=9), 1, 0.05).score == "probability"
    held_out = drawn(2)
    logits = -np.abs(held_out.logits) * 1e-3  # so small that probabilities are even, more so of four classes than three
    logits[np.arange(60), held_out.labels] = 1e-3
    assert choose(HeldOut(logits, held_out.labels, held_out.tested, 60), 1, 0.05).score == "logit"


def test_where_there_can_be_none_the_reason_is_given():
    two = HeldOut(np.eye(2), np.arange(2), np.ones(2, bool), 2)
    assert "3 classes are needed" in choose(two, 1, 0.05)
    alone = HeldOut(np.eye(3), np.arange(3), np.zeros(3, bool), 0)
    assert choose(alone, 1, 0.05) == "no example can be held out"
    for share in (-0.1, 1, 2):
        with pytest.raises(UsageError, match="at least 0 and below 1"):
            choose(drawn(0), 1, share)
