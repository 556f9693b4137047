"""Sprites: the data set that comes with the tool. Small rendered videos in which a class is a motion, never a look.

Shape, colour, size, place, background texture, clutter, speed, offset, camera drift and noise are random in every clip;
a clip is a pure function of (VERSION, seed, class, number). The motions are in `motions`.
"""

from __future__ import annotations

import contextlib
import functools
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from strmctl import yaml
from strmctl.datasets.sprites.canvas import MARGIN, draw, outline, random_background
from strmctl.datasets.sprites.motions import MOTIONS, Scene
from strmctl.datasets.sprites.objects import SIDE, bystanders
from strmctl.draws import Draws
from strmctl.errors import OutputError
from strmctl.paths import alone, replacing, write_bytes
from strmctl.progress import Progress, silent
from strmctl.videos.extract import one_thread
from strmctl.videos.write_video import encode_mp4
from strmctl.workers import each_in_processes

VERSION = 1  # version of the generator; a change needs a line in CHANGELOG and new control numbers
CLIPS_PER_CLASS = 40
FRAMES = 16
FRAMES_PER_SECOND = 12
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
                frames = render_clip(name, number, seed=seed)
                encode_mp4(temporary, frames, fps=FRAMES_PER_SECOND, size=(SIDE, SIDE), target=path)
    return len(task)


def _crashed(folder: Path, task: list[Clip]) -> int:
    (name, number), count = task[0], len(task)
    message = f"the process that rendered {count} videos from {_path(folder, name, number)} on was killed"
    hint = "is there enough memory? The same command goes on where it was; `--workers 1` needs least"
    raise OutputError(message, hint)


@dataclass(frozen=True)
class _Shot:
    """What a clip shows, but for the noise of each frame, which `draws` gives next.

    Attributes:
        scene: time in [0, 1] -> objects of the motion, the hindmost first.
        background: texture with bystanders, float32 BGR, `MARGIN` pixels wider than a frame on each side.
        drift: time -> how far the camera has moved, (x, y) in pixels.
        sigma: standard deviation of the noise.
        draws: draws of this clip.
    """

    scene: Scene
    background: np.ndarray
    drift: Callable[[float], tuple[float, float]]
    sigma: float
    draws: Draws


TIMES = [index / (FRAMES - 1) for index in range(FRAMES)]


def _shot(name: str, number: int, seed: int) -> _Shot:
    draws = Draws("sprites", VERSION, seed, name, number)
    scene = MOTIONS[name](draws)
    background = random_background(draws)
    for thing in bystanders(draws, moving=len(scene(0.5))):
        draw(background, thing)
    angle, length = draws.uniform(0, 2 * math.pi), draws.uniform(0, 4)  # pixels over the whole clip

    def drift(t: float) -> tuple[float, float]:
        return length * (t - 0.5) * math.cos(angle), length * (t - 0.5) * math.sin(angle)

    return _Shot(scene, background, drift, draws.uniform(1, 5), draws)


def render_clip(name: str, number: int, *, seed: int = 0) -> np.ndarray:
    """One clip: uint8 BGR frames (16, 64, 64, 3), a pure function of the arguments."""
    shot = _shot(name, number, seed)
    frames = np.empty((FRAMES, SIDE, SIDE, 3), np.uint8)
    for index, t in enumerate(TIMES):
        canvas = shot.background.copy()
        for thing in shot.scene(t):
            draw(canvas, thing)
        x, y = shot.drift(t)
        window = np.float32([[1, 0, -(MARGIN + x)], [0, 1, -(MARGIN + y)]])
        view = cv2.warpAffine(canvas, window, (SIDE, SIDE), flags=cv2.INTER_LINEAR)
        frames[index] = np.clip(view + shot.draws.noise(view.shape, shot.sigma), 0, 255)
    return frames


def moving_boxes(name: str, number: int, *, seed: int = 0) -> np.ndarray:
    """Where the objects that move are in each frame of a clip, which is not rendered for this.

    An object moves if anything about it changes, such as its angle or its colour; where nothing does, as in `still`,
    all objects of the motion count. Bystanders, blocks and hubs that do nothing do not.

    Returns:
        Boxes (16, M, 4) around the outlines of M objects: left, top, right, bottom in pixels from the upper left corner
        of the frame. Parts may lie outside the frame or behind other objects. NaN where an object is invisible.
    """
    shot = _shot(name, number, seed)
    scenes = [shot.scene(t) for t in TIMES]
    moving = [which for which, thing in enumerate(scenes[0]) if any(scene[which] != thing for scene in scenes)]
    boxes = np.full((FRAMES, len(moving) or len(scenes[0]), 4), np.nan)
    for index, (t, scene) in enumerate(zip(TIMES, scenes, strict=True)):
        for column, which in enumerate(moving or range(len(scene))):
            if scene[which].alpha > 0:
                corners = outline(scene[which]) - shot.drift(t) + 0.5  # OpenCV counts from the centre of a pixel
                boxes[index, column] = *corners.min(axis=0), *corners.max(axis=0)
    return boxes
