"""The clip that a model sees of a video file that lies in no store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from strmctl.errors import DataError
from strmctl.videos.extract import QUALITY, extract
from strmctl.videos.frame_positions import even_positions
from strmctl.videos.pixels import centre_crop, decode_frames, to_shorter_side


@dataclass(frozen=True)
class VideoClip:
    """The clip that a model sees of a video that lies in no store.

    Attributes:
        pixels: uint8 (L, 3, crop, crop), RGB.
        positions: positions of the L frames in the video, counted from 0.
        count: number of frames of the video.
        fps: frames per second of the video; 0 when it does not say.
        remarks: what is odd about the video, in a few words each.
    """

    pixels: torch.Tensor
    positions: list[int]
    count: int
    fps: float
    remarks: tuple[str, ...] = ()


def read_video(path: Path, *, frames: int, size: int, crop: int) -> VideoClip:
    """Reads the clip that `prepare` and then `ClipLoader` would give in test, with frames stored at `size` pixels.

    Args:
        path: video file.
        frames: L, frames per clip; some frames of a shorter video are repeated.
        size: shorter side that frames are resized to, pixels.
        crop: side of the square that is cut out of the centre, pixels.

    Raises:
        DataError: the video cannot be decoded, or has a single frame.

    Example:
        >>> strmctl.read_video(Path("clip.mp4"), frames=8, size=32, crop=24).pixels.shape
        torch.Size([8, 3, 24, 24])
    """
    encoded: list[bytes] = []  # each frame that is taken, once
    try:
        found = extract(path, size=size, quality=QUALITY, frames=frames, keep=encoded.append)
    except DataError as error:
        reason = str(error).removeprefix("cannot be read: ")
        raise DataError(f"the video {path} cannot be read: {reason}", error.hint) from error
    if found.decoded < 2:
        raise DataError(f"the video {path} has a single frame", "a clip needs two frames at least")
    taken = even_positions(len(encoded), frames)  # all of them, some again when the video is shorter
    pixels = decode_frames([encoded[index] for index in taken])
    positions = [found.positions[index] for index in taken]
    square, remarks = centre_crop(to_shorter_side(pixels, size), crop), tuple(found.remarks)
    return VideoClip(square, positions, found.decoded, found.video.fps, remarks)
