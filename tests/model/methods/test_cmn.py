"""CMN against loops over frames, hidden variables and slots, and what it must not depend on."""

import math
from itertools import product

import numpy as np
import pytest
import torch

from strmctl.model.episode import Truth
from strmctl.model.methods.cmn import build_cmn
from tests.model.reference import linear, relative_error, softmax, weights_of
from tests.model.small import CHANNELS, FRAMES, by_label, clips, convolution, maps_as_clips, maps_of

READOUTS, LOSSES = ["nearest", "attention"], ["cross_entropy", "margin"]


def cmn(backbone=None, **changes):
    backbone = backbone or maps_as_clips(CHANNELS)
    return build_cmn(backbone=backbone, variables=3, dim=5, patches=1, **changes).double().eval()


def random(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def unit(x):
    return x / math.sqrt(x @ x)


def normalised(x):
    return (x - x.mean()) / math.sqrt(((x - x.mean()) ** 2).mean() + 1e-5)


def abstract(weights, clip):
    """Of a clip, an array (L, D)."""
    keys = [np.zeros(CHANNELS) for _ in weights["hidden"]]
    for frame in map(normalised, clip):
        shares = softmax(list(linear(weights, "assign", frame)))
        keys = [key + a * (frame - h) for key, a, h in zip(keys, shares, weights["hidden"], strict=True)]
    return unit(linear(weights, "compress", np.concatenate([unit(key) for key in keys])))


def cosines(weights, classes, queries):
    """Of each query with each shot of each class."""
    slots = [[abstract(weights, shot) for shot in shots] for shots in classes]
    return [[[float(abstract(weights, query) @ slot) for slot in shots] for shots in slots] for query in queries]


def logits(found, readout, scale):
    answer = {
        "nearest": lambda s: scale * max(s),
        "attention": lambda s: math.log(sum(math.exp(scale * one) for one in s)),
    }[readout]
    return [[answer(shots) for shots in row] for row in found]


@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize("labels", [[5, 1, 5, 3, 3, 5], [2, 2, 0, 0, 2, 0], [0, 1, 2, 3, 4, 5]])
def test_an_episode_from_clips_equals_the_loops(labels, readout):
    model = cmn(convolution(), readout=readout, scale=4.0)
    support, queries = clips(6), clips(3, seed=2)
    frames = [[maps.mean(axis=(2, 3)) for maps in maps_of(model, some)] for some in (support, queries)]
    shots = by_label(frames[0], labels)
    found = cosines(weights_of(model.key), [shots[label] for label in sorted(shots)], frames[1])
    assert relative_error(model(support, torch.tensor(labels), queries).total, logits(found, readout, 4.0)) < 1e-10


def episodes(model, shape=(2, 3, 2), queries=4):
    """Support and query features of several episodes."""
    sides = random(math.prod(shape), FRAMES, CHANNELS), random(shape[0] * queries, FRAMES, CHANNELS, seed=1)
    shapes = shape, (shape[0], queries)
    features = [model.embed(side[..., None, None])["abstract"].detach() for side in sides]
    return [{"abstract": value.unflatten(0, own)} for value, own in zip(features, shapes, strict=True)]


@pytest.mark.parametrize("readout", READOUTS)
def test_absent_shots_and_the_order_of_classes_shots_and_queries_do_not_matter(readout):
    model = cmn(readout=readout)
    shots, query = episodes(model)
    mask = torch.tensor([[[1, 1], [1, 0], [0, 1]], [[0, 1], [1, 1], [1, 0]]]) > 0
    expected = model.match(shots, query, mask).total.detach()
    spoilt = {"abstract": shots["abstract"].where(mask[..., None], 1e9)}
    assert torch.equal(model.match(spoilt, query, mask).total, expected)
    turned = {"abstract": shots["abstract"].flip(1, 2)}
    found = model.match(turned, {"abstract": query["abstract"].flip(1)}, mask.flip(1, 2)).total
    assert relative_error(found.flip(1, 2), expected) < 1e-12
    for b, row in enumerate(expected):  # episodes on their own, with the shots that there are
        slots = [
            [s for s, here in zip(m, p, strict=True) if here]
            for m, p in zip(shots["abstract"][b], mask[b], strict=True)
        ]
        own = [[[float(q @ s) for s in slot] for slot in slots] for q in query["abstract"][b]]
        assert relative_error(row, logits(own, readout, 10.0)) < 1e-10


@pytest.mark.parametrize(("loss", "readout", "reduction"), [*product(LOSSES, READOUTS, ["mean", "sum"])])
def test_losses_equal_the_loops(loss, readout, reduction):
    model = cmn(loss=loss, readout=readout, margin=0.3)
    shots, query = episodes(model)
    columns = torch.tensor([[2, 0, 1, 1], [0, 0, 1, 2]])
    truth = Truth(columns, torch.arange(3).repeat(2, 1), reduction)
    (found,) = model.losses(model.match(shots, query), shots, query, truth).values()
    terms = []
    for slots, queries, own in zip(shots["abstract"], query["abstract"], columns.tolist(), strict=True):
        rows = [[[float(q @ s) for s in shots_of] for shots_of in slots] for q in queries]
        for row, values, right in zip(logits(rows, readout, 10.0), rows, own, strict=True):
            wrong = max(max(shots_of) for column, shots_of in enumerate(values) if column != right)
            lacking = max(0, 0.3 + wrong - max(values[right]))
            terms.append(lacking if loss == "margin" else -math.log(softmax(row)[right]))
    assert found.item() == pytest.approx(sum(terms) / (1 if reduction == "sum" else len(terms)), rel=1e-10)


@pytest.mark.parametrize(("loss", "readout"), [*product(LOSSES, READOUTS)])
@pytest.mark.parametrize("factor", [0.0, 1e-12, 1.0, 1e6])
def test_gradients_are_finite_also_where_shots_are_unequal(factor, loss, readout):
    model = cmn(loss=loss, readout=readout).float().train()
    maps = (factor * random(7, FRAMES, CHANNELS, 1, 1)).float().requires_grad_()
    found = model(maps[:5], torch.tensor([0, 0, 1, 1, 1]), maps[3:])
    truth = Truth(torch.tensor([[1, 1, 0, 0]]), torch.tensor([[0, 1]]))
    sum(
        model.losses(type(found)(*(part if part is None else part[None] for part in found)), {}, {}, truth).values()
    ).backward()
    assert found.total.isfinite().all() and maps.grad.isfinite().all()
    assert all(value.grad is None or value.grad.isfinite().all() for value in model.parameters())
