"""From stored frames to the clip that a model sees: which frames, resized, cropped, mirrored; uint8 until the device.

The choice of frames follows the released STRM code: evenly spaced in test, with jittered ends in training.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from typing import Literal

import numpy as np
import torch
from torchvision.io import ImageReadMode, decode_jpeg
from torchvision.transforms.v2 import functional as transforms

from strmctl.data.draws import Draws
from strmctl.data.store import FrameStore
from strmctl.errors import DataError

FrameOrder = Literal["natural", "repeated", "shuffled"]


def even_positions(count: int, frames: int) -> list[int]:
    """Evenly spaced positions, counted from 0: trunc(linspace(1, count - 2, frames)), or the whole of a short clip."""
    return _spaced(1, count - 2, count, frames)


def jittered_positions(count: int, frames: int, draws: Draws) -> list[int]:
    """Evenly spaced positions between jittered ends: start in [0, p], end in [count-1-p, count-1], ends included.

    p = min(5, (count - frames) / 2), rounded down.
    """
    play = min(5, (count - frames) // 2)
    start, end = draws.integer(0, play), draws.integer(count - 1 - play, count - 1)
    return _spaced(start, end, count, frames)


def _spaced(start: int, end: int, count: int, frames: int) -> list[int]:
    if end - start < frames:
        start, end = 0, count - 1
    return np.linspace(start, end, frames).astype(int).tolist()


class ClipLoader:
    """Reads clips of a store as tensors.

    Args:
        store: where the frames lie.
        frames: L, frames per clip.
        size: pixels that the shorter side is resized to (bilinear), when it differs.
        crop: pixels, side of the square that is cut out: the centre in test, anywhere in training.
        flip: mirror half of the training clips.
        order: `natural`; `repeated`: the middle frame L times; `shuffled`: the frames in a fixed random order per clip.
    """

    def __init__(
        self, store: FrameStore, *, frames: int, size: int, crop: int, flip: bool, order: FrameOrder = "natural"
    ) -> None:
        self.store, self.frames, self.size, self.crop, self.flip, self.order = store, frames, size, crop, flip, order

    def load(self, clip: str, draws: Draws | None = None) -> torch.Tensor:
        """One clip, uint8 (L, 3, crop, crop); with `draws`, jittered, cropped and mirrored as in training.

        Raises:
            DataError: a frame is missing or damaged; names the clip.
        """
        count = self.store.by_id[clip].frames
        if draws is None:
            positions = even_positions(count, self.frames)
        else:
            positions = jittered_positions(count, self.frames, draws)
        pixels = resize(self._decode(clip, self._reorder(clip, positions)), self.size)
        spare_y, spare_x = pixels.shape[-2] - self.crop, pixels.shape[-1] - self.crop
        if draws is None:
            top, left, mirror = spare_y // 2, spare_x // 2, False
        else:  # one crop and one flip for all frames of a clip
            top, left = draws.integer(0, spare_y), draws.integer(0, spare_x)
            mirror = self.flip and draws.sign() < 0
        pixels = pixels[..., top : top + self.crop, left : left + self.crop]
        return pixels.flip(-1) if mirror else pixels

    def load_many(
        self, clips: Sequence[str], pool: Executor, draws: Iterable[Draws | None] | None = None
    ) -> torch.Tensor:
        """Several clips, uint8 (N, L, 3, crop, crop), decoded by the threads of `pool`."""
        return torch.stack(list(pool.map(self.load, clips, draws or [None] * len(clips))))

    def _reorder(self, clip: str, positions: list[int]) -> list[int]:
        if self.order == "repeated":
            return [positions[len(positions) // 2]] * len(positions)
        if self.order == "shuffled":
            draws = Draws("shuffled frames", clip)
            return sorted(positions, key=lambda _: draws.uniform())
        return positions

    def _decode(self, clip: str, positions: list[int]) -> torch.Tensor:
        encoded = [
            torch.frombuffer(bytearray(frame), dtype=torch.uint8) for frame in self.store.read(clip, positions)
        ]
        try:
            return torch.stack([decode_jpeg(frame, ImageReadMode.RGB) for frame in encoded])
        except RuntimeError as error:
            raise DataError(
                f"a stored frame of clip {clip} cannot be decoded",
                f"`strmctl prepare {self.store.name}` extracts damaged clips again",
            ) from error


def resize(pixels: torch.Tensor, size: int) -> torch.Tensor:
    """Frames (L, 3, H, W) with the shorter side brought to `size` pixels; untouched when it is already."""
    if min(pixels.shape[-2:]) == size:
        return pixels
    return transforms.resize(pixels, [size], antialias=True)
