"""Tables of pairs of clips give the logits that `match` gives of their features."""

import pytest
import torch

from strmctl.model.episode import Logits
from strmctl.model.methods.chamfer import Chamfer, build_chamfer_tuples
from strmctl.model.methods.otam import OTAM
from strmctl.model.methods.strm import build_strm
from strmctl.model.methods.tarn import build_tarn
from strmctl.model.methods.trx import build_trx
from strmctl.model.presets import DEVIATIONS, preset_arguments
from strmctl.model.tuples import keep_tuples
from tests.model.reference import relative_error
from tests.model.small import FRAMES, clips, convolution, with_random_norms

SIZES = {"patches": 2, "frames": FRAMES, "dim": 4}
CASES = {
    **{f"strm {w}": lambda w=w: build_strm(backbone=convolution(), **SIZES, cardinalities=w) for w in ((1,), (2, 3))},
    **{f"trx {w}": lambda w=w: build_trx(backbone=convolution(), **SIZES, cardinalities=w) for w in ((2,), (3,), (4,))},
    "norm": lambda: build_strm(backbone=convolution(), **SIZES, cardinalities=(2, 3), distance="norm"),
    "trm alone": lambda: build_strm(backbone=convolution(), **SIZES, prediction="trm", query_class_weight=0.3),
    "otam": lambda: OTAM(backbone=convolution()),
    "chamfer": lambda: Chamfer(backbone=convolution()),
    "chamfer of the query": lambda: Chamfer(backbone=convolution(), directions="query", scale=3.0),
    "chamfer of tuples": lambda: build_chamfer_tuples(backbone=convolution(), frames=FRAMES, dim=5),
    "tarn": lambda: build_tarn(backbone=convolution(), hidden=4),
    "otam smooth": lambda: OTAM(backbone=convolution(), smoothing=1.5),
    **{
        f"deviation {name}": lambda name=name: build_strm(
            backbone=convolution(), **SIZES, cardinalities=(2, 3), **preset_arguments("paper", [name])
        )
        for name in DEVIATIONS
    },
    "released trx": lambda: build_trx(
        backbone=convolution(), **SIZES, cardinalities=(2, 3), **preset_arguments("released", parts=("trm",))
    ),
}
SHAPES = [(1, 5, 1, 5), (3, 2, 4, 3), (2, 3, 2, 1), (4, 1, 3, 6)]  # B, C, K, Q


def model_of(case):
    model = CASES[case]()
    return with_random_norms(model) if hasattr(model, "temporal_relations") else model.double().eval()


def compare(model, features, shape):
    episodes, way, shot, queries = shape
    generator = torch.Generator().manual_seed(sum(shape))
    drawn = [torch.randperm(14, generator=generator)[: way * shot + queries] for _ in range(episodes)]
    rows = torch.stack(drawn)  # clips of an episode differ
    support, query = rows[:, : way * shot].reshape(episodes, way, shot), rows[:, way * shot :]
    by_features = model.match({n: v[support] for n, v in features.items()}, {n: v[query] for n, v in features.items()})
    by_tables = model.match_pairs(model.pairs(features, features), support, query)
    for name in Logits._fields:
        expected, found = getattr(by_features, name), getattr(by_tables, name)
        assert (expected is None) == (found is None)
        if expected is not None:
            assert expected.shape == found.shape and expected.std() > 0
            assert relative_error(found, expected) < 1e-10


@torch.inference_mode()
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("case", CASES)
def test_tables_give_the_logits_of_match(case, shape):
    model = model_of(case)
    compare(model, model.embed(clips(14)), shape)


@torch.inference_mode()
@pytest.mark.parametrize("case", ["strm (2, 3)", "norm"])
@pytest.mark.parametrize("fraction", [0.1, 0.5])
def test_a_share_of_the_tuples(case, fraction):
    model = model_of(case)
    keep_tuples(model, fraction, trial=3)
    compare(model, model.embed(clips(14)), (3, 2, 2, 3))


@torch.inference_mode()
@pytest.mark.parametrize("case", ["strm (2, 3)", "otam", "chamfer", "tarn"])
def test_rows_do_not_depend_on_other_queries(case):
    model = model_of(case)
    features = model.embed(clips(14))
    whole = model.pairs(features, features)
    for some in (slice(0, 1), slice(5, 9)):
        part = model.pairs(features, {name: value[some] for name, value in features.items()})
        for name, table in whole.items():
            assert table.shape[:2] == (14, 14)
            assert relative_error(part[name], table[some]) < 1e-7  # the root of the rounding of 0


@torch.inference_mode()
@pytest.mark.parametrize("distance", ["squared", "norm"])
def test_values_far_from_zero_and_a_query_that_is_its_support(distance):
    """What all values have in common cancels, and rounding below 0 is no distance."""
    model = with_random_norms(build_trx(backbone=convolution(), **SIZES, cardinalities=(4,), distance=distance)).float()
    features = model.embed(clips(14).float())
    features["trm4.value"] = features["trm4.value"] + 100
    rows = torch.arange(14)
    by_tables = model.match_pairs(model.pairs(features, features), rows[None, :, None], rows[None]).total
    exact = {name: value.double() for name, value in features.items()}
    shots = {name: value[None, :, None] for name, value in exact.items()}
    expected = model.double().match(shots, {name: value[None] for name, value in exact.items()}).total
    assert by_tables.isfinite().all() and (by_tables <= 0).all()
    assert (by_tables - expected).abs().max() < (1e-5 if distance == "squared" else 1e-3) * expected.abs().max()
