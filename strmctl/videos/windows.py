"""Windows of a long video: each is what `read_video` gives of a clip cut out there, and frames are decoded once.

Which frames of a window are taken is known when it ends, and where the last window begins when the video ends. So every
frame of the last `window` seconds is kept as the JPEG image that a frame store would hold, which is small; whatever
the length of the video, no more is kept.
"""

from __future__ import annotations

import contextlib
import math
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import NamedTuple

from strmctl.errors import DataError, UsageError
from strmctl.videos.decode import decode
from strmctl.videos.extract import QUALITY, FrameEncoder, damage
from strmctl.videos.frame_positions import even_positions, positions_by_time
from strmctl.videos.frame_times import timed
from strmctl.videos.video import check_rate

TOLERANCE = 1e-3  # seconds to which files give times
QUARTER = 0.25  # of a window, about: the stride where none is given
NEAR = 1.25  # times by which such a stride may be longer or shorter
LONGEST = 300.0  # seconds of a window, whose frames are kept in memory


@dataclass(frozen=True)
class Window:
    """A window of a video.

    Attributes:
        start: where it begins, seconds from the beginning of the video.
        end: where it ends.
        positions: positions in the video of the L frames that are taken, counted from 0, in order; some may be equal.
        images: position -> the frame as JPEG.
        first: position of the first frame in it, taken or not; later windows take none before.
    """

    start: float
    end: float
    positions: list[int]
    images: Mapping[int, bytes]
    first: int


class _Kept(NamedTuple):
    position: int
    time: float
    image: bytes


def check_window(window: float, stride: float | None) -> None:
    """Refuses windows that make no sense; a stride of None always does.

    Raises:
        UsageError: one of both is no number of seconds above 0, the window is too long, or windows leave gaps.
    """
    for name, value in (("window", window), ("stride", stride)):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise UsageError(f"the {name} must be a number of seconds above 0 (got {value})")
    if window > LONGEST:
        raise UsageError(f"a window has {LONGEST:g} seconds at most (got {window:g}); its frames are kept in memory")
    if stride is not None and stride > window:
        hint = f"`--stride {window:g}` is the largest"
        raise UsageError(f"a stride of {stride:g} s leaves gaps between windows of {window:g} s", hint)


def shared_stride(window: float, fps: float, frames: int, rate: float | None = None) -> float:
    """A stride of about a quarter of a window with which windows share as many frames as can be, seconds.

    Of all strides of whole frames near a quarter it needs the fewest frames per second that no window before has taken.
    """
    if not fps:
        return QUARTER * window
    count, quarter = math.ceil(window * fps - TOLERANCE), QUARTER * window * fps  # frames
    taken = set(even_positions(count, frames, rate, fps))

    def cost(stride: int) -> tuple[float, float]:
        new = sum(not any(place + ahead in taken for ahead in range(stride, count, stride)) for place in taken)
        return new / stride, abs(stride - quarter)

    least = max(1, round(quarter / NEAR))
    return min(range(least, max(least, round(quarter * NEAR)) + 1), key=cost) / fps


