from math import comb

import numpy as np
import pytest
import torch
from torch import nn

from strmctl.model.backbones.build import build_backbone
from strmctl.model.methods.strm import build_strm
from strmctl.model.tuples import Tuples, keep_tuples, project_positions, root, tuple_indices
from tests.model.reference import concatenated_tuples, relative_error


def test_indices_are_all_increasing_combinations_in_order():
    assert tuple_indices(4, 1).tolist() == [[0], [1], [2], [3]]
    assert tuple_indices(4, 2).tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    assert tuple_indices(4, 4).tolist() == [[0, 1, 2, 3]]
    for w in range(1, 9):
        indices = tuple_indices(8, w)
        assert len(set(map(tuple, indices.tolist()))) == len(indices) == comb(8, w)
        assert (indices.diff(dim=1) > 0).all()


@pytest.mark.parametrize("cardinality", [1, 2, 3, 4])
def test_sum_of_projections_is_the_layer_on_concatenated_frames(cardinality):
    torch.manual_seed(0)
    frames = torch.randn(3, 6, 5, dtype=torch.float64)
    layer = nn.Linear(cardinality * 5, 7).double()
    indices = tuple_indices(6, cardinality)
    tuples = Tuples(frames=6, cardinality=cardinality).double()(project_positions(frames, layer, cardinality))
    assert relative_error(tuples, layer(frames[:, indices].flatten(2)).detach()) < 1e-12
    for clip, formed in zip(frames.numpy(), tuples, strict=True):
        expected = [layer(torch.from_numpy(x)).detach().numpy() for x in concatenated_tuples(clip, cardinality)]
        # The reference lists the same tuples in another order.
        assert relative_error(formed.sort(dim=0).values, torch.tensor(np.array(expected)).sort(dim=0).values) < 1e-12


def test_root_has_no_gradient_at_zero_and_takes_rounding_for_zero():
    x = torch.tensor([4.0, 0.0, -1e-9], dtype=torch.float64, requires_grad=True)
    y = root(x)
    y.sum().backward()
    assert y.tolist() == [2.0, 0.0, 0.0]
    assert x.grad.tolist() == [0.25, 0.0, 0.0]


@pytest.mark.parametrize(("fraction", "kept"), [(0.2, 6), (0.4, 11), (0.6, 17), (0.8, 22), (1.0, 28), (0.001, 1)])
def test_a_share_of_the_tuples_is_kept(fraction, kept):
    layer = Tuples(frames=8, cardinality=2)
    projections = torch.randn(3, 2, 8, 5)
    every = layer(projections)
    assert layer.keep(fraction, trial=0) == kept
    rows = [tuple_indices(8, 2).tolist().index(row) for row in layer.indices.tolist()]
    assert len(set(rows)) == kept and rows == sorted(rows)
    assert torch.equal(layer(projections), every[:, rows])


def test_trials_differ_and_smaller_shares_are_part_of_larger_ones():
    def kept(fraction, trial, w=2):
        layer = Tuples(frames=8, cardinality=w)
        layer.keep(fraction, trial)
        return frozenset(map(tuple, layer.indices.tolist()))

    assert kept(0.2, 3) == kept(0.2, 3) < kept(0.4, 3) < kept(1.0, 3)
    assert len({kept(0.2, trial) for trial in range(10)}) > 8
    often = sum(np.bincount(np.array(sorted(kept(0.4, trial))).ravel(), minlength=8) for trial in range(400))
    assert often.min() > 0.85 * often.max()  # every frame alike
    layer = Tuples(frames=8, cardinality=2)
    layer.keep(0.2, 0)
    layer.keep(1.0, 0)  # of all tuples, not of those that are left
    assert torch.equal(layer.indices, tuple_indices(8, 2))


@torch.inference_mode()
def test_the_same_tuples_are_kept_everywhere_in_a_model():
    model = build_strm(backbone=build_backbone("conv3", weights="none"), cardinalities=(2, 3), dim=16)
    assert keep_tuples(model, 0.5, trial=1) == {2: 14, 3: 28}
    for w in "23":
        trm = model.temporal_relations.relations[w].tuples
        assert torch.equal(trm.indices, model.query_class.similarities[w].tuples.indices)
    features = model.eval().embed(torch.rand(6, 8, 3, 64, 64))
    support = {name: value[:4].unflatten(0, (1, 2, 2)) for name, value in features.items()}
    query = {name: value[None, 4:] for name, value in features.items()}
    kept = model.match(support, query)
    for w in "23":  # by hand: only those rows of all tuples, in both
        for block in (model.temporal_relations.relations[w], model.query_class.similarities[w]):
            block.tuples = Chosen(block.tuples.indices)
    by_hand = model.match(support, query)
    assert relative_error(kept.total, by_hand.total) < 1e-5


class Chosen(nn.Module):
    """Given tuples, gathered and added."""

    def __init__(self, rows):
        super().__init__()
        self.rows = rows

    def forward(self, projections):
        return sum(projections[..., position, self.rows[:, position], :] for position in range(self.rows.shape[1]))
