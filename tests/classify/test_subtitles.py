"""WebVTT from segments, held against what the format allows."""

import re

import pytest

from strmctl.classify.subtitles import subtitles
from strmctl.classify.timeline import Segment
from strmctl.report.clock import clock

TIME = r"\d{2,}:[0-5]\d:[0-5]\d\.\d{3}"
NAMES = (
    *("hop", "a & b", "<i>lean</i>", "a --> b", "-->", "&lt;", "two\nlines", "a\n\nb", "\n", "Käse 走る", "NOTE"),
    "00:01",
)


@pytest.mark.parametrize("name", NAMES)
def test_any_class_is_one_line_of_its_cue(name):
    text = subtitles([Segment(0.0, 1.5, name, 0.876, "a"), Segment(1.5, 36_000.0004, name, 1.0, "a")])
    head, first, second = text.split("\n\n")
    assert head == "WEBVTT" and text.endswith(" %\n")
    assert first.startswith("00:00:00.000 --> 00:00:01.500\n") and second.startswith("00:00:01.500 --> 10:00:00.000\n")
    for cue, percent in ((first, 88), (second.rstrip("\n"), 100)):
        time, shown = cue.split("\n")
        assert re.fullmatch(f"{TIME} --> {TIME}", time)
        assert "-->" not in shown and not re.search(r"<|&(?!amp;|lt;|gt;)", shown) and shown.endswith(f" {percent} %")
        plain = shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        assert plain.removesuffix(f" {percent} %") == (" ".join(name.split()) or "\\n")


def test_without_segments_there_is_a_valid_file():
    assert subtitles([]) == "WEBVTT\n"


@pytest.mark.parametrize(
    ("seconds", "shown", "long"),
    [
        (0, "0:00:00.0", "00:00:00.000"),
        (59.96, "0:01:00.0", "00:00:59.960"),
        (3599.9996, "1:00:00.0", "01:00:00.000"),
        (65.25, "0:01:05.2", "00:01:05.250"),
        (360_000, "100:00:00.0", "100:00:00.000"),
    ],
)
def test_clocks(seconds, shown, long):
    assert clock(seconds) == shown and clock(seconds, 3, hour_digits=2) == long
    assert clock(seconds, 0) == clock(round(seconds))[:-2]
