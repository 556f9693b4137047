"""HF-AR against loops over steps, reflections and clips, and what it must not depend on."""

import math

import numpy as np
import pytest
import torch

from strmctl.model.episode import Truth
from strmctl.model.methods.hf_ar import build_hf_ar
from strmctl.model.seeding import seeded
from tests.model.reference import linear, part, relative_error, softmax, weights_of
from tests.model.small import CHANNELS, FRAMES, by_label, clips, convolution, maps_as_clips, maps_of

HIDDEN, DIM, FLOWS = 4, 3, 2


def hf_ar(backbone=None, **changes):
    """With larger weights, so that everything matters, in float64 and evaluation mode."""
    sizes = {"hidden": HIDDEN, "dim": DIM, "flows": FLOWS, "temperature": 0.5, "patches": 1}
    model = build_hf_ar(backbone=backbone or maps_as_clips(CHANNELS), **(sizes | changes))
    with seeded(0, "training only"):
        model.prepare_training(7)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if not name.startswith("backbone"):
                value.mul_(2)
    return model.double().eval()


def random(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def states(weights, sequence):
    """All states of an LSTM, one after the other."""
    state, cell, found = np.zeros(HIDDEN), np.zeros(HIDDEN), []
    for x in sequence:
        gates = weights["weight_ih_l0"] @ x + weights["bias_ih_l0"]
        gates = gates + weights["weight_hh_l0"] @ state + weights["bias_hh_l0"]
        let_in, forget, new, let_out = gates.reshape(4, HIDDEN)
        cell = sigmoid(forget) * cell + sigmoid(let_in) * np.tanh(new)
        state = sigmoid(let_out) * np.tanh(cell)
        found.append(state)
    return found


def normalised(x):
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)


def code(weights, clip, noise=None):
    """The code of a clip, an array (L, D), with its mean and the logarithm of its variance."""
    state = states(part(weights, "encoder"), normalised(clip))[-1]
    mean, log_variance = linear(weights, "mean", state), linear(weights, "log_variance", state)
    z = mean if noise is None else mean + np.exp(log_variance / 2) * noise
    for number in range(FLOWS):
        state = linear(weights, f"vectors.{number}", state)
        reflection = np.eye(DIM) - 2 * np.outer(state, state) / (state @ state)
        z = reflection @ z
    return z, mean, log_variance


def logits(classes, queries):
    prototypes = [np.mean(shots, axis=0) for shots in classes]
    return [[-(math.dist(query, p) ** 2) / 0.5 for p in prototypes] for query in queries]


@pytest.mark.parametrize("labels", [[5, 1, 5, 3, 3, 5], [2, 2, 0, 0, 2, 0], [0, 1, 2, 3, 4, 5]])
def test_an_episode_from_clips_equals_the_loops(labels):
    model = hf_ar(convolution())
    weights = weights_of(model.code)
    support, queries = clips(6), clips(3, seed=2)
    codes = [[code(weights, maps.mean(axis=(2, 3)))[0] for maps in maps_of(model, some)] for some in (support, queries)]
    shots = by_label(list(range(6)), labels)
    classes = [[codes[0][row] for row in shots[label]] for label in sorted(shots)]
    assert relative_error(model(support, torch.tensor(labels), queries).total, logits(classes, codes[1])) < 1e-10


