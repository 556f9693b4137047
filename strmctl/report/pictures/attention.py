"""The picture of attention maps: a clip's frames on top, below them one row per map, laid over the frames in grey."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from strmctl.report.drawing import Axes, Figure, colormaps, own_settings
from strmctl.report.text import wrapped

COLOURS = colormaps["inferno"]  # perceptually uniform, so that it reads in black and white too
OPACITY = 0.65  # of the map over the frame
GREY = np.array([0.299, 0.587, 0.114])  # weights of red, green and blue in a pixel's luma

# Lengths in pixels of a picture whose frames are 192 pixels wide; all else grows and shrinks with the frames.
CELL, GAP, LEFT, RIGHT, TOP, HEAD, EDGE = 192, 8, 176, 136, 60, 72, 16
DPI = 100


@own_settings()
def draw_maps(
    frames: np.ndarray, maps: Mapping[str, np.ndarray], *, title: str, captions: Sequence[str] | None = None
) -> Figure:
    """Frames and maps as a figure; each row of maps has one scale, from the least to the greatest of its L maps.

    Args:
        frames: uint8 (L, S, S, 3), RGB.
        maps: label -> (L, P, P), finite; a colon in the label parts its two lines.
        title: one line, cut where it is too long.
        captions: one over each frame, of one line or two; `frame 1`, `frame 2`, … when None.
    """
    count, side = frames.shape[:2]
    zoom = max(1, round(200 / side))  # whole numbers keep the pixels of a small frame square
    scale = side * zoom / CELL
    frames = frames.repeat(zoom, axis=1).repeat(zoom, axis=2)
    width = LEFT + count * (CELL + GAP) - GAP + RIGHT
    height = TOP + HEAD + (1 + len(maps)) * (CELL + GAP) - GAP + EDGE
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI * scale, facecolor="white")

    def write(x: float, y: float, text: str, size: float, **style: str) -> None:
        style = {"ha": "left", "va": "center"} | style
        figure.text(x / width, 1 - y / height, text, fontsize=_points(size), parse_math=False, **style)

    def place(row: int, pictures: np.ndarray) -> float:
        """Draws a row of pictures, uint8 (L, S, S, 3), pixel by pixel; gives the height of its middle."""
        top = TOP + HEAD + row * (CELL + GAP)
        for column, picture in enumerate(pictures):
            x, bottom = LEFT + column * (CELL + GAP), height - top - CELL
            figure.figimage(picture, round(x * scale), round(bottom * scale), origin="upper")
        return top + CELL / 2

    write(EDGE, TOP / 2, wrapped(title, 30, 0.97 * (width - 2 * EDGE), most=1, bold=True), 30, weight="bold")
    for column, caption in enumerate(captions or [f"frame {position}" for position in range(1, count + 1)]):
        write(LEFT + column * (CELL + GAP) + CELL / 2, TOP + HEAD - 6, caption, 23, ha="center", va="bottom")
    write(EDGE, place(0, frames), "frames", 26, weight="bold")
    for row, (label, values) in enumerate(maps.items(), 1):
        low, high = values.min(), values.max()
        middle = place(row, overlay(frames, (values - low) / ((high - low) or 1)))
        name, _, formula = label.partition(":")
        write(EDGE, middle - 18, name, 26, weight="bold")
        write(EDGE, middle + 18, formula.strip(), 23)
        x, bottom = width - RIGHT + 2 * GAP, height - middle - CELL / 2 + 14
        axes = figure.add_axes((x / width, bottom / height, 20 / width, (CELL - 28) / height))
        _colour_bar(axes, low, high)
    return figure


def overlay(frames: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """Maps in colour over frames in grey.

    Args:
        frames: uint8 (L, S, S, 3), RGB.
        maps: (L, P, P), from 0 to 1.

    Returns:
        uint8 (L, S, S, 3), RGB.
    """
    grey = (frames @ GREY)[..., None]  # (L, S, S, 1)
    colours = COLOURS(upsample(maps, frames.shape[1]))[..., :3] * 255  # (L, S, S, 3)
    return np.rint(OPACITY * colours + (1 - OPACITY) * grey).astype(np.uint8)


def upsample(maps: np.ndarray, side: int) -> np.ndarray:
    """Bilinear interpolation of maps (L, P, P) to (L, side, side) pixels.

    A patch's value stands at the patch's centre; beyond the outermost centres it stays as it is there.
    """
    patches = maps.shape[-1]
    centres = (np.arange(side) + 0.5) * patches / side - 0.5  # of pixels, counted in patches
    weights = np.stack([np.interp(centres, np.arange(patches), one) for one in np.eye(patches)], axis=1)  # (side, P)
    return weights @ maps @ weights.T


def _colour_bar(axes: Axes, low: float, high: float) -> None:
    axes.imshow(np.linspace(1, 0, 256)[:, None], COLOURS, aspect="auto", extent=(0, 1, 0, 1))
    axes.set_xticks([])
    ends = [low] if low == high else [low, high]
    axes.set_yticks([0, 1][: len(ends)], [_number(end, high) for end in ends])
    axes.tick_params(left=False, right=True, labelleft=False, labelright=True, labelsize=_points(21), length=4, pad=3)
    axes.spines[:].set_visible(False)


def _number(value: float, greatest: float) -> str:
    """A value with as many decimals as give the greatest one three digits."""
    if greatest != 0 and not 1e-3 <= abs(greatest) < 1e6:
        return f"{value:.1e}"
    return f"{value:.{2 - math.floor(math.log10(abs(greatest)))}f}" if 0 < abs(greatest) < 100 else f"{value:.0f}"


def _points(pixels: float) -> float:
    return pixels * 72 / DPI
