"""The picture of a contact sheet."""

import matplotlib.image
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from strmctl.report.pictures.attention import save_picture
from strmctl.report.pictures.contact_sheet import EDGE, GAP, HEIGHT, TEXT_WIDTH, TOP, WIDEST, SheetRow, draw_sheet

LONG = "Putting something that cannot actually stand upright upright on the table, so it falls on its side"
LEFT = EDGE + TEXT_WIDTH + GAP


def pictures(size=(HEIGHT, 128), count=8, seed=0):
    return list(np.random.Generator(np.random.Philox(seed)).integers(0, 256, (count, *size, 3), np.uint8))


def sheet_row(name="walk/a", facts=("train · walk", "9 frames", "ok · opencv"), size=(HEIGHT, 128), **values):
    return SheetRow(name, facts, pictures(size), **values)


def drawn(figure, path):
    save_picture(figure, path)
    return np.rint(255 * matplotlib.image.imread(path)[..., :3]).astype(np.uint8)


def test_pictures_stand_there_pixel_by_pixel_in_their_order(tmp_path):
    rows = [SheetRow(f"clip {seed}", ["a", "b"], pictures(seed=seed)) for seed in range(3)]
    sheet = drawn(draw_sheet(rows, title="title"), tmp_path / "sheet.png")
    for line, row in enumerate(rows):
        top = TOP + GAP + line * (HEIGHT + 2 * GAP)
        for column, picture in enumerate(row.pictures):
            left = LEFT + column * (128 + GAP)
            np.testing.assert_array_equal(sheet[top : top + HEIGHT, left : left + 128], picture)


def test_other_proportions_stand_in_the_middle_of_a_box(tmp_path):
    wide, tall = sheet_row(size=(40, WIDEST)), sheet_row(size=(HEIGHT, 54))
    sheet = drawn(draw_sheet([wide, tall], title="title"), tmp_path / "sheet.png")
    top = TOP + GAP
    box = sheet[top : top + HEIGHT, LEFT : LEFT + WIDEST]
    np.testing.assert_array_equal(box[28:68], wide.pictures[0])
    assert len(np.unique(np.concatenate([box[:28], box[68:]]))) == 1 and box[0, 0, 0] not in (0, 255)
    top += HEIGHT + 2 * GAP
    box = sheet[top : top + HEIGHT, LEFT + WIDEST + GAP :][:, :WIDEST]
    np.testing.assert_array_equal(box[:, 59:113], tall.pictures[1])
    assert len(np.unique(np.delete(box, range(59, 113), axis=1))) == 1


@pytest.mark.parametrize(
    ("rows", "title"),
    [
        ([sheet_row("74225", [f"train · {LONG}", "48 frames, original 427×240", "ok"])] * 3, "ssv2"),
        ([sheet_row("W" * 300, ["W" * 300] * 4)] * 2, "W" * 300),
        ([sheet_row(size=(HEIGHT, 54))] * 2, "many words " * 40),
        ([SheetRow("a/failed", ["train", "0 frames"], [], "not a video; " * 90)], "title"),
        ([sheet_row(), SheetRow("a/failed", ["train"], [], "W" * 400), sheet_row()], "title"),
    ],
    ids=["ssv2", "wide", "portrait", "failed", "mixed"],
)
def test_nothing_is_cut_off_and_nothing_overlaps(rows, title):
    figure = draw_sheet(rows, title=title)
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in figure.texts]
    width, height = figure.bbox.size
    boxes += [("picture", image.get_window_extent(renderer)) for image in figure.images]
    sides = np.array([[box.x0, box.y0, box.x1, box.y1] for _, box in boxes])
    assert np.all(sides[:, :2] >= 0) and np.all(sides[:, 2:] <= (width, height))
    for position, (text, box) in enumerate(boxes):
        rest = sides[position + 1 :]
        meet = (rest[:, 0] < box.x1) & (box.x0 < rest[:, 2]) & (rest[:, 1] < box.y1) & (box.y0 < rest[:, 3])
        assert not meet.any(), (text, [boxes[position + 1 + other][0] for other in np.flatnonzero(meet)])


def test_long_class_names_are_whole():
    figure = draw_sheet([sheet_row("1", [f"train · {LONG}"])], title="ssv2")
    assert f"train · {LONG}" in [text.get_text().replace("\n", " ") for text in figure.texts]


def test_the_reason_stands_in_the_place_of_pictures():
    figure = draw_sheet([sheet_row(), SheetRow("a/failed", ["train"], [], "not a video")], title="title")
    (reason,) = [text for text in figure.texts if text.get_text() == "not a video"]
    assert reason.get_window_extent(FigureCanvasAgg(figure).get_renderer()).x0 >= LEFT
    assert len(figure.images) == 8


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["cost_$5_and_$6", "影片", "bad\udcff", r"back\slash^2_{3}"])
def test_names_are_taken_as_they_are(tmp_path, name):
    figure = draw_sheet([sheet_row(name, [name])], title=name)
    save_picture(figure, tmp_path / "sheet.png")
    assert [text.get_text() for text in figure.texts] == [name.replace("\udcff", "?")] * 3


def test_the_same_rows_give_the_same_bytes(tmp_path):
    for name, size in (("first", 128), ("second", 128), ("other", 127)):
        save_picture(draw_sheet([sheet_row(size=(HEIGHT, size))], title="title"), tmp_path / name)
    first, second, other = ((tmp_path / name).read_bytes() for name in ("first", "second", "other"))
    assert first == second != other
