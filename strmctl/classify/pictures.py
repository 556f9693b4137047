"""Small pictures of what the model sees, kept as JPEG while videos are embedded."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from torch import Tensor

from strmctl.recipe import Input
from strmctl.report.pages.labels_page import PER_ROW, Picture
from strmctl.videos.frame_positions import even_positions
from strmctl.videos.pixels import centre_crop, decode_frames, to_shorter_side
from strmctl.videos.windows import Window

SIDE = 112  # pixels of a frame: a multiple of 16, so that each frame has blocks of its own in the JPEG image
QUALITY = 75
MOST = 300  # videos of which pictures are kept, 20 kB each with 8 frames
LONGEST = 512  # frames that are kept of a long video, 4 kB each


def sheet(frames: np.ndarray) -> Picture:
    """Frames in rows of `PER_ROW`.

    Args:
        frames: RGB, uint8 (L, S, S, 3).
    """
    count = len(frames)
    columns = min(PER_ROW, count)
    rows = -(-count // columns)
    smooth = cv2.INTER_AREA if frames.shape[1] > SIDE else cv2.INTER_LINEAR
    picture = np.zeros((rows * SIDE, columns * SIDE, 3), np.uint8)
    for position, frame in enumerate(frames):
        top, left = SIDE * (position // columns), SIDE * (position % columns)
        picture[top : top + SIDE, left : left + SIDE] = cv2.resize(frame, (SIDE, SIDE), interpolation=smooth)
    _, encoded = cv2.imencode(".jpg", picture[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, QUALITY))
    return Picture(encoded.tobytes(), count, columns, SIDE)


class Pictures(dict[str, Picture]):
    """Pictures by path of the video, of the first `MOST` that are kept; and films of long videos.

    Attributes:
        films: path -> frames of a long video.
    """

    def __init__(self) -> None:
        super().__init__()
        self.films: dict[str, Film] = {}

    def film(self, path: str, shape: Input) -> Film:
        """A new film, of frames of a size."""
        return self.films.setdefault(path, Film(shape))

    def keep(self, path: str, pixels: Tensor) -> None:
        """Keeps the frames of a video, uint8 (L, 3, crop, crop), RGB."""
        if len(self) < MOST:
            self[path] = sheet(_frames(pixels))


class Film:
    """Frames of a long video, evenly spaced; never more than `LONGEST`, for then every second one is dropped.

    Args:
        shape: size of frames, as the recipe says.

    Attributes:
        frames: seconds -> JPEG image.
    """

    def __init__(self, shape: Input) -> None:
        self.shape = shape
        self.frames: dict[float, bytes] = {}
        self._every, self._seen = 1, 0

    def keep(self, windows: Sequence[Window]) -> None:
        """Keeps the frame in the middle of each of the next windows."""
        for window in windows:
            if self._seen % self._every == 0:
                image = window.images[window.positions[len(window.positions) // 2]]
                pixels = centre_crop(to_shorter_side(decode_frames([image]), self.shape.size), self.shape.crop)
                self.frames[(window.start + window.end) / 2] = sheet(_frames(pixels)).jpeg
            self._seen += 1
            if len(self.frames) == LONGEST:
                self.frames = dict(list(self.frames.items())[::2])
                self._every *= 2

    def between(self, start: float, end: float) -> Picture | None:
        """Up to `PER_ROW` frames of a segment, or the one that is nearest to its middle; times in seconds."""
        inside = [time for time in self.frames if start <= time <= end]
        inside = inside or sorted(self.frames, key=lambda time: abs(time - (start + end) / 2))[:1]
        if not inside:
            return None
        taken = [inside[index] for index in even_positions(len(inside), min(PER_ROW, len(inside)))]
        return sheet(_frames(decode_frames([self.frames[time] for time in taken])))


def _frames(pixels: Tensor) -> np.ndarray:
    return pixels.permute(0, 2, 3, 1).numpy()
