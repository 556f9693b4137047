"""How good and how fast the filters are that frames can be made smaller with, on frames of real videos.

The reference is Lanczos with three lobes, its support widened by the reduction, in float64 and not rounded: near to
the ideal low-pass, which keeps what the small frame can show and drops what would alias. It is none of the filters
that are compared; those that sharpen in the same way come nearer to it than their looks alone would bring them.
"""

from __future__ import annotations

import contextlib
import math
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch.nn.functional import interpolate

from strmctl.data import decoder_pyav, jpegs
from strmctl.data.jpegs import resize
from strmctl.data.videos import decode
from strmctl.engine.bench_prepare import videos_below
from strmctl.errors import DataError, UsageError
from strmctl.progress import Progress, silent

_FromTo = tuple[tuple[int, int], tuple[int, int]]  # (width, height) of the video, and of the small frame
REFERENCE = "Lanczos-3, support widened by the reduction, float64"
LOBES = 3
EQUAL_DB = 100.0  # dB, what equal frames count as
OPENCV = {
    "OpenCV INTER_LINEAR": cv2.INTER_LINEAR,
    "OpenCV INTER_AREA": cv2.INTER_AREA,
    "OpenCV INTER_CUBIC": cv2.INTER_CUBIC,
    "OpenCV INTER_LANCZOS4": cv2.INTER_LANCZOS4,
}


def _same(frame: Any) -> Any:
    return frame


@dataclass(frozen=True)
class Filter:
    """One way to make a frame smaller; only `shrink` is timed.

    Attributes:
        shrink: what `take` gives, (width, height) -> the same, smaller.
        take: uint8 BGR (height, width, 3) -> what the library works on.
        give: the way back.
    """

    shrink: Callable[[Any, tuple[int, int]], Any]
    take: Callable[[np.ndarray], Any] = _same
    give: Callable[[Any], np.ndarray] = _same


