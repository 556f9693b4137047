"""Episodic training with validation on the val split. The test split is never read.

Training episode i, its crops and its dropout depend on (seed, i) alone. On a CPU, a run that was killed and resumed
therefore ends with the same weights as one that was not.
"""

from __future__ import annotations

import contextlib
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from strmctl.draws import Draws
from strmctl.episodes.sampler import TRAIN_OPTIONS, Episode, EpisodeSampler
from strmctl.errors import CheckpointError
from strmctl.evaluation.embed import Loader, ahead, loading_depth, pinned
from strmctl.evaluation.map_cache import keep_maps, make_maps
from strmctl.evaluation.ranks import ALONE, Ranks
from strmctl.memory import return_memory
from strmctl.model.enrichment import Clips
from strmctl.progress import Progress, silent
from strmctl.recipe import Recipe
from strmctl.runs.build import build_model
from strmctl.runs.checkpoint import choose_device
from strmctl.runs.folder import MAPS
from strmctl.runs.notes import WEIGHTS, lost, read_notes
from strmctl.runs.train_log import TrainLog, term_column
from strmctl.threads import loader_threads
from strmctl.training.in_training import RunInTraining, TrainingData, validation_protocol
from strmctl.training.picture import CurvePicture
from strmctl.training.running_averages import RunningAverages
from strmctl.training.state import STATE
from strmctl.training.step import OPTIMIZERS, backward, learning_rate, prepare
from strmctl.training.tensorboard import EventLog, check_installed

RECENT = 50  # episodes that the shown loss and accuracy are means of


def train(
    recipe: Recipe,
    folder: Path,
    data: TrainingData,
    *,
    device: str = "auto",
    begin: Callable[[], None] = lambda: None,
    progress: Progress = silent,
    validating: Progress = silent,
    embedding: Progress = silent,
    announce: Callable[[str], None] = lambda message: None,
    ranks: Ranks = ALONE,
    events: bool = False,
) -> dict[str, Any]:
    """Trains a model, or continues from `folder/state.pt`.

    Args:
        recipe: the experiment.
        folder: folder of the run, which gets `weights.pt`, the best on the val split, and `last.pt`, those of the last
            episode, each with its JSON file, `state.pt`, `train.csv`, `train.png` and snapshots.
        data: training and validation clips; without two val classes the last weights are kept.
        device: name of the device, see `choose_device`.
        begin: callable that is called after all checks and before the first write.
        progress: callable that receives (episodes done, episodes in all, loss and accuracy).
        validating: callable that receives (clips embedded, clips in all, ""), of one validation after the other; the
            last report of each comes when it has ended.
        embedding: callable that receives (views that have maps, views in all, note), with a frozen backbone.
        announce: callable that receives what is about to be downloaded, and validation results.
        ranks: the processes that train the model together, all of which call this.
        events: whether the first of them writes events for TensorBoard as well.

    Returns:
        The content of `weights.json`.

    Raises:
        UsageError: the data has too few classes or clips for the recipe's episodes, nothing can be compiled here, or
            events cannot be written.
        CheckpointError: the state of the run is missing or not what was written, or its best weights are lost.
        StrmctlError: the loss, its gradient or the weights are not finite; the last good state is kept.
    """
    settings, best = recipe.train, folder / WEIGHTS["best"]
    if events:
        ranks.from_first(check_installed)
    sampler = ranks.in_turn(lambda: training_sampler(recipe, data))
    resuming = (folder / STATE).exists()
    if sampler and not resuming and (folder / WEIGHTS["last"]).exists():  # beginning anew would replace what is there
        raise CheckpointError(f"{folder} holds trained weights, and no {STATE} to go on from", lost(folder))
    model = ranks.in_turn(lambda: build_model(recipe, pretrained=not resuming, announce=announce))
    prepare(recipe, model, choose_device(device), len(data.train))
    if settings.memory != "plain":
        return_memory()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = OPTIMIZERS[settings.optimizer]([{"params": trained}], lr=settings.learning_rate)
    run = RunInTraining(recipe, folder, data, model, optimizer, ranks=ranks)
    if resuming:
        run.restore(announce)
    if not resuming or run.done < settings.episodes:
        ranks.from_first(begin)
    if sampler is None:
        if not resuming:
            ranks.from_first(run.keep_untrained)
        return read_notes(best)
    if run.done < settings.episodes:
        run.data = _as_maps(recipe, folder, data, model, ranks, progress=embedding, announce=announce)
    log = ranks.from_first(lambda: TrainLog(folder, after=run.done, terms=terms_of(model)))
    with contextlib.ExitStack() as ends:
        watch = [CurvePicture(folder, settings.way, announce)]
        if events and run.done < settings.episodes and ranks.first:
            watch.append(EventLog(folder, run.done, choose_device(device), announce))
            ends.callback(watch[-1].close)
        _go_on(run, sampler, log, watch, progress=progress, validating=validating, announce=announce)
    ranks.wait()  # for the first to write
    return read_notes(best)


