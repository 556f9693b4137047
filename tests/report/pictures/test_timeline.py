"""The picture of a timeline, and captions on frames."""

import numpy as np
import pytest

from strmctl.report.pictures.caption import BLUE as BAR
from strmctl.report.pictures.caption import draw_caption
from strmctl.report.pictures.timeline import MOST_CELLS, MOST_ROWS, TimelineRow, draw_timeline
from tests.report.pictures.pictures_for_tests import names_of, pixels_of, rows_over_time


def row_pixels(figure, path, row=0):
    """Pixels of a row from end to end of the axis: (h, w, 3)."""
    pixels, (axes,) = pixels_of(figure, path), figure.axes
    box, count = axes.get_position(), axes.get_ylim()[1]
    high, wide = pixels.shape[:2]
    each = box.height * high / count
    top = (1 - box.y1) * high + row * each
    return pixels[round(top) : round(top + each), round(box.x0 * wide) : round(box.x1 * wide)]


def orange(pixels):
    red, green, blue = (pixels[..., colour].astype(int) for colour in range(3))
    return (red > 200) & (green > 150) & (blue < 140)


def blue(pixels):
    return (pixels[..., 2] > 130) & (pixels[..., 0] < 90)


def test_segments_are_orange_where_they_are_and_the_line_is_as_high_as_the_probability(tmp_path):
    edges = np.array([0.0, 2.0, 5.0, 10.0])
    rows = [TimelineRow("a", np.array([0.1, 0.9, 0.5]), [(2, 5, 0.9)]), TimelineRow("b", np.full(3, np.nan), [])]
    figure = draw_timeline(rows, edges, title="t")
    pixels = row_pixels(figure, tmp_path / "a.png")
    columns = orange(pixels[5:-5]).mean(axis=0) > 0.4
    shown = np.flatnonzero(columns) / len(columns) * 10
    assert shown.min() == pytest.approx(2, abs=0.05) and shown.max() == pytest.approx(5, abs=0.05)
    for middle, share in ((1, 0.1), (4.5, 0.9), (7.5, 0.5)):
        column = blue(pixels[:, round(middle / 10 * pixels.shape[1])])
        height = 1 - np.flatnonzero(column).mean() / len(column)
        assert height == pytest.approx(0.04 + 0.9 * share, abs=0.05)
    assert not orange(row_pixels(figure, tmp_path / "a.png", row=1)).any()


def test_of_many_classes_those_stand_there_that_reach_most():
    rows, edges = rows_over_time(names_of(60))
    figure = draw_timeline(rows, edges, title="t")
    texts = [text.get_text() for text in figure.texts]
    assert f"({MOST_ROWS} of 60 classes)" in texts[1]
    shown = [int(text.split()[0]) for text in texts if text.endswith("…")]
    assert len(shown) == MOST_ROWS and shown == sorted(shown) and max(shown) < 30  # the others have no segment


def test_hours_are_drawn_with_as_many_cells_as_there_are_pixels():
    edges = np.arange(72_001) / 2
    shares = np.zeros(72_000)
    shares[12_345] = 0.7  # one moment
    figure = draw_timeline([TimelineRow("a", shares, [])], edges, title="t")
    (stairs,) = [patch for patch in figure.axes[0].patches if hasattr(patch, "get_data")]
    values, ends, _ = stairs.get_data()
    assert len(values) <= MOST_CELLS and values.max() == pytest.approx(0.04 + 0.9 * 0.7)
    at = ends[values.argmax()]
    assert at <= 12_345 / 2 < ends[values.argmax() + 1] and (ends[0], ends[-1]) == (0, 36_000)


@pytest.mark.parametrize("size", [(320, 240), (240, 320), (1920, 1080), (4096, 82), (240, 240)])
@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_caption_is_as_wide_as_the_frame_with_a_bar_of_the_share(size, share):
    width, height = size
    strip = draw_caption("walk 25 %", share, width, height)
    assert strip.dtype == np.uint8 and strip.shape[1:] == (width, 4) and 10 <= len(strip) <= height
    bar = (strip[-1] == BAR).all(axis=1)
    assert bar.sum() == round(share * width) and bar[: bar.sum()].all()
    text = strip[: -len(strip) // 4]
    assert (text[..., :3].min(axis=2) > 200).any() and text[0, -1].tolist() == [0, 0, 0, 166]


def test_a_long_name_is_cut_and_an_odd_one_is_shown_as_it_is():
    whole, cut = draw_caption("a" * 8, 0.5, 320, 240), draw_caption("a" * 200, 0.5, 320, 240)
    assert not (whole == cut).all() and (cut[:-8, -4:, :3] == 0).all()
    assert not (draw_caption("$x_1$ und Käse", 0.5, 320, 240) == draw_caption("$x_1$ und K", 0.5, 320, 240)).all()
