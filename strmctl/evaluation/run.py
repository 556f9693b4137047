"""Tests of a run: which classes and clips, on which episodes, with what result; and the controls of a data set."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from strmctl.datasets.splits import class_key
from strmctl.episodes.clip_loader import FrameOrder
from strmctl.errors import DataError, UsageError
from strmctl.evaluation.embed import embed_clips
from strmctl.evaluation.episodes import Drawn
from strmctl.evaluation.feature_cache import split_features
from strmctl.evaluation.match import Protocol, all_clips, evaluate_uncached, match_episodes
from strmctl.evaluation.statistics.summary import summarise
from strmctl.frames.store.store import FrameStore
from strmctl.frames.store.usable_clips import usable_clips
from strmctl.progress import Progress, silent
from strmctl.provenance import provenance
from strmctl.results import EvalResult, QueryRow
from strmctl.runs.build import clip_loader
from strmctl.runs.checkpoint import LoadedRun

USUAL_EPISODES = 10_000
DISTINCT = "_distinct"  # in the name of a result
CONTROLS: dict[FrameOrder, str] = {
    "natural": "as they are",
    "repeated": "one frame repeated",
    "shuffled": "frames shuffled",
}


@dataclass(frozen=True)
class EvaluationSet:
    """The clips that a run is tested on.

    Attributes:
        store: where they lie.
        clips: class -> clip ids.
        dropped: classes of the split without a usable clip.
        chosen: whether the classes are a choice of the user's.
        known_new: whether the classes are known to be new to the model; not so when a run was imported without saying
            what it was trained on.
    """

    store: FrameStore
    clips: Mapping[str, Sequence[str]]
    dropped: Sequence[str]
    chosen: bool
    known_new: bool = True


def store_of(run: LoadedRun, data_dir: Path, dataset: str | None) -> FrameStore:
    """The frames that a run is tested on: those named, or those that it was trained on.

    Raises:
        UsageError: none is named, and it is not known what the run was trained on.
        DataError: the store is missing or damaged.
    """
    if dataset is None and run.info.get("imported_from") and run.info["dataset"] is None:
        found = ", ".join(FrameStore.names(data_dir)) or "none yet, see `strmctl prepare --help`"
        hint = f"name one: --dataset NAME (in {data_dir}: {found})"
        raise UsageError(f"it is not known which data set run {run.name} belongs to", hint)
    return FrameStore.open(data_dir, dataset or run.recipe.data.dataset)


def select(
    run: LoadedRun,
    store: FrameStore,
    split: str,
    classes: Sequence[str] | None = None,
    missing_classes: str | None = None,
) -> EvaluationSet:
    """The clips of a subset, or of some of its classes, for testing a run.

    Args:
        run: what is tested.
        store: the frames.
        split: subset of the classes.
        classes: only these; None for all.
        missing_classes: `error` or `drop` instead of what the run's recipe says.

    Raises:
        DataError: classes are missing, or it is not known what the weights were trained on.
        UsageError: an unknown class, or one that the run was trained on.
    """
    if "train_classes" not in run.info:
        raise DataError(
            f"the training classes of {run.weights} are not known, so no class can be said to be new to it",
            f"put the JSON file of its run beside it: {run.weights.with_suffix('.json')}",
        )
    policy = missing_classes or run.recipe.data.missing_classes
    clips, dropped = usable_clips(store, split, missing_classes="drop" if classes else policy)
    if classes:
        classes, unknown = _named(classes, clips)
        if unknown:
            known = ", ".join(clips)
            raise UsageError(f"{', '.join(unknown)}: not in the {split} split of {store.name}", f"it has: {known}")
        clips, dropped = {name: clips[name] for name in classes}, []
    trained = {class_key(name) for name in run.info["train_classes"] or ()}
    seen = [name for name in clips if class_key(name) in trained]
    if seen:
        raise UsageError(
            f"run {run.name} was trained on {', '.join(seen)}: few-shot tests need classes that are new to the model",
            "test on other classes: --classes, --split or --dataset",
        )
    return EvaluationSet(store, clips, dropped, bool(classes), run.info["train_classes"] is not None)


def _named(parts: Sequence[str], clips: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The classes that comma-separated parts name, and the parts that name none; a name may hold a comma itself."""
    known = {class_key(name): name for name in clips}
    chosen, unknown, rest = [], [], list(parts)
    while rest:
        fits = (n for n in range(len(rest), 0, -1) if class_key(", ".join(rest[:n])) in known)
        if length := next(fits, 0):
            chosen.append(known[class_key(", ".join(rest[:length]))])
        else:
            unknown.append(rest[0])
        del rest[: max(1, length)]
    return chosen, unknown


