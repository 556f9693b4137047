"""How fast `classify` is, against what limits it: decoding alone, and embedding alone, of the same videos.

All are measured in one process, in turns, and the median counts.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import nn

from strmctl.bench.evaluation import check_backbone, clip_shape
from strmctl.classify import WINDOW
from strmctl.classify.classifier import Classifier
from strmctl.classify.examples import Example, Examples, find_videos
from strmctl.classify.features import VideoReader, embed_videos
from strmctl.classify.windows import embed_windows, windows_of
from strmctl.errors import DataError
from strmctl.evaluation.embed import embed_batches
from strmctl.progress import Progress, silent
from strmctl.recipe import Recipe, load_recipe
from strmctl.runs.build import build_model
from strmctl.threads import loader_threads
from strmctl.videos.decode import decode
from strmctl.videos.extract import one_thread
from strmctl.videos.windows import VideoWindows, Window, check_window

FEWEST = 8  # videos, and classes of as many examples
WHOLE, DECODING, EMBEDDING = "classify", "decoding alone", "embedding alone"


class _Decoded:
    """Videos that are in memory, in the place of a `VideoReader`."""

    def __init__(self, reader: VideoReader, clips: Sequence[str]) -> None:
        with ThreadPoolExecutor(loader_threads()) as pool:
            self.pixels = dict(zip(clips, reader.load_many(clips, pool), strict=True))

    def load_many(self, clips: Sequence[str], *_: object) -> torch.Tensor:
        """Some of them, uint8 (N, L, 3, crop, crop)."""
        return torch.stack([self.pixels[clip] for clip in clips])


class _Known:
    """Windows with their frames in memory, in the place of `VideoWindows`."""

    def __init__(self, windows: VideoWindows) -> None:
        self.path, self.all = windows.path, list(windows)
        self.end = windows.end

    def __iter__(self) -> Iterator[Window]:
        return iter(self.all)


def bench_classify(
    videos: Path,
    *,
    long: Path | None = None,
    backbone: str = "efficientnet_lite0",
    window: float = WINDOW,
    stride: float | None = None,
    clips: int = 64,
    repeats: int = 3,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Measures `classify` with random weights.

    Args:
        videos: folder of videos to label.
        long: a long video, which is searched by windows as well.
        backbone: key of `BACKBONES`, or `timm:` and the name of a model in timm.
        window: length of a window of the long video, seconds.
        stride: from the start of a window to that of the next, seconds; None: about a quarter of a window.
        clips: number of videos that are taken, the first ones.
        repeats: repetitions of each measurement.
        progress: callable that receives (measurements done, measurements in all, next measurement).

    Returns:
        `clips_per_second` and, with a long video, `video_seconds_per_second`: way -> rate, the median; and `share`: for
        each of them, the rate of classify over that of the slower of the two others.

    Raises:
        DataError: there are too few videos, or they cannot be read.
        UsageError: unknown backbone, or windows that make no sense.
    """
    check_backbone(backbone)
    frames = f"input.frames={clip_shape(backbone)[0]}"
    recipe = load_recipe("classify", [f"backbone.name={backbone}", "backbone.weights=none", frames])
    model = build_model(recipe, pretrained=False).eval()
    names = [str(path) for path in find_videos([videos])[0][:clips]]
    if len(names) < FEWEST:
        raise DataError(f"{videos} holds {len(names)} videos, and {FEWEST} are needed", "name a folder with more")
    reader = VideoReader(recipe, Path())
    decoded = _Decoded(reader, names)
    if reader.reasons:
        name, reason = next(iter(reader.reasons.items()))
        raise DataError(f"the video {name} {reason}", "move it away")
    classifier = _classifier(model, recipe, names)
    ways: dict[str, Callable[[], float]] = {
        WHOLE: lambda: len(classifier.predict_many(names)),
        DECODING: lambda: _decode(recipe, names),
        EMBEDDING: lambda: sum(len(next(iter(part.values()))) for part in embed_batches(model, decoded, names)),
    }
    groups = {"clips_per_second": ways}
    if long is not None:
        check_window(window, stride)
        groups["video_seconds_per_second"] = _of_long(classifier, long, window, stride)
    rates = _measured(groups, repeats, progress)
    return {
        "backbone": backbone,
        "threads": torch.get_num_threads(),
        "clips": len(names),
        "window": window if long else None,
        "stride": stride if long else None,
        "repeats": repeats,
        **rates,
        "share": {unit: each[WHOLE] / min(each[DECODING], each[EMBEDDING]) for unit, each in rates.items()},
    }


def _classifier(model: nn.Module, recipe: Recipe, names: Sequence[str]) -> Classifier:
    """Each of the first videos is a class, as if it were two examples."""
    (part, *more) = embed_videos(model, VideoReader(recipe, Path()), names[:FEWEST])
    features = {name: torch.cat([part[name], *(other[name] for other in more)]) for name in part}
    rows = [row for row in range(FEWEST) for _ in range(2)]
    clips = [Example(f"{row}/{number}", f"{row}", Path(), f"{number}", "", 0) for number, row in enumerate(rows)]
    twice = {name: value[rows] for name, value in features.items()}
    return Classifier(model, recipe, Examples(Path(), clips, []), twice, {}, weights_sha256="", reject=0.05)


def _decode(recipe: Recipe, names: Sequence[str]) -> float:
    with one_thread(), ThreadPoolExecutor(loader_threads()) as pool:
        return len(VideoReader(recipe, Path()).load_many(names, pool))


def _measured(
    groups: dict[str, dict[str, Callable[[], float]]], repeats: int, progress: Progress
) -> dict[str, dict[str, float]]:
    """Unit -> way -> what it does in a second, the median of its repetitions, in turns."""
    rates: dict[str, dict[str, list[float]]] = {unit: {way: [] for way in ways} for unit, ways in groups.items()}
    turns = [(unit, way) for unit, ways in groups.items() for _ in range(repeats) for way in ways]
    for done, (unit, way) in enumerate(turns):
        progress(done, len(turns), way)
        begin = time.perf_counter()
        amount = groups[unit][way]()
        rates[unit][way].append(amount / (time.perf_counter() - begin))
    progress(len(turns), len(turns), "")
    return {unit: {way: statistics.median(each) for way, each in ways.items()} for unit, ways in rates.items()}


def _of_long(classifier: Classifier, long: Path, window: float, stride: float | None) -> dict[str, Callable[[], float]]:
    """Way -> function that returns the seconds of video it went through."""
    recipe, model = classifier.recipe, classifier.model
    known = _Known(windows_of(long, recipe.input, window=window, stride=stride))

    def whole() -> float:
        return classifier.timeline(long, window=window, stride=stride).duration

    def decoding() -> float:
        for picture in decode(long).pictures:
            picture.pixels()
        return known.end

    def embedding() -> float:
        for _ in embed_windows(model, known, recipe.input):
            pass
        return known.end

    return {WHOLE: whole, DECODING: decoding, EMBEDDING: embedding}
