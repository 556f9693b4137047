import pytest
import torch

from strmctl.model.methods.strm import build_strm
from strmctl.model.methods.trx import build_trx
from tests.model import reference
from tests.model.reference import part, relative_error, weights_of
from tests.model.small import CHANNELS, FRAMES, by_label, clips, convolution, maps_of, with_random_norms

LABELS = [8, 2, 8, 5, 2, 8]  # three, two and one shots


def build(cardinalities=(2,), **settings):
    size = {"frames": FRAMES, "dim": 4, "patches": 2}
    return build_trx(backbone=convolution(), cardinalities=cardinalities, **size, **settings)


def episode():
    return clips(6), torch.tensor(LABELS), clips(2, seed=2)


def test_pairs_equal_the_loops():
    model = with_random_norms(build())
    support, labels, queries = episode()
    shots = by_label(maps_of(model, support), LABELS)
    expected = reference.trx_pairs(weights_of(model), shots, maps_of(model, queries))
    logits = model(support, labels, queries)
    assert relative_error(logits.total, expected) < 1e-10
    assert torch.equal(logits.total, logits.trm)
    assert logits.query_class is None


@pytest.mark.parametrize("distance", ["squared", "norm"])
@pytest.mark.parametrize(("combine", "share"), [("sum", 1.0), ("mean", 0.5)])
def test_pairs_and_triples_equal_the_loops(combine, share, distance):
    model = with_random_norms(build((2, 3), combine=combine, distance=distance))
    support, labels, queries = episode()
    encoding = 0.1 * reference.positional_encoding(FRAMES, CHANNELS)
    frames = [maps.mean(axis=(2, 3)) + encoding for maps in maps_of(model, support)]
    query = [maps.mean(axis=(2, 3)) + encoding for maps in maps_of(model, queries)]
    single = [
        reference.temporal_relations(
            part(weights_of(model), f"temporal_relations.relations.{w}"), w, distance, by_label(frames, LABELS), query
        )
        for w in (2, 3)
    ]
    assert relative_error(model(support, labels, queries).total, share * sum(single)) < 1e-10


@pytest.mark.parametrize(("combine", "share"), [("sum", 1.0), ("mean", 1 / 3)])
def test_several_cardinalities_are_the_sum_or_mean_of_single_ones(combine, share):
    together = build((1, 2, 3), combine=combine, seed=7).double().eval()
    alone = [build((w,), combine=combine, seed=7).double().eval()(*episode()).total for w in (1, 2, 3)]
    assert relative_error(together(*episode()).total, share * sum(alone).detach()) < 1e-12


@pytest.mark.parametrize("cardinalities", [(2,), (2, 3)])
def test_it_starts_from_the_weights_of_strm(cardinalities):
    size = {"frames": FRAMES, "dim": 4, "patches": 2}
    full = build_strm(backbone=convolution(), cardinalities=cardinalities, **size, seed=3).state_dict()
    weights = build(cardinalities, seed=3).state_dict()
    assert {name.split(".")[0] for name in weights} == {"backbone", "temporal_relations"}
    assert all(torch.equal(weights[name], full[name]) for name in weights)
    key = "temporal_relations.relations.2.key.weight"
    assert not torch.equal(weights[key], build(cardinalities, seed=4).state_dict()[key])
