"""Actions in a long video: its windows are labelled one after another, and add up to segments."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from strmctl.classify.timeline import Timeline, Windows, segments_of
from strmctl.classify.windows import embed_windows, windows_of
from strmctl.errors import DataError, NotFiniteError
from strmctl.progress import Progress
from strmctl.videos.decode import decode
from strmctl.videos.windows import Window, check_window

if TYPE_CHECKING:
    from strmctl.classify.classifier import Classifier

UNLIKE = 3  # times that the examples may be longer or shorter than a window, without a note
LOOKED_AT = 9  # examples whose length is looked up


def find_segments(
    classifier: Classifier,
    video: Path,
    window: float,
    stride: float | None,
    progress: Progress,
    *,
    seen: Callable[[list[Window]], None] | None = None,
) -> Timeline:
    """What happens when in a video; arguments as for `Classifier.timeline`, and what receives its windows."""
    check_window(window, stride)
    shape, classes = classifier.recipe.input, tuple(classifier.classes)
    found, parts = [], []
    try:
        windows = windows_of(video, shape, window=window, stride=stride)
        progress(0, max(1, round(windows.expected)), "")
        for some, features in embed_windows(classifier.model, windows, shape):
            found += [(one.start, one.end) for one in some]
            parts.append(classifier.answers(features))
            if seen is not None:
                seen(some)
            seconds = int(some[-1].end)
            progress(seconds, max(round(windows.expected), seconds + 1), "")
    except NotFiniteError:
        raise
    except DataError as error:
        return Timeline(video, classes, reason=error.message.removeprefix(f"the video {video} "))
    progress(max(1, round(windows.end)), max(1, round(windows.end)), "")
    starts, ends = np.array(found).T
    answered = Windows(
        starts,
        ends,
        np.concatenate([part.probabilities for part in parts]),
        np.concatenate([part.refused for part in parts]),
        tuple(name for part in parts for name in part.nearest),
    )
    segments = segments_of(answered, classes)
    return Timeline(video, classes, windows.end, answered, segments, notes=tuple(windows.remarks))


def length_note(classifier: Classifier, window: float) -> str:
    """What to say where the examples are much longer or shorter than a window; empty where they are not.

    The headers of a few examples tell it.
    """
    lengths = []
    for example in classifier.examples[:: -(-len(classifier.examples) // LOOKED_AT)]:
        with contextlib.suppress(DataError, OSError):
            opened = decode(example.path)
            with contextlib.closing(opened.pictures):
                if opened.fps and opened.declared:
                    lengths.append(opened.declared / opened.fps)
    if not lengths:
        return ""
    usual = median(lengths)
    if max(usual / window, window / usual) <= UNLIKE:
        return ""
    return (
        f"the examples last {usual:.2g} s (median of {len(lengths)}), and a window {window:g} s: what was learned from "
        f"them fits windows about as long, such as --window {usual:.2g}"
    )
