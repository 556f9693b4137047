"""Sprites: the data set that comes with the tool. Small rendered videos in which a class is a motion, never a look.

Shape, colour, size, place, background texture, clutter, speed, offset, camera drift and noise are random in every clip;
a clip is a pure function of (VERSION, seed, class, number). The motions are in `motions`.
"""

from __future__ import annotations

import contextlib
import functools
import math
import shutil
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from strmctl import yaml
from strmctl.datasets.sprites.motions import MOTIONS
from strmctl.datasets.sprites.objects import SIDE, Sprite, bystanders
from strmctl.draws import Draws
from strmctl.errors import OutputError
from strmctl.paths import alone, replacing, write_bytes
from strmctl.progress import Progress, silent
from strmctl.videos.extract import one_thread
from strmctl.videos.plain_path import plain_path
from strmctl.workers import each_in_processes

VERSION = 1  # version of the generator; a change needs a line in CHANGELOG and new control numbers
CLIPS_PER_CLASS = 40
FRAMES = 16
FRAMES_PER_SECOND = 12
MARGIN = 8  # pixels of scene around the frame, for the camera to drift over
SUBPIXEL_BITS = 4
CLIPS_PER_TASK = 20
ORIGIN = "sprites.yaml"  # file that says what the videos of a folder are
PARTIAL = ".partial"  # folder of the videos that are being written
Clip = tuple[str, int]  # class and number


def render(
    folder: Path,
    *,
    seed: int = 0,
    workers: int = 1,
    progress: Progress = silent,
    classes: Sequence[str] = tuple(MOTIONS),
    clips: int = CLIPS_PER_CLASS,
) -> None:
    """Renders `<folder>/<class>/<number>.mp4`; videos of the same seed and version that are there are kept.

    Of several processes, one does it and the others wait, saying so.

    Args:
        folder: folder of the videos, such as `data/videos/sprites`.
        seed: seed of the whole data set.
        workers: number of processes; 1 works in this one.
        progress: called with (clips done, clips in all, "").
        classes: names of motions.
        clips: number of clips per class.

    Raises:
        OutputError: OpenCV cannot write there, or a process was killed.
    """
    wanted = [(name, number) for name in classes for number in range(clips)]
    if not _missing(folder, seed, wanted):
        return
    waiting = f"another process renders videos in {folder}: waiting for it to end"
    with alone(folder / ".lock", waiting=waiting):
        shutil.rmtree(folder / PARTIAL, ignore_errors=True)  # of a run that was killed
        try:
            _render_missing(folder, seed, wanted, workers=workers, progress=progress)
        finally:
            shutil.rmtree(folder / PARTIAL, ignore_errors=True)
            (folder / ".lock").unlink(missing_ok=True)


def _origin(seed: int) -> bytes:
    """What `sprites.yaml` says of videos of this seed."""
    return yaml.dump({"generator_version": VERSION, "seed": seed}).encode()


def _missing(folder: Path, seed: int, wanted: Sequence[Clip]) -> list[Clip]:
    """The videos that are not there, or are of another seed or version."""
    origin = folder / ORIGIN
    same = origin.is_file() and origin.read_bytes() == _origin(seed)
    return [(name, number) for name, number in wanted if not (same and _path(folder, name, number).is_file())]


def _render_missing(folder: Path, seed: int, wanted: Sequence[Clip], *, workers: int, progress: Progress) -> None:
    missing, total = _missing(folder, seed, wanted), len(wanted)
    if missing == wanted:
        (folder / ORIGIN).unlink(missing_ok=True)  # a kill in between leaves no mixture that passes for whole
        for name, number in missing:
            _path(folder, name, number).unlink(missing_ok=True)
        write_bytes(folder / ORIGIN, _origin(seed))
    tasks = [missing[first : first + CLIPS_PER_TASK] for first in range(0, len(missing), CLIPS_PER_TASK)]
    done = total - len(missing)
    progress(done, total, "")
    work, crashed = functools.partial(_render_task, folder, seed), functools.partial(_crashed, folder)
    with contextlib.closing(each_in_processes(work, tasks, workers=workers, crashed=crashed)) as finished:
        for rendered in finished:
            done += rendered
            progress(done, total, "")


