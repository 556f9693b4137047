"""From frames to the clip that a model sees: which frames, resized, cropped, mirrored; uint8 until the device.

Frames are evenly spaced in test, with jittered ends in training.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
from torchvision.transforms.v2 import functional as transforms

from strmctl.data.draws import Draws
from strmctl.data.jpegs import extract
from strmctl.data.positions import even_positions, jittered_positions
from strmctl.data.store import FrameStore
from strmctl.data.store_settings import DEFAULTS
from strmctl.errors import DataError

try:  # torchvision will drop it; the pixels that it gives are those that the figures were measured with
    from torchvision.io import ImageReadMode, decode_jpeg
except ImportError:
    decode_jpeg = None

JPEG = b"\xff\xd8"  # that a JPEG image begins with
FrameOrder = Literal["natural", "repeated", "shuffled"]


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
        if draws is None:
            return centre_crop(pixels, self.crop)
        # one crop and one flip for all frames of a clip
        top = draws.integer(0, pixels.shape[-2] - self.crop)
        left = draws.integer(0, pixels.shape[-1] - self.crop)
        pixels = pixels[..., top : top + self.crop, left : left + self.crop]
        return pixels.flip(-1) if self.flip and draws.sign() < 0 else pixels

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
        encoded = self.store.read(clip, positions)
        try:
            return decode_frames(encoded)
        except RuntimeError as error:
            raise DataError(
                f"a stored frame of clip {clip} cannot be decoded",
                f"`{self.store.prepare_command} --redo` extracts all again",
            ) from error


@dataclass(frozen=True)
class VideoClip:
    """The clip that a model sees of a video that lies in no store.

    Attributes:
        pixels: uint8 (L, 3, crop, crop), RGB.
        positions: of the L frames in the video, counted from 0.
        count: frames of the video.
        fps: frames per second of the video; 0 when it does not say.
    """

    pixels: torch.Tensor
    positions: list[int]
    count: int
    fps: float


def read_video(path: Path, *, frames: int, size: int, crop: int) -> VideoClip:
    """What `prepare` and then `ClipLoader` would give in test, with frames stored at `size` pixels.

    Args:
        path: of the video.
        frames: L, frames per clip; a shorter video has some of its frames repeated.
        size: pixels that the shorter side is resized to.
        crop: pixels, side of the square that is cut out of the centre.

    Raises:
        DataError: the video cannot be decoded, or has a single frame.
    """
    encoded: list[bytes] = []  # of each wanted frame once
    try:
        found = extract(path, size=size, quality=DEFAULTS["quality"], frames=frames, keep=encoded.append)
    except DataError as error:
        raise DataError(f"the video {path} cannot be read: {error}", error.hint) from error
    if found.decoded < 2:
        raise DataError(f"the video {path} has a single frame", "a clip needs two frames at least")
    taken = even_positions(len(encoded), frames)  # all of them, some again when the video is shorter
    pixels = decode_frames([encoded[index] for index in taken])
    positions = [found.positions[index] for index in taken]
    return VideoClip(centre_crop(resize(pixels, size), crop), positions, found.decoded, found.video.fps)


def decode_frames(encoded: Iterable[bytes]) -> torch.Tensor:
    """JPEG images of equal size as uint8 (L, 3, H, W), RGB.

    Raises:
        RuntimeError: one is damaged.
    """
    decode = _decode_with_opencv if decode_jpeg is None else _decode_with_torchvision
    return torch.stack([decode(image) for image in encoded])


def _decode_with_torchvision(image: bytes) -> torch.Tensor:
    if not image.startswith(JPEG):  # frames that somebody else extracted may be PNG
        return _decode_with_opencv(image)
    return decode_jpeg(torch.frombuffer(bytearray(image), dtype=torch.uint8), ImageReadMode.RGB)


def _decode_with_opencv(image: bytes) -> torch.Tensor:
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    frame = cv2.imdecode(np.frombuffer(image, np.uint8), flags) if image else None
    if frame is None:
        raise RuntimeError("OpenCV cannot decode the image")
    return torch.from_numpy(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)).permute(2, 0, 1).contiguous()


def centre_crop(pixels: torch.Tensor, crop: int) -> torch.Tensor:
    """Frames (L, 3, H, W) cut down to the square of `crop` pixels in their middle."""
    top, left = (pixels.shape[-2] - crop) // 2, (pixels.shape[-1] - crop) // 2
    return pixels[..., top : top + crop, left : left + crop]


def resize(pixels: torch.Tensor, size: int) -> torch.Tensor:
    """Frames (L, 3, H, W) with the shorter side brought to `size` pixels; untouched when it is already."""
    if min(pixels.shape[-2:]) == size:
        return pixels
    return transforms.resize(pixels, [size], antialias=True)
