"""Segments of a long video as subtitles that players and browsers show: WebVTT (W3C, 2019)."""

from __future__ import annotations

from collections.abc import Iterable

from strmctl.classify.timeline import Segment
from strmctl.report.clock import clock

ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})  # so no text holds an arrow


def subtitles(segments: Iterable[Segment]) -> str:
    """A WebVTT file with a cue per segment: its class and probability."""
    cues = ["WEBVTT"]
    for one in segments:
        start, end = (clock(seconds, 3, hour_digits=2) for seconds in (one.start, one.end))
        name = " ".join(one.cls.split()) or one.cls.encode("unicode_escape").decode()  # an empty line ends a cue
        cues.append(f"{start} --> {end}\n{name.translate(ESCAPES)} {100 * one.probability:.0f} %")
    return "\n\n".join(cues) + "\n"
