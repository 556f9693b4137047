"""The picture of attention maps."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from matplotlib.colors import rgb_to_hsv

from strmctl.report.pictures.attention import COLOURS, OPACITY, draw_maps, overlay, upsample
from tests.report.pictures.pictures_for_tests import LABELS, maps_of, pixels_of


@pytest.mark.parametrize(("patches", "side"), [(4, 64), (4, 7), (7, 224), (1, 8)])
def test_upsampling_is_bilinear_with_values_at_the_centres_of_patches(patches, side):
    maps = np.random.Generator(np.random.Philox(1)).normal(size=(3, patches, patches))
    expected = F.interpolate(torch.from_numpy(maps)[None], size=(side, side), mode="bilinear", align_corners=False)
    np.testing.assert_allclose(upsample(maps, side), expected[0].numpy(), atol=1e-12)


def test_overlay_mixes_the_colour_of_the_map_with_the_grey_of_the_frame():
    frames = np.zeros((2, 8, 8, 3), np.uint8)
    frames[0, :, 4:] = 255, 0, 0
    maps = np.stack([np.zeros((2, 2)), np.ones((2, 2))])
    picture = overlay(frames, maps)
    lowest, highest = np.array(COLOURS([0.0, 1.0]))[:, :3] * 255
    np.testing.assert_allclose(picture[0, 0, 0], OPACITY * lowest, atol=0.5)
    np.testing.assert_allclose(picture[0, 0, 7], OPACITY * lowest + (1 - OPACITY) * 0.299 * 255, atol=0.5)
    np.testing.assert_allclose(picture[1, 0, 0], OPACITY * highest, atol=0.5)


def test_colours_grow_steadily_lighter():
    luma = np.array(COLOURS(np.linspace(0, 1, 64)))[:, :3] @ (0.299, 0.587, 0.114)
    assert np.all(np.diff(luma) > 0)


def test_rows_labels_captions_and_colour_bars():
    frames, maps = maps_of()
    captions = [f"frame {position}\n{position / 12:.2f} s" for position in range(8)]
    figure = draw_maps(frames, maps, title="up.mp4, seen by run sprites", captions=captions)
    shown = [text.get_text() for text in figure.texts]
    names = ["backbone", "|x|", "PLE", "|f|", "H", "relu(f·h)", "E", "relu(f·e)"]
    assert shown == ["up.mp4, seen by run sprites", *captions, "frames", *names]
    bars = [[tick.get_text() for tick in axes.get_yticklabels()] for axes in figure.axes]
    for bar, values in zip(bars, maps.values(), strict=True):  # each row has its own
        assert [float(end) for end in bar] == pytest.approx([values.min(), values.max()], abs=0.051)
    assert len(figure.images) == 8 * (1 + len(LABELS))


@pytest.mark.parametrize("side", [64, 224])
def test_frames_and_maps_stand_in_the_file_pixel_by_pixel(tmp_path, side):
    frames, maps = maps_of(side)
    picture = pixels_of(draw_maps(frames, maps, title="title"), tmp_path / "maps.png")
    cell = {64: 192, 224: 224}[side]
    large = frames.repeat(cell // side, axis=1).repeat(cell // side, axis=2)
    scaled = [(values - values.min()) / (values.max() - values.min()) for values in maps.values()]
    rows = [large, *(overlay(large, values) for values in scaled)]
    assert picture.shape[0] < picture.shape[1] < 2400
    top, left = place_of(large[0], picture)
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
    figure = draw_maps(maps_of()[0], {"PLE: |f|": values}, title="title")
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == shown


def test_one_scale_per_row_and_colour_for_each_value(tmp_path):
    frames = np.zeros((8, 64, 64, 3), np.uint8)
    maps = {"rising: |x|": np.arange(8.0)[:, None, None] * np.ones((8, 4, 4)), "higher: |f|": np.full((8, 4, 4), 100.0)}
    maps["higher: |f|"][3] = 200
    figure = draw_maps(frames, maps, title="title")
    picks = [image.get_array()[0, 0, :3].astype(int) for image in figure.images]
    rising, higher = picks[8:16], picks[16:]
    np.testing.assert_allclose(rising, OPACITY * 255 * np.array(COLOURS(np.arange(8) / 7))[:, :3], atol=1)
    np.testing.assert_allclose(higher[3], rising[7], atol=0)
    np.testing.assert_allclose(higher[0], rising[0], atol=0)


def test_constant_maps_are_drawn_in_the_lowest_colour(tmp_path):
    frames, maps = maps_of()
    maps = {"E: relu(f·e)": np.zeros((8, 4, 4)), "PLE: |f|": np.full((8, 4, 4), 3.5)}
    figure = draw_maps(frames, maps, title="nothing there")
    assert pixels_of(figure, tmp_path / "constant.png").std() > 0
    assert [[tick.get_text() for tick in axes.get_yticklabels()] for axes in figure.axes] == [["0"], ["3.50"]]
    np.testing.assert_array_equal(figure.images[8].get_array(), figure.images[16].get_array())


def test_frames_keep_their_colours_and_maps_lose_them():
    frames = np.zeros((8, 64, 64, 3), np.uint8)
    frames[..., 1] = 200
    figure = draw_maps(frames, {"PLE: |f|": np.zeros((8, 4, 4))}, title="title")
    green = figure.images[0].get_array()[0, 0, :3] / 255
    np.testing.assert_allclose(rgb_to_hsv(green)[:2], (1 / 3, 1))
    below = figure.images[8].get_array()[0, 0, :3].astype(int)
    assert np.ptp(below) <= 3  # the lowest colour is nearly black: grey shines through
