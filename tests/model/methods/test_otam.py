import math

import pytest
import torch
from torch import nn

from strmctl.model.layers.frame_distances import alignment, cosine_distances
from strmctl.model.methods.otam import OTAM
from tests.model.reference import relative_error
from tests.model.small import maps_as_clips

SAME_FRAME = 1 - 1 / 1.01  # distance of a frame of length 1 from itself


def random(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def softmin(values, smoothing):
    least = min(values)
    return least - smoothing * math.log(sum(math.exp((least - value) / smoothing) for value in values))


def distance_of_frames(x, y):
    product = sum(a * b for a, b in zip(x, y, strict=True))
    return 1 - product / (math.hypot(*x) * math.hypot(*y) + 0.01)


def aligned(table, smoothing):
    """The recursion over lists: rows of distances, one column of zeros before them and one after."""
    table = [[0.0, *row, 0.0] for row in table]
    width = len(table[0])
    g = [[0.0] * width for _ in table]
    for l, row in enumerate(table):  # noqa: E741
        for m in range(1, width):
            if l == 0:
                g[l][m] = g[l][m - 1] + row[m]
                continue
            before = [g[l - 1][m - 1], g[l][m - 1]]
            if m in {1, width - 1}:
                before.append(g[l - 1][m])
            g[l][m] = row[m] + softmin(before, smoothing)
    return g[-1][-1]


def costs_of_all_paths(table):
    """What the recursion sums up, one path after the other: down the zeros for nothing, then ever to the right."""
    table = [[0.0, *row, 0.0] for row in table]
    end = len(table) - 1, len(table[0]) - 1

    def onward(row, column):
        cost = table[row][column]
        if (row, column) == end:
            return [cost]
        steps = [(row, column + 1), (row + 1, column + 1)]
        if column in {1, end[1]}:
            steps.append((row + 1, column))
        possible = [(l, m) for l, m in steps if l <= end[0] and m <= end[1]]  # noqa: E741
        return [cost + rest for l, m in possible for rest in onward(l, m)]  # noqa: E741

    return [cost for row in range(len(table)) for cost in onward(row, 0)]


def distance_of_clips(rows, columns, smoothing):
    return aligned([[distance_of_frames(x, y) for y in columns] for x in rows], smoothing)


def expected_logits(support, query, mask, smoothing):
    """`support` (B, C, K, L, D), `query` (B, Q, L, D), `mask` (B, C, K), all tensors."""
    logits = []
    for shots, present, queries in zip(support.tolist(), mask.tolist(), query.tolist(), strict=True):
        rows = []
        for clip in queries:
            row = []
            for members, there in zip(shots, present, strict=True):
                members = [member for member, exists in zip(members, there, strict=True) if exists]  # noqa: PLW2901
                both = [
                    distance_of_clips(clip, member, smoothing) + distance_of_clips(member, clip, smoothing)
                    for member in members
                ]
                row.append(-sum(both) / len(both))
            rows.append(row)
        logits.append(rows)
    return logits


def otam(smoothing=0.1, channels=6):
    return OTAM(backbone=maps_as_clips(channels), smoothing=smoothing, patches=1)


@pytest.mark.parametrize("smoothing", [0.02, 0.1, 2.0])
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 4), (2, 1), (4, 1), (3, 3), (2, 5), (5, 2), (8, 8)])
def test_the_alignment_equals_the_recursion_in_loops(rows, columns, smoothing):
    tables = random(3, 2, rows, columns, seed=rows).abs()
    expected = [[aligned(table, smoothing) for table in pair] for pair in tables.tolist()]
    assert relative_error(alignment(tables, smoothing), expected) < 1e-11


@pytest.mark.parametrize(("rows", "columns"), [(1, 3), (3, 1), (2, 2), (3, 3), (2, 4), (4, 3)])
def test_the_alignment_is_the_softmin_over_all_paths(rows, columns):
    table = random(rows, columns, seed=columns).abs()
    costs = costs_of_all_paths(table.tolist())
    for smoothing in (0.1, 1.0):
        assert alignment(table, smoothing).item() == pytest.approx(softmin(costs, smoothing), rel=1e-12)
    assert alignment(table, 1e-7).item() == pytest.approx(min(costs), rel=1e-5)


def test_distances_between_frames():
    rows, columns = random(2, 3, 5), random(2, 4, 5, seed=1)
    rows[0, 1] = 0
    expected = [
        [[distance_of_frames(x, y) for y in right] for x in left]
        for left, right in zip(rows.tolist(), columns.tolist(), strict=True)
    ]
    assert relative_error(cosine_distances(rows, columns), expected) < 1e-12
    assert cosine_distances(rows, columns)[0, 1].tolist() == [1.0] * 4  # nothing is not near to anything


