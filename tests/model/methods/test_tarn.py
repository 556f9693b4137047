"""TARN against loops over segments and shots, and what it must not depend on."""

import math
from typing import get_args

import numpy as np
import pytest
import torch
from torch import nn

from strmctl.model.methods import tarn as module
from strmctl.model.methods.tarn import Comparison, build_tarn
from tests.model.reference import linear, relative_error, relu, softmax, weights_of
from tests.model.small import CHANNELS, FRAMES, by_label, clips, convolution, maps_as_clips, maps_of

HIDDEN = 3
COMPARISONS = get_args(Comparison)


def tarn(comparison="cosine_euclid", backbone=None, seed=0):
    backbone = backbone or maps_as_clips(CHANNELS)
    model = build_tarn(backbone=backbone, hidden=HIDDEN, comparison=comparison, patches=1, seed=seed).double().eval()
    with torch.no_grad():  # larger weights, so that everything matters
        for name, value in model.named_parameters():
            if not name.startswith("backbone"):
                value.mul_(2)
    return model


def random(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def states(weights, name, suffix, sequence):
    """All states of a GRU, one after the other."""
    state, found = np.zeros(HIDDEN), []
    for x in sequence:
        given = weights[f"{name}.weight_ih_l0{suffix}"] @ x + weights[f"{name}.bias_ih_l0{suffix}"]
        own = weights[f"{name}.weight_hh_l0{suffix}"] @ state + weights[f"{name}.bias_hh_l0{suffix}"]
        reset, update = (sigmoid((given + own)[k * HIDDEN : (k + 1) * HIDDEN]) for k in range(2))
        new = np.tanh(given[2 * HIDDEN :] + reset * own[2 * HIDDEN :])
        state = (1 - update) * new + update * state
        found.append(state)
    return found


def segments(weights, clip):
    """Of a clip, an array (L, D)."""
    back = states(weights, "segments", "_reverse", clip[::-1])[::-1]
    return [np.concatenate(pair) for pair in zip(states(weights, "segments", "", clip), back, strict=True)]


def compared(weights, comparison, q, h):
    if comparison == "multiply":
        return q * h
    if comparison == "subtract":
        return q - h
    if comparison == "cosine_euclid":
        return np.array([q @ h / math.sqrt(q @ q) / math.sqrt(h @ h), math.dist(q, h) / math.sqrt(len(q))])
    both = np.concatenate([q, h] if comparison == "nn" else [(q - h) ** 2, q * h])
    return relu(linear(weights, "compare.project", both))


def score(weights, comparison, query, shot):
    shot, rows = segments(weights, shot), []
    for q in segments(weights, query):
        shares = softmax([float(q @ (weights["align.weight"] @ s)) for s in shot])
        h = sum(share * s for share, s in zip(shares, shot, strict=True))
        rows.append(compared(weights, comparison, q, h))
    return linear(weights, "score", states(weights, "aggregate", "", rows)[-1])[0]


def logits(weights, comparison, classes, queries):
    return [
        [np.mean([score(weights, comparison, query, shot) for shot in shots]) for shots in classes] for query in queries
    ]


def embedded(model, frames, shape):
    return {name: value.unflatten(0, shape).detach() for name, value in model.embed(frames[..., None, None]).items()}


@pytest.mark.parametrize("comparison", COMPARISONS)
def test_logits_equal_the_loops(comparison, monkeypatch):
    model = tarn(comparison)
    shape = (2, 3, 2)
    support, query = random(12, FRAMES, CHANNELS), random(6, FRAMES, CHANNELS, seed=1)
    mask = torch.tensor([[[1, 1], [1, 0], [0, 1]], [[0, 1], [1, 1], [1, 0]]]) > 0
    shots, queries = embedded(model, support, shape), embedded(model, query, (2, 3))
    for present in (None, mask):
        found = model.match(shots, queries, present).total
        for b in range(2):
            clips_of = support.unflatten(0, shape)[b].numpy()
            here = np.ones((3, 2), bool) if present is None else present[b].numpy()
            classes = [
                [c for c, is_there in zip(m, row, strict=True) if is_there]
                for m, row in zip(clips_of, here, strict=True)
            ]
            expected = logits(weights_of(model), comparison, classes, query.unflatten(0, (2, 3))[b].numpy())
            assert relative_error(found[b], expected) < 1e-10
    monkeypatch.setattr(module, "NUMBERS", 1)  # of the queries, one at a time
    assert relative_error(model.match(shots, queries, mask).total, found.detach()) < 1e-12


@pytest.mark.parametrize("labels", [[5, 1, 5, 3, 3, 5], [2, 2, 0, 0, 2, 0], [0, 1, 2, 3, 4, 5]])
def test_an_episode_from_clips_equals_the_loops(labels):
    model = tarn("multiply", convolution())
    support, queries = clips(6), clips(3, seed=2)
    frames = [[maps.mean(axis=(2, 3)) for maps in maps_of(model, some)] for some in (support, queries)]
    shots = by_label(frames[0], labels)
    expected = logits(weights_of(model), "multiply", [shots[label] for label in sorted(shots)], frames[1])
    assert relative_error(model(support, torch.tensor(labels), queries).total, expected) < 1e-10


def test_absent_shots_and_the_order_of_classes_shots_and_queries_do_not_matter():
    model = tarn()
    shots = embedded(model, random(12, FRAMES, CHANNELS), (2, 3, 2))
    query = embedded(model, random(10, FRAMES, CHANNELS, seed=1), (2, 5))
    mask = torch.tensor([[[1, 1], [1, 0], [0, 1]], [[0, 1], [1, 1], [1, 0]]]) > 0
    expected = model.match(shots, query, mask).total.detach()
    spoilt = {name: value.where(mask[..., None, None], 1e9) for name, value in shots.items()}
    assert torch.equal(model.match(spoilt, query, mask).total, expected)
    turned = {name: value.flip(1, 2) for name, value in shots.items()}
    found = model.match(turned, {name: value.flip(1) for name, value in query.items()}, mask.flip(1, 2)).total
    assert relative_error(found.flip(1, 2), expected) < 1e-12
    for b in range(2):  # episodes on their own
        sides = [{name: value[b : b + 1] for name, value in side.items()} for side in (shots, query)]
        assert relative_error(model.match(*sides, mask[b : b + 1]).total[0], expected[b]) < 1e-12


@pytest.mark.parametrize("comparison", COMPARISONS)
@pytest.mark.parametrize("factor", [0.0, 1e-12, 1.0, 1e6])
def test_gradients_are_finite(factor, comparison):
    model = tarn(comparison).float().train()
    maps = (factor * random(6, FRAMES, CHANNELS, 1, 1)).float().requires_grad_()
    found = model(maps[:4], torch.tensor([0, 0, 1, 1]), maps[2:])  # two queries are shots as well
    nn.functional.cross_entropy(found.total, torch.tensor([1, 1, 0, 0])).backward()
    assert found.total.isfinite().all() and maps.grad.isfinite().all()
    assert all(value.grad.isfinite().all() for value in model.parameters())