def evaluate_run(
    run: LoadedRun,
    tests: EvaluationSet,
    drawn: Drawn,
    *,
    order: FrameOrder = "natural",
    dtype: str = "float32",
    cached: bool = True,
    memory: int | None = None,
    notes: Mapping[str, Any] = MappingProxyType({}),
    embedding: Progress = silent,
    matching: Progress = silent,
    announce: Callable[[str], None] = lambda message: None,
) -> EvalResult:
    """Tests a run: each clip is embedded once, whatever the number of episodes.

    Args:
        run: the model.
        tests: clips and classes.
        drawn: the episodes.
        order: of the frames.
        dtype: precision of embedding, `float32` or `bfloat16`.
        cached: False embeds every episode from its frames, in float32: slow, for comparison.
        memory: bytes that features may take up; see `split_features`.
        notes: more for the provenance of the result.
        embedding: progress in clips.
        matching: progress in episodes.
        announce: is told what a user should know.
    """
    protocol = drawn.protocol
    begin = time.monotonic()
    if cached:
        progress = {"progress": embedding, "announce": announce}
        clips = all_clips(tests.clips)
        features = split_features(run, tests.store, clips, order=order, dtype=dtype, memory=memory, **progress)
        middle = time.monotonic()
        found = match_episodes(run.model, features, drawn.episodes, protocol.shots, progress=matching)
    else:
        middle = begin
        loader = clip_loader(run.recipe, tests.store, order=order)
        found = evaluate_uncached(run.model, loader, drawn.episodes, protocol.shots, progress=matching)
    seconds = {"embedding": round(middle - begin, 3), "matching": round(time.monotonic() - middle, 3)}
    how = {"frame_order": order, "dtype": dtype, "cached": cached, "seconds": seconds, "narrow": found.narrow}
    return _result(run, tests, protocol, found.rows, **how, **drawn.notes, **notes)


def evaluate_controls(
    run: LoadedRun, tests: EvaluationSet, protocol: Protocol, *, progress: Progress = silent
) -> list[tuple[str, EvalResult]]:
    """What the score is without motion, without the order of frames, and between opposite motions.

    Returns:
        (name, result) of: the clips as they are; one frame of each repeated; its frames shuffled; each pair of opposite
        classes as a 2-way task.

    Raises:
        DataError: the split names no opposite classes.
    """
    named = tests.store.settings.get("opposites", ())
    pairs = [tuple(pair) for pair in named if set(pair) <= set(tests.clips)]
    if not pairs:
        raise DataError(
            f"the split of {tests.store.name} names no opposite classes", "its YAML file may: opposites: [[up, down]]"
        )
    results, steps = [], len(CONTROLS) + len(pairs)
    for order, name in reversed(CONTROLS.items()):
        loader = clip_loader(run.recipe, tests.store, order=order)
        features = embed_clips(run.model, loader, all_clips(tests.clips))
        rows = match_episodes(run.model, features, protocol.draw(tests.clips), protocol.shots).rows
        result = _result(run, tests, protocol, rows, frame_order=order)
        results.insert(0, (f"all {len(tests.clips)} classes, {name}", result))
        progress(len(results), steps, "")
    for pair in pairs:  # with the features of the clips as they are
        two = replace(tests, clips={name: tests.clips[name] for name in pair}, chosen=True)
        two_way = replace(protocol, way=2)
        rows = match_episodes(run.model, features, two_way.draw(two.clips), two_way.shots).rows
        result = _result(run, two, two_way, rows, frame_order="natural")
        results.append((f"{pair[0]} or {pair[1]}", result))
        progress(len(results), steps, "")
    return results


def result_stem(run: LoadedRun, result: EvalResult) -> Path:
    """Where a result goes, without suffix: other tests do not overwrite each other, but for the numbers of shots."""
    source = result.provenance
    stem = stem_of(result)
    if source["store"] != run.recipe.data.dataset:
        stem += f"_{source['store']}"
    if source["chosen_classes"]:
        stem += f"_classes-{hashlib.sha256(','.join(source['classes']).encode()).hexdigest()[:8]}"
    if run.weights != run.folder / "weights.pt":
        stem += f"_weights-{source['weights_sha256'][:8]}"
    if source["frame_order"] != "natural":
        stem += f"_{source['frame_order']}"
    if source.get("dtype", "float32") != "float32":
        stem += f"_{source['dtype']}"
    if source.get("distinct_groups"):
        stem += DISTINCT
    if source.get("episodes_file_sha256"):
        stem += f"_episodes-{source['episodes_file_sha256'][:8]}"
    if not source.get("cached", True):
        stem += "_uncached"
    return run.folder / "eval" / stem


def stem_of(test: Protocol | EvalResult) -> str:
    """What file names of results begin with, such as `test_5way_1q_s0`, or `…_n400` with 400 episodes."""
    count = "" if test.episodes == USUAL_EPISODES else f"_n{test.episodes}"
    return f"{test.split}_{test.way}way_{test.queries}q_s{test.seed}{count}"


def _result(
    run: LoadedRun, tests: EvaluationSet, protocol: Protocol, rows: Sequence[QueryRow], **notes: Any
) -> EvalResult:
    source = provenance(
        weights_sha256=run.weights_sha256,
        manifest_sha256=tests.store.manifest_sha256,
        selected_by=run.info.get("selected_by", "unknown"),
        training_episodes=run.info.get("training_episodes"),
        store=tests.store.name,
        classes=sorted(tests.clips),
        clip_ids_sha256=hashlib.sha256("\n".join(all_clips(tests.clips)).encode()).hexdigest(),
        chosen_classes=tests.chosen,
        dropped_classes=list(tests.dropped),
        classes_known_to_be_new=tests.known_new,
        device=str(next(run.model.parameters()).device),
        threads=torch.get_num_threads(),
        recipe=run.recipe.model_dump(),
        **notes,
    )
    return EvalResult(
        run=run.name,
        dataset=tests.store.display_name,
        split=protocol.split,
        way=protocol.way,
        queries=protocol.queries,
        episodes=protocol.episodes,
        seed=protocol.seed,
        results=summarise(rows),
        provenance=source,
        rows=rows,
    )
