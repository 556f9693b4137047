"""The test of a run on drawn episodes, and the controls of a data set."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import torch

from strmctl.episodes.clip_loader import ORDERS, FrameOrder, rate_note
from strmctl.errors import DataError, UsageError
from strmctl.evaluation.embed import collected
from strmctl.evaluation.embedding_tasks import Share, embedded
from strmctl.evaluation.episodes import Drawn
from strmctl.evaluation.feature_cache import split_features
from strmctl.evaluation.match import Protocol, Seen, all_clips, evaluate_uncached, match_episodes, nobody
from strmctl.evaluation.pretraining import seen_in_pretraining
from strmctl.evaluation.result_files import SETTINGS
from strmctl.evaluation.select import EvaluationSet
from strmctl.evaluation.statistics.summary import summarise
from strmctl.model.methods.table import METHODS
from strmctl.model.precision import uses_tf32
from strmctl.progress import Progress, silent
from strmctl.provenance import provenance
from strmctl.results import EvalResult, QueryRow
from strmctl.runs.build import clip_loader
from strmctl.runs.checkpoint import LoadedRun, device_notes


def evaluate_run(
    run: LoadedRun,
    tests: EvaluationSet,
    drawn: Drawn,
    *,
    order: FrameOrder = "natural",
    dtype: str = "float32",
    cached: bool = True,
    memory: int | None = None,
    text_weight: float | None = None,
    share: Share | None = None,
    ranks: int = 1,
    notes: Mapping[str, Any] = MappingProxyType({}),
    embedding: Progress = silent,
    matching: Progress = silent,
    announce: Callable[[str], None] = lambda message: None,
    seen: Seen = nobody,
) -> EvalResult:
    """Tests a run; each clip is embedded once, however many episodes there are.

    Args:
        run: run to test.
        tests: clips and classes to test it on.
        drawn: episodes of these clips.
        order: order of the frames of each clip.
        dtype: precision of embedding, `float32` or `bfloat16`.
        cached: whether features are computed once; False embeds every episode from its frames, in float32, which is
            slow and meant for comparison.
        memory: bytes that features may take up in memory; see `split_features`.
        text_weight: weight of the texts of class names in the prediction, from 0 to 1; None: that of the recipe.
        share: function that embeds clips, where other processes do their share; see `embedded`.
        ranks: number of these processes, with this one.
        notes: further entries for the provenance of the result.
        embedding: progress in clips.
        matching: progress in episodes.
        announce: callable that receives what a user should know.
        seen: callable that receives the logits of each block of episodes.
    """
    begin = middle = time.monotonic()
    shots, clips = drawn.protocol.shots, all_clips(tests.clips)
    loader = clip_loader(run.recipe, tests.store, order=order)
    if note := rate_note(loader, clips):
        announce(note)
    if cached:
        how = {"memory": memory, "share": share, "progress": embedding, "announce": announce}
        features = split_features(run, tests.store, clips, order=order, dtype=dtype, **how)
        middle = time.monotonic()
        with text_weighed(run, text_weight):
            found = match_episodes(run.model, features, drawn.episodes, shots, progress=matching, seen=seen)
    else:
        with text_weighed(run, text_weight):
            found = evaluate_uncached(run.model, loader, drawn.episodes, shots, progress=matching, seen=seen)
    source = {
        "frame_order": order,
        "dtype": dtype,
        "cached": cached,
        "seconds": {"embedding": round(middle - begin, 3), "matching": round(time.monotonic() - middle, 3)},
        "narrow": found.narrow,
        "ranks": ranks,
        **({} if text_weight is None else {"text_weight": text_weight}),
        **({} if run.recipe.input.rate is None else {"clips_that_do_not_fit_the_rate": len(loader.ill_fitting(clips))}),
    }
    return _result(run, tests, drawn.protocol, found.rows, **source, **drawn.notes, **notes)


@contextlib.contextmanager
def text_weighed(run: LoadedRun, weight: float | None) -> Iterator[None]:
    """Gives the texts of class names, within this context, another weight in the prediction than the recipe has.

    Raises:
        UsageError: the run's method is not given the names of the classes, and there is a weight.
    """
    if weight is None:
        yield
        return
    if not METHODS[run.recipe.method].names:
        told = ", ".join(name for name, method in METHODS.items() if method.names)
        raise UsageError(
            f"run {run.name}, of method {run.recipe.method}, is not given the names of the classes",
            f"leave `--text-weight` out, or name a run of {told}",
        )
    before, run.model.text_weight = run.model.text_weight, weight
    try:
        yield
    finally:
        run.model.text_weight = before


def evaluate_controls(
    run: LoadedRun,
    tests: EvaluationSet,
    protocol: Protocol,
    *,
    share: Share | None = None,
    progress: Progress = silent,
) -> list[tuple[str, EvalResult]]:
    """The score without motion, without the order of frames, and between opposite motions.

    Returns:
        Pairs (name, result): the clips as they are, one frame of each repeated, its frames shuffled, and each pair of
        opposite classes as a 2-way task.

    Raises:
        DataError: the split names no opposite classes.
    """
    named = tests.store.settings.get("opposites", ())
    pairs = [tuple(pair) for pair in named if set(pair) <= set(tests.clips)]
    if not pairs:
        raise DataError(
            f"the split of {tests.store.name} names no opposite classes",
            "name them in its file: opposites: [[up, down]]",
        )
    orders = {order: ORDERS[order] for order in ("shuffled", "repeated", "natural")}
    results: list[tuple[str, EvalResult]] = []

    def test(name: str, tests: EvaluationSet, protocol: Protocol, order: FrameOrder) -> None:
        rows = match_episodes(run.model, features, protocol.draw(tests.clips), protocol.shots).rows
        results.append((name, _result(run, tests, protocol, rows, frame_order=order)))
        progress(len(results), len(orders) + len(pairs), "")

    for order, name in orders.items():
        parts = embedded(run, tests.store, all_clips(tests.clips), order=order, share=share)
        features = collected(parts, all_clips(tests.clips), run.model)
        test(f"all {len(tests.clips)} classes, {name}", tests, protocol, order)
    results.reverse()
    for pair in pairs:  # with the features of the clips as they are
        two = replace(tests, clips={name: tests.clips[name] for name in pair}, chosen=True)
        test(f"{pair[0]} or {pair[1]}", two, replace(protocol, way=2), "natural")
    return results


def _result(
    run: LoadedRun, tests: EvaluationSet, protocol: Protocol, rows: Sequence[QueryRow], **notes: Any
) -> EvalResult:
    device = next(run.model.parameters()).device
    if (seen := seen_in_pretraining(run.recipe.backbone, tests.clips)) is not None:
        notes["pretraining"] = seen
    source = provenance(
        libraries=run.recipe.libraries,
        weights_file=str(run.weights.relative_to(run.folder) if run.owns_weights else run.weights.resolve()),
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
        **device_notes(device),
        tf32=uses_tf32(device),
        threads=torch.get_num_threads(),
        recipe=run.recipe.model_dump(),
        **notes,
    )
    return EvalResult(
        run=run.name,
        dataset=tests.store.display_name,
        **{name: getattr(protocol, name) for name in SETTINGS},
        results=summarise(rows),
        provenance=source,
        rows=rows,
    )
