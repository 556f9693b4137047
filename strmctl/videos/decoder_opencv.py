"""Decoding by OpenCV (its FFmpeg)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from strmctl.errors import DataError
from strmctl.videos.orientation import Matrix, oriented
from strmctl.videos.video import LARGEST, Picture, Video, check_size, positive

# the complaints of FFmpeg and OpenCV about a damaged file would drown ours; and whatever a header says, no frame
# beyond this size is given memory (the variable is read when a video is opened)
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = f"max_pixels;{LARGEST}"
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

PTS = getattr(cv2, "CAP_PROP_PTS", 0)  # since OpenCV 4.9
DECODER = f"OpenCV {cv2.__version__}"

# one thread, no hardware: how many frames a damaged file gives must not depend on the machine
_OPEN = (cv2.CAP_PROP_N_THREADS, 1, cv2.CAP_PROP_HW_ACCELERATION, cv2.VIDEO_ACCELERATION_NONE)


def open_video(path: Path, matrix: Matrix | None = None) -> Video:
    """Opens a video; its size is that of the header.

    Args:
        path: the file.
        matrix: display matrix of the file; None leaves turning to OpenCV, which cannot mirror.

    Raises:
        DataError: the reason in a few words, without the path.
    """
    # an absolute path, so that OpenCV takes no name for an address or an option
    capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG, _OPEN)
    if matrix is not None:
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
    if not capture.isOpened():
        raise DataError("not a video that OpenCV can open")
    width, height = (int(positive(capture.get(key))) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    check_size(width, height)
    fps, declared = (positive(capture.get(key)) for key in (cv2.CAP_PROP_FPS, cv2.CAP_PROP_FRAME_COUNT))
    return Video(width, height, round(fps, 3), int(declared), DECODER, _pictures(capture, fps, matrix))


def _pictures(capture: cv2.VideoCapture, fps: float, matrix: Matrix | None) -> Iterator[Picture]:
    def pixels() -> np.ndarray:
        good, frame = capture.retrieve()
        if not good:
            raise DataError("OpenCV decoded a frame but cannot give its pixels")
        return frame if matrix is None else oriented(frame, matrix)

    try:
        while capture.grab():
            time = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000  # since the start of the stream
            clock = capture.get(PTS) / fps if PTS and fps else time  # OpenCV counts it in frames
            yield Picture(time, clock, pixels)
    except cv2.error:  # damaged: what was decoded so far counts
        return
    finally:
        capture.release()
