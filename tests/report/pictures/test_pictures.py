"""What holds for every picture: nothing is cut off, nothing overlaps, names are as they are, bytes are the same."""

from dataclasses import replace

import matplotlib.image
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from strmctl.datasets.splits import load_split
from strmctl.report.drawing import save_picture
from strmctl.report.pictures.attention import draw_maps
from strmctl.report.pictures.confusion import draw_confusion
from strmctl.report.pictures.contact_sheet import HEIGHT, SheetRow, draw_sheet
from strmctl.report.pictures.match import CELL, MatchRow, Strip, draw_match, strips_in_a_line
from strmctl.report.pictures.timeline import draw_timeline
from tests.report.pictures.pictures_for_tests import (
    LONG,
    counts_of,
    maps_of,
    names_of,
    pictures_of,
    rows_over_time,
    sheet_row,
)

pytestmark = pytest.mark.slow


def maps(title, *, side=64, count=8, factor=1.0, seed=0, **words):
    frames, rows = maps_of(side, count, seed=seed)
    captions = ["frame 12345\n1234.56 s"] * count
    rows = [replace(row, values=row.values * factor, **words) for row in rows]
    return draw_maps(frames, rows, title=title, captions=captions)


def confusion(title, *, names=("a", "b"), seed=0):
    return draw_confusion(list(names), counts_of(len(names), seed), title=title)


def sheet(title, *rows, seed=0):
    return draw_sheet(rows or [sheet_row(size=(HEIGHT, 128 - seed))], title=title)


def timeline(title, *, names=("a", "b"), seconds=10.0, seed=0):
    return draw_timeline(*rows_over_time(names, seconds, seed), title=title)


def matched(title, *, classes=3, frames=2, name="W" * 200, seed=0):
    """A query and classes, each with two lines of pairs of tuples; of whole clips where tuples have no frame."""
    pictures = pictures_of((CELL, CELL), 8, seed=seed)
    strip = Strip(pictures[:frames], pictures[: frames or 8], "0.31: 1, 4 and 12, 14 of " + name)
    lines = [[strip] * strips_in_a_line(frames, frames or 8)] * 2
    rows = [MatchRow(name, ["distance 1.234e-05", "W" * 200], place / classes, lines) for place in range(classes)]
    return draw_match(pictures, ["12345"] * 8, rows, title=title, legend="many words " * 30)


@pytest.mark.parametrize(
    "make",
    [
        *(lambda s=side, n=count, f=factor: maps("W" * 300, side=s, count=n, factor=f)
          for side, count in ((16, 8), (64, 2), (100, 3), (224, 8), (299, 8)) for factor in (1e-5, 1e4)),
        lambda: maps("long labels", name="W" * 300, words="many words " * 30),
        lambda: confusion("Run strm on Something-Something V2 (test)", names=load_split("ssv2").subsets["test"]),
        lambda: confusion("W" * 300, names=names_of(2)),
        lambda: confusion("t"),
        lambda: confusion("many words " * 30, names=names_of(30)),
        lambda: confusion("title", names=["W" * 200] * 5),
        lambda: confusion("small cells", names=names_of(41)),
        lambda: sheet("ssv2", *[sheet_row("74225", [f"train · {LONG}", "48 frames, original 427×240", "ok"])] * 3),
        lambda: sheet("W" * 300, *[sheet_row("W" * 300, ["W" * 300] * 4)] * 2),
        lambda: sheet("many words " * 40, *[sheet_row(size=(HEIGHT, 54))] * 2),
        lambda: sheet("title", SheetRow("a/failed", ["train", "0 frames"], [], "not a video; " * 90)),
        lambda: sheet("title", sheet_row(), SheetRow("a/failed", ["train"], [], "W" * 400), sheet_row()),
        *(lambda s=seconds: timeline("W" * 300, names=["W" * 300, "b"], seconds=s)
          for seconds in (0.8, 3.3, 10, 59.9, 3600, 36_000, 360_000)),
        *(lambda n=count, w=frames, t=title: matched(t, classes=n, frames=w)
          for count, frames, title in ((2, 1, "W" * 300), (5, 2, "many words " * 30), (20, 4, "t"), (1, 0, "t"))),
        lambda: timeline("many", names=names_of(40), seconds=100),
    ],
)  # fmt: skip
def test_nothing_is_cut_off_and_nothing_overlaps(make):
    figure = make()
    renderer = FigureCanvasAgg(figure).get_renderer()
    texts = [text for axes in figure.axes for text in (*axes.texts, *axes.get_yticklabels())]
    placed = [(text.get_text(), text.get_window_extent(renderer)) for text in (*figure.texts, *texts)]
    placed += [("picture", image.get_window_extent(renderer)) for image in figure.images]
    ends = np.array([[box.x0, box.y0, box.x1, box.y1] for _, box in placed])
    outside = np.any((ends[:, :2] < 0) | (ends[:, 2:] > figure.bbox.size), axis=1)
    assert not outside.any(), [placed[place][0] for place in np.flatnonzero(outside)]
    for position, (text, box) in enumerate(placed):
        rest = ends[position + 1 :]
        meet = (rest[:, 0] < box.x1) & (box.x0 < rest[:, 2]) & (rest[:, 1] < box.y1) & (box.y0 < rest[:, 3])
        assert not meet.any(), (text, [placed[position + 1 + other][0] for other in np.flatnonzero(meet)])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["cost_$5_and_$6", "影片.mp4", "bad\udcff", r"back\slash^2_{3}", " "])
def test_names_are_taken_as_they_are(tmp_path, name):
    shown = name.replace("\udcff", "?").strip()
    for figure, times in (
        (maps(name), 1),
        (confusion(name, names=[name, "other"]), 2),
        (sheet(name, sheet_row(name, [name])), 3),
        (timeline(name, names=[name, "other"]), 2),
        (matched(name, classes=1, name=name), 2),
    ):
        assert [text.get_text() for text in figure.texts].count(shown) == times
        save_picture(figure, tmp_path / "picture.png")
        assert matplotlib.image.imread(tmp_path / "picture.png").min() < 0.2


@pytest.mark.parametrize("make", [maps, confusion, sheet, timeline, matched])
def test_the_same_values_give_the_same_bytes(tmp_path, make):
    written = []
    for seed in (0, 0, 1):
        save_picture(make("title", seed=seed), tmp_path / "picture.png")
        written.append((tmp_path / "picture.png").read_bytes())
    assert written[0] == written[1] != written[2] and written[0].startswith(b"\x89PNG\r\n\x1a\n")
