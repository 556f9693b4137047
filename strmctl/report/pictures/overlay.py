"""Maps over frames: what is not looked at stays as filmed."""

from __future__ import annotations

import numpy as np

from strmctl.report.drawing import colormaps

COLOURS = colormaps["inferno"]  # perceptually uniform, so that it reads in black and white too
DARKEST = 0.55  # where of it the least value lies: below, it is purple, which would darken frames
OPACITY = 0.85  # of the greatest value


def overlay(frames: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """Maps in colour over frames, with an opacity in proportion to their values.

    Args:
        frames: uint8 (L, S, S, 3), RGB.
        maps: (L, h, w), from 0 to 1.

    Returns:
        uint8 (L, S, S, 3), RGB; where a map is 0, the frame itself.
    """
    colours = shade(upsample(maps, *frames.shape[1:3]))  # (L, S, S, 4)
    opacity = colours[..., 3:]
    return np.rint(255 * opacity * colours[..., :3] + (1 - opacity) * frames).astype(np.uint8)


def shade(values: np.ndarray) -> np.ndarray:
    """Values from 0 to 1 as red, green, blue and opacity, from 0 to 1 each: (…) to (…, 4)."""
    colours = COLOURS(DARKEST + (1 - DARKEST) * values)
    colours[..., 3] = OPACITY * values
    return colours


def upsample(maps: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear interpolation of maps (L, h, w) to (L, height, width) pixels.

    A place's value stands at its centre; beyond the outermost centres it stays as it is there.
    """
    return _weights(maps.shape[-2], height) @ maps @ _weights(maps.shape[-1], width).T


def _weights(places: int, pixels: int) -> np.ndarray:
    """How much of each place is in each pixel, along one side: (pixels, places)."""
    centres = (np.arange(pixels) + 0.5) * places / pixels - 0.5  # of pixels, counted in places
    return np.stack([np.interp(centres, np.arange(places), one) for one in np.eye(places)], axis=1)
