"""Bi-MHM against loops over frames, and what it must not depend on."""

import math

import pytest
import torch

from strmctl.model.methods.bi_mhm import BiMHM
from tests.model.reference import relative_error
from tests.model.small import by_label, clips, convolution, maps_of


def distance(x, y):
    product = sum(a * b for a, b in zip(x, y, strict=True))
    return 1 - product / (math.hypot(*x) * math.hypot(*y) + 0.01)


def logit(query, shots):
    """Of a clip, a list of frames, and a class, a list of clips."""
    mean = [[sum(numbers) / len(shots) for numbers in zip(*frame, strict=True)] for frame in zip(*shots, strict=True)]
    there = sum(min(distance(x, y) for y in mean) for x in query)
    return -there - sum(min(distance(x, y) for x in query) for y in mean)


@pytest.mark.parametrize("labels", [[5, 1, 5, 3, 3, 5], [0, 1, 2, 3, 4, 5], [2, 2, 0, 0, 1, 1]])
def test_an_episode_from_clips_equals_the_loops(labels):
    model = BiMHM(backbone=convolution(), patches=2).double().eval()
    support, queries = clips(6), clips(3, seed=2)
    means = [[maps.mean(axis=(2, 3)).tolist() for maps in maps_of(model, some)] for some in (support, queries)]
    shots = by_label(means[0], labels)
    rows = [[logit(clip, shots[label]) for label in sorted(shots)] for clip in means[1]]
    assert relative_error(model(support, torch.tensor(labels), queries).total, rows) < 1e-10


def test_absent_shots_and_the_order_of_classes_shots_and_queries_do_not_matter():
    model = BiMHM(backbone=convolution()).double().eval()
    frames = torch.randn(2, 3, 2, 4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    query = torch.randn(2, 5, 4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    mask = torch.tensor([[[1, 1], [1, 0], [0, 1]], [[0, 1], [1, 1], [1, 0]]]) > 0
    expected = model.match({"frames": frames}, {"frames": query}, mask).total
    spoilt = frames.where(mask[..., None, None], 1e9)
    assert torch.equal(model.match({"frames": spoilt}, {"frames": query}, mask).total, expected)
    turned = model.match({"frames": frames.flip(1, 2)}, {"frames": query.flip(1)}, mask.flip(1, 2)).total
    assert relative_error(turned.flip(1, 2), expected) < 1e-12
    for b in range(2):  # episodes on their own
        own = model.match({"frames": frames[b : b + 1]}, {"frames": query[b : b + 1]}, mask[b : b + 1]).total
        assert relative_error(own[0], expected[b]) < 1e-12
