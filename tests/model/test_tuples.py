from math import comb

import numpy as np
import pytest
import torch
from torch import nn

from strmctl.model.tuples import form_tuples, project_positions, root, tuple_indices
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
    tuples = form_tuples(project_positions(frames, layer, cardinality), indices)
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
