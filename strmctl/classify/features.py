"""Features of video files that lie in no store: decoded ahead by threads, and kept for the examples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from strmctl.classify.examples import Examples
from strmctl.draws import Draws
from strmctl.errors import DataError, OutputError
from strmctl.evaluation.embed import CLIPS_PER_BATCH, ClipFeatures, embed_batches
from strmctl.evaluation.tensor_cache import TensorCache
from strmctl.model.backbones.table import backbone_entry
from strmctl.progress import Progress
from strmctl.provenance import code_sha256, versions
from strmctl.recipe import Recipe
from strmctl.videos.extract import one_thread
from strmctl.videos.read_video import read_video

CODE = ("model", "videos", "classify/features.py")  # what features depend on
LENGTH = "frames_of_video"  # beside the features of a method: number of frames of each video, 0 for an unreadable one
AHEAD = 1  # batches that are decoded while another one is embedded


class VideoReader:
    """Reads video files as a test reads clips; one that cannot be read becomes black frames and a reason.

    Args:
        recipe: recipe, which says how many frames of which size the model sees.
        folder: folder that relative paths start from.
        seen: callable that receives path and pixels of each video that was read, in their order.

    Attributes:
        lengths: path -> number of frames of each video that was read.
        reasons: path -> why a video cannot be read.
        remarks: path -> what is odd about a video that was read.
    """

    def __init__(self, recipe: Recipe, folder: Path, seen: Callable[[str, Tensor], None] | None = None) -> None:
        self.shape, self.folder, self.seen = recipe.input, folder, seen
        self.lengths: dict[str, int] = {}
        self.reasons: dict[str, str] = {}
        self.remarks: dict[str, tuple[str, ...]] = {}

    def load_many(self, clips: Sequence[str], pool: Executor, draws: Sequence[Draws | None] | None = None) -> Tensor:
        """Several videos, uint8 (N, L, 3, crop, crop), decoded by the threads of `pool`."""
        found = list(pool.map(self.load, clips))
        if self.seen is not None:
            for clip, pixels in zip(clips, found, strict=True):
                if clip in self.lengths:
                    self.seen(clip, pixels)
        return torch.stack(found)

    def load(self, clip: str) -> Tensor:
        """One video, uint8 (L, 3, crop, crop)."""
        path, shape = self.folder / clip, self.shape
        try:
            found = read_video(path, **shape.taken)
        except DataError as error:
            self.reasons[clip] = error.message.removeprefix(f"the video {path} ")
            return torch.zeros(shape.frames, 3, shape.crop, shape.crop, dtype=torch.uint8)
        self.lengths[clip], self.remarks[clip] = found.count, found.remarks
        return found.pixels


def embed_videos(model: nn.Module, reader: VideoReader, clips: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Features of `CLIPS_PER_BATCH` videos at a time, and `LENGTH` `(N)`, 0 where a video cannot be read."""
    done = 0
    with one_thread():  # several videos at a time
        for part in embed_batches(model, reader, clips, depth=AHEAD):
            ids = clips[done : done + CLIPS_PER_BATCH]
            done += len(ids)
            yield part | {LENGTH: torch.tensor([reader.lengths.get(clip, 0) for clip in ids])}


def example_features(
    model: nn.Module,
    recipe: Recipe,
    examples: Examples,
    home: Path,
    *,
    weights_sha256: str,
    progress: Progress,
    announce: Callable[[str], None],
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Features of all examples in their order, kept below `home` for the next time; known files are not read again.

    Args:
        model: model that embeds.
        recipe: its recipe.
        examples: the examples.
        home: folder of the kept features.
        weights_sha256: hash of the model's tensors.
        progress: callable that receives (examples done, examples in all, "").
        announce: callable that receives a message when features cannot be kept.

    Returns:
        Features `(N, …)` with `LENGTH`; example -> why it cannot be read.
    """
    clips, device = [example.clip for example in examples.clips], next(model.parameters()).device
    made_of = {
        "examples": str(examples.folder.resolve()),
        "files": [example.sha256 for example in examples.clips],
        "weights": weights_sha256,
        "recipe": recipe.model_dump(exclude={"name", "data", "train", "validation"}),
        "device": device.type,
        "code": code_sha256(*CODE),
        "libraries": versions("torch", "torchvision", "opencv", "av", *backbone_entry(recipe.backbone.name).libraries),
    }

    of_model = ("weights", "recipe", "device", "code", "libraries")

    def outdated(other: Mapping[str, Any]) -> bool:  # the folder has changed since, or the code
        same = all(other.get(key) == made_of[key] for key in ("examples", "weights", "recipe"))
        return same and any(other.get(key) != made_of[key] for key in ("files", "code", "libraries"))

    def files(other: Mapping[str, Any]) -> Sequence[str]:
        return other["files"] if all(other.get(key) == made_of[key] for key in of_model) else ()

    def embed(missing: Sequence[str]) -> Iterator[dict[str, Tensor]]:
        """Features of one example at a time: those that are known, and those of files that are new."""
        new = [clip for clip in missing if hashes[clip] not in known]
        made = (row for part in embed_videos(model, reader, new) for row in _rows(part))
        for clip in missing:
            yield known[hashes[clip]] if hashes[clip] in known else next(made)

    def report(done: int) -> None:
        progress(done, len(clips), "")

    reader = VideoReader(recipe, examples.folder)
    cache = TensorCache(home, clips, made_of, what="features of examples", replaces=outdated)
    found = cache.read(announce)
    if found is None:
        hashes = dict(zip(clips, made_of["files"], strict=True))
        known = {
            file: {name: value[row : row + 1].to(device) for name, value in other.tensors.items()}
            for other in cache.others(files)
            for file, row in other.row.items()
            if file in made_of["files"] and file  # of an unreadable one there is no hash
        }
        try:
            home.mkdir(parents=True, exist_ok=True)
            found = cache.write(embed, report)
        except (OutputError, OSError) as error:
            reason = f"{error.strerror}: {error.filename}" if isinstance(error, OSError) else error.message
            announce(f"note: {reason}; the features of the examples are not kept")
            parts = []
            for part in embed(clips):
                parts.append(part)
                report(len(parts))
            tensors = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
            found = ClipFeatures(tensors, {clip: row for row, clip in enumerate(clips)})
    tensors = {name: value.clone().to(device) for name, value in found.tensors.items()}
    failed = [clip for clip, length in zip(clips, tensors[LENGTH].tolist(), strict=True) if length == 0]
    for clip in failed:
        if clip not in reader.reasons:  # kept features hold no reasons
            reader.load(clip)
    return tensors, {clip: reader.reasons.get(clip, "cannot be read") for clip in failed}


def _rows(features: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Each row of features `(N, …)`, as `(1, …)`."""
    for row in range(len(features[LENGTH])):
        yield {name: value[row : row + 1] for name, value in features.items()}
