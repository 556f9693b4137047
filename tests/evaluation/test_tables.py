import pytest
import torch

from strmctl.evaluation import tables as evaluation_tables
from strmctl.evaluation.embed import ClipFeatures, embed_clips
from strmctl.evaluation.match import Protocol, all_clips, match_episodes
from strmctl.evaluation.tables import make_tables, tables_fit
from strmctl.model.backbones.build import build_backbone
from strmctl.model.methods.strm import build_strm
from strmctl.model.methods.trx import build_trx
from strmctl.runs.build import build_model, clip_loader
from tests.runs.test_build import lively
from tests.small_world import small_recipe

PROTOCOL = Protocol(way=3, shots=(1, 2), queries=1, episodes=30, seed=4)
METHODS = [
    ("strm", ("trm.cardinalities=[2, 3]", "model.preset=released")),
    ("strm", ("trm.distance=norm", "trm.tuple_fraction=0.5")),
    ("trx", ()),
    ("otam", ()),
    ("chamfer", ()),
]


def world(store, method, settings=()):
    recipe = small_recipe(f"method={method}", *settings)
    model, clips = lively(build_model(recipe, pretrained=False)).float(), store.clips("test")
    return model, clips, embed_clips(model, clip_loader(recipe, store), all_clips(clips))


def without_tables(monkeypatch, *arguments):
    with monkeypatch.context() as patch:
        patch.setattr(evaluation_tables, "TABLE_CLIPS", 0)
        return match_episodes(*arguments)


def refuse(*_):
    raise AssertionError


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize(("method", "settings"), METHODS)
def test_tables_predict_what_features_predict(store, monkeypatch, method, settings, dtype):
    model, clips, features = world(store, method, settings)
    if dtype == torch.float64:
        model = model.double()
    features = ClipFeatures({name: value.to(dtype) for name, value in features.tensors.items()}, features.row)
    given = model, features, PROTOCOL.draw(clips), PROTOCOL.shots
    plain = without_tables(monkeypatch, *given)
    monkeypatch.setattr(model, "match", refuse)
    found = match_episodes(*given)
    different = sum(row != other for row, other in zip(found.rows, plain.rows, strict=True))
    assert len({row.predicted for row in plain.rows}) > 1
    assert different <= sum(plain.narrow.values()) < len(plain.rows) / 10
    fewer = match_episodes(model, features, PROTOCOL.draw(clips)[:7], PROTOCOL.shots)
    for shot in PROTOCOL.shots:
        first = [row for row in found.rows if row.shot == shot and row.episode < 7]
        assert first == [row for row in fewer.rows if row.shot == shot]


@pytest.mark.parametrize(("method", "settings"), METHODS)
def test_tables_are_made_in_blocks_of_clips(store, monkeypatch, method, settings):
    model, _, features = world(store, method, settings)
    whole = make_tables(model, features)
    assert all(table.shape[:2] == (len(features.row),) * 2 and table.dtype == torch.float32 for table in whole.values())
    monkeypatch.setattr(evaluation_tables, "QUERIES", 4)
    blocks = make_tables(model, features)
    assert whole.keys() == blocks.keys()
    for name, table in whole.items():
        assert (table - blocks[name]).abs().max() <= 1e-5 * table.abs().max()


def test_tables_follow_the_order_of_the_clips_not_of_their_rows(store, monkeypatch):
    """Features of a test may be part of a larger file of features."""
    model, clips, features = world(store, "strm")
    rows = {clip: 2 * len(features.row) - 2 * row - 1 for clip, row in features.row.items()}
    spread = {name: torch.zeros(2 * len(value), *value.shape[1:]) for name, value in features.tensors.items()}
    for clip, row in rows.items():
        for name, value in features.tensors.items():
            spread[name][row] = value[features.row[clip]]
    episodes = PROTOCOL.draw(clips)
    expected = match_episodes(model, features, episodes, PROTOCOL.shots)
    assert match_episodes(model, ClipFeatures(spread, rows), episodes, PROTOCOL.shots) == expected


def test_methods_without_tables_and_numbers_that_overflow_are_matched_from_features(store):
    model, _, features = world(store, "prototype")
    assert make_tables(model, features) is None
    model, _, features = world(store, "trx")
    assert make_tables(model, features)
    large = {name: value.clone() for name, value in features.tensors.items()}
    large["trm2.value"][0] = 1e30
    assert make_tables(model, ClipFeatures(large, features.row)) is None


@torch.inference_mode()
def test_the_number_of_clips_and_the_size_of_the_tables_decide():
    backbone = build_backbone("conv3", weights="none")
    clip = torch.rand(1, 8, 3, 64, 64)
    strm = build_strm(backbone=backbone, dim=16, query_class_dim=8).eval()
    trx = build_trx(backbone=backbone, dim=16, cardinalities=(2, 3)).eval()
    one = {model: model.embed(clip) for model in (strm, trx)}
    assert tables_fit(strm, one[strm], 384) and not tables_fit(strm, one[strm], 385)
    each = 4 * (28**2 + 16**2 + 56**2 + 24**2)  # scores of pairs, products of their frames, and those of triples
    most = int((2**30 / each) ** 0.5)
    assert 210 < most < 384
    assert tables_fit(trx, one[trx], most) and not tables_fit(trx, one[trx], most + 1)
