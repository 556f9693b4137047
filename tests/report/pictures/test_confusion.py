"""The picture of a confusion matrix."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb

from strmctl.report.pictures.confusion import GREYS, SCALE, confusion_figures, draw_confusion
from tests.report.pictures.pictures_for_tests import LONG, counts_of, names_of
from tests.saved import sample


def luminance(colour):
    """Relative luminance, WCAG 2.1."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(colour)]
    return np.dot(linear, (0.2126, 0.7152, 0.0722))


def test_every_cell_says_the_share_of_its_row():
    counts = [[997, 3, 0, 0], [300, 500, 200, 0], [0, 0, 0, 0], [5, 0, 1, 994]]
    figure = draw_confusion(["up", "down", "left", "right"], counts, title="title")
    cells = {tuple(map(int, text.get_position()[::-1])): text.get_text() for text in figure.axes[0].texts}
    # row 3 holds 0.5 %, which is written as 0 or 1, and 0.1 %, which is not; nobody asked about class 2
    assert cells.pop((3, 0)) in ("0", "1")
    assert cells == {(0, 0): "100", (1, 0): "30", (1, 1): "50", (1, 2): "20", (3, 3): "99"}
    np.testing.assert_allclose(figure.axes[0].images[0].get_array()[1], [0.3, 0.5, 0.2, 0], atol=1e-12)
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array()[2], 0)


def test_names_and_numbers_stand_at_their_rows():
    names = ["up", "down", "left"]
    figure = draw_confusion(names, counts_of(3), title="title")
    renderer = FigureCanvasAgg(figure).get_renderer()
    matrix = figure.axes[0].get_window_extent(renderer)
    drawn = [(text.get_text(), text.get_window_extent(renderer)) for text in figure.texts]
    for text, box in drawn:
        if text in names:
            row = (matrix.y1 - (box.y0 + box.y1) / 2) / (matrix.height / 3)
            assert int(row) == names.index(text) and abs(row % 1 - 0.5) < 0.1
    heads = [(text, box) for text, box in drawn if text.isdigit() and box.y0 > matrix.y1]
    columns = [(text, int(((box.x0 + box.x1) / 2 - matrix.x0) / (matrix.width / 3))) for text, box in heads]
    assert columns == [("1", 0), ("2", 1), ("3", 2)]


def test_words_can_be_read_at_half_the_size():
    figure = draw_confusion(names_of(24), counts_of(24), title="title")
    texts = [*figure.texts, *figure.axes[0].texts]
    assert min(text.get_fontsize() * figure.dpi / 72 for text in texts) / 2 >= 9  # pixels
    assert max(figure.bbox.size) < 2600


def test_a_long_name_takes_two_lines_and_then_an_ellipsis():
    figure = draw_confusion([LONG, LONG + " again and again and again"], counts_of(2), title="title")
    first, second = (text.get_text() for text in figure.texts if text.get_text().startswith("Putting"))
    assert first.replace("\n", " ") == LONG and first.count("\n") == 1
    assert second.count("\n") == 1 and second.endswith("…") and second[-5:] == "agai…"


def test_numbers_stand_out_in_black_and_white():
    assert np.all(np.ptp(np.array(GREYS(np.linspace(0, 1, 99)))[:, :3], axis=1) < 1e-9)
    for written in np.split(np.arange(0, 1000, 1000 // 120)[:120], 3):
        counts = np.diag(written) + np.roll(np.diag(1000 - written), 1, axis=1)
        figure = draw_confusion([str(share) for share in written], counts, title="title")
        shares = figure.axes[0].images[0].get_array()
        for text in figure.axes[0].texts:
            column, row = map(int, text.get_position())
            bright, dark = luminance(text.get_color()), luminance(GREYS(SCALE(shares[row, column]))[:3])
            assert (max(bright, dark) + 0.05) / (min(bright, dark) + 0.05) >= 4.5  # WCAG 2.1, level AA


def test_hundreds_of_classes_make_a_picture_of_bounded_size():
    figure = draw_confusion([f"class {number}" for number in range(400)], counts_of(400), title="title")
    assert max(figure.bbox.size) == pytest.approx(10_000)


def test_the_models_of_a_document_are_named_and_their_counts_drawn():
    drawn = {name: draw() for name, draw in confusion_figures(sample()).items()}
    assert list(drawn) == ["confusion_1", "confusion_2"]
    texts = [{text.get_text() for text in figure.texts} for figure in drawn.values()]
    assert "STRM: Sample (test), 5-shot, 2 seeds" in texts[0] and "TRM: Sample (test), 5-shot, 2 seeds" in texts[1]
    np.testing.assert_allclose(drawn["confusion_1"].axes[0].images[0].get_array(), [[0.8, 0.2], [0.4, 0.6]])
