"""Features of a whole split on disk: per-frame projections of every clip, of one run, written once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from strmctl.episodes.clip_loader import FrameOrder
from strmctl.errors import OutputError
from strmctl.evaluation.embed import ClipFeatures, collected
from strmctl.evaluation.embedding_tasks import Share, embedded
from strmctl.evaluation.map_cache import maps_made_of
from strmctl.evaluation.tensor_cache import TensorCache
from strmctl.frames.store.store import FrameStore
from strmctl.memory import free_bytes
from strmctl.model.backbones.table import backbone_entry
from strmctl.progress import Progress, silent
from strmctl.provenance import code_sha256, versions
from strmctl.runs.checkpoint import LoadedRun

CODE = ("model", "videos", "episodes/clip_loader.py")  # what features depend on
UNKNOWN = 4 << 30  # bytes that are taken to be free where the system does not say


def split_features(
    run: LoadedRun,
    store: FrameStore,
    clips: Sequence[str],
    *,
    order: FrameOrder = "natural",
    dtype: str = "float32",
    memory: int | None = None,
    share: Share | None = None,
    progress: Progress = silent,
    announce: Callable[[str], None] = lambda message: None,
) -> ClipFeatures:
    """Features of clips, kept below `<run>/cache` for the next evaluation with the same weights, frames and precision.

    Those of a run with a frozen backbone are made of its maps, which other runs use as well.

    Args:
        run: run whose model embeds.
        store: frame store of the clips.
        clips: distinct clip ids.
        order: order of the frames of each clip.
        dtype: precision of embedding, `float32` or `bfloat16`.
        memory: bytes; features that fit are read into memory, larger ones stay mapped. None: a quarter of what is free.
        share: function that embeds some of the clips, see `embedded`; None: it is done here.
        progress: callable that receives (clips done, clips in all, stage of the work or "").
        announce: callable that receives a message when the disk has no room, and what room maps take.
    """
    made_of = {
        "weights_file": run.weights.name,
        "weights": run.weights_sha256,
        "code": code_sha256(*CODE),
        "libraries": versions("torch", "torchvision", "opencv", *backbone_entry(run.recipe.backbone.name).libraries),
        "device": next(run.model.parameters()).device.type,
        "manifest": store.manifest_sha256,
        "recipe": run.recipe.model_dump(exclude={"name", "data", "train", "validation"}),
        "frame_order": order,
        "dtype": dtype,
    }
    if not run.recipe.backbone.trained:
        made_of["maps"] = maps_made_of(run.recipe, run.model, store, order)
    how = {"order": order, "dtype": dtype, "share": share, "progress": progress, "announce": announce}
    embed = partial(embedded, run, store, clips, **how)
    cache = TensorCache(run.folder / "cache", clips, made_of, replaces=partial(replaces, made_of))
    features = cache.read(announce)
    if features is None:
        try:
            features = cache.write(embed, lambda done: progress(done, len(clips), ""))
        except (OutputError, OSError) as error:
            reason = f"{error.strerror}: {error.filename}" if isinstance(error, OSError) else error.message
            announce(f"note: {reason}; they are not kept")
            return collected(embed(), clips, run.model, progress)
    else:
        features.check_finite(f"remove {cache.folder}, and they are made again")
    if features.bytes > ((free_bytes() or UNKNOWN) // 4 if memory is None else memory):
        return features
    return ClipFeatures({name: value.clone() for name, value in features.tensors.items()}, features.row)


def replaces(made_of: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether features make others useless, which come from earlier content of the same weights file, or other code."""
    same_file = other.get("weights_file") == made_of["weights_file"]
    return same_file and any(other.get(key) != made_of[key] for key in ("weights", "code"))
