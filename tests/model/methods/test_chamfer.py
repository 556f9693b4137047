"""Chamfer similarity against loops over frames, and what it must not depend on."""

import math
from itertools import combinations

import pytest
import torch
from torch import nn

from strmctl.model.methods.chamfer import Chamfer, build_chamfer_tuples
from tests.model.reference import relative_error
from tests.model.small import FRAMES, by_label, clips, convolution, maps_as_clips, maps_of

DIRECTIONS = ["both", "query"]


def random(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def chamfer(directions="both", scale=10.0, channels=6):
    return Chamfer(backbone=maps_as_clips(channels), directions=directions, scale=scale, patches=1)


def frames(*shape, seed=0):
    """Features as `embed` makes them: frames of length 1."""
    return nn.functional.normalize(random(*shape, seed=seed), dim=-1)


def cosine(x, y):
    return sum(a * b for a, b in zip(x, y, strict=True)) / (math.hypot(*x) * math.hypot(*y))


def similarity(query, shots, directions):
    """Of a clip, a list of frames, to a class, a list of clips."""
    every = [frame for shot in shots for frame in shot]
    to = sum(max(cosine(x, y) for y in every) for x in query) / len(query)
    back = sum(max(cosine(x, y) for x in query) for y in every) / len(every)
    return to if directions == "query" else (to + back) / 2


def by_loops(support, query, mask, directions, scale):
    """`support` (B, C, K, L, D), `query` (B, Q, L, D), `mask` (B, C, K), all tensors."""
    return [
        [
            [
                scale * similarity(clip, [s for s, exists in zip(cls, present, strict=True) if exists], directions)
                for cls, present in zip(classes, there, strict=True)
            ]
            for clip in queries
        ]
        for classes, there, queries in zip(support.tolist(), mask.tolist(), query.tolist(), strict=True)
    ]


@pytest.mark.parametrize("directions", DIRECTIONS)
@pytest.mark.parametrize(
    "shape",  # episodes, classes, shots, queries, frames
    [(1, 2, 1, 1, 1), (1, 5, 5, 3, 8), (3, 2, 4, 2, 3), (2, 3, 2, 1, 5), (4, 7, 3, 2, 2)],
)
def test_logits_equal_the_loops(shape, directions):
    episodes, classes, shots, queries, length = shape
    support, query = frames(episodes, classes, shots, length, 6), frames(episodes, queries, length, 6, seed=1)
    everywhere = torch.ones(episodes, classes, shots, dtype=torch.bool)
    some = random(episodes, classes, shots, seed=2) > 0
    some[..., -1] = True
    assert shots == 1 or not some.all()
    model = chamfer(directions, scale=3.5)
    for mask in (None, everywhere, some):
        logits = model.match({"frames": support}, {"frames": query}, mask)
        expected = by_loops(support, query, everywhere if mask is None else mask, directions, 3.5)
        assert relative_error(logits.total, expected) < 1e-10
        assert logits.trm is logits.query_class is None
    padding = support.where(some[..., None, None], 1e9)
    assert torch.equal(model.match({"frames": padding}, {"frames": query}, some).total, logits.total)


@pytest.mark.parametrize("directions", DIRECTIONS)
def test_an_episode_from_clips_with_unequal_shots_equals_the_loops(directions):
    labels = [5, 1, 5, 3, 3, 5]
    model = Chamfer(backbone=convolution(), directions=directions, patches=2).double().eval()
    support, queries = clips(6), clips(3, seed=2)
    means = [[maps.mean(axis=(2, 3)).tolist() for maps in maps_of(model, some)] for some in (support, queries)]
    shots = by_label(means[0], labels)
    rows = [[10 * similarity(clip, shots[label], directions) for label in sorted(shots)] for clip in means[1]]
    assert relative_error(model(support, torch.tensor(labels), queries).total, rows) < 1e-10


@pytest.mark.parametrize("directions", DIRECTIONS)
def test_the_order_of_classes_shots_queries_and_frames_does_not_matter(directions):
    support, query = frames(2, 4, 3, 5, 6), frames(2, 3, 5, 6, seed=1)
    mask = (
        torch.tensor([[[1, 1, 1], [1, 0, 1], [0, 1, 0], [1, 1, 0]], [[0, 0, 1], [1, 1, 1], [1, 1, 0], [1, 0, 0]]]) > 0
    )
    logits = chamfer(directions).match({"frames": support}, {"frames": query}, mask).total

    def shuffled(axis, count):
        order = torch.randperm(count, generator=torch.Generator().manual_seed(axis))
        return order, support.index_select(axis, order), mask.index_select(axis, order) if axis < 3 else mask

    classes, moved, present = shuffled(1, 4)
    found = chamfer(directions).match({"frames": moved}, {"frames": query}, present).total
    assert relative_error(found, logits[..., classes]) < 1e-12
    for axis, count in ((2, 3), (3, 5)):
        _, moved, present = shuffled(axis, count)
        found = chamfer(directions).match({"frames": moved}, {"frames": query}, present).total
        assert relative_error(found, logits) < 1e-12
    found = chamfer(directions).match({"frames": support}, {"frames": query[:, [2, 0, 1]].flip(2)}, mask).total
    assert relative_error(found, logits[:, [2, 0, 1]]) < 1e-12


def test_shots_are_matched_together():
    """A query whose halves lie in different shots is like the class, though like neither shot."""
    first, second, other = torch.eye(12, dtype=torch.float64).split(4)
    query = torch.cat([first[:2], second[:2]])
    support = torch.stack([torch.stack([first, second]), torch.stack([other, other])])[None]
    logits = chamfer("query", channels=12).match({"frames": support}, {"frames": query[None, None]}).total
    assert logits[0, 0].tolist() == pytest.approx([10, 0])
    alone = chamfer("query", channels=12).match({"frames": support[:, :, :1]}, {"frames": query[None, None]}).total
    assert alone[0, 0].tolist() == pytest.approx([5, 0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("directions", DIRECTIONS)
@pytest.mark.parametrize("factor", [0.0, 1e-12, 1.0, 1e6])
def test_gradients_are_finite(directions, factor, dtype):
    maps = (factor * random(6, 3, 6, 1, 1)).to(dtype).requires_grad_()
    logits = chamfer(directions)(maps[:4], torch.tensor([0, 0, 1, 1]), maps[2:]).total
    nn.functional.cross_entropy(logits, torch.tensor([1, 1, 0, 0])).backward()
    assert logits.isfinite().all() and maps.grad.isfinite().all()


def test_gradients_equal_differences():
    support, query = random(1, 2, 2, 3, 4).requires_grad_(), random(1, 2, 3, 4, seed=1).requires_grad_()
    mask = torch.tensor([[[True, True], [True, False]]])

    def total(shots, clip):
        return chamfer(channels=4).match({"frames": shots}, {"frames": clip}, mask).total

    assert torch.autograd.gradcheck(total, (support, query))
    gradient = torch.autograd.grad(total(support, query).sum(), support)[0]
    assert gradient[0, 1, 1].count_nonzero() == 0  # of a shot that is absent
    assert gradient[0, 1, 0].count_nonzero() == 12


@pytest.mark.parametrize("cardinality", [1, 2, 3])
@pytest.mark.parametrize("directions", DIRECTIONS)
def test_tuples_equal_the_loops(directions, cardinality):
    labels = [5, 1, 5, 3, 3, 5]
    sizes = {"cardinality": cardinality, "dim": 5, "frames": FRAMES}
    model = build_chamfer_tuples(backbone=convolution(), directions=directions, scale=3.5, **sizes).double().eval()
    with torch.no_grad():
        model.tuples.norm.weight.copy_(random(5))
        model.tuples.norm.bias.copy_(random(5, seed=1))
    weights = {name: value.detach() for name, value in model.tuples.named_parameters()}

    def tuples(video):
        found = []
        for some in combinations(torch.from_numpy(video.mean(axis=(2, 3))), cardinality):
            projected = weights["project.weight"] @ torch.cat(some) + weights["project.bias"]
            centred = projected - projected.mean()
            normed = centred / (centred.square().mean() + 1e-5).sqrt()
            found.append((normed * weights["norm.weight"] + weights["norm.bias"]).tolist())
        return found

    support, queries = clips(6), clips(3, seed=2)
    every = [[tuples(maps) for maps in maps_of(model, some)] for some in (support, queries)]
    shots = by_label(every[0], labels)
    rows = [[3.5 * similarity(clip, shots[label], directions) for label in sorted(shots)] for clip in every[1]]
    found = model(support, torch.tensor(labels), queries).total
    assert relative_error(found.detach(), rows) < 1e-10
    found.sum().backward()
    assert model.scale.grad.isfinite() and model.tuples.project.weight.grad.abs().sum() > 0
