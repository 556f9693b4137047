"""Maps in motion: where panels stand, what is marked, and what time it is."""

import numpy as np
import pytest

from strmctl.report.pictures.film import BORDER, LATER, PASSED, USED, Film
from strmctl.report.pictures.overlay import overlay


def film(panels=3, side=64, **changes):
    about = {"positions": range(20, 36), "used": [21, 25, 25, 34], "title": "W" * 300, "legend": "many words " * 30}
    return Film([f"panel {number}" for number in range(panels)], side=side, **{**about, **changes})


@pytest.mark.parametrize(("panels", "side"), [(2, 64), (4, 100), (5, 224), (7, 32)])
def test_panels_show_the_frame_and_maps_over_it(panels, side):
    random = np.random.Generator(np.random.Philox(0))
    pixels, maps = random.integers(0, 256, (side, side, 3), np.uint8), random.uniform(size=(panels - 1, 4, 4))
    made = film(panels, side)
    picture = made.frame(22, pixels, maps)
    assert picture.shape == (made.height, made.width, 3) and made.width % 2 == made.height % 2 == 0
    zoom = made.side // side
    assert made.side >= 192
    for number, small in enumerate([pixels, *(overlay(pixels[None], own[None])[0] for own in maps)]):
        x, y = made.corner(number)
        expected = small.repeat(zoom, axis=0).repeat(zoom, axis=1)
        np.testing.assert_array_equal(picture[y : y + made.side, x : x + made.side], expected)
    corners = [made.corner(number) for number in range(panels)]
    for a in range(panels):
        for b in range(a):
            assert max(abs(one - other) for one, other in zip(corners[a], corners[b], strict=True)) > made.side + BORDER


def test_frames_that_the_model_sees_have_a_border():
    made, pixels = film(), np.zeros((64, 64, 3), np.uint8)
    for position in (20, 21, 25, 30, 34, 35):
        picture = made.frame(position, pixels, np.zeros((2, 4, 4)))
        x, y = made.corner(1)
        assert (picture[y - 2, x + 50] == USED).all() == (position in (21, 25, 34))


def test_the_line_of_time_marks_them_and_what_has_passed():
    made = film(legend="")
    picture = made.frame(27, np.zeros((64, 64, 3), np.uint8), np.zeros((2, 4, 4)))
    row = picture[made.time + 17]
    step = (made.width - 24) / 16
    for place, position in enumerate(range(20, 36)):
        colour = USED if position in (21, 25, 34) else PASSED if position <= 27 else LATER
        assert tuple(row[12 + round((place + 0.5) * step)]) == colour
    marks = np.flatnonzero((picture[made.time + 4] == 0).all(axis=1))
    assert marks.min() == 12 + round(7 * step) and marks.max() < 12 + round(8 * step)
