import pytest
import torch
from torch import nn

from strmctl.model.query_class import QueryClass, QueryClassSimilarity
from tests.model import reference
from tests.model.reference import part, relative_error, weights_of
from tests.model.small import by_label, match

FRAMES, CHANNELS = 5, 6


def build(cardinalities, dim=4, dropout=0.1):
    torch.manual_seed(0)
    size = {"frames": FRAMES, "channels": CHANNELS, "dim": dim}
    similarities = [QueryClassSimilarity(cardinality=w, **size) for w in cardinalities]
    return QueryClass(similarities=similarities, dropout=dropout).double().eval()


@pytest.mark.parametrize("cardinalities", [(1,), (2,), (3,), (2, 3), (2, 3, 4)])
@pytest.mark.parametrize("shots", [(1, 1), (2, 2, 2), (1, 3, 2), (1, 1, 1, 1, 1)])
def test_equals_the_equations(shots, cardinalities):
    layer = build(cardinalities)
    labels = torch.tensor([label for label, count in enumerate(shots) for _ in range(count)])
    support = torch.randn(len(labels), FRAMES, CHANNELS, dtype=torch.float64)
    queries = torch.randn(3, FRAMES, CHANNELS, dtype=torch.float64)
    classes = by_label(support.numpy(), labels.tolist())
    parts = {w: part(weights_of(layer), f"similarities.{w}") for w in cardinalities}
    expected = sum(reference.query_class(own, w, classes, list(queries.numpy())) for w, own in parts.items())
    assert relative_error(match(layer, support, labels, queries), expected) < 1e-10


def test_width_is_half_the_channels_unless_set():
    assert build((2,), dim=None).similarities["2"].project.weight.shape == (CHANNELS // 2, 2 * CHANNELS)
    assert build((2,), dim=7).similarities["2"].project.weight.shape == (7, 2 * CHANNELS)


def test_dropout_is_on_frames_and_only_in_training():
    layer = build((1,), dim=CHANNELS, dropout=0.5)
    with torch.no_grad():
        layer.similarities["1"].project.weight.copy_(torch.eye(CHANNELS))
        layer.similarities["1"].project.bias.zero_()
    frames = torch.randn(50, FRAMES, CHANNELS, dtype=torch.float64)
    assert torch.equal(layer.embed(frames)["qc1"][:, 0], frames)
    dropped = layer.train().embed(frames)["qc1"][:, 0]
    kept = dropped != 0
    assert 0.4 < kept.double().mean() < 0.6
    assert torch.allclose(dropped[kept], 2 * frames[kept], rtol=1e-12)


@pytest.mark.parametrize("case", ["distances of exactly zero", "distances of rounding", "all-zero projections"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_are_finite_when_the_query_is_the_support(case, dtype):
    layer = build((1, 2)).to(dtype)
    clips = torch.randn(2, FRAMES, CHANNELS, dtype=dtype)
    if case == "distances of exactly zero":
        clips = torch.randint(1, 9, clips.shape).to(dtype)  # whole numbers leave no rounding
    for similarity in layer.similarities.values():
        if case != "distances of rounding":
            nn.init.constant_(similarity.project.weight, 1.0 if "exactly" in case else 0.0)
            nn.init.zeros_(similarity.project.bias)
    clips.requires_grad_()
    logits = match(layer, clips, torch.arange(2), clips)
    nn.functional.cross_entropy(logits, torch.arange(2)).backward()
    if case == "distances of rounding":
        # |z|² + |z'|² - 2 z·z' leaves the rounding of its terms, and the root makes that larger.
        assert logits.diagonal().abs().max() < 10 * torch.finfo(dtype).eps ** 0.5
    else:
        assert not logits.diagonal().any()
    for value in (clips, *layer.parameters()):
        assert value.grad.isfinite().all()
        assert value.grad.abs().max() < 100
