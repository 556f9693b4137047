"""The clips to draw: videos, or a span of one, and clips of a frame store, as a model sees them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from strmctl.episodes.clip_loader import ClipLoader, FrameOrder
from strmctl.errors import DataError
from strmctl.frames.show import named_clips
from strmctl.frames.store.manifest import STORED
from strmctl.frames.store.store import FrameStore
from strmctl.recipe import Input, Recipe
from strmctl.runs.build import frame_store
from strmctl.videos.extract import resize
from strmctl.videos.pixels import centre_crop, decode_frames, to_shorter_side
from strmctl.videos.read_video import frames_in_span, read_video


@dataclass(frozen=True)
class Subject:
    """A clip to draw.

    Attributes:
        name: what a title calls it.
        stem: name of its file, without a suffix.
        pixels: uint8 (L, 3, S, S), RGB.
        positions: positions of the L frames, counted from 0.
        times: when each of them is shown, seconds; empty where that is not known.
        count: number of frames that there are.
        fps: frames per second; 0 when unknown.
        source: `video` and its path, or `store` and `clip`.
        every: function that gives the position and the pixels, uint8 (S, S, 3), RGB, of each of the `count` frames.
    """

    name: str
    stem: str
    pixels: Tensor
    positions: Sequence[int]
    times: Sequence[float]
    count: int
    fps: float
    source: dict[str, str]
    every: Callable[[], Iterator[tuple[int, np.ndarray]]] = field(repr=False, compare=False)

    @property
    def frames(self) -> np.ndarray:
        """The frames, uint8 (L, S, S, 3), RGB."""
        return self.pixels.permute(0, 2, 3, 1).numpy()

    @property
    def captions(self) -> list[str]:
        """The number of each frame, from 0, and its time where that is known."""
        times = [f"\n{time:.2f} s" for time in self.times] or [""] * len(self.positions)
        return [f"frame {position}{time}" for position, time in zip(self.positions, times, strict=True)]


def in_cells(frames: Sequence[np.ndarray], side: int) -> list[np.ndarray]:
    """Frames, uint8 (S, S, 3) each, as large as the cells of a picture; enlarged, their pixels stay squares."""
    return [
        cv2.resize(frame, (side, side), interpolation=cv2.INTER_AREA if len(frame) > side else cv2.INTER_NEAREST)
        for frame in frames
    ]


def video_subject(path: Path, shape: Input, *, start: float | None = None, end: float | None = None) -> Subject:
    """A video, or what it shows from `start` to `end`, seconds; None for its own ends.

    Raises:
        DataError: the video cannot be decoded.
        UsageError: it ends before `start`, or has fewer than two frames in between.
    """
    clip = read_video(path, **shape.taken, start=start, end=end)
    times = clip.times or [position / clip.fps for position in clip.positions if clip.fps]
    until = "end" if end is None else f"{end:g}s"
    span = "" if start is end is None else f"_{start or 0:g}-{until}"

    def every() -> Iterator[tuple[int, np.ndarray]]:
        for position, frame in frames_in_span(path, start or 0.0, math.inf if end is None else end):
            pixels = torch.from_numpy(cv2.cvtColor(resize(frame, shape.size), cv2.COLOR_BGR2RGB))
            yield position, centre_crop(pixels.permute(2, 0, 1), shape.crop).permute(1, 2, 0).numpy()

    what = ("/".join(path.parts[-2:]), path.stem + span, clip.pixels, clip.positions, times, clip.count, clip.fps)
    return Subject(*what, {"video": str(path)}, every)


def stored_clip(recipe: Recipe, data_dir: Path, name: str) -> tuple[FrameStore, str]:
    """The frame store and the id of a clip that a user names.

    Args:
        recipe: experiment whose data set is meant where none is named.
        data_dir: folder of the frame stores.
        name: `STORE/ID`, an id in the store of the recipe, or the last part of one that is unique.

    Raises:
        DataError: there is no such store, no such clip, or it has no frames.
    """
    first, _, rest = name.partition("/")
    if rest and first in FrameStore.names(data_dir):
        store, name = FrameStore.open(data_dir, first), rest
    else:
        store = frame_store(recipe.data, data_dir)
    (row,) = named_clips(store, [name])
    if row.status not in STORED:
        raise DataError(f"the clip {row.clip} of {store.name} has no frames: {row.reason}")
    return store, row.clip


def clip_subject(store: FrameStore, clip: str, shape: Input, *, order: FrameOrder = "natural") -> Subject:
    """A clip of a store, as a test sees it.

    Raises:
        DataError: a frame is missing or damaged, or the store does not suit the shape's rate.
    """
    row = store.by_id[clip]
    loader = ClipLoader(store, **shape.taken, flip=False, order=order)
    positions = loader.positions(clip)
    all_kept = store.keeps_all
    times = [position / row.fps for position in positions] if all_kept and row.fps and order == "natural" else []

    def every() -> Iterator[tuple[int, np.ndarray]]:
        for position in range(row.frames):
            pixels = to_shorter_side(decode_frames(store.read(clip, [position])), shape.size)
            yield position, centre_crop(pixels, shape.crop)[0].permute(1, 2, 0).numpy()

    what = (f"{store.name}/{clip}", clip.replace("/", "_"), loader.load(clip), positions, times, row.frames)
    return Subject(*what, row.fps if all_kept else 0, {"store": store.name, "clip": clip}, every)
