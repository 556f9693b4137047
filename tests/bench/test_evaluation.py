"""The two ways that `bench eval` compares compute the same, and its numbers follow from its measurements."""

import contextlib
from types import SimpleNamespace

import pytest
import torch

from strmctl.bench import evaluation
from strmctl.bench.evaluation import bench_eval, matching_operations, peer_episode
from strmctl.episodes.sampler import Episode
from strmctl.errors import UsageError
from strmctl.evaluation.embed import ClipFeatures
from strmctl.model.backbones.build import build_backbone
from strmctl.model.methods.strm import build_strm
from tests.model.reference import relative_error
from tests.videos_for_tests import strmctl

pytestmark = pytest.mark.slow

CLIPS = [f"{number:02d}" for number in range(30)]


@pytest.mark.parametrize("cardinalities", [(2,), (2, 3)])
def test_the_other_way_gives_the_logits_of_the_model(cardinalities):
    torch.manual_seed(0)
    backbone = build_backbone("conv3", weights="none")
    model = build_strm(backbone=backbone, frames=4, dim=16, cardinalities=cardinalities).double().eval()
    support, query = torch.rand(10, 4, 3, 64, 64).double(), torch.rand(5, 4, 3, 64, 64).double()
    with torch.inference_mode():
        expected = model(support, torch.arange(5).repeat_interleave(2), query).total
        assert relative_error(peer_episode(model, support, query), expected) < 1e-12


def test_operations_of_matching_are_those_of_its_products():
    model = build_strm(backbone=build_backbone("conv3", weights="none"), dim=16, query_class_dim=8).eval()
    shapes = {"trm2.key": (2, 8, 16), "trm2.value": (2, 8, 16), "qc2": (2, 8, 8)}
    features = ClipFeatures(
        {name: torch.rand(30, *shape) for name, shape in shapes.items()}, dict(zip(CLIPS, range(30), strict=True))
    )
    episode = Episode(
        0, tuple("abcde"), tuple(CLIPS[first : first + 5] for first in range(0, 25, 5)), tuple(zip(CLIPS[25:]))
    )
    pairs, formed = 5 * 28 * 25 * 28, 30 * 28 * 2 * 8  # 28 tuples, of which each is made of 2 frames of 8
    expected = 2 * (pairs + formed) * (2 * 16 + 8)
    assert matching_operations(model, features, episode) == expected


def test_numbers_follow_from_the_measurements():
    reports = []
    found = bench_eval(backbone="conv3", clips=2, episodes=16, repeats=1, progress=lambda *now: reports.append(now))
    for name in ("float32", "bfloat16"):
        embed, match = found["embed_ms_per_clip"][name], found["match_episodes_per_second"][name]
        assert embed > 0 and match > 0
        ratio = 10_000 * found["uncached_seconds_per_episode"] / (2857 * embed / 1000 + 10_000 / match)
        assert found["ratio_10000_episodes_2857_clips"][name] == pytest.approx(ratio, rel=1e-12)
    assert found["extrapolated_from"] == {"clips": 2, "episodes": 16, "repeats": 1}
    assert reports[-1][:2] == (14, 14)
    with pytest.raises(UsageError, match="resnet19"):
        bench_eval(backbone="resnet19")


def test_another_method_is_measured(monkeypatch):
    monkeypatch.setattr(evaluation, "SSV2_CLIPS", 240)
    here = SimpleNamespace(apply=lambda job, words: job(*words))
    monkeypatch.setattr(evaluation, "as_others", lambda: contextlib.nullcontext(here))
    words = ["--backbone", "conv3", "--clips", 2, "--episodes", 16, "--repeats", 1]
    ran = strmctl("bench", "eval", "--method", "hyrsm", *words, "--json")
    assert ran.code == 0, ran.err
    found = ran.json()
    assert found["method"] == "hyrsm" and found["match_share_of_matrix_product"]["float32"] > 0


def test_an_unknown_method_has_a_near_name():
    ran = strmctl("bench", "eval", "--method", "hyrms")
    assert ran.code == 2 and "no method named 'hyrms'" in ran.err and "hyrsm" in ran.err
