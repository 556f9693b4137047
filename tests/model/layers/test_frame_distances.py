"""Distances of clips against loops over their frames."""

import math

import pytest
import torch

from strmctl.model.layers.frame_distances import by_clips, cosine_distances, hausdorff


def random(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (5, 3), (8, 8)])
def test_hausdorff_is_the_sum_of_the_nearest_both_ways(shape):
    tables = random(2, 3, *shape).abs()
    found = hausdorff(tables)
    for i in range(2):
        for j in range(3):
            table = tables[i, j].tolist()
            columns = list(zip(*table, strict=True))
            assert found[i, j].item() == pytest.approx(math.fsum(map(min, table)) + math.fsum(map(min, columns)))
    assert torch.equal(hausdorff(tables.transpose(-2, -1)), found)


def test_a_clip_is_no_distance_from_its_frames_in_another_order():
    frames = 1e6 * random(5, 4)
    order = torch.tensor([3, 1, 4, 0, 2])
    assert hausdorff(cosine_distances(frames, frames[order])).item() == pytest.approx(0, abs=1e-6)


def test_pairs_of_frames_become_pairs_of_clips():
    episodes, queries, rows, classes, shots, columns = 2, 3, 4, 2, 3, 5
    table = random(episodes, queries * rows, classes * shots * columns)
    found = by_clips(table, queries=queries, shots=(classes, shots, columns))
    assert found.shape == (episodes, classes, shots, queries, rows, columns)
    for b, c, k, q, row, m in [(0, 0, 0, 0, 0, 0), (1, 1, 2, 2, 3, 4), (0, 1, 0, 2, 1, 3)]:
        assert found[b, c, k, q, row, m] == table[b, q * rows + row, (c * shots + k) * columns + m]
