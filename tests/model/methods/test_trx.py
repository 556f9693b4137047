import pytest
import torch

from strmctl.model.methods.strm import build_strm
from strmctl.model.methods.trx import TRX
from strmctl.model.temporal_relations import build_temporal_relations
from tests.model import reference
from tests.model.reference import part, relative_error, weights_of
from tests.model.small import CHANNELS, FRAMES, by_label, clips, convolution, maps_of, with_random_norms

OFF = {"patch_enrichment": False, "frame_enrichment": False, "query_class": False}
LABELS = [8, 2, 8, 5, 2, 8]  # three, two and one shots


def build(cardinalities=(2,), **settings):
    size = {"frames": FRAMES, "channels": CHANNELS, "dim": 4}
    relations = build_temporal_relations(cardinalities=cardinalities, **size, **settings)
    return TRX(backbone=convolution(), temporal_relations=relations, patches=2)


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
def test_it_is_strm_without_its_additions_from_the_same_initial_weights(cardinalities):
    size = {"frames": FRAMES, "dim": 4, "patches": 2}
    strm = build_strm(backbone=convolution(), cardinalities=cardinalities, **size, **OFF, seed=3)
    full = build_strm(backbone=convolution(), cardinalities=cardinalities, **size, seed=3).state_dict()
    trx = build(cardinalities, seed=3)
    weights, others = trx.state_dict(), strm.state_dict()
    assert weights.keys() == others.keys()
    assert all(torch.equal(weights[name], others[name]) for name in weights)
    assert all(torch.equal(weights[name], full[name]) for name in weights)
    assert torch.equal(trx.double().eval()(*episode()).total, strm.double().eval()(*episode()).total)
    other_seed = build(cardinalities, seed=4).state_dict()
    key = "temporal_relations.relations.2.key.weight"
    assert not torch.equal(weights[key], other_seed[key])
