"""The 38 motions of the sprites data set: what each object does while a clip runs.

A motion draws its scene once from `draws`, then says for any time t in [0, 1] which object is where. The second member
of an opposite pair is the first one played backwards; where things go straight (up and down, left and right, the
diagonals) it is the first one's path mirrored in its middle, which differs from playing it backwards only in when the
motion starts and ends. So a single frame, or frames without their order, cannot tell the two apart. Lengths are in
pixels of a 64×64 frame, angles in degrees (growing clockwise, as seen).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from strmctl.datasets.sprites.objects import Sprite, ground_block, moved, random_block, random_direction, random_object
from strmctl.draws import Draws

Scene = Callable[[float], list[Sprite]]  # time in [0, 1] -> objects, the hindmost first
Motion = Callable[[Draws], Scene]


def _progress(draws: Draws) -> Callable[[float], float]:
    """How far a motion is at time t: it starts a little after the clip and ends a little before, at random."""
    start, end = draws.uniform(0.0, 0.2), draws.uniform(0.8, 1.0)
    return lambda t: min(1.0, max(0.0, (t - start) / (end - start)))


def _backwards(motion: Motion) -> Motion:
    def reverse(draws: Draws) -> Scene:
        scene = motion(draws)
        return lambda t: scene(1.0 - t)

    return reverse


def _travel(dx: int, dy: int) -> Motion:
    """From one side of the middle to the other."""

    def motion(draws: Draws) -> Scene:
        thing, progress = random_object(draws), _progress(draws)
        length = draws.uniform(22, 36) / math.hypot(dx, dy)
        return lambda t: [moved(thing, dx * length * (progress(t) - 0.5), dy * length * (progress(t) - 0.5))]

    return motion


def _back_and_forth(dx: int, dy: int) -> Motion:
    """Out and back once."""

    def motion(draws: Draws) -> Scene:
        thing, progress, length = random_object(draws), _progress(draws), draws.uniform(18, 28)

        def scene(t: float) -> list[Sprite]:
            out = length * (1 - abs(2 * progress(t) - 1)) - length / 2
            return [moved(thing, dx * out, dy * out)]

        return scene

    return motion


def _oscillate(dx: int, dy: int, *, length: tuple[float, float], periods: tuple[float, float]) -> Motion:
    """To and fro several times."""

    def motion(draws: Draws) -> Scene:
        thing, reach = random_object(draws), draws.uniform(*length)
        rate, phase = draws.uniform(*periods), draws.uniform(0, 1)

        def scene(t: float) -> list[Sprite]:
            swing = reach / 2 * math.sin(2 * math.pi * (rate * t + phase))
            return [moved(thing, dx * swing, dy * swing)]

        return scene

    return motion


def _turn(draws: Draws) -> Scene:
    thing, progress = random_object(draws), _progress(draws)
    angle = draws.uniform(100, 170)
    return lambda t: [replace(thing, angle=thing.angle + angle * (progress(t) - 0.5))]


def _nod(draws: Draws) -> Scene:
    """Tilts to and fro."""
    thing, reach = random_object(draws), draws.uniform(30, 50)
    rate, phase = draws.uniform(1.5, 2.5), draws.uniform(0, 1)
    return lambda t: [replace(thing, angle=thing.angle + reach * math.sin(2 * math.pi * (rate * t + phase)))]


def _grow(draws: Draws) -> Scene:
    thing, progress, factor = random_object(draws, radius=(4.0, 6.0)), _progress(draws), draws.uniform(2.0, 3.0)
    return lambda t: [replace(thing, radius=thing.radius * factor ** progress(t))]


def _pulse(draws: Draws) -> Scene:
    thing, rate, phase = random_object(draws), draws.uniform(1.5, 2.5), draws.uniform(0, 1)
    return lambda t: [replace(thing, radius=thing.radius * 1.5 ** math.sin(2 * math.pi * (rate * t + phase)))]


def _approach(draws: Draws) -> Scene:
    """Two objects come from both sides until they nearly touch."""
    first, second = random_object(draws, radius=(6.5, 8.5)), random_object(draws, radius=(6.5, 8.5))
    (dx, dy), progress = random_direction(draws), _progress(draws)
    near = (first.radius + second.radius) / 2 + 1
    far = near + draws.uniform(10, 15)

    def scene(t: float) -> list[Sprite]:
        half = far + (near - far) * progress(t)
        return [moved(first, half * dx, half * dy), replace(second, x=first.x - half * dx, y=first.y - half * dy)]

    return scene


def _split(draws: Draws) -> Scene:
    """One object becomes two equal ones that move apart."""
    thing, (dx, dy), progress = random_object(draws, radius=(6.5, 8.5)), random_direction(draws), _progress(draws)
    reach = draws.uniform(14, 20)

    def scene(t: float) -> list[Sprite]:
        half = reach * progress(t)
        return [moved(thing, half * dx, half * dy), moved(thing, -half * dx, -half * dy)]

    return scene


def _cross(draws: Draws) -> Scene:
    """Two objects pass each other."""
    first, second = random_object(draws, radius=(6.5, 8.5)), random_object(draws, radius=(6.5, 8.5))
    (dx, dy), progress, reach = random_direction(draws), _progress(draws), draws.uniform(14, 20)
    side = draws.uniform(2, 5)  # they pass beside the middle

    def scene(t: float) -> list[Sprite]:
        along = reach * (2 * progress(t) - 1)
        offset_x, offset_y = along * dx - side * dy, along * dy + side * dx
        return [moved(first, offset_x, offset_y), replace(second, x=first.x - offset_x, y=first.y - offset_y)]

    return scene


def _orbit(draws: Draws) -> Scene:
    """An object goes clockwise round another, over its top."""
    centre, planet = random_object(draws, radius=(6.0, 8.0)), random_object(draws, radius=(6.0, 8.0))
    radius, middle = draws.uniform(15, 20), math.radians(draws.uniform(-170, -10))
    arc, progress = math.radians(draws.uniform(150, 300)), _progress(draws)

    def scene(t: float) -> list[Sprite]:
        angle = middle + arc * (progress(t) - 0.5)
        x, y = centre.x + radius * math.cos(angle), centre.y + radius * math.sin(angle)
        return [centre, replace(planet, x=x, y=y)]

    return scene


def _drop(draws: Draws) -> Scene:
    """An object falls onto a block and rests there."""
    thing, progress = random_object(draws, radius=(6.5, 8.5)), _progress(draws)
    ground, height = ground_block(draws, thing.x), draws.uniform(18, 24)
    rest = ground.y - ground.radius - thing.radius * 0.8
    return lambda t: [ground, replace(thing, y=rest - height * (1 - progress(t) ** 1.5))]


def _hide(draws: Draws) -> Scene:
    """An object goes behind a block, from any side."""
    thing, (dx, dy), progress = random_object(draws, radius=(5.0, 7.0)), random_direction(draws), _progress(draws)
    cover = random_block(draws, thing.x, thing.y)
    length = draws.uniform(22, 28)

    def scene(t: float) -> list[Sprite]:
        away = length * (1 - progress(t))
        return [moved(thing, away * dx, away * dy), cover]

    return scene


def _push(draws: Draws) -> Scene:
    """An object meets another and pushes it on."""
    pusher, pushed = random_object(draws, radius=(6.5, 8.5)), random_object(draws, radius=(6.5, 8.5))
    (dx, dy), progress, length = random_direction(draws), _progress(draws), draws.uniform(28, 36)
    gap = pusher.radius + pushed.radius
    meets = draws.uniform(0.3, 0.5)  # share of the way before they touch

    def scene(t: float) -> list[Sprite]:
        at = length * (progress(t) - 0.5)
        front = max(at, length * (meets - 0.5)) + gap
        behind, ahead = at - gap / 2, front - gap / 2
        return [
            moved(pusher, behind * dx, behind * dy),
            replace(pushed, x=pusher.x + ahead * dx, y=pusher.y + ahead * dy),
        ]

    return scene


def _colour_change(draws: Draws) -> Scene:
    thing, progress, change = random_object(draws), _progress(draws), draws.sign() * draws.uniform(90, 180)
    return lambda t: [replace(thing, hue=thing.hue + change * progress(t))]


def _appear(draws: Draws) -> Scene:
    thing, progress = random_object(draws), _progress(draws)
    return lambda t: [replace(thing, alpha=progress(t))]


def _speed_up(draws: Draws) -> Scene:
    """In any direction, slow at first."""
    thing, (dx, dy), length = random_object(draws), random_direction(draws), draws.uniform(26, 38)
    power = draws.uniform(2.5, 4.0)
    return lambda t: [moved(thing, dx * length * (t**power - 0.5), dy * length * (t**power - 0.5))]


def _still(draws: Draws) -> Scene:
    thing = random_object(draws)
    return lambda t: [thing]


MOTIONS: dict[str, Motion] = {
    "diagonal_up_left": _travel(-1, -1),
    "diagonal_up_right": _travel(1, -1),
    "diagonal_down_left": _travel(-1, 1),
    "diagonal_down_right": _travel(1, 1),
    "split": _split,
    "merge": _backwards(_split),
    "hide": _hide,
    "emerge": _backwards(_hide),
    "push": _push,
    "pull": _backwards(_push),
    "bounce_vertical": _oscillate(0, 1, length=(16, 26), periods=(1.5, 2.5)),
    "bounce_horizontal": _oscillate(1, 0, length=(16, 26), periods=(1.5, 2.5)),
    "right_and_back": _back_and_forth(1, 0),
    "up_and_back": _back_and_forth(0, -1),
    "pulse": _pulse,
    "cross": _cross,
    "colour_change": _colour_change,
    "shake": _oscillate(1, 0, length=(5, 8), periods=(4.0, 6.0)),
    "nod": _nod,
    "still": _still,
    "right": _travel(1, 0),
    "left": _travel(-1, 0),
    "appear": _appear,
    "vanish": _backwards(_appear),
    "speed_up": _speed_up,
    "slow_down": _backwards(_speed_up),
    "up": _travel(0, -1),
    "down": _travel(0, 1),
    "turn_clockwise": _turn,
    "turn_counter_clockwise": _backwards(_turn),
    "grow": _grow,
    "shrink": _backwards(_grow),
    "approach": _approach,
    "part": _backwards(_approach),
    "orbit_clockwise": _orbit,
    "orbit_counter_clockwise": _backwards(_orbit),
    "drop": _drop,
    "lift": _backwards(_drop),
}
