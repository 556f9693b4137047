"""Costs against formulas written apart, torchvision's published counts, and one whole run of each model."""

from math import comb

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from torchvision import models

from strmctl.ablation.cost import cost_table
from strmctl.errors import RecipeError
from strmctl.recipe import load_recipe
from strmctl.runs.build import build_model
from tests.small_world import small_recipe

PARTS = ("backbone", "PLE", "FLE", "TRM", "QC")
METHODS = {"TRM {2}": "trm", "TRX {2,3}": "trx", "STRM {2}": "strm"}
CARDINALITIES = {"TRM {2}": (2,), "TRX {2,3}": (2, 3), "STRM {2}": (2,)}
SMALL = (
    *("input.frames=5", "input.size=32", "input.crop=32", "trm.dim=6", "query_class.dim=10"),
    *("patch_enrichment.patches=2", "patch_enrichment.hidden=7"),
)
WAY, SHOT, QUERIES = 3, 2, 4
EPISODE = {"way": WAY, "shot": SHOT, "queries": QUERIES}


@pytest.fixture(scope="module")
def shipped():
    return cost_table()


@pytest.fixture(scope="module")
def small():
    return cost_table(small_recipe(*SMALL), **EPISODE, clips=7, episodes=11)


def matching(width, tensors, *, frames, cardinality, way, shot, queries):
    """Forming the tuples of every clip's tensors, and as many products of query tuples with support tuples."""
    tuples, clips = comb(frames, cardinality), way * (shot + queries)
    forming = 2 * tuples * cardinality * frames * width * clips
    pairs = (way * queries * tuples) * (way * shot * tuples)
    return tensors * (forming + 2 * pairs * width)


@pytest.mark.parametrize("method", METHODS)
def test_parts_add_up_to_one_whole_run(small, method):
    recipe = small_recipe(f"method={METHODS[method]}", *SMALL)
    model, side, frames = build_model(recipe, pretrained=False).eval(), recipe.input.crop, recipe.input.frames
    support, query = (torch.rand(WAY * count, frames, 3, side, side) for count in (SHOT, QUERIES))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(support, torch.arange(WAY).repeat_interleave(SHOT), query)
    cost = small["methods"][method]
    assert cost["flops"]["episode"]["total"] == counter.get_total_flops()
    assert cost["parameters"]["total"] == sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("method", METHODS)
def test_parts_add_up_to_their_totals(small, method):
    cost = small["methods"][method]
    flops, clips_of_episode = cost["flops"], WAY * (SHOT + QUERIES)
    embed, match, episode = flops["embed_clip"], flops["match_episode"], flops["episode"]
    for counts in (cost["parameters"], embed, episode):
        assert tuple(counts) == (*PARTS, "total")
        assert counts["total"] == sum(counts[part] for part in PARTS)
        assert {part for part in PARTS if not counts[part]} == ({"PLE", "FLE", "QC"} if method != "STRM {2}" else set())
    assert match["total"] == match["TRM"] + match["QC"]
    assert episode == {name: clips_of_episode * embed[name] + match.get(name, 0) for name in embed}
    assert 5 * flops["frame"] == embed["total"]
    cached = {"embedding": 7 * embed["total"], "matching": 11 * match["total"]}
    assert flops["cached_evaluation"] == cached | {"total": sum(cached.values())}


def test_conv3_by_hand(small):
    convolutions = 25 * 3 * 32 * 16**2 + 9 * 32 * 64 * 8**2 + 9 * 64 * 128 * 4**2  # of a frame of 32×32 pixels
    norms = 2 * (32 + 64 + 128)
    for cost in small["methods"].values():
        assert cost["flops"]["embed_clip"]["backbone"] == 5 * 2 * convolutions
        assert cost["parameters"]["backbone"] == 25 * 3 * 32 + 9 * 32 * 64 + 9 * 64 * 128 + norms


