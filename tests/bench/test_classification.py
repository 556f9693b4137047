"""What `bench classify` reports follows from what it measures."""

from types import SimpleNamespace

import pytest

from strmctl.bench import classification
from strmctl.bench.classification import DECODING, EMBEDDING, WHOLE, bench_classify
from strmctl.errors import DataError, UsageError
from tests.small_world import refused
from tests.videos_for_tests import strmctl, write_video

WAYS = {WHOLE, DECODING, EMBEDDING}


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    for seed in range(9):
        write_video(folder / "short" / f"{seed}.mp4", frames=10, size=(48, 36), seed=seed)
    write_video(folder / "long.mp4", frames=60, size=(48, 36))  # 5 s
    return folder


def test_rates_are_amounts_over_seconds_in_turns(videos, monkeypatch):
    clock = iter(range(10_000))
    monkeypatch.setattr(classification, "time", SimpleNamespace(perf_counter=lambda: next(clock)))  # a second each
    steps = []
    found = bench_classify(
        videos / "short",
        long=videos / "long.mp4",
        backbone="conv3",
        window=1,
        clips=8,
        repeats=2,
        progress=lambda *step: steps.append(step),
    )
    assert found["clips_per_second"] == dict.fromkeys((WHOLE, DECODING, EMBEDDING), 8)
    assert found["video_seconds_per_second"] == pytest.approx(dict.fromkeys(WAYS, 5))
    assert found["share"] == pytest.approx({"clips_per_second": 1, "video_seconds_per_second": 1})
    assert (found["window"], found["stride"], found["clips"], found["repeats"]) == (1, None, 8, 2)
    assert [name for *_, name in steps] == [WHOLE, DECODING, EMBEDDING] * 4 + [""] and steps[-1][:2] == (12, 12)


def test_the_table_and_the_document_agree_on_what_was_measured(videos):
    words = ("bench", "classify", "--videos", videos / "short", "--backbone", "conv3", "--repeats", 1)
    found = strmctl(*words, "--json").json()
    rates = found["clips_per_second"]
    assert set(rates) == WAYS and found["clips"] == 9 and set(found["share"]) == {"clips_per_second"}
    assert found["share"]["clips_per_second"] == rates[WHOLE] / min(rates[DECODING], rates[EMBEDDING])
    ran = strmctl(*words, "--long", videos / "long.mp4", "--window", 1)
    assert ran.code == 0 and "clips/s" in ran.out and "seconds of long video/s" in ran.out and "median of 1" in ran.err


def test_what_makes_no_sense_is_refused(videos, tmp_path):
    with pytest.raises(UsageError, match="conv4"):
        bench_classify(videos / "short", backbone="conv4")
    write_video(tmp_path / "few" / "0.mp4")
    with pytest.raises(DataError, match="holds 1 videos, and 8 are needed"):
        bench_classify(tmp_path / "few", backbone="conv3")
    words = ("bench", "classify", "--videos", videos / "short", "--backbone", "conv3", "--long")
    refused(strmctl(*words, videos / "gone.mp4"), 3, "gone.mp4")
    refused(strmctl(*words, videos / "long.mp4", "--stride", 3), 2, "leaves gaps")
    refused(strmctl(*words, videos / "long.mp4", "--window", -1), 2, "above 0")
