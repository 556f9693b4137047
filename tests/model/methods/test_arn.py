"""ARN against loops over places and pairs, and what it must not depend on."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from strmctl.model.episode import Truth
from strmctl.model.methods import arn as module
from strmctl.model.methods.arn import ARN, build_arn
from strmctl.model.seeding import seeded
from tests.model.reference import linear, part, pooled_patches, relative_error, relu, weights_of
from tests.model.small import CHANNELS, FRAMES, by_label, clips, convolution, maps_as_clips, maps_of

WIDTH, KINDS = 16, ["spatial", "temporal", "both"]


def arn(attention="spatial", backbone=None, patches=3):
    """With norms that shift, scale and have averages, in float64 and evaluation mode."""
    with seeded(0, "arn"):
        model = ARN(backbone=backbone or maps_as_clips(CHANNELS), attention=attention, channels=WIDTH, patches=patches)
    generator = torch.Generator().manual_seed(1)
    for layer in model.double().eval().modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            for value in (layer.weight, layer.bias, layer.running_mean):
                nn.init.normal_(value, 0.3, 0.3, generator=generator)
            layer.running_var.uniform_(0.5, 2, generator=generator)
    return model


def random(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def normed(weights, name, x):
    """Batch norm of an array whose first axis is the channel."""
    shape = (-1, *(1,) * (x.ndim - 1))
    mean, variance, scale, shift = (
        weights[f"{name}.{key}"].reshape(shape) for key in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / np.sqrt(variance + 1e-5) * scale + shift


def convolved(kernel, x):
    """A convolution with as many zeros around as keep the size; channels first, any number of further axes."""
    axes, margin = x.shape[1:], kernel.shape[2] // 2
    padded = np.pad(x, [(0, 0), *[(margin, margin)] * len(axes)])
    found = np.zeros((len(kernel), *axes))
    for offset in np.ndindex(kernel.shape[2:]):
        shifted = padded[(slice(None), *(slice(o, o + n) for o, n in zip(offset, axes, strict=True)))]
        found += np.tensordot(kernel[(slice(None), slice(None), *offset)], shifted, axes=1)
    return found


def largest(x, size):
    """Adaptive max-pooling of all axes but the first; cells may overlap."""
    found = np.empty((len(x), *size))
    for cell in np.ndindex(size):
        some = [slice(i * n // s, math.ceil((i + 1) * n / s)) for i, n, s in zip(cell, x.shape[1:], size, strict=True)]
        found[(slice(None), *cell)] = x[(slice(None), *some)].reshape(len(x), -1).max(axis=1)
    return found


def attention(weights, places, kind):
    _, frames, height, width = places.shape
    sizes = {
        "spatial": [(-(-frames // 2), height, width), (1, height, width)],
        "temporal": [(frames, -(-height // 4), -(-width // 4)), (frames, 1, 1)],
    }
    for layer, size in enumerate(sizes[kind]):
        places = normed(weights, f"norms.{layer}", convolved(weights[f"convolutions.{layer}.weight"], places))
        places = largest(relu(places), size)
    return 1 / (1 + np.exp(-convolved(weights["last.weight"], places) - weights["last.bias"]))


def descriptor(weights, kind, patches):
    """Of a clip's patches, an array (L, P, P, D)."""
    places = relu(normed(weights, "norm", np.moveaxis(patches @ weights["reduce.weight"].T, -1, 0)))
    for number, one in enumerate(["spatial", "temporal"] if kind == "both" else [kind]):
        places = places * (1 + attention(part(weights, f"attention.{number}"), places, one))
    columns = places.reshape(len(places), -1).T
    products = sum(np.outer(x, x) for x in columns) / len(columns)
    return 2 / (1 + np.exp(-100 * products / np.trace(products))) - 1