@pytest.mark.parametrize("case", ["shipped", "small"])
@pytest.mark.parametrize("method", METHODS)
def test_blocks_by_hand(request, case, method):
    table = request.getfixturevalue(case)
    frames, patches, channels, hidden = {"shipped": (8, 16, 2048, 1024), "small": (5, 4, 128, 7)}[case]
    dim, plain = {"shipped": (1152, 1024), "small": (6, 10)}[case]
    assert (table["frames"], table["dim"], table["query_class_dim"]) == (frames, dim, plain)
    episode = {name: table[name] for name in EPISODE}
    cost, ways = table["methods"][method], CARDINALITIES[method]
    embed, match, parameters = cost["flops"]["embed_clip"], cost["flops"]["match_episode"], cost["parameters"]

    # A frame's projections for every position are w·D times D', once for keys and once for values.
    assert embed["TRM"] == sum(2 * 2 * frames * w * channels * dim for w in ways)
    assert match["TRM"] == sum(matching(dim, 2, frames=frames, cardinality=w, **episode) for w in ways)
    assert parameters["TRM"] == sum(2 * (w * channels * dim + dim) + 2 * dim for w in ways)
    if method != "STRM {2}":
        return
    psi = channels * hidden + hidden**2 + hidden * channels
    of_a_patch = 3 * channels**2 + 2 * patches * channels + psi  # multiply-adds; attention: scores, and their values
    assert embed["PLE"] == 2 * frames * patches * of_a_patch
    assert parameters["PLE"] == 3 * (channels**2 + channels) + psi + 2 * hidden + channels
    assert embed["FLE"] == 2 * 2 * (channels * frames**2 + frames * channels**2)
    assert parameters["FLE"] == 2 * (frames**2 + frames) + 2 * (channels**2 + channels)
    assert embed["QC"] == 2 * frames * 2 * channels * plain
    assert match["QC"] == matching(plain, 1, frames=frames, cardinality=2, **episode)
    assert parameters["QC"] == 2 * channels * plain + plain


@pytest.mark.parametrize(
    ("backbone", "weights", "classifier"),
    [
        ("resnet50", models.ResNet50_Weights.IMAGENET1K_V1, 2048 * 1000),
        ("vit_b16", models.ViT_B_16_Weights.IMAGENET1K_V1, 768 * 1000),
    ],
)
def test_backbones_cost_what_torchvision_publishes(shipped, backbone, weights, classifier):
    table = shipped if backbone == "resnet50" else cost_table(load_recipe("ssv2_r50", [f"backbone.name={backbone}"]))
    assert (table["backbone"], table["pixels"]) == (backbone, 224)
    for cost in table["methods"].values():
        published = 2 * (weights.meta["_ops"] * 1e9 - classifier)  # billions of multiply-adds, rounded to three digits
        assert cost["flops"]["embed_clip"]["backbone"] / 8 == pytest.approx(published, abs=2 * 0.5e6)
        assert cost["parameters"]["backbone"] == weights.meta["num_params"] - classifier - 1000


def test_the_evaluation_that_is_counted(shipped):
    assert list(shipped["methods"]) == ["TRM {2}", "TRX {2,3}", "STRM {2}"]
    assert {name: shipped[name] for name in EPISODE} == {"way": 5, "shot": 5, "queries": 1}
    assert shipped["cached"] == {"clips": 2857, "episodes": 10_000}


@pytest.mark.parametrize(
    "changes", [("method=trx",), ("model.preset=released",), ("model.deviations=[gate]", "trm.cardinalities=[2, 4]")]
)
def test_only_sizes_are_taken_from_the_recipe(small, changes):
    assert cost_table(small_recipe(*SMALL, *changes), **EPISODE, clips=7, episodes=11) == small


def test_clips_without_triples_are_an_error():
    with pytest.raises(RecipeError, match="triples"):
        cost_table(small_recipe(*SMALL, "input.frames=2"))
