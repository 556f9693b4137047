"""Which frames go together: weights against what decides the logits, for each method that says so."""

import pytest
import torch

from strmctl.model.episode import mean_over_shots
from strmctl.model.layers.frame_distances import cosine_distances
from strmctl.model.methods.bi_mhm import BiMHM
from strmctl.model.methods.chamfer import Chamfer, build_chamfer_tuples
from strmctl.model.methods.hyrsm import build_hyrsm
from strmctl.model.methods.molo import build_molo
from strmctl.model.methods.otam import OTAM
from strmctl.model.methods.tarn import build_tarn
from tests.model.small import maps_as_clips

MASK = torch.tensor([[[1, 1, 0], [1, 0, 0]], [[1, 1, 1], [0, 1, 0]]]) > 0


def sides(dim=5, frames=4, seed=0):
    """Frames of two episodes: two classes, up to three shots, two queries."""
    generator = torch.Generator().manual_seed(seed)
    shapes = ((2, 2, 3, frames, dim), (2, 2, frames, dim))
    return [{"frames": torch.randn(shape, dtype=torch.float64, generator=generator)} for shape in shapes]


def unit(side):
    return {"frames": torch.nn.functional.normalize(side["frames"], dim=-1)}


@pytest.mark.parametrize("directions", ["query", "both"])
@pytest.mark.parametrize("mask", [None, MASK])
def test_chamfer_names_the_pairs_that_it_adds_up(directions, mask):
    model = Chamfer(backbone=maps_as_clips(5), directions=directions)
    support, query = map(unit, sides())
    (found,) = model.correspondence(support, query, mask)
    present = torch.ones_like(MASK) if mask is None else mask
    cosines = torch.einsum("bqld,bckmd->bqcklm", query["frames"], support["frames"])
    expected = torch.zeros_like(cosines)
    for b, q, c in torch.cartesian_prod(*map(torch.arange, (2, 2, 2))).tolist():
        shots = [k for k in range(3) if present[b, c, k]]
        for frame in range(4):
            k, m = max(((k, m) for k in shots for m in range(4)), key=lambda at: cosines[b, q, c, at[0], frame, at[1]])
            expected[b, q, c, k, frame, m] = cosines[b, q, c, k, frame, m]
            for k in shots if directions == "both" else ():
                nearest = cosines[b, q, c, k, :, frame].argmax()
                expected[b, q, c, k, nearest, frame] = cosines[b, q, c, k, nearest, frame]
    torch.testing.assert_close(found.weights, expected.clamp(min=0))
    assert found.query_frames.tolist() == found.support_frames.tolist() == [[0], [1], [2], [3]]


def test_chamfer_of_tuples_names_their_frames():
    model = build_chamfer_tuples(backbone=maps_as_clips(5), cardinality=2, dim=3, frames=4).double()
    support, query = map(unit, sides(dim=3, frames=6))  # six tuples
    (found,) = model.correspondence(support, query)
    assert found.weights.shape == (2, 2, 2, 3, 6, 6)
    assert found.support_frames.tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]


def test_bi_mhm_names_the_nearest_frames_of_the_mean_clip():
    model = BiMHM(backbone=maps_as_clips(5))
    support, query = sides()
    (found,) = model.correspondence(support, query, MASK)
    for b, q, c in torch.cartesian_prod(*map(torch.arange, (2, 2, 2))).tolist():
        mean = support["frames"][b, c][MASK[b, c]].mean(dim=0)
        cosines = 1 - cosine_distances(query["frames"][b, q], mean)
        nearest = (cosines == cosines.amax(dim=1, keepdim=True)) | (cosines == cosines.amax(dim=0, keepdim=True))
        for k in range(3):
            expected = cosines.where(nearest, 0).clamp(min=0) if MASK[b, c, k] else torch.zeros(4, 4)
            torch.testing.assert_close(found.weights[b, q, c, k], expected.double())


