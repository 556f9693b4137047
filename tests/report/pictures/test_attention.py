"""The picture of attention maps."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from strmctl.report.pictures.attention import MapRow, draw_maps
from strmctl.report.pictures.overlay import OPACITY, overlay, shade, upsample
from tests.report.pictures.pictures_for_tests import LABELS, maps_of, pixels_of


@pytest.mark.parametrize(("patches", "side"), [(4, 64), (4, 7), (7, 224), (1, 8)])
def test_upsampling_is_bilinear_with_values_at_the_centres_of_patches(patches, side):
    maps = np.random.Generator(np.random.Philox(1)).normal(size=(3, patches, patches))
    expected = F.interpolate(torch.from_numpy(maps)[None], size=(side, side), mode="bilinear", align_corners=False)
    np.testing.assert_allclose(upsample(maps, side, side), expected[0].numpy(), atol=1e-12)


def test_maps_need_not_be_square():
    maps = np.random.Generator(np.random.Philox(1)).normal(size=(2, 3, 5))
    expected = F.interpolate(torch.from_numpy(maps)[None], size=(12, 40), mode="bilinear", align_corners=False)
    np.testing.assert_allclose(upsample(maps, 12, 40), expected[0].numpy(), atol=1e-12)


def test_what_is_not_looked_at_stays_as_filmed_and_opacity_is_in_proportion():
    frames = np.random.Generator(np.random.Philox(2)).integers(0, 256, (3, 8, 8, 3), np.uint8)
    maps = np.stack([np.full((2, 2), value) for value in (0.0, 0.4, 1.0)])
    picture = overlay(frames, maps)
    np.testing.assert_array_equal(picture[0], frames[0])
    for number, value in ((1, 0.4), (2, 1.0)):
        colour = 255 * shade(np.array([value]))[0, :3]
        expected = OPACITY * value * colour + (1 - OPACITY * value) * frames[number]
        np.testing.assert_allclose(picture[number], expected, atol=0.5 + 1e-9)


def test_colours_grow_steadily_lighter():
    luma = shade(np.linspace(0, 1, 64))[:, :3] @ (0.299, 0.587, 0.114)
    assert np.all(np.diff(luma) > 0)


def test_rows_labels_captions_and_colour_bars():
    frames, rows = maps_of()
    rows[0] = MapRow(rows[0].name, rows[0].words, np.pad(rows[0].values, ((0, 0), (0, 3), (0, 3)), mode="edge"))
    captions = [f"frame {position}\n{position / 12:.2f} s" for position in range(8)]
    figure = draw_maps(frames, rows, title="up.mp4, seen by run sprites", captions=captions)
    shown = [text.get_text() for text in figure.texts]
    assert shown[:9] == ["up.mp4, seen by run sprites", *captions]
    words = " ".join(shown[9:])
    for expected in ("frames", *(part for label in LABELS.items() for part in label)):
        assert expected in words
    legend = words[words.index("Opacity") :]
    assert "over all 8 frames of the row" in legend and "Each row has its own scale" in legend
    assert "7×7 places: backbone; 4×4 places: after patch-level enrichment, in the frame (H)" in legend
    bars = [[tick.get_text() for tick in axes.get_yticklabels()] for axes in figure.axes]
    for bar, row in zip(bars, rows, strict=True):  # each row has its own
        assert [float(end) for end in bar] == pytest.approx([row.values.min(), row.values.max()], abs=0.051)
    assert len(figure.images) == 8 * (1 + len(LABELS))


@pytest.mark.parametrize("side", [64, 224])
def test_frames_and_maps_stand_in_the_file_pixel_by_pixel(tmp_path, side):
    frames, maps = maps_of(side)
    picture = pixels_of(draw_maps(frames, maps, title="title"), tmp_path / "maps.png")
    cell = {64: 192, 224: 224}[side]
    scaled = [(row.values - row.values.min()) / (row.values.max() - row.values.min()) for row in maps]
    rows = [frames, *(overlay(frames, values) for values in scaled)]
    rows = [row.repeat(cell // side, axis=1).repeat(cell // side, axis=2) for row in rows]
    assert picture.shape[0] < picture.shape[1] < 2400
    top, left = place_of(rows[0][0], picture)
    for row, pictures in enumerate(rows):
        for column, expected in enumerate(pictures):
            y, x = round(top + row * cell * 200 / 192), round(left + column * cell * 200 / 192)
            dy, dx = place_of(expected, picture[y - 2 : y + cell + 3, x - 2 : x + cell + 3])
            assert 0 < dy < 4 and 0 < dx < 4, (row, column)  # up to rounding by a pixel


def place_of(part, picture):
    """Row and column at which `part` stands in a picture."""
    size = len(part)
    firsts = np.argwhere((picture[:-size, :-size] == part[0, 0]).all(axis=2))
    found = [(y, x) for y, x in firsts.tolist() if np.array_equal(picture[y : y + size, x : x + size], part)]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (3e-5, 43.21, ["0.0", "43.2"]),
        (99, 123456, ["99", "123456"]),
        (0.001, 0.5, ["0.001", "0.500"]),
        (0, 1.2e-6, ["0.0e+00", "1.2e-06"]),
    ],
)
def test_the_ends_of_a_scale_are_written_in_one_way(low, high, shown):
    values = np.linspace(low, high, 8 * 16).reshape(8, 4, 4)
    figure = draw_maps(maps_of()[0], [MapRow("PLE", "length", values)], title="title")
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == shown


def test_one_scale_per_row():
    frames = np.zeros((8, 64, 64, 3), np.uint8)
    rising, higher = np.arange(8.0)[:, None, None] * np.ones((8, 4, 4)), np.full((8, 4, 4), 100.0)
    higher[3] = 200
    figure = draw_maps(frames, [MapRow("a", "", rising), MapRow("b", "", higher)], title="title")
    picks = [image.get_array()[0, 0, :3].astype(int) for image in figure.images]
    expected = shade(np.arange(8) / 7)
    np.testing.assert_allclose(picks[8:16], 255 * expected[:, 3:] * expected[:, :3], atol=1)
    np.testing.assert_allclose(picks[16 + 3], picks[15], atol=0)
    np.testing.assert_allclose(picks[16], 0, atol=0)


def test_constant_maps_leave_frames_as_filmed(tmp_path):
    frames, _ = maps_of()
    maps = [MapRow("E", "", np.zeros((8, 4, 4))), MapRow("PLE", "", np.full((8, 4, 4), 3.5))]
    figure = draw_maps(frames, maps, title="nothing there")
    assert pixels_of(figure, tmp_path / "constant.png").std() > 0
    assert [[tick.get_text() for tick in axes.get_yticklabels()] for axes in figure.axes] == [["0"], ["3.50"]]
    for number in (8, 16):
        np.testing.assert_array_equal(figure.images[number].get_array(), figure.images[0].get_array())