def _path(folder: Path, name: str, number: int) -> Path:
    return folder / name / f"{number:03d}.mp4"


def _render_task(folder: Path, seed: int, task: list[Clip]) -> int:
    with one_thread():
        for name, number in task:
            path = _path(folder, name, number)
            with replacing(path, via=folder / PARTIAL, suffix=path.suffix) as temporary:  # OpenCV looks at the suffix
                _write_mp4(temporary, render_clip(name, number, seed=seed), path)
    return len(task)


def _crashed(folder: Path, task: list[Clip]) -> int:
    (name, number), count = task[0], len(task)
    message = f"the process that rendered {count} videos from {_path(folder, name, number)} on was killed"
    hint = "is there enough memory? The same command goes on where it was; `--workers 1` needs least"
    raise OutputError(message, hint)


def _write_mp4(temporary: Path, frames: np.ndarray, path: Path) -> None:
    with plain_path(temporary) as plain:
        writer = cv2.VideoWriter(str(plain), cv2.VideoWriter_fourcc(*"mp4v"), FRAMES_PER_SECOND, (SIDE, SIDE))
        if not writer.isOpened():
            raise OutputError(f"OpenCV cannot write {path}", "is the folder writable, and the disk not full?")
        for frame in frames:
            writer.write(frame)
        writer.release()
        written = int(cv2.VideoCapture(str(plain)).get(cv2.CAP_PROP_FRAME_COUNT))
    if written != len(frames):  # the writer reports no error
        raise OutputError(
            f"OpenCV could not write the whole of {path}",
            "is the disk full, or the size of files limited (`ulimit -f`)?",
        )


def render_clip(name: str, number: int, *, seed: int = 0) -> np.ndarray:
    """One clip: uint8 BGR frames (16, 64, 64, 3), a pure function of the arguments."""
    draws = Draws("sprites", VERSION, seed, name, number)
    scene = MOTIONS[name](draws)
    background = _background(draws)
    for thing in bystanders(draws, moving=len(scene(0.5))):
        _draw(background, thing)
    drift_angle, drift = draws.uniform(0, 2 * math.pi), draws.uniform(0, 4)  # pixels over the whole clip
    sigma = draws.uniform(1, 5)
    frames = np.empty((FRAMES, SIDE, SIDE, 3), np.uint8)
    for index in range(FRAMES):
        t = index / (FRAMES - 1)
        canvas = background.copy()
        for thing in scene(t):
            _draw(canvas, thing)
        x = MARGIN + drift * (t - 0.5) * math.cos(drift_angle)
        y = MARGIN + drift * (t - 0.5) * math.sin(drift_angle)
        window = np.float32([[1, 0, -x], [0, 1, -y]])
        view = cv2.warpAffine(canvas, window, (SIDE, SIDE), flags=cv2.INTER_LINEAR)
        frames[index] = np.clip(view + draws.noise(view.shape, sigma), 0, 255)
    return frames


def _background(draws: Draws) -> np.ndarray:
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


def _draw(canvas: np.ndarray, thing: Sprite) -> None:
    """Paints an object onto a float32 BGR canvas, in place."""
    if thing.alpha <= 0:
        return
    turn = math.radians(thing.angle)
    points = _OUTLINES[thing.shape] * thing.radius
    rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    points = points @ rotation.T + (thing.x + MARGIN, thing.y + MARGIN)
    mask = np.zeros(canvas.shape[:2], np.uint8)
    outline = np.round(points * (1 << SUBPIXEL_BITS)).astype(np.int32)
    cv2.fillPoly(mask, [outline], 255, cv2.LINE_AA, SUBPIXEL_BITS)
    opacity = mask[..., None].astype(np.float32) * (thing.alpha / 255)
    canvas += opacity * (_colour(thing.hue, thing.value) - canvas)


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