def test_molo_names_those_of_bi_mhm_without_the_tokens_of_whole_clips():
    model = build_molo(backbone=maps_as_clips(5), frames=4)
    support, query = sides(frames=5)
    without = [{"frames": side["frames"][..., 1:, :]} for side in (support, query)]
    (found,), (expected,) = (
        model.correspondence(support, query, MASK),
        BiMHM(backbone=model.backbone).correspondence(*without, MASK),
    )
    assert torch.equal(found.weights, expected.weights) and found.query_frames.tolist() == [[0], [1], [2], [3]]


@torch.no_grad()
def test_hyrsm_names_the_nearest_frames_as_the_episode_makes_them():
    model = build_hyrsm(backbone=maps_as_clips(5), frames=4, heads=2).double().eval()
    embedded = [model.among.embed(side["frames"].flatten(0, -3)) for side in sides()]
    support, query = (
        {name: value.unflatten(0, axes) for name, value in side.items()}
        for side, axes in zip(embedded, [(2, 2, 3), (2, 2)], strict=True)
    )
    (found,) = model.correspondence(support, query, MASK)
    means = {name: mean_over_shots(value, MASK) for name, value in support.items()}
    classes, queries = model.among(means, query)
    for b, q, c, k in torch.cartesian_prod(*map(torch.arange, (2, 2, 2, 3))).tolist():
        cosines = torch.cosine_similarity(queries[b, q][:, None], classes[b, q, c], dim=-1)
        nearest = (cosines == cosines.amax(dim=1, keepdim=True)) | (cosines == cosines.amax(dim=0, keepdim=True))
        expected = cosines.where(nearest, 0).clamp(min=0) if MASK[b, c, k] else torch.zeros(4, 4).double()
        torch.testing.assert_close(found.weights[b, q, c, k], expected)


@pytest.mark.parametrize("mask", [None, MASK])
def test_otam_says_how_much_alignments_use_a_pair(mask):
    """A little more distance between two frames makes that of the clips larger by twice their use."""
    model = OTAM(backbone=maps_as_clips(5), smoothing=0.3)
    support, query = sides()
    (found,) = model.correspondence(support, query, mask)
    pairs = model._frame_distances(support["frames"], query["frames"])  # (B, C, K, Q, L, L)
    before = model._aligned(pairs)
    for b, q, c, k, x, y in [(0, 0, 0, 0, 0, 0), (1, 1, 0, 2, 3, 1), (0, 1, 1, 0, 2, 2), (1, 0, 1, 0, 1, 1)]:
        moved = pairs.clone()
        moved[b, c, k, q, x, y] += 1e-6
        use = (model._aligned(moved) - before)[b, c, k, q] / 2e-6
        absent = mask is not None and not mask[b, c, k]
        assert found.weights[b, q, c, k, x, y].item() == pytest.approx(0 if absent else use.item(), abs=1e-5)
    assert found.weights.min() >= 0 and found.weights.max() > 0.5


def test_frames_that_are_the_same_are_aligned_with_each_other():
    frames = torch.eye(5, dtype=torch.float64)[None, None, None]
    (found,) = OTAM(backbone=maps_as_clips(5), smoothing=0.01).correspondence(
        {"frames": frames}, {"frames": frames[0]}, None
    )
    assert found.weights[0, 0, 0, 0].argmax(dim=1).tolist() == [0, 1, 2, 3, 4]


def test_tarn_says_what_is_aligned_to_a_frame():
    model = build_tarn(backbone=maps_as_clips(5), hidden=3).double()
    generator = torch.Generator().manual_seed(0)
    features = model.embed(torch.randn(8, 4, 5, 1, 1, dtype=torch.float64, generator=generator))
    support = {name: value[:6].unflatten(0, (1, 2, 3)) for name, value in features.items()}
    query = {name: value[6:][None] for name, value in features.items()}
    (found,) = model.correspondence(support, query, MASK[:1])
    for q, c, k in torch.cartesian_prod(*map(torch.arange, (2, 2, 3))).tolist():
        fits = query["segments"][0, q] @ support["keys"][0, c, k].T  # (L, L)
        expected = fits.softmax(dim=1) if MASK[0, c, k] else torch.zeros_like(fits)
        torch.testing.assert_close(found.weights[0, q, c, k], expected)