@dataclass
class _Measured:
    """What one filter did with the frames of one size.

    Attributes:
        psnr: dB, of each frame.
        seconds: of each frame.
    """

    psnr: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def bench_resize(
    videos: Path,
    *,
    size: int = 256,
    clips: int = 20,
    frames_per_clip: int = 8,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Compares filters on evenly spaced frames of evenly spaced videos, on one thread.

    Only frames that are made smaller count. swscale gets the three colours as planes, since it would otherwise
    halve the resolution of two of them; its speed is that of the planes, without conversion.

    Args:
        videos: folder; the videos below it, at any depth.
        size: pixels, the shorter side of the result.
        clips: videos to take.
        frames_per_clip: frames to take of each.
        progress: is told (videos done, videos in all, note).

    Returns:
        Under `sources` for each size of video (`source`, `output`, `clips`, `frames`) and `filters`: filter ->
        `psnr_db` (mean over frames), `psnr_db_min`, `frames_per_second` (by the median time of a frame). `left_out`:
        videos that cannot be decoded, and why; `not_smaller`: videos that `size` would not make smaller.

    Raises:
        DataError: no videos, or none that is made smaller.
        UsageError: a number below 1.
    """
    if min(size, clips, frames_per_clip) < 1:
        raise UsageError("size, clips and frames are counted from 1")
    found = videos_below(videos)
    chosen = [found[position] for position in evenly_spaced(len(found), clips)]
    filters = available_filters(size)
    measured: dict[_FromTo, dict[str, _Measured]] = {}
    counts: dict[_FromTo, list[int]] = defaultdict(list)  # frames of each video
    left_out, not_smaller = [], 0
    with one_thread():
        for done, source in enumerate(chosen):
            progress(done, len(chosen), source)
            try:
                frames = sample(videos / source, frames_per_clip, above=size)
            except DataError as error:
                left_out.append({"video": source, "reason": error.message})
                continue
            not_smaller += not frames
            if not frames:
                continue
            from_to = frames[0].shape[1::-1], resize(frames[0], size).shape[1::-1]  # (width, height) of both
            own = measured.setdefault(from_to, {name: _Measured() for name in filters})
            counts[from_to].append(len(frames))
            for frame in frames:
                _compare(frame, from_to[1], filters, own)
    progress(len(chosen), len(chosen), "")
    if not measured:
        if not not_smaller:
            video, reason = left_out[0].values()
            raise DataError(f"none of the videos below {videos} can be decoded; {video}: {reason}")
        hint = "choose `--size` below the shorter side of the videos, or other videos"
        raise DataError(
            f"no frame of the videos below {videos} is made smaller by a shorter side of {size} pixels", hint
        )
    return {
        "videos": str(videos),
        "size": size,
        "reference": REFERENCE,
        "threads": 1,
        "left_out": left_out,
        "not_smaller": not_smaller,
        "sources": [
            {
                "source": "{}x{}".format(*key[0]),
                "output": "{}x{}".format(*key[1]),
                "clips": len(counts[key]),
                "frames": sum(counts[key]),
                "filters": {name: _figures(own) for name, own in measured[key].items()},
            }
            for key in sorted(measured)
        ],
    }


def evenly_spaced(count: int, wanted: int) -> list[int]:
    """Positions, counted from 0, of at most `wanted` evenly spaced ones among `count`."""
    return sorted(set(np.linspace(0, count - 1, wanted).astype(int).tolist()))


def sample(path: Path, wanted: int, *, above: int) -> list[np.ndarray]:
    """Evenly spaced frames of a video; none when its shorter side is not above so many pixels.

    Raises:
        DataError: it cannot be decoded.
    """
    video = decode(path)
    if min(video.width, video.height) <= above:
        return []
    positions = set(evenly_spaced(sum(1 for _ in video.frames), wanted))
    # decoded twice rather than kept: a long video does not fit into memory
    frames = [frame for position, frame in enumerate(decode(path).frames) if position in positions]
    return [frame for frame in frames if frame.shape == frames[0].shape]  # a stream may change its size


def available_filters(size: int) -> dict[str, Filter]:
    """The filters by name; those of swscale where PyAV is installed."""
    filters = {"strmctl (area halving, bilinear)": Filter(lambda frame, to: resize(frame, size))}
    for name, flag in OPENCV.items():
        filters[name] = Filter(lambda frame, to, flag=flag: cv2.resize(frame, to, interpolation=flag))
    with contextlib.suppress(ImportError):
        filters |= _swscale()
    for mode in ("bilinear", "bicubic"):
        filters[f"torch {mode}, antialiased"] = Filter(
            lambda frame, to, mode=mode: interpolate(frame, to[::-1], mode=mode, antialias=True),
            lambda frame: torch.from_numpy(frame).permute(2, 0, 1)[None],  # (1, 3, h, w), channels last in memory
            lambda frame: frame[0].permute(1, 2, 0).numpy(),
        )
    return filters


def _swscale() -> dict[str, Filter]:
    return {f"swscale {how.lower()}": Filter(*decoder_pyav.swscale(how)) for how in ("BILINEAR", "BICUBIC", "AREA")}


def _compare(
    frame: np.ndarray, to: tuple[int, int], filters: dict[str, Filter], measured: dict[str, _Measured]
) -> None:
    reference = lanczos(frame, to)
    for name, one in filters.items():
        taken = one.take(frame)
        if not measured[name].seconds:
            one.shrink(taken, to)  # warms up
        begin = time.perf_counter()
        small = one.shrink(taken, to)
        measured[name].seconds.append(time.perf_counter() - begin)
        measured[name].psnr.append(psnr(one.give(small), reference))


def _figures(measured: _Measured) -> dict[str, float]:
    return {
        "psnr_db": statistics.fmean(measured.psnr),
        "psnr_db_min": min(measured.psnr),
        "frames_per_second": 1 / statistics.median(measured.seconds),
    }


def psnr(image: np.ndarray, reference: np.ndarray) -> float:
    """Peak signal-to-noise ratio of 8-bit images in dB, at most `EQUAL_DB`."""
    error = float(np.mean((image.astype(np.float64) - reference) ** 2))
    return EQUAL_DB if error == 0 else min(EQUAL_DB, 10 * math.log10(255**2 / error))


def lanczos(frame: np.ndarray, to: tuple[int, int]) -> np.ndarray:
    """The reference: a frame (height, width, 3) made smaller to (width, height), float64 from 0 to 255."""
    height, width = frame.shape[:2]
    lower = np.tensordot(_weights(height, to[1]), frame.astype(np.float64), axes=1)  # (h, width, 3)
    return np.clip(np.einsum("xw,ywc->yxc", _weights(width, to[0]), lower, optimize=True), 0, 255)


def _weights(old: int, new: int) -> np.ndarray:
    """Matrix (new, old) that resamples a line; each row sums to 1, at the borders too."""
    scale = max(1.0, old / new)
    centres = (np.arange(new) + 0.5) * old / new - 0.5
    distance = (np.arange(old)[None] - centres[:, None]) / scale
    weights = np.where(np.abs(distance) < LOBES, np.sinc(distance) * np.sinc(distance / LOBES), 0)
    return weights / weights.sum(axis=1, keepdims=True)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """OpenCV and torch on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with jpegs.one_thread():
            yield
    finally:
        torch.set_num_threads(before)
