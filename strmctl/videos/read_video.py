"""The clip that a model sees of a video file that lies in no store."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from strmctl.errors import DataError, UsageError
from strmctl.videos.decode import decode
from strmctl.videos.extract import QUALITY, FrameEncoder, extract, fetch
from strmctl.videos.frame_positions import even_positions, positions_by_time
from strmctl.videos.frame_times import timed
from strmctl.videos.pixels import centre_crop, decode_frames, to_shorter_side
from strmctl.videos.video import check_rate

TOLERANCE = 1e-3  # seconds to which files give times


@dataclass(frozen=True)
class VideoClip:
    """The clip that a model sees of a video that lies in no store.

    Attributes:
        pixels: uint8 (L, 3, crop, crop), RGB.
        positions: positions of the L frames in the video, counted from 0.
        count: number of frames of the video.
        fps: frames per second of the video; 0 when it does not say.
        remarks: what is odd about the video, in a few words each.
        times: when each of the L frames is shown, seconds; empty for a whole video.
    """

    pixels: torch.Tensor
    positions: list[int]
    count: int
    fps: float
    remarks: tuple[str, ...] = ()
    times: tuple[float, ...] = ()


def read_video(
    path: Path,
    *,
    frames: int,
    size: int,
    crop: int,
    rate: float | None = None,
    start: float | None = None,
    end: float | None = None,
) -> VideoClip:
    """Reads the clip that `prepare` and then `ClipLoader` would give in test, with frames stored at `size` pixels.

    Args:
        path: video file.
        frames: L, frames per clip; some frames of a shorter video are repeated.
        size: shorter side that frames are resized to, pixels.
        crop: side of the square that is cut out of the centre, pixels.
        rate: number of these frames per second, in the middle of the clip; None: they are spread over all of it.
        start: where the clip begins, seconds from the beginning of the video; None for its beginning.
        end: where the clip ends, likewise; None for the end of the video.

    Raises:
        DataError: the video cannot be decoded, has a single frame, or does not say its own rate where there is one.
        UsageError: between start and end there are fewer than two frames.

    Example:
        >>> strmctl.read_video(Path("clip.mp4"), frames=8, size=32, crop=24).pixels.shape
        torch.Size([8, 3, 24, 24])
    """
    if start is not None or end is not None:
        span = start or 0.0, math.inf if end is None else end
        return _read_span(path, span, frames=frames, size=size, crop=crop, rate=rate)
    encoded: list[bytes] = []  # each frame that is taken, once
    try:
        found = extract(path, size=size, quality=QUALITY, frames=frames, rate=rate, keep=encoded.append)
    except DataError as error:
        raise _unreadable(path, error) from error
    if found.decoded < 2:
        raise DataError(f"the video {path} has a single frame", "a clip needs two frames at least")
    taken = even_positions(len(encoded), frames)  # all of them, some again when the video is shorter
    positions = [found.positions[index] for index in taken]
    square = _square([encoded[index] for index in taken], size, crop)
    return VideoClip(square, positions, found.decoded, found.video.fps, tuple(found.remarks))


def times_in_span(path: Path, start: float, end: float) -> dict[int, float]:
    """Position -> time in seconds of the frames that are shown from `start` on and before `end`; two at least.

    Raises:
        DataError: the video cannot be decoded.
        UsageError: there are fewer.
    """
    if not start < end:
        raise UsageError(f"--end {end:g} does not lie after --start {start:g}", "leave `--end` out")
    inside, last, ended = {}, 0.0, False
    try:
        video = decode(path)
        with contextlib.closing(video.pictures):
            for position, (time, _) in enumerate(timed(video)):
                if time >= end - TOLERANCE:
                    break
                last = time
                if time >= start - TOLERANCE:
                    inside[position] = time
            else:
                ended = True
    except DataError as error:
        raise _unreadable(path, error) from error
    if ended and not inside:
        hint = f"`--start {max(0, math.floor(100 * last - 100) / 100):g}` shows its last second"
        raise UsageError(f"--start {start:g} is beyond the end of {path}, whose last frame is at {last:.2f} s", hint)
    if len(inside) < 2:
        raise UsageError(
            f"from {start:g} to {end:g} s {path} has {len(inside)} frames, and a clip needs two", "leave `--end` out"
        )
    return inside


def frames_in_span(path: Path, start: float, end: float) -> Iterator[tuple[int, np.ndarray]]:
    """The position and the pixels, uint8 BGR (height, width, 3), of the frames shown from `start` to `end`, seconds."""
    video = decode(path)
    with contextlib.closing(video.pictures):
        for position, (time, picture) in enumerate(timed(video)):
            if time >= end - TOLERANCE:
                return
            if time >= start - TOLERANCE:
                yield position, picture.pixels()


def _read_span(
    path: Path, span: tuple[float, float], *, frames: int, size: int, crop: int, rate: float | None
) -> VideoClip:
    inside = times_in_span(path, *span)
    positions, times = list(inside), list(inside.values())
    video = decode(path)
    with contextlib.closing(video.pictures):
        try:
            check_rate(video, rate)
        except DataError as error:
            raise _unreadable(path, error) from error
        encode = FrameEncoder(video, size, QUALITY)
    chosen = positions_by_time(times, frames, rate, video.fps)
    images = fetch(path, {positions[index] for index in chosen}, encode)
    taken = [positions[index] for index in chosen]
    square = _square([images[position] for position in taken], size, crop)
    return VideoClip(square, taken, len(inside), video.fps, times=tuple(times[index] for index in chosen))


def _square(images: list[bytes], size: int, crop: int) -> torch.Tensor:
    """JPEG images as uint8 (L, 3, crop, crop)."""
    return centre_crop(to_shorter_side(decode_frames(images), size), crop)


def _unreadable(path: Path, error: DataError) -> DataError:
    reason = str(error).removeprefix("cannot be read: ")
    return DataError(f"the video {path} cannot be read: {reason}", error.hint)
