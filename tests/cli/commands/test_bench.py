"""`strmctl bench prepare`: one JSON document, or a table and what was measured."""

import shutil

import pytest

from strmctl.report.terminal import benchmarks
from tests.small_world import refused
from tests.videos_for_tests import strmctl, write_video

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
SMALL = ("bench", "prepare", "--size", "32", "--workers", "1", "--repeats", "1")
WAY = {"way": "ffmpeg, one after another", "workers": None, "frames": "all", "seconds": 2.0, "seconds_min": 1.5}
WAY |= {"seconds_max": 2.25, "clips_per_second": 10.0, "frames_per_second": 1800.4, "stored_frames": 3600}
WAY |= {"bytes_per_stored_frame": 10160.4, "ratio": 1.0}
PREPARE_KEYS = (
    *("videos", "clips", "frames", "summary", "left_out", "clips_of_other_length", "size", "quality", "peer_quality"),
    *("repeats", "cpus", "ffmpeg", "decoder", "ways"),
)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    write_video(folder / "a.avi", frames=10, size=(64, 48))
    write_video(folder / "one" / "b.avi", frames=12, size=(48, 64), seed=1)
    (folder / "text.mp4").write_text("no video")
    return folder


@needs_ffmpeg
def test_prepare_as_json(videos):
    found = strmctl(*SMALL, "--frames", "9", "--json", "--videos", videos).json()
    assert tuple(found) == PREPARE_KEYS
    assert [tuple(way) for way in found["ways"]] == 3 * [tuple(WAY)]
    assert (found["clips"], found["frames"], found["repeats"], found["peer_quality"]) == (2, 22, 1, 2)


def test_prepare_as_a_table(videos, monkeypatch):
    monkeypatch.setenv("PATH", "")
    words = (*SMALL, "--videos", videos)
    refused(strmctl(*words), 3, "no ffmpeg on the PATH", "--no-peer")
    ran = strmctl(*words, "--no-peer")
    assert ran.code == 0, ran.err
    lines = [line.split() for line in ran.out.splitlines() if line.strip().startswith("prepare, ")]
    assert [line[-1] for line in lines] == ["-", "-"]  # no ratio without ffmpeg
    assert "2 clips with 22 frames (1 × avi 64×48, 12 frames/s, 1 × avi 48×64, 12 frames/s); median of 1" in ran.err
    assert "left out: text.mp4: prepare: " in ran.err and "ffmpeg" not in ran.err


def test_figures_of_the_table_have_their_digits():
    columns, (row, other) = benchmarks.preparation({"ways": [WAY, WAY | {"ratio": None}]})
    assert columns[1:] == ["seconds", "min to max", "clips/s", "frames/s", "bytes per frame", "times ffmpeg"]
    assert row == ["ffmpeg, one after another", "2.00", "1.50 to 2.25", "10.0", "1800", "10160", "1.00"]
    assert other[-1] == "-"


@pytest.mark.parametrize("words", ["--workers 0", "--workers 1,,2", "--frames 7"])
def test_what_makes_no_sense_is_refused(videos, words):
    refused(strmctl("bench", "prepare", *words.split(), "--videos", videos), 2)
