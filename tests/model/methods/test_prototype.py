import math

import pytest
import torch
from torch import nn

from strmctl.model.methods.prototype import Prototype
from tests.model.reference import relative_error
from tests.model.small import by_label, clips, convolution, maps_as_clips, maps_of

LABELS = [5, 1, 5, 3, 3, 5]  # three, one and two shots


def build(**settings):
    return Prototype(backbone=convolution(), patches=2, **settings).double().eval()


def mean(vectors):
    return [sum(column) / len(vectors) for column in zip(*vectors, strict=True)]


def mean_of_clip(maps):
    """The mean over frames of the mean over the map; `maps` is `(L, D, h, w)`."""
    return mean([[sum(map(sum, channel)) / channel.size for channel in frame] for frame in maps])


def logit(query, prototype, distance, scale):
    if distance == "squared":
        return -sum((a - b) ** 2 for a, b in zip(query, prototype, strict=True))
    product = sum(a * b for a, b in zip(query, prototype, strict=True))
    return scale * product / (math.hypot(*query) * math.hypot(*prototype))


@pytest.mark.parametrize(
    "settings", [{"distance": "squared"}, {"distance": "cosine"}, {"distance": "cosine", "scale": 3.5}, {}]
)
def test_an_episode_equals_the_loops(settings):
    model = build(**settings)
    support, queries = clips(6), clips(3, seed=2)
    shots = by_label([mean_of_clip(maps) for maps in maps_of(model, support)], LABELS)
    prototypes = [mean(shots[label]) for label in sorted(shots)]
    distance, scale = settings.get("distance", "squared"), settings.get("scale", 10.0)
    rows = [
        [logit(mean_of_clip(maps), prototype, distance, scale) for prototype in prototypes]
        for maps in maps_of(model, queries)
    ]
    logits = model(support, torch.tensor(LABELS), queries)
    assert relative_error(logits.total, rows) < 1e-12
    assert logits.trm is None
    assert logits.query_class is None


@pytest.mark.parametrize("distance", ["squared", "cosine"])
def test_masked_shots_do_not_count(distance):
    generator = torch.Generator().manual_seed(0)
    support = torch.randn(4, 3, 5, 6, dtype=torch.float64, generator=generator)
    query = torch.randn(4, 2, 6, dtype=torch.float64, generator=generator)
    mask = torch.rand(4, 3, 5, generator=generator) < 0.6
    mask[..., 2] = True
    assert not mask.all()
    model = Prototype(backbone=maps_as_clips(6), distance=distance)
    for present in (mask, None):
        chosen = torch.ones_like(mask) if present is None else mask
        expected = [
            [
                [logit(q, mean(support[b, c][chosen[b, c]].tolist()), distance, 10.0) for c in range(3)]
                for q in query[b].tolist()
            ]
            for b in range(4)
        ]
        assert relative_error(model.match({"mean": support}, {"mean": query}, present).total, expected) < 1e-12
    other = model.match({"mean": support.where(mask[..., None], 1e9)}, {"mean": query}, mask).total
    assert torch.equal(other, model.match({"mean": support}, {"mean": query}, mask).total)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("distance", ["squared", "cosine"])
@pytest.mark.parametrize("factor", [0.0, 1e-12, 1.0, 1e6])
def test_gradients_are_finite(distance, factor, dtype):
    support = (factor * torch.randn(1, 2, 2, 6, generator=torch.Generator().manual_seed(0)).to(dtype)).requires_grad_()
    query = support.detach()[:, :, 0].clone().requires_grad_()
    model = Prototype(backbone=maps_as_clips(6), distance=distance)
    logits = model.match({"mean": support}, {"mean": query}).total[0]
    nn.functional.cross_entropy(logits, torch.arange(2)).backward()
    assert logits.isfinite().all()
    assert support.grad.isfinite().all()
    assert query.grad.isfinite().all()
