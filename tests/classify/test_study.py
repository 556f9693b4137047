"""The study in `reports/real`: montages are what they are said to be, and draws keep sources apart."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from strmctl.classify.examples import Example
from strmctl.classify.timeline import Segment
from strmctl.errors import DataError
from strmctl.videos.decode import decode
from tests.videos_for_tests import write_video

sys.path.insert(0, str(Path(__file__).parents[2] / "reports" / "real"))

import classify as study
import montages


def example(path, cls, source):
    return Example(str(path), cls, Path(path), source, "", 0)


def test_a_montage_has_its_cuts_and_finds_what_overlaps(tmp_path):
    """Clips of 6, 12 and 24 frames at 12 frames per second: cuts at 0.5, 1.5 and 3.5 s."""
    clips = [
        example(write_video(tmp_path / f"{count}.mp4", frames=count, size=(48, 36), seed=count), cls, "")
        for count, cls in ((6, "hop"), (12, "run"), (24, "hop"))
    ]
    seen = []
    segments = [
        Segment(0.5, 1.5, "hop", 1, ""),  # where run is
        Segment(0.5, 1.0, "run", 1, ""),  # half of it
        Segment(1.0, 3.0, "hop", 1, ""),  # 1.5 of 2.5 seconds
        Segment(0.0, 0.2, "hop", 1, ""),  # 0.4 of the first
    ]

    def timeline(path, *, window, stride):
        opened = decode(path)
        seen.append((sum(1 for _ in opened.pictures), opened.fps, window, stride))
        return SimpleNamespace(segments=segments)

    found = montages.found_in_montage(SimpleNamespace(timeline=timeline), clips)
    assert seen == [(42, 12.0, 1.0, 0.25)]
    assert found == pytest.approx([3, 2, 0.4 + 0.5 + 1.5 / 2.5, 4, 2])
    assert montages.found_in_montage(
        SimpleNamespace(timeline=lambda path, **how: SimpleNamespace(segments=[])), clips
    ) == pytest.approx([3, 0, 0, 0, 0])


def test_draws_take_each_source_once_and_differ_by_seed():
    clips = [example(f"{cls}/{n}", cls, f"film {n % 4}{cls * (n > 7)}") for cls in ("a", "b") for n in range(16)]
    draws = [study.draw(clips, ["a", "b"], 4, "seed", number) for number in range(6)]
    for rows in draws:
        assert len({clips[row].source for row in rows}) == 8
        assert [clips[row].cls for row in rows] == ["a"] * 4 + ["b"] * 4
    assert len(set(map(tuple, draws))) == 6 and draws[2] == study.draw(clips, ["a", "b"], 4, "seed", 2)
    with pytest.raises(DataError, match="class b has clips of"):
        study.draw(clips, ["a", "b"], 8, "seed", 0)


def test_shares_and_their_intervals_count_answers_and_redraw_sources():
    labels = np.array([0, 0, 1, 1, -1, -1])
    sources = np.array(["x", "x", "y", "z", "u", "u"])
    logits = np.array([[2.0, 0], [2, 0], [2, 0], [0, 2], [1, 0], [0, 1]])
    odd = np.array([False, False, True, False, True, True])
    one = study.Judged(labels, sources, logits, np.full((6, 2), 0.5), odd, logits.max(axis=1), np.array([0.75, 0.25]))
    name, accuracy, loss, _, known, others, area = study.record("some", one)
    assert (name, area) == ("some", "0.50") and accuracy.startswith("75.0 (") and known.startswith("25.0 (")
    assert others == "100.0 (100.0 to 100.0)"  # one source
    expected = [(3 * np.log(1 + np.exp(-2)) + np.log(1 + np.exp(2))) / 4, np.log(2)]
    assert loss == ", ".join(f"{value:.2f}" for value in expected)
