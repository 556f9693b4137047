"""Videos made of clips one after another, and how many of these a classifier finds in them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from strmctl.classify.classifier import Classifier
from strmctl.classify.examples import Example

WINDOW, STRIDE = 1.0, 0.25  # seconds; the clips last 0.5 to 1.4
OVERLAP = 0.5  # intersection over union from which a segment finds an action

Stretch = tuple[float, float]  # start and end, seconds


def write_montage(path: Path, clips: Sequence[Path]) -> list[Stretch]:
    """Writes clips of one size and frame rate one after another; returns where each lies."""
    writer, frames, cuts = None, 0, []
    for clip in clips:
        video, begin = cv2.VideoCapture(str(clip)), frames
        rate = video.get(cv2.CAP_PROP_FPS)
        good, frame = video.read()
        while good:
            if writer is None:
                writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate, frame.shape[1::-1])
            writer.write(frame)
            frames += 1
            good, frame = video.read()
        cuts.append((begin / rate, frames / rate))
    writer.release()
    return cuts


def overlap(one: Stretch, other: Stretch) -> float:
    """Intersection over union."""
    both = max(0.0, min(one[1], other[1]) - max(one[0], other[0]))
    return both / (one[1] - one[0] + other[1] - other[0] - both)


def found_in_montage(classifier: Classifier, clips: Sequence[Example]) -> np.ndarray:
    """What is found in a video of clips.

    Returns:
        Number of clips, of those found, sum of their best overlaps; number of segments, of those that find a clip.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "montage.mp4"
        cuts = write_montage(path, [clip.path for clip in clips])
        segments = classifier.timeline(path, window=WINDOW, stride=STRIDE).segments
    overlaps = np.zeros((len(clips), len(segments)))
    for row, (clip, cut) in enumerate(zip(clips, cuts, strict=True)):
        for column, segment in enumerate(segments):
            if segment.cls == clip.cls:
                overlaps[row, column] = overlap(cut, (segment.start, segment.end))
    best, fit = overlaps.max(axis=1, initial=0), overlaps.max(axis=0, initial=0)
    return np.array([len(clips), (best >= OVERLAP).sum(), best.sum(), len(segments), (fit >= OVERLAP).sum()])
