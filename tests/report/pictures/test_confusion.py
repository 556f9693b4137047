"""The picture of a confusion matrix."""

import matplotlib.image
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb

from strmctl.datasets.splits import load_split
from strmctl.report.pictures.attention import save_picture
from strmctl.report.pictures.confusion import GREYS, SCALE, draw_confusion

LONG = "Putting something that cannot actually stand upright upright on the table, so it falls on its side"


def counts_of(classes, seed=0):
    generator = np.random.default_rng(seed)
    counts = generator.integers(0, 60, (classes, classes)) * (generator.random((classes, classes)) < 0.7)
    np.fill_diagonal(counts, 700)
    return counts


def names_of(classes):
    return [f"{number} {LONG}" for number in range(classes)]


def luminance(colour):
    """Relative luminance, WCAG 2.1."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(colour)]
    return np.dot(linear, (0.2126, 0.7152, 0.0722))


def boxes(figure):
    """What is drawn and where, (text, box) in pixels."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    texts = [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]
    drawn = [(text.get_text(), text.get_window_extent(renderer)) for text in texts]
    return drawn, [axes.get_window_extent(renderer) for axes in figure.axes]


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
    drawn, (matrix, _) = boxes(figure)
    for text, box in drawn:
        if text in names:
            row = (matrix.y1 - (box.y0 + box.y1) / 2) / (matrix.height / 3)
            assert int(row) == names.index(text) and abs(row % 1 - 0.5) < 0.1
    heads = [(text, box) for text, box in drawn if text.isdigit() and box.y0 > matrix.y1]
    columns = [(text, int(((box.x0 + box.x1) / 2 - matrix.x0) / (matrix.width / 3))) for text, box in heads]
    assert columns == [("1", 0), ("2", 1), ("3", 2)]


@pytest.mark.parametrize(
    ("names", "title"),
    [
        (load_split("ssv2").subsets["test"], "Run strm on Something-Something V2 (SSv2-Full) (test): 5-way 5-shot"),
        (names_of(2), "W" * 300),
        (["a", "b"], "t"),
        (names_of(30), "many words " * 30),
        (["W" * 200] * 5, "title"),
        (names_of(41), "title"),
        (names_of(120), "title"),
    ],
    ids=["ssv2", "two", "short", "thirty", "wide", "small cells", "hundred"],
)
def test_nothing_is_cut_off_and_nothing_overlaps(names, title):
    figure = draw_confusion(list(names), counts_of(len(names)), title=title)
    drawn, (matrix, _) = boxes(figure)
    width, height = figure.bbox.size
    sides = [np.array([box.x0, box.y0, -box.x1, -box.y1]) for _, box in drawn]
    for (text, box), low in zip(drawn, sides, strict=True):
        assert np.all(low >= (0, 0, -width, -height)), (text, box)
    ends = np.array([[box.x0, box.y0, box.x1, box.y1] for _, box in drawn])
    for position, (text, box) in enumerate(drawn):
        rest = ends[position + 1 :]
        meet = (rest[:, 0] < box.x1) & (box.x0 < rest[:, 2]) & (rest[:, 1] < box.y1) & (box.y0 < rest[:, 3])
        assert not meet.any(), (text, [drawn[position + 1 + other][0] for other in np.flatnonzero(meet)])
    assert matrix.x1 <= width and matrix.y0 >= 0


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
    counts = np.array([[share, 1000 - share] for share in range(0, 1001, 5)])
    for start in range(0, len(counts) - 1, 2):
        figure = draw_confusion(["a", "b"], counts[start : start + 2], title="title")
        shares = figure.axes[0].images[0].get_array()
        for text in figure.axes[0].texts:
            column, row = map(int, text.get_position())
            bright, dark = luminance(text.get_color()), luminance(GREYS(SCALE(shares[row, column]))[:3])
            assert (max(bright, dark) + 0.05) / (min(bright, dark) + 0.05) >= 4.5  # WCAG 2.1, level AA


def test_hundreds_of_classes_make_a_picture_of_bounded_size():
    figure = draw_confusion([f"class {number}" for number in range(400)], counts_of(400), title="title")
    assert max(figure.bbox.size) == pytest.approx(10_000)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["cost_$5_and_$6", "影片", "bad\udcff", r"back\slash^2_{3}", " ", ""])
def test_names_are_taken_as_they_are(tmp_path, name):
    figure = draw_confusion([name, "other"], counts_of(2), title=name)
    save_picture(figure, tmp_path / "picture.png")
    shown = [text.get_text() for text in figure.texts]
    assert shown[0] == name.replace("\udcff", "?").strip()
    assert matplotlib.image.imread(tmp_path / "picture.png").min() == 0


def test_the_same_counts_give_the_same_bytes(tmp_path):
    for name in ("first", "second"):
        save_picture(draw_confusion(names_of(6), counts_of(6), title="title"), tmp_path / name)
    save_picture(draw_confusion(names_of(6), counts_of(6, seed=1), title="title"), tmp_path / "other")
    first, second, other = ((tmp_path / name).read_bytes() for name in ("first", "second", "other"))
    assert first == second != other
