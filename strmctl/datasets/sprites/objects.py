"""What the motions of the sprites data set move: objects of random look, blocks, and bystanders that do nothing.

Lengths are in pixels of a 64×64 frame, angles in degrees (growing clockwise, as seen).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from strmctl.draws import Draws

SIDE = 64
SHAPES = ("triangle", "bar", "arrow", "ell", "tee", "bow")  # all of them show by their angle that they turn


@dataclass(frozen=True)
class Sprite:
    """One object in one frame; `hue` and `value` are its colour, `alpha` its opacity."""

    shape: str
    x: float
    y: float
    radius: float
    angle: float
    hue: float
    value: float
    alpha: float = 1.0


def random_object(draws: Draws, *, radius: tuple[float, float] = (6.5, 9.0)) -> Sprite:
    """An object of random look, in the middle of the frame up to some pixels."""
    return Sprite(
        shape=draws.choice(SHAPES),
        x=SIDE / 2 + draws.uniform(-6, 6),
        y=SIDE / 2 + draws.uniform(-6, 6),
        radius=draws.uniform(*radius),
        angle=draws.uniform(-40, 40),
        hue=draws.uniform(0, 360),
        value=draws.uniform(0.75, 1.0),
    )


def moved(thing: Sprite, dx: float, dy: float) -> Sprite:
    """The object somewhere else."""
    return replace(thing, x=thing.x + dx, y=thing.y + dy)


def random_direction(draws: Draws) -> tuple[float, float]:
    """A vector of length 1 that points anywhere."""
    angle = draws.uniform(0, 2 * math.pi)
    return math.cos(angle), math.sin(angle)


def random_block(draws: Draws, x: float, y: float) -> Sprite:
    """A square of random size and colour."""
    return Sprite("square", x, y, draws.uniform(9, 12), 0.0, draws.uniform(0, 360), draws.uniform(0.5, 0.9))


def ground_block(draws: Draws, x: float) -> Sprite:
    """A block near the lower edge of the frame."""
    return random_block(draws, x, SIDE - draws.uniform(4, 12))


def bystanders(draws: Draws, moving: int) -> list[Sprite]:
    """Objects that do nothing, so that how many there are, and whether one is a block, does not give the class away."""
    still = []
    for _ in range(2 - moving):
        if draws.integer(0, 2) == 0:
            still.append(ground_block(draws, SIDE / 2 + draws.uniform(-6, 6)))
        else:
            (dx, dy), away = random_direction(draws), draws.uniform(14, 30)
            still.append(replace(random_object(draws), x=SIDE / 2 + away * dx, y=SIDE / 2 + away * dy))
    return still
