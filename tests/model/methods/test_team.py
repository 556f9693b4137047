"""TEAM against loops over tokens and classes, and what it must not depend on."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from strmctl.model.episode import Truth
from strmctl.model.methods import team as module
from strmctl.model.methods.team import build_team
from tests.model.reference import (
    layer_norm,
    linear,
    positional_encoding,
    relative_error,
    relu,
    softmax,
    weights_of,
)
from tests.model.small import CHANNELS, FRAMES, by_label, clips, convolution, maps_as_clips, maps_of


def team(backbone=None, channels=CHANNELS, **changes):
    """With norms that scale and shift, in float64 and evaluation mode."""
    backbone = backbone or maps_as_clips(channels)
    model = build_team(backbone=backbone, tokens=5, frames=FRAMES, patches=1, **changes).double().eval()
    with torch.no_grad():
        for value in model.patterns.norm.parameters():
            value.copy_(random(*value.shape))
    return model


def random(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def patterns(weights, frames):
    """A of a clip, an array (L, D): an array (M, D)."""
    frames = [layer_norm(weights, "norm", x) for x in frames + 0.1 * positional_encoding(*frames.shape)]
    found = []
    for token in weights["tokens"]:
        normed = layer_norm(weights, "norm", token)
        shares = softmax([float(normed @ x) / math.sqrt(len(x) / 8) for x in frames])
        found.append(sum(share * x for share, x in zip(shares, frames, strict=True)))
    return np.array(found)


def refined(weights, z):
    return relu(z + linear(weights, "last", relu(linear(weights, "first", z))))


def cosine(x, y):
    return float(x @ y) / max(math.sqrt(x @ x) * math.sqrt(y @ y), 1e-300)


def distance(x, y):
    return sum(1 - cosine(a, b) for a, b in zip(x, y, strict=True))


def adapted(weights, every, n, sign):
    tokens, found = weights["tokens"], [refined(weights, weights["tokens"] + sign * every[n])] * (len(every) == 1)
    for o in range(len(every)):
        if o == n:
            continue
        own, other = (refined(weights, tokens + sign * every[c]) for c in (n, o))
        shares = np.array([[cosine(x, y)] for x, y in zip(own, other, strict=True)])
        found.append(refined(weights, tokens + sign * every[n] - sign * shares * (every[o] - every[n])))
    return sum(found) / len(found)


def by_loops(weights, classes, queries):
    """Positive and negative distances, each (Q, C), from classes, a list of lists of clips, and queries."""
    every = [patterns(weights, sum(shots) / len(shots)) for shots in classes]
    columns = range(len(classes))
    plus, minus = ([adapted(weights, every, n, sign) for n in columns] for sign in (1, -1))
    positive, negative = np.zeros((2, len(queries), len(classes)))
    for row, clip in enumerate(queries):
        q_plus, q_minus = (refined(weights, weights["tokens"] + sign * patterns(weights, clip)) for sign in (1, -1))
        for n in columns:
            others = [o for o in columns if o != n]
            positive[row, n] = distance(plus[n], q_plus)
            negative[row, n] = max((distance(plus[o], q_minus) for o in others), default=0) / 2
            negative[row, n] += max((distance(minus[o], q_plus) for o in others), default=0) / 2
    return positive, negative


@pytest.mark.parametrize(
    "shape",  # episodes, classes, shots, queries
    [(1, 2, 1, 1), (2, 5, 3, 2), (3, 3, 2, 4), (2, 1, 2, 3)],
)
def test_logits_equal_the_loops(shape, monkeypatch):
    episodes, classes, shots, queries = shape
    model = team()
    weights = weights_of(model.patterns)
    support, clip = (random(*size, FRAMES, CHANNELS, 1, 1) for size in (shape[:3], (episodes, queries)))
    some = random(episodes, classes, shots, seed=2) > 0
    some[..., -1] = True
    features = [model.embed(side.flatten(0, -5)) for side in (support, clip)]
    support_features = {name: value.unflatten(0, shape[:3]) for name, value in features[0].items()}
    query_features = {name: value.unflatten(0, (episodes, queries)) for name, value in features[1].items()}
    for mask in (None, some):
        found = model.match(support_features, query_features, mask)
        for b in range(episodes):
            present = np.ones((classes, shots), bool) if mask is None else mask[b].numpy()
            members = support[b, ..., 0, 0].numpy()
            kept = [[s for s, here in zip(m, p, strict=True) if here] for m, p in zip(members, present, strict=True)]
            positive, negative = by_loops(weights, kept, clip[b, ..., 0, 0].numpy())
            assert relative_error(found.total[b], -(positive + negative)) < 1e-10
            assert relative_error(found.other[b], -positive) < 1e-10
    monkeypatch.setattr(module, "NUMBERS", 1)  # of the classes, one at a time
    assert relative_error(model.match(support_features, query_features, some).total, found.total.detach()) < 1e-12


@pytest.mark.parametrize("labels", [[5, 1, 5, 3, 3, 5], [2, 2, 0, 0, 2, 0]])
def test_an_episode_from_clips_equals_the_loops(labels):
    model = team(convolution())
    support, queries = clips(6), clips(3, seed=2)
    frames = [[maps.mean(axis=(2, 3)) for maps in maps_of(model, some)] for some in (support, queries)]
    shots = by_label(frames[0], labels)
    positive, negative = by_loops(weights_of(model.patterns), [shots[label] for label in sorted(shots)], frames[1])
    found = model(support, torch.tensor(labels), queries)
    assert relative_error(found.total, -(positive + negative)) < 1e-10


def test_absent_shots_and_the_order_of_classes_shots_and_queries_do_not_matter():
    model = team()
    frames = random(2, 3, 2, FRAMES, CHANNELS)
    embedded = model.embed(random(10, FRAMES, CHANNELS, 1, 1, seed=1))
    query = {name: value.unflatten(0, (2, 5)) for name, value in embedded.items()}
    mask = torch.tensor([[[1, 1], [1, 0], [0, 1]], [[0, 1], [1, 1], [1, 0]]]) > 0
    expected = model.match({"frames": frames}, query, mask).total
    spoilt = frames.where(mask[..., None, None], 1e9)
    assert torch.equal(model.match({"frames": spoilt}, query, mask).total, expected)
    turned = {name: value.flip(1) for name, value in query.items()}
    found = model.match({"frames": frames.flip(1, 2)}, turned, mask.flip(1, 2)).total
    assert relative_error(found.flip(1, 2), expected.detach()) < 1e-12
    for b in range(2):  # episodes on their own
        own = model.match(
            {"frames": frames[b : b + 1]}, {n: v[b : b + 1] for n, v in query.items()}, mask[b : b + 1]
        ).total
        assert relative_error(own[0], expected[b].detach()) < 1e-12


def test_the_losses_are_cross_entropies_of_both_distances():
    model = team()
    weights = weights_of(model.patterns)
    maps = random(9, FRAMES, CHANNELS, 1, 1)
    labels, answers = [0, 0, 1, 1, 2, 2], [2, 0, 1]
    support, query = model.embed(maps[:6]), model.embed(maps[6:])
    support = {name: value.unflatten(0, (3, 2))[None] for name, value in support.items()}
    query = {name: value[None] for name, value in query.items()}
    truth = Truth(torch.tensor([answers]), torch.tensor([[4, 7, 9]]))
    losses = model.losses(model.match(support, query), support, query, truth)
    shots = by_label(list(maps[:6, ..., 0, 0].numpy()), labels)
    found = by_loops(weights, [shots[label] for label in sorted(shots)], maps[6:, ..., 0, 0].numpy())
    assert tuple(losses) == model.terms
    for loss, distances in zip(losses.values(), found, strict=True):
        shares = [softmax(list(-row)) for row in distances]
        expected = -sum(math.log(row[answer]) for row, answer in zip(shares, answers, strict=True)) / 3
        assert loss.item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("factor", [0.0, 1e-12, 1.0, 1e6])
def test_gradients_are_finite(factor, dtype):
    model = team().to(dtype).train()
    maps = (factor * random(6, FRAMES, CHANNELS, 1, 1)).to(dtype).requires_grad_()
    found = model(maps[:4], torch.tensor([0, 0, 1, 1]), maps[2:])
    nn.functional.cross_entropy(found.total, torch.tensor([1, 1, 0, 0])).backward()
    assert found.total.isfinite().all() and maps.grad.isfinite().all()
    assert all(value.grad.isfinite().all() for value in model.parameters())


def test_dropout_is_of_training_alone():
    model = team(dropout=0.5)
    maps = random(6, FRAMES, CHANNELS, 1, 1)
    twice = [model(maps[:4], torch.tensor([0, 0, 1, 1]), maps[4:]).total for _ in range(2)]
    assert torch.equal(*twice)
    assert not torch.equal(model.train()(maps[:4], torch.tensor([0, 0, 1, 1]), maps[4:]).total, twice[0])
