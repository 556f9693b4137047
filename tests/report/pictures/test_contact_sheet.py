"""The picture of a contact sheet."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg

from strmctl.report.pictures.contact_sheet import EDGE, GAP, HEIGHT, TEXT_WIDTH, TOP, WIDEST, SheetRow, draw_sheet
from tests.report.pictures.pictures_for_tests import LONG, pixels_of, sheet_row

LEFT = EDGE + TEXT_WIDTH + GAP


def test_pictures_stand_there_pixel_by_pixel_in_their_order(tmp_path):
    rows = [sheet_row(f"clip {seed}", ["a", "b"], seed=seed) for seed in range(3)]
    sheet = pixels_of(draw_sheet(rows, title="title"), tmp_path / "sheet.png")
    for line, row in enumerate(rows):
        top = TOP + GAP + line * (HEIGHT + 2 * GAP)
        for column, picture in enumerate(row.pictures):
            left = LEFT + column * (128 + GAP)
            np.testing.assert_array_equal(sheet[top : top + HEIGHT, left : left + 128], picture)


def test_other_proportions_stand_in_the_middle_of_a_box(tmp_path):
    wide, tall = sheet_row(size=(40, WIDEST)), sheet_row(size=(HEIGHT, 54))
    sheet = pixels_of(draw_sheet([wide, tall], title="title"), tmp_path / "sheet.png")
    top = TOP + GAP
    box = sheet[top : top + HEIGHT, LEFT : LEFT + WIDEST]
    np.testing.assert_array_equal(box[28:68], wide.pictures[0])
    assert len(np.unique(np.concatenate([box[:28], box[68:]]))) == 1 and box[0, 0, 0] not in (0, 255)
    top += HEIGHT + 2 * GAP
    box = sheet[top : top + HEIGHT, LEFT + WIDEST + GAP :][:, :WIDEST]
    np.testing.assert_array_equal(box[:, 59:113], tall.pictures[1])
    assert len(np.unique(np.delete(box, range(59, 113), axis=1))) == 1


def test_long_class_names_are_whole():
    figure = draw_sheet([sheet_row("1", [f"train · {LONG}"])], title="ssv2")
    assert f"train · {LONG}" in [text.get_text().replace("\n", " ") for text in figure.texts]


def test_the_reason_stands_in_the_place_of_pictures():
    figure = draw_sheet([sheet_row(), SheetRow("a/failed", ["train"], [], "not a video")], title="title")
    (reason,) = [text for text in figure.texts if text.get_text() == "not a video"]
    assert reason.get_window_extent(FigureCanvasAgg(figure).get_renderer()).x0 >= LEFT
    assert len(figure.images) == 8