@pytest.mark.parametrize("smoothing", [0.05, 0.1, 1.0])
@pytest.mark.parametrize(
    "shape",  # episodes, classes, shots, queries, frames
    [(1, 2, 1, 1, 4), (2, 3, 2, 2, 3), (3, 2, 3, 1, 5)],
)
def test_logits_equal_the_loops(shape, smoothing):
    episodes, classes, shots, queries, frames = shape
    support, query = random(episodes, classes, shots, frames, 6), random(episodes, queries, frames, 6, seed=1)
    everywhere = torch.ones(episodes, classes, shots, dtype=torch.bool)
    some = random(episodes, classes, shots, seed=2) > 0
    some[..., 0] = True
    assert shots == 1 or not some.all()
    model = otam(smoothing)
    for mask in (None, everywhere, some):
        logits = model.match({"frames": support}, {"frames": query}, mask)
        expected = expected_logits(support, query, everywhere if mask is None else mask, smoothing)
        assert relative_error(logits.total, expected) < 1e-11
        assert logits.trm is None
        assert logits.query_class is None


def one_logit(query, shot, smoothing=0.1):
    model = otam(smoothing, channels=query.shape[-1])
    return model.match({"frames": shot[None, None, None]}, {"frames": query[None, None]}).total.item()


@pytest.mark.parametrize("frames", [2, 5, 8])
def test_a_clip_is_aligned_with_itself_along_the_diagonal(frames):
    clip = torch.eye(frames, 8, dtype=torch.float64)
    assert one_logit(clip, clip, smoothing=1e-3) == pytest.approx(-2 * frames * SAME_FRAME, rel=1e-9)


def test_frames_before_and_after_what_the_columns_show_cost_nothing():
    clip = torch.eye(5, dtype=torch.float64)
    table = cosine_distances(clip, clip[1:4])  # the first and the last frame of the rows are not in the columns
    assert alignment(table, 1e-7).item() == pytest.approx(3 * SAME_FRAME, abs=1e-6)
    assert alignment(table.T, 1e-7).item() == pytest.approx(2 + 3 * SAME_FRAME, abs=1e-6)


def test_the_order_of_frames_matters():
    clip = torch.eye(6, dtype=torch.float64)
    same, backwards = one_logit(clip, clip), one_logit(clip.flip(0), clip)
    assert backwards < same - 1
    query, shot = random(8, 6), random(8, 6, seed=1)
    assert abs(one_logit(query.flip(0), shot) - one_logit(query, shot)) > 0.01


def test_gradients_equal_differences():
    table = random(2, 3, 4).abs().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: alignment(x, 0.1), table)
    support, query = random(1, 2, 2, 3, 4).requires_grad_(), random(1, 2, 3, 4, seed=1).requires_grad_()
    mask = torch.tensor([[[True, True], [True, False]]])

    def total(shots, clip):
        return otam(channels=4).match({"frames": shots}, {"frames": clip}, mask).total

    assert torch.autograd.gradcheck(total, (support, query))
    gradient = torch.autograd.grad(total(support, query).sum(), support)[0]
    assert gradient[0, 1, 1].count_nonzero() == 0  # of a shot that is absent
    assert gradient[0, 1, 0].count_nonzero() == 12


@pytest.mark.parametrize("smoothing", [1e-3, 0.1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("case", ["zero frames", "zero clips", "the query itself", "large"])
def test_gradients_are_finite(case, dtype, smoothing):
    support, query = random(2, 2, 2, 8, 6).to(dtype), random(2, 3, 8, 6, seed=1).to(dtype)
    if case == "zero frames":
        support[..., 2, :] = 0
        query[..., 5, :] = 0
    elif case == "zero clips":
        support, query = support * 0, query * 0
    elif case == "the query itself":
        query[:, :2] = support[:, :, 0]
    else:
        support, query = support * 1e6, query * 1e-6
    support.requires_grad_()
    query.requires_grad_()
    logits = otam(smoothing).match({"frames": support}, {"frames": query}).total
    nn.functional.cross_entropy(logits.flatten(0, 1), torch.tensor([0, 1, 1, 0, 0, 1])).backward()
    assert logits.isfinite().all()
    assert support.grad.isfinite().all()
    assert query.grad.isfinite().all()