class VideoWindows:
    """The windows of a video, decoded in one pass, which is made once.

    Windows begin every `stride` seconds. Where the last of them ends before the video does, one more ends with it. A
    video that is shorter than a window is one window. In a window in which no more than one frame appears, the one that
    is shown at its start is taken as well.

    Args:
        path: video file.
        window: length of a window, seconds.
        stride: from the start of a window to that of the next, seconds; None: `shared_stride`.
        frames: L, frames per window.
        size: shorter side that frames are resized to, pixels.
        rate: number of a window's frames per second, in its middle; None, or where that is longer than a window: they
            are spread over all of it.

    Attributes:
        expected: where it ends according to the file, about, seconds; 0 when it does not say.
        decoded: number of frames so far.
        end: where the last of them begins, and after the last window, where it ends, seconds from the beginning of the
            video.
        remarks: what is odd about the video, in a few words each; complete after the last window.

    Raises:
        DataError: the video cannot be decoded, its frames are too far apart for such windows, or it does not say its
            own rate where there is one.
        OSError: a limit of the system keeps it from being read.
    """

    def __init__(
        self,
        path: Path,
        *,
        window: float,
        stride: float | None,
        frames: int,
        size: int,
        rate: float | None = None,
    ) -> None:
        self.path, self.window, self.frames, self.rate = path, window, frames, rate
        self.decoded, self.end = 0, 0.0
        self.remarks: list[str] = []
        try:
            self._video = decode(path)
            check_rate(self._video, rate)
            self._encode = FrameEncoder(self._video, size, QUALITY)
        except DataError as error:
            reason = str(error).removeprefix("cannot be read: ")
            raise DataError(f"the video {path} cannot be read: {reason}", error.hint) from error
        fps = self._video.fps
        speed = f"the video {path} has {fps:g} frames per second"
        if fps and window * fps < 2:
            raise DataError(f"{speed}, and a window of {window:g} s needs two of them")
        self.stride = shared_stride(window, fps, frames, rate) if stride is None else stride
        if fps and self.stride * fps < 1 - TOLERANCE:
            raise DataError(f"{speed}, and a stride of {self.stride:g} s is less than one")
        if fps and window * fps < frames:
            self.remarks.append(f"{window * fps:.0f} frames in a window where {frames} are taken, so some appear twice")
        self.expected = self._video.start + self._video.declared / fps if fps else 0.0

    def __iter__(self) -> Iterator[Window]:
        video = self._video
        begin, last = video.start, math.nan
        broken: list[str] = []
        starts = (begin + number * self.stride for number in count())
        start, gone = next(starts), begin  # `gone`: where the latest window ended
        kept: deque[_Kept] = deque()
        with contextlib.closing(video.pictures):
            for time, picture in timed(video):
                while time >= start + self.window - TOLERANCE:
                    gone = start + self.window
                    yield self._taken(start, gone, kept)
                    start = next(starts)
                try:
                    image = self._encode(picture.pixels(), self.decoded)
                except DataError as error:
                    broken = [f"{error} after {self.end:.1f} s"]
                    break
                kept.append(_Kept(self.decoded, time, image))
                self.decoded, self.end, last = self.decoded + 1, time, picture.time
                needed = min(start, time - self.window) - TOLERANCE
                while len(kept) > 1 and kept[1].time <= needed:  # the one before is shown at that moment
                    kept.popleft()
        if self.decoded < 2:
            why = f"cannot be read: {broken[0]}" if broken else "has a single frame"
            raise DataError(f"the video {self.path} {why}")
        self.end += (self.end - begin) / (self.decoded - 1)  # the last frame is shown as long as others
        damaged = [f"{text}, up to {self.end:.1f} s" for text in damage(self.path, video, self.decoded, last)]
        self.remarks += (broken or damaged) + self._encode.remarks
        while self.end >= start + self.window - TOLERANCE:
            gone = start + self.window
            yield self._taken(start, gone, kept)
            start = next(starts)
        if gone == begin:
            self.remarks.append(f"its {self.end - begin:.2g} s are shorter than a window")
            yield self._taken(begin, self.end, kept)
        elif self.end - gone > TOLERANCE:
            yield self._taken(self.end - self.window, self.end, kept)

    def _taken(self, start: float, end: float, kept: deque[_Kept]) -> Window:
        first = sum(frame.time < start - TOLERANCE for frame in kept)
        after = sum(frame.time < end - TOLERANCE for frame in kept)
        if after - first < 2 and first > 0:
            first -= 1
        inside = list(islice(kept, first, max(after, first + 1)))
        times = [frame.time for frame in inside]
        taken = [inside[index] for index in positions_by_time(times, self.frames, self.rate, self._video.fps)]
        images = {frame.position: frame.image for frame in taken}
        return Window(start, end, [frame.position for frame in taken], images, inside[0].position)
