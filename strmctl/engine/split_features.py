"""Features of the clips that a run is tested on: from the disk where they are, embedded and kept there otherwise."""

from __future__ import annotations

import copy
import importlib.metadata
import os
from collections.abc import Callable, Sequence

import torch

from strmctl.data.clips import FrameOrder
from strmctl.data.store import FrameStore
from strmctl.engine.checkpoint import LoadedRun
from strmctl.engine.feature_cache import FeatureCache
from strmctl.engine.features import ClipFeatures, embed_batches, embed_clips
from strmctl.engine.runs import clip_loader
from strmctl.errors import OutputError
from strmctl.progress import Progress, silent
from strmctl.provenance import code_sha256


def split_features(
    run: LoadedRun,
    store: FrameStore,
    clips: Sequence[str],
    *,
    order: FrameOrder = "natural",
    dtype: str = "float32",
    memory: int | None = None,
    progress: Progress = silent,
    announce: Callable[[str], None] = lambda message: None,
) -> ClipFeatures:
    """Features of clips, kept below `<run>/cache` for the next evaluation with the same weights, frames and precision.

    Args:
        run: whose model embeds.
        store: the frames.
        clips: distinct clip ids.
        order: of the frames.
        dtype: precision of embedding: `float32` or `bfloat16`.
        memory: bytes; features that fit are read into memory, larger ones where they are used. A quarter of what is
            free when None.
        progress: is told (clips done, clips in all, "").
        announce: is told when the disk has no room.
    """
    loader = clip_loader(run.recipe, store, order=order)
    model = run.model if dtype == "float32" else copy.deepcopy(run.model).to(getattr(torch, dtype))
    made_of = {
        "weights_file": run.weights.name,
        "weights": run.weights_sha256,
        "code": code_sha256("model", "data"),
        "libraries": {name: importlib.metadata.version(name) for name in ("torch", "torchvision", "opencv-python")},
        "device": next(run.model.parameters()).device.type,
        "manifest": store.manifest_sha256,
        "recipe": run.recipe.model_dump(exclude={"name", "data", "train", "validation"}),
        "frame_order": order,
        "dtype": dtype,
    }
    cache = FeatureCache(run.folder / "cache", clips, made_of)
    if cache.read() is None:
        try:
            cache.write(
                lambda missing: embed_batches(model, loader, missing), lambda done: progress(done, len(clips), "")
            )
        except OutputError as error:
            announce(f"note: {error.message}: they are not kept")
            return embed_clips(model, loader, clips, progress=progress)
    features = cache.read()
    if features is None:
        raise OutputError(f"the features in {cache.folder} vanished while they were written")
    if features.bytes > (free_memory() // 4 if memory is None else memory):
        return features
    return ClipFeatures({name: value.clone() for name, value in features.tensors.items()}, features.row)


def free_memory() -> int:
    """Bytes of memory that nobody uses; a guess of 4 GiB where the system does not tell."""
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 4 << 30
