import pytest
import torch
from torch import nn

from strmctl.model.episode import group_by_label
from strmctl.model.positional_encoding import PositionalEncoding, sinusoids
from strmctl.model.temporal_relations import TemporalRelation, TemporalRelations
from tests.model import reference
from tests.model.reference import part, relative_error, weights_of
from tests.model.small import by_label, match

FRAMES, CHANNELS, DIM = 5, 6, 4


def build(cardinalities, distance="squared", frames=FRAMES, dropout=0.1):
    torch.manual_seed(0)
    size = {"frames": frames, "channels": CHANNELS}
    relations = [TemporalRelation(cardinality=w, dim=DIM, distance=distance, **size) for w in cardinalities]
    for relation in relations:
        nn.init.normal_(relation.key_norm.weight)
        nn.init.normal_(relation.key_norm.bias)
    encoding = PositionalEncoding(length=frames, channels=CHANNELS, dropout=dropout)
    return TemporalRelations(relations=relations, encoding=encoding).double().eval()


def expected_logits(layer, distance, support, labels, queries):
    encoding = 0.1 * reference.positional_encoding(FRAMES, CHANNELS)
    classes, clips = by_label(support.numpy() + encoding, labels.tolist()), list(queries.numpy() + encoding)
    weights = weights_of(layer)
    return sum(
        reference.temporal_relations(part(weights, f"relations.{w}"), int(w), distance, classes, clips)
        for w in layer.relations
    )


def test_positional_encoding_is_the_published_table():
    for channels in (6, 7, 32):
        table = sinusoids(12, channels)
        assert table.dtype == torch.float64
        assert relative_error(table, reference.positional_encoding(12, channels)) < 1e-12


@pytest.mark.parametrize("distance", ["squared", "norm"])
@pytest.mark.parametrize("cardinalities", [(1,), (2,), (3,), (2, 3), (2, 3, 4)])
@pytest.mark.parametrize("shots", [(1, 1), (2, 2, 2), (1, 3, 2)])
def test_equals_the_equations(shots, cardinalities, distance):
    layer = build(cardinalities, distance)
    labels = torch.tensor([label for label, count in enumerate(shots) for _ in range(count)])
    support = torch.randn(len(labels), FRAMES, CHANNELS, dtype=torch.float64)
    queries = torch.randn(2, FRAMES, CHANNELS, dtype=torch.float64)
    expected = expected_logits(layer, distance, support, labels, queries)
    assert relative_error(match(layer, support, labels, queries), expected) < 1e-10


def test_dropout_comes_after_the_encoding_and_only_in_training():
    layer = build((1,), dropout=0.5)
    relation = layer.relations["1"]
    with torch.no_grad():
        relation.key.weight.copy_(torch.eye(DIM, CHANNELS))
        relation.key.bias.zero_()
    frames = torch.randn(50, FRAMES, CHANNELS, dtype=torch.float64)
    encoded = (frames + 0.1 * sinusoids(FRAMES, CHANNELS))[..., :DIM]
    assert torch.equal(layer.embed(frames)["trm1.key"][:, 0], encoded)
    dropped = layer.train().embed(frames)["trm1.key"][:, 0]
    kept = dropped != 0
    assert 0.4 < kept.double().mean() < 0.6
    assert torch.allclose(dropped[kept], 2 * encoded[kept], rtol=1e-12)


@pytest.mark.parametrize("distance", ["squared", "norm"])
@pytest.mark.parametrize("case", ["query is the support", "all-zero projections"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_are_finite(distance, case, dtype):
    layer = build((1, 2), distance).to(dtype).train()
    if case == "all-zero projections":
        for relation in layer.relations.values():
            for linear in (relation.key, relation.value):
                nn.init.zeros_(linear.weight)
                nn.init.zeros_(linear.bias)
    layer.encoding.dropout.p = 0.0
    # One frame repeated and no encoding: every tuple of a clip is the same, so the prototype is the query itself.
    layer.encoding.table.zero_()
    clips = torch.randn(2, 1, CHANNELS, dtype=dtype).expand(2, FRAMES, CHANNELS).clone().requires_grad_()
    logits = match(layer, clips, torch.arange(2), clips)
    nn.functional.cross_entropy(logits, torch.arange(2)).backward()
    # Float32 rounds the prototype, an average of equal numbers.
    assert logits.diagonal().abs().max() < 1e-5
    for value in (clips, *layer.parameters()):
        assert value.grad.isfinite().all()


@pytest.mark.parametrize("cardinalities", [(2,), (1, 3)])
def test_the_logits_follow_from_what_tuples_attend_to(cardinalities):
    layer, labels = build(cardinalities), torch.tensor([0, 1, 1, 0, 1])
    support, queries = (torch.randn(count, FRAMES, CHANNELS, dtype=torch.float64) for count in (5, 2))
    grouped, mask = group_by_label(layer.embed(support), labels)
    asked = {name: value[None] for name, value in layer.embed(queries).items()}
    found = layer.correspondence(grouped, asked, mask)
    expected = torch.zeros(2, 2, dtype=torch.float64)
    for relation, (words, weights, query_frames, support_frames) in zip(layer.relations.values(), found, strict=True):
        w = relation.cardinality
        assert words.startswith(f"attention of tuples of {w} frames") and weights.shape[:4] == (1, 2, 2, 3)
        assert weights[0, :, 0, 2].sum() == 0  # the class has two shots
        torch.testing.assert_close(weights.sum(dim=(3, 5)), torch.ones(1, 2, 2, len(query_frames), dtype=torch.float64))
        values = [side[f"trm{w}.value"] for side in (grouped, asked)]  # (1, C, K, w, L, D') and (1, Q, w, L, D')
        shots, own = (
            sum(value[..., place, frames[:, place], :] for place in range(w))
            for value, frames in zip(values, (support_frames, query_frames), strict=True)
        )
        prototypes = torch.einsum("bqcktu,bckud->bqctd", weights, shots)
        expected -= (own[:, :, None] - prototypes).square().sum(dim=-1).mean(dim=-1)[0]
    torch.testing.assert_close(layer.match(grouped, asked, mask)[0], expected, rtol=1e-12, atol=0)
