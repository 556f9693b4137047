"""What sprites look like on a canvas: backgrounds, outlines, colours. Lengths are in pixels of a 64×64 frame."""

from __future__ import annotations

import math

import cv2
import numpy as np

from strmctl.datasets.sprites.objects import SIDE, Sprite
from strmctl.draws import Draws

MARGIN = 8  # pixels of scene around the frame, for the camera to drift over
SUBPIXEL_BITS = 4


def random_background(draws: Draws) -> np.ndarray:
    """A dim texture: random cells blown up to blobs or, once in three, stripes; float32 BGR."""
    side = SIDE + 2 * MARGIN
    grey = draws.uniform(30, 90)
    base = np.array([grey + draws.uniform(-15, 15) for _ in range(3)], np.float32)
    if draws.integer(0, 2) == 0:
        angle, wave = draws.uniform(0, math.pi), draws.uniform(8, 24)
        rows, columns = np.mgrid[0:side, 0:side].astype(np.float32)
        pattern = np.sin((rows * math.sin(angle) + columns * math.cos(angle)) * (2 * math.pi / wave))[..., None]
        return base + pattern * draws.uniform(4, 14)
    cells = draws.integer(3, 12)
    blobs = draws.noise((cells, cells, 3), draws.uniform(5, 16))
    return np.ascontiguousarray(base + cv2.resize(blobs, (side, side), interpolation=cv2.INTER_CUBIC))


def draw(canvas: np.ndarray, thing: Sprite) -> None:
    """Paints an object onto a float32 BGR canvas, in place."""
    if thing.alpha <= 0:
        return
    mask = np.zeros(canvas.shape[:2], np.uint8)
    corners = np.round(outline(thing, MARGIN) * (1 << SUBPIXEL_BITS)).astype(np.int32)
    cv2.fillPoly(mask, [corners], 255, cv2.LINE_AA, SUBPIXEL_BITS)
    opacity = mask[..., None].astype(np.float32) * (thing.alpha / 255)
    canvas += opacity * (_colour(thing.hue, thing.value) - canvas)


def outline(thing: Sprite, margin: int = 0) -> np.ndarray:
    """The corners of an object, (corners, 2): x and y in pixels, from `margin` pixels outside the frame."""
    turn = math.radians(thing.angle)
    points = _OUTLINES[thing.shape] * thing.radius
    rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    return points @ rotation.T + (thing.x + margin, thing.y + margin)


def _colour(hue: float, value: float) -> np.ndarray:
    """A saturated BGR colour, 0 to 255."""
    offsets = np.array([240.0, 120.0, 0.0])  # blue, green, red
    wave = 0.5 + 0.5 * np.cos(np.radians(hue - offsets))
    return (255 * value * wave).astype(np.float32)


_ARC = np.linspace(0, math.pi, 12)
_OUTLINES = {  # corners around the origin, about one unit away
    "square": np.array([[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]]),
    "triangle": np.array([[0.0, -1.2], [0.9, 0.9], [-0.9, 0.9]]),
    "bar": np.array([[-0.4, -1.2], [0.4, -1.2], [0.4, 1.2], [-0.4, 1.2]]),
    "arrow": np.array([[0, -1.3], [0.9, -0.1], [0.35, -0.1], [0.35, 1.1], [-0.35, 1.1], [-0.35, -0.1], [-0.9, -0.1]]),
    "ell": np.array([[-0.8, -1.1], [-0.1, -1.1], [-0.1, 0.4], [0.9, 0.4], [0.9, 1.1], [-0.8, 1.1]]),
    "tee": np.array(
        [[-1, -1], [1, -1], [1, -0.35], [0.35, -0.35], [0.35, 1.1], [-0.35, 1.1], [-0.35, -0.35], [-1, -0.35]]
    ),
    "bow": np.stack([1.1 * np.cos(_ARC), 0.5 - 1.2 * np.sin(_ARC)], axis=1),
}