def relation(weights, pair):
    for layer in range(4):
        found = relu(normed(weights, f"norms.{layer}", convolved(weights[f"convolutions.{layer}.weight"], pair)))
        pair = largest(found + pair if layer else found, tuple(n // 2 for n in pair.shape[1:]))
    return linear(weights, "last", relu(linear(weights, "first", normed(weights, "norm", pair.ravel()))))[0]


def logits(model, kind, classes, queries):
    weights = weights_of(model)
    describe = [descriptor(part(weights, "descriptor"), kind, clip) for clip in queries]
    prototypes = [
        np.mean([descriptor(part(weights, "descriptor"), kind, c) for c in shots], axis=0) for shots in classes
    ]
    return [[relation(part(weights, "relation"), np.stack([p, q])) for p in prototypes] for q in describe]


def patches_of(clip_maps, side):
    return np.array([pooled_patches(m, side).reshape(side, side, -1) for m in clip_maps])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("labels", [[5, 1, 5, 3, 3, 5], [2, 2, 0, 0, 2, 0]])
def test_an_episode_from_clips_equals_the_loops(labels, kind):
    model = arn(kind, convolution())
    support, queries = clips(6), clips(2, seed=2)
    patches = [[patches_of(maps, 3) for maps in maps_of(model, some)] for some in (support, queries)]
    shots = by_label(list(range(6)), labels)
    classes = [[patches[0][row] for row in shots[label]] for label in sorted(shots)]
    found = model(support, torch.tensor(labels), queries).total
    assert relative_error(found, logits(model, kind, classes, patches[1])) < 1e-10


def embedded(model, shape, seed=0):
    maps = random(math.prod(shape), FRAMES, CHANNELS, 3, 3, seed=seed).to(model.descriptor.reduce.weight.dtype)
    return {name: value.detach().unflatten(0, shape) for name, value in model.embed(maps).items()}


def test_absent_shots_and_the_order_of_classes_shots_and_queries_do_not_matter(monkeypatch):
    model = arn()
    shots, query = embedded(model, (2, 3, 2)), embedded(model, (2, 5), seed=1)
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
    monkeypatch.setattr(module, "NUMBERS", 1)  # one pair at a time
    assert relative_error(model.match(shots, query, mask).total, expected) < 1e-12


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_loss_is_a_squared_error(reduction):
    model = arn()
    shots, query = embedded(model, (2, 3, 2)), embedded(model, (2, 4), seed=1)
    columns = torch.tensor([[2, 0, 1, 1], [0, 0, 1, 2]])
    found = model.match(shots, query)
    (loss,) = model.losses(found, shots, query, Truth(columns, torch.arange(3).repeat(2, 1), reduction)).values()
    errors = [
        np.mean([(1 / (1 + math.exp(-x)) - (c == column)) ** 2 for c, x in enumerate(row)])
        for rows, own in zip(found.total.tolist(), columns.tolist(), strict=True)
        for row, column in zip(rows, own, strict=True)
    ]
    assert loss.item() == pytest.approx(sum(errors) if reduction == "sum" else np.mean(errors), rel=1e-10)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("factor", [0.0, 1e-12, 1.0, 1e6])
@pytest.mark.parametrize("training", [True, False])
def test_gradients_are_finite(factor, kind, training):
    model = arn(kind).float().train(training)
    maps = (factor * random(6, FRAMES, CHANNELS, 3, 3)).float().requires_grad_()
    found = model(maps[:4], torch.tensor([0, 0, 1, 1]), maps[2:])
    truth = Truth(torch.tensor([[1, 1, 0, 0]]), torch.tensor([[0, 1]]))
    sum(model.losses(type(found)(found.total[None]), {}, {}, truth).values()).backward()
    assert found.total.isfinite().all() and maps.grad.isfinite().all()
    assert all(value.grad.isfinite().all() for value in model.parameters())


def test_the_relus_of_the_last_layers_stay_open_in_the_first_steps():
    model = build_arn(backbone=maps_as_clips(CHANNELS), patches=3)
    shots, query = embedded(model, (1, 2, 1)), embedded(model, (1, 4), seed=1)
    truth = Truth(torch.tensor([[0, 1, 0, 1]]), torch.arange(2)[None])
    optimizer = torch.optim.Adam(model.relation.parameters(), lr=1e-3)
    opened = []
    model.relation.first.register_forward_hook(lambda layer, given, found: opened.append(found > 0))
    for _ in range(4):
        optimizer.zero_grad()
        model.losses(model.match(shots, query), shots, query, truth)["match"].backward()
        optimizer.step()
    assert opened[-1].any(dim=0).all()
