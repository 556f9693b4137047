"""Pictures of frames, as files and as part of a page."""

import base64
import re

import cv2
import numpy as np
import pytest

from strmctl.report.drawing import Figure, pixels_of
from strmctl.report.pictures.photo import WIDEST, photo


@pytest.mark.parametrize(("width", "shown"), [(800, 800), (2 * WIDEST, WIDEST)])
def test_a_photo_shows_the_figure_no_wider_than_a_page(width, shown):
    figure = Figure(figsize=(width / 100, 4), dpi=100, facecolor="white")
    figure.figimage(np.full((100, 200, 3), (200, 30, 90), np.uint8), 0, 0)
    made = photo(figure)
    png = cv2.imdecode(np.frombuffer(made.png, np.uint8), cv2.IMREAD_COLOR)
    assert png.shape == (400 * shown // width, shown, 3)
    whole = cv2.cvtColor(pixels_of(figure), cv2.COLOR_RGBA2BGR)
    if width == shown:
        np.testing.assert_array_equal(png, whole)
    assert png[-5, 5].tolist() == [90, 30, 200] and png[5, 5].tolist() == [255, 255, 255]
    (jpeg,) = re.findall('base64,([^"]+)', made.svg)
    seen = cv2.imdecode(np.frombuffer(base64.b64decode(jpeg), np.uint8), cv2.IMREAD_COLOR)
    assert np.abs(seen.astype(int) - png).mean() < 3 and f'viewBox="0 0 {shown} ' in made.svg
    assert photo(figure) == made
