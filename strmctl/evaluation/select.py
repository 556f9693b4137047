"""What a run is tested on: a frame store, and the clips of classes that are new to the model."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strmctl.datasets.splits import class_key
from strmctl.errors import DataError, UsageError, did_you_mean
from strmctl.frames.store.store import FrameStore
from strmctl.frames.store.usable_clips import usable_clips
from strmctl.runs.build import frame_store
from strmctl.runs.checkpoint import LoadedRun
from strmctl.runs.notes import ways_out


@dataclass(frozen=True)
class EvaluationSet:
    """The clips that a run is tested on.

    Attributes:
        store: frame store that holds them.
        clips: class -> clip ids.
        dropped: classes of the split without a usable clip.
        chosen: whether the user chose the classes.
        known_new: whether the classes are known to be new to the model; False when a run was imported without saying
            what it was trained on.
    """

    store: FrameStore
    clips: Mapping[str, Sequence[str]]
    dropped: Sequence[str]
    chosen: bool
    known_new: bool = True


def store_of(run: LoadedRun, data_dir: Path, dataset: str | None) -> FrameStore:
    """The frame store to test a run on: the named one, or else the one that it was trained on, in the same fold.

    Raises:
        UsageError: none is named, and it is not known what the run was trained on.
        DataError: the store is missing or damaged.
    """
    if dataset is None and run.info.get("imported_from") and run.info["dataset"] is None:
        found = ", ".join(FrameStore.names(data_dir)) or "none yet, see `strmctl prepare --help`"
        hint = f"name one with `--dataset`; in {data_dir}: {found}"
        raise UsageError(f"it is not known which data set run {run.name} belongs to", hint)
    data = run.recipe.data
    return frame_store(data, data_dir) if dataset in (None, data.dataset) else FrameStore.open(data_dir, dataset)


def select(
    run: LoadedRun,
    store: FrameStore,
    split: str,
    classes: Sequence[str] | None = None,
    missing_classes: str | None = None,
) -> EvaluationSet:
    """The clips of a subset, or of some of its classes, to test a run on.

    Args:
        run: run to test.
        store: frame store to test it on.
        split: subset of the classes.
        classes: classes to choose from the subset; None for all.
        missing_classes: `error` or `drop`, which overrides the run's recipe.

    Raises:
        DataError: classes are missing, or it is not known what the weights were trained on.
        UsageError: a class is unknown, or the run was trained on it.
    """
    if "train_classes" not in run.info:
        raise DataError(
            f"the training classes of {run.weights} are not known, so no class can be said to be new to it",
            ways_out(run.folder)
            if run.owns_weights
            else f"put the JSON file of its run beside it: {run.weights.with_suffix('.json')}",
        )
    policy = missing_classes or run.recipe.data.missing_classes
    clips, dropped = usable_clips(store, split, missing_classes="drop" if classes else policy)
    if classes:
        clips, dropped = _chosen(classes, clips, f"the {split} split of {store.name}"), []
    trained = {class_key(name) for name in run.info["train_classes"] or ()}
    if seen := [name for name in clips if class_key(name) in trained]:
        raise UsageError(
            f"run {run.name} was trained on {', '.join(seen)}: few-shot tests need classes that are new to the model",
            _other_classes(clips, seen),
        )
    return EvaluationSet(store, clips, dropped, bool(classes), run.info["train_classes"] is not None)


def _other_classes(clips: Mapping[str, Any], seen: Sequence[str]) -> str:
    new = [name for name in clips if name not in seen]
    named = f"`--classes {shlex.quote(','.join(new))}` has only classes that are; " if len(new) > 1 else ""
    return f"{named}`--split` and `--dataset` name other ones"


def _chosen(parts: Sequence[str], clips: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The classes that comma-separated parts name; the name of a class may itself hold a comma."""
    known = {class_key(name): name for name in clips}
    names, unknown, rest = [], [], list(parts)
    while rest:
        fits = (n for n in range(len(rest), 0, -1) if class_key(", ".join(rest[:n])) in known)
        if length := next(fits, 0):
            names.append(known[class_key(", ".join(rest[:length]))])
        else:
            unknown.append(rest[0])
        del rest[: max(1, length)]
    if unknown:
        raise UsageError(
            f"{', '.join(unknown)}: not in {where}", f"{did_you_mean(clips, *unknown)}it has: {', '.join(clips)}"
        )
    return {name: clips[name] for name in names}