def _go_on(
    run: RunInTraining,
    sampler: EpisodeSampler,
    log: TrainLog,
    watch: Sequence[CurvePicture | EventLog],
    *,
    progress: Progress,
    validating: Progress,
    announce: Callable[[str], None],
) -> None:
    """Trains from where the run is to its end."""
    recipe, model, ranks, episodes = run.recipe, run.model, run.ranks, run.recipe.train.episodes
    classes, terms = sorted(run.data.train), terms_of(model)
    recent: deque[tuple[float, float]] = deque(maxlen=RECENT)
    progress(run.done, episodes, "")
    model.train()
    averages = RunningAverages(model, ranks, run.done)
    parts = list(parts_of(recipe, run.done, ranks.count))
    own = [part[ranks.rank] for part in parts if ranks.rank < len(part)]
    loaded = training_episodes(sampler, run.data.loader, own, loading_depth(model))
    for part in parts:
        results = torch.zeros(len(part), 2 + len(terms), dtype=torch.float64)
        if ranks.rank < len(part):
            averages.before_episode()
            found = backward(recipe, model, *next(loaded), classes)
            results[ranks.rank] = torch.tensor([found.loss, found.accuracy, *(found.terms[name] for name in terms)])
            averages.after_episode(part[ranks.rank])
        ranks.add_up([results])
        lines = []
        for index, (loss, accuracy, *of_terms) in zip(part, results.tolist(), strict=True):
            run.done = index + 1
            if not math.isfinite(loss):
                raise run.diverged(f"the loss is {loss}")
            recent.append((loss, accuracy))
            rate = learning_rate(recipe, run.done)
            lines.append({"episode": run.done, "loss": loss, "accuracy": accuracy, "learning_rate": rate})
            lines[-1] |= dict(zip(map(term_column, terms), of_terms, strict=True))
        steps, validates = (run.done % every == 0 or run.done == episodes for every in _intervals(recipe))
        keeps = run.done in recipe.train.keep
        if steps or validates or keeps:
            averages.merge(run.done)
        if steps:
            run.step()
        if keeps:
            run.keep_snapshot()
        mean_loss, mean_accuracy = (sum(column) / len(recent) for column in zip(*recent, strict=True))
        progress(run.done, episodes, f"loss {mean_loss:.3f}, accuracy {100 * mean_accuracy:.1f} %")
        if validates:
            lines[-1] |= run.validate(validating, announce)
        if ranks.first:
            log.add(lines)
            for watcher in watch:
                watcher.add(lines, steps=steps, validates=validates, last=run.done == episodes)
            if steps and run.save_is_due():  # not between steps, where gradients wait
                run.save()


def terms_of(model: nn.Module) -> tuple[str, ...]:
    """Names of a model's losses, where there are several."""
    return getattr(model, "terms", ())


def _intervals(recipe: Recipe) -> tuple[int, int]:
    """Numbers of episodes between two steps of the optimizer, and between two validations."""
    return recipe.train.accumulate, recipe.validation.every


def parts_of(recipe: Recipe, done: int, count: int) -> Iterator[range]:
    """Episodes that as many ranks compute at a time, each rank one; a step, a validation or a snapshot ends a part."""
    while done < recipe.train.episodes:
        ends = (every * (done // every + 1) for every in _intervals(recipe))
        kept = (episode for episode in recipe.train.keep if episode > done)
        part = range(done, min(done + count, recipe.train.episodes, *ends, *kept))
        yield part
        done = part.stop


def training_sampler(recipe: Recipe, data: TrainingData) -> EpisodeSampler | None:
    """The training episodes; None where there are none, so that the data may have too few clips for one.

    Raises:
        UsageError: the data has too few classes or clips, for validation as well.
    """
    if recipe.train.episodes == 0:
        return None
    if len(data.val) > 1:  # checked now rather than at the first validation
        options = {"shot": "--set validation.shot={}"}
        validation_protocol(recipe, data).sampler(data.val, data.loader.store.groups, options)
    groups = data.loader.store.groups if recipe.train.distinct_groups else None
    shape = {key: getattr(recipe.train, key) for key in ("way", "shot", "queries", "seed")}
    return EpisodeSampler(data.train, split="train", groups=groups, options=TRAIN_OPTIONS, **shape)


def _as_maps(
    recipe: Recipe, folder: Path, data: TrainingData, model: nn.Module, ranks: Ranks, **shown: Any
) -> TrainingData:
    """The same data, read as the maps of its clips where the backbone is frozen; all ranks make those."""
    if recipe.backbone.trained:
        return data
    views = range(recipe.train.views)
    units = [(tuple(clips), view) for view in views for clips in data.train.values()]
    units += [(tuple(clips), 0) for clips in data.val.values()]
    keep = partial(keep_maps, recipe, model, data.loader, units, folder.parent / MAPS)
    make = partial(make_maps, recipe, model, data.loader, ranks=ranks)
    loader = ranks.led(make, lambda share: keep(make=share, **shown))
    return replace(data, loader=loader or keep())


def training_episodes(
    sampler: EpisodeSampler, loader: Loader, indices: Sequence[int], depth: int
) -> Iterator[tuple[Episode, tuple[Clips, Clips]]]:
    """Episodes with their support and query clips, loaded ahead."""
    with ThreadPoolExecutor(loader_threads()) as pool:

        def load(index: int) -> tuple[Episode, tuple[Clips, Clips]]:
            episode = sampler.episode(index)
            ids, support = episode.support_clips + episode.query_clips, len(episode.support_clips)
            clips = loader.load_many(ids, pool, [Draws("training clip", sampler.seed, index, clip) for clip in ids])
            clips = pinned(clips) if depth else clips
            return episode, (clips[:support], clips[support:])

        yield from ahead(load, indices, depth=depth)
