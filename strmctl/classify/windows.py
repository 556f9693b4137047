"""Features of the windows of a video: a frame that several windows take passes a backbone of frames once."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from strmctl.evaluation.embed import CLIPS_PER_BATCH, ClipFeatures, ahead, evaluating, to_model
from strmctl.model.backbones.folding import folded_backbone
from strmctl.model.enrichment import Maps, backbone_maps
from strmctl.recipe import Input
from strmctl.videos.extract import one_thread
from strmctl.videos.pixels import centre_crop, decode_frames, to_shorter_side
from strmctl.videos.windows import VideoWindows, Window

MOST = 64  # windows of a batch, also where nearly all of their frames are known
Batch = tuple[list[Window], list[int], Tensor]  # windows, and positions and pixels of the frames that are new in them


def windows_of(video: Path, shape: Input, *, window: float, stride: float | None) -> VideoWindows:
    """The windows of a video with the frames that a recipe takes, whole; see `VideoWindows`."""
    taken = {"frames": shape.frames, "size": shape.size, "rate": shape.rate}
    return VideoWindows(video, window=window, stride=stride, **taken)


@torch.inference_mode()
def embed_windows(
    model: nn.Module, windows: VideoWindows, shape: Input
) -> Iterator[tuple[list[Window], dict[str, Tensor]]]:
    """Windows, some at a time, with the features `(W, …)` of each; a thread decodes ahead.

    Args:
        model: model in any mode; it embeds in evaluation mode.
        windows: windows of a video.
        shape: size of frames, as the recipe says.

    Raises:
        DataError: the video has a single frame.
        NotFiniteError: features are not finite.
    """
    whole = model.backbone.whole_clips
    batches = _batches(windows, shape, CLIPS_PER_BATCH if whole else MOST)
    known: dict[int, Any] = {}  # by position, what there is of each frame: its `Maps`, or pixels for whole clips
    with contextlib.ExitStack() as stack:
        stack.enter_context(one_thread())
        stack.enter_context(evaluating(model))
        for number, batch in enumerate(ahead(lambda _: next(batches, None), repeat(None), depth=1)):
            if batch is None:
                return
            found, positions, pixels = batch
            frames = to_model(pixels, model)[None]  # (1, F, 3, crop, crop)
            if whole:
                known |= zip(positions, frames[0], strict=True)
                frames = torch.stack([torch.stack(own) for own in _of_windows(known, found)])  # (W, L, 3, crop, crop)
            if number == 0:
                stack.enter_context(folded_backbone(model, frames))
            if positions and not whole:
                made = backbone_maps(frames, backbone=model.backbone, patches=model.patches)
                known |= {position: _frame(made, row) for row, position in enumerate(positions)}
            features = model.embed(frames if whole else _clips(_of_windows(known, found)))
            names = {f"{windows.path} at {window.start:.1f} s": row for row, window in enumerate(found)}
            ClipFeatures(features, names).check_finite()
            yield found, features
            known = {position: own for position, own in known.items() if position >= found[-1].first}


def _batches(windows: VideoWindows, shape: Input, most: int) -> Iterator[Batch]:
    """Windows until they have as many new frames as a batch of clips, or are `most`."""
    known: set[int] = set()  # positions that were handed over and may be taken again
    found: list[Window] = []
    new: dict[int, bytes] = {}
    for window in windows:
        found.append(window)
        new |= {position: image for position, image in window.images.items() if position not in known}
        if len(new) >= CLIPS_PER_BATCH * shape.frames or len(found) == most:
            yield found, list(new), _pixels(new.values(), shape)
            known = {position for position in known | new.keys() if position >= window.first}
            found, new = [], {}
    if found:
        yield found, list(new), _pixels(new.values(), shape)


def _pixels(images: Collection[bytes], shape: Input) -> Tensor:
    """Frames as `read_video` gives them, uint8 (F, 3, crop, crop)."""
    if not images:
        return torch.empty(0, 3, shape.crop, shape.crop, dtype=torch.uint8)
    return centre_crop(to_shorter_side(decode_frames(images), shape.size), shape.crop)


def _of_windows(known: Mapping[int, Any], windows: Sequence[Window]) -> list[list[Any]]:
    """What is known of the frames of each window."""
    return [[known[position] for position in window.positions] for window in windows]


def _frame(maps: Maps, row: int) -> Maps:
    """One frame `(P², D)` and `(D)` of the maps of a clip; a copy, so that the others can be freed."""
    return Maps(maps.patches[0, row].clone(), maps.mean[0, row].clone())


def _clips(frames: Sequence[Sequence[Maps]]) -> Maps:
    """Maps of clips from those of their frames."""
    patches = torch.stack([torch.stack([own.patches for own in clip]) for clip in frames])  # (W, L, P², D)
    return Maps(patches, torch.stack([torch.stack([own.mean for own in clip]) for clip in frames]))