def test_absent_shots_and_the_order_of_classes_shots_and_queries_do_not_matter():
    model = hf_ar()
    shots, query = {"code": random(2, 3, 2, DIM)}, {"code": random(2, 5, DIM, seed=1)}
    mask = torch.tensor([[[1, 1], [1, 0], [0, 1]], [[0, 1], [1, 1], [1, 0]]]) > 0
    expected = model.match(shots, query, mask).total
    assert torch.equal(model.match({"code": shots["code"].where(mask[..., None], 1e9)}, query, mask).total, expected)
    found = model.match({"code": shots["code"].flip(1, 2)}, {"code": query["code"].flip(1)}, mask.flip(1, 2)).total
    assert relative_error(found.flip(1, 2), expected) < 1e-12
    for b, row in enumerate(expected):  # episodes on their own, with the shots that there are
        slots = [
            [s.numpy() for s, here in zip(m, p, strict=True) if here]
            for m, p in zip(shots["code"][b], mask[b], strict=True)
        ]
        assert relative_error(row, logits(slots, query["code"][b].numpy())) < 1e-10


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_losses_equal_the_loops_with_the_same_draws(reduction):
    model = hf_ar(divergence_weight=0.3, reconstruction_weight=0.7).train()
    weights, decoder = weights_of(model.code), weights_of(model.training_only)
    videos, answers = random(10, FRAMES, CHANNELS), [2, 0, 1, 1]
    with seeded(5, "draws"):
        support = model.embed(videos[:6, ..., None, None])
        query = model.embed(videos[6:, ..., None, None])
    with seeded(5, "draws"):
        noise = np.concatenate([torch.randn(count, DIM, dtype=torch.float64).numpy() for count in (6, 4)])
    support = {name: value.unflatten(0, (3, 2))[None] for name, value in support.items()}
    query = {name: value[None] for name, value in query.items()}
    truth = Truth(torch.tensor([answers]), torch.tensor([[4, 0, 6]]), reduction)
    found = model.losses(model.match(support, query), support, query, truth)
    assert tuple(found) == model.terms == ("match", "divergence", "reconstruction")
    codes, divergences, errors = [], [], []
    for video, own in zip(videos.numpy(), noise, strict=True):
        z, mean, log_variance = code(weights, video, own)
        codes.append(z)
        divergences += [(m**2 + math.exp(s) - s - 1) / 2 for m, s in zip(mean, log_variance, strict=True)]
        for frame, state in zip(normalised(video), states(part(decoder, "states"), [z] * FRAMES), strict=True):
            errors += [(a - b) ** 2 for a, b in zip(linear(decoder, "frame", state), frame, strict=True)]
    rows = logits([codes[0:2], codes[2:4], codes[4:6]], codes[6:])
    entropies = [-math.log(softmax(row)[right]) for row, right in zip(rows, answers, strict=True)]
    count = 4 if reduction == "sum" else 1
    assert found["match"].item() == pytest.approx(count * np.mean(entropies), rel=1e-10)
    assert found["divergence"].item() == pytest.approx(count * 0.3 * np.mean(divergences), rel=1e-10)
    assert found["reconstruction"].item() == pytest.approx(count * 0.7 * np.mean(errors), rel=1e-10)


def test_codes_are_drawn_in_training_alone_and_keep_their_length():
    model = hf_ar()
    videos = random(5, FRAMES, CHANNELS, 1, 1)
    assert torch.equal(model.embed(videos)["code"], model.embed(videos)["code"])
    assert set(model.embed(videos)) == {"code"}
    drawn = [model.train().embed(videos)["code"] for _ in range(2)]
    assert not torch.equal(*drawn)
    tested = model.eval().code(videos[..., 0, 0])
    assert relative_error(tested["code"].norm(dim=1), tested["mean"].norm(dim=1).detach()) < 1e-12


@pytest.mark.parametrize("factor", [0.0, 1e-12, 1.0, 1e6])
def test_gradients_are_finite(factor):
    model = hf_ar().float().train()
    maps = (factor * random(8, FRAMES, CHANNELS, 1, 1)).float().requires_grad_()
    support, query = model.embed(maps[:4]), model.embed(maps[4:])
    support = {name: value.unflatten(0, (2, 2))[None] for name, value in support.items()}
    query = {name: value[None] for name, value in query.items()}
    truth = Truth(torch.tensor([[1, 1, 0, 0]]), torch.tensor([[0, 1]]))
    losses = model.losses(model.match(support, query), support, query, truth)
    sum(losses.values()).backward()
    assert maps.grad.isfinite().all() and all(loss.isfinite() for loss in losses.values())
    assert all(value.grad.isfinite().all() for value in model.parameters())
