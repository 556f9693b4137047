"""What `bench embed` reports follows from what it measures."""

import pytest

from strmctl.bench import embedding
from strmctl.bench.embedding import WAYS, bench_embedding
from strmctl.errors import UsageError
from tests.videos_for_tests import strmctl

pytestmark = pytest.mark.slow


HOW = {"backbone": "conv3", "clips": 1, "seconds": 0.1, "repeats": 1}
reports = []


@pytest.fixture(scope="module")
def found():
    return bench_embedding(**HOW, progress=lambda *now: reports.append(now))


def test_each_way_and_precision_is_measured_in_turn(found):
    rate = {(way["dtype"], way["way"]): way["clips_per_second"] for way in found["ways"]}
    assert list(rate) == [(dtype, way) for dtype in ("float32", "bfloat16") for way in WAYS]
    for way in found["ways"]:
        assert way["clips_per_second"] > 0 and 0 <= way["system_share"] <= 1
        assert 0 < way["matrix_share"] < 2 and way["peak_bytes"] > 1e8
    for dtype, times in found["faster"].items():
        assert times == rate[dtype, WAYS[0]] / rate[dtype, WAYS[1]]
    assert reports[-1][:2] == (4, 4)


def test_the_table_holds_a_row_for_each(found, monkeypatch):
    asked = []
    monkeypatch.setattr(embedding, "bench_embedding", lambda **how: asked.append(how) or found)
    ran = strmctl("bench", "embed", "--backbone", "conv3", "--clips", 1, "--seconds", 0.1, "--repeats", 1)
    assert ran.code == 0 and all(ran.out.count(way) == 2 for way in WAYS) and "times as fast" in ran.err
    assert {key: asked[0][key] for key in HOW} == HOW


def test_an_unknown_backbone_is_refused():
    assert strmctl("bench", "embed", "--backbone", "conv4").code == 2
    with pytest.raises(UsageError, match="conv4"):
        bench_embedding(backbone="conv4")
