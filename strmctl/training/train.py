"""Episodic training with validation on the val split. The test split is never read.

Training episode i, its crops and its dropout depend on (seed, i) alone. On a CPU, a run that was killed and resumed
therefore ends with the same weights as one that was not.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from torch import Tensor

from strmctl.draws import Draws
from strmctl.episodes.clip_loader import ClipLoader
from strmctl.episodes.sampler import TRAIN_OPTIONS, Episode, EpisodeSampler
from strmctl.errors import CheckpointError
from strmctl.evaluation.embed import LOADER_THREADS, ahead, loading_depth
from strmctl.progress import Progress, silent
from strmctl.recipe import Recipe
from strmctl.runs.build import build_model
from strmctl.runs.checkpoint import choose_device
from strmctl.runs.notes import WEIGHTS, lost, read_notes
from strmctl.runs.train_log import TrainLog
from strmctl.training.in_training import RunInTraining, TrainingData, validation_protocol
from strmctl.training.state import STATE
from strmctl.training.step import OPTIMIZERS, backward, clip_gradient, learning_rate, take_step

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
    announce: Callable[[str], None] = lambda message: None,
) -> dict[str, Any]:
    """Trains a model, or continues from `folder/state.pt`.

    Args:
        recipe: the experiment.
        folder: folder of the run, which gets `weights.pt`, the best on the val split, and `last.pt`, those of the last
            episode, each with its JSON file, `state.pt` and `train.csv`.
        data: training and validation clips; without two val classes the last weights are kept.
        device: `auto`, `cpu` or `cuda`.
        begin: callable that is called after all checks and before the first write.
        progress: callable that receives (episodes done, episodes in all, loss and accuracy).
        validating: callable that receives (clips embedded, clips in all, ""), of one validation after the other; the
            last report of each comes when it has ended.
        announce: callable that receives what is about to be downloaded, and validation results.

    Returns:
        The content of `weights.json`.

    Raises:
        UsageError: the data has too few classes or clips for the recipe's episodes.
        CheckpointError: the state of the run is missing or not what was written, or its best weights are lost.
        StrmctlError: the loss, its gradient or the weights are not finite; the last good state is kept.
    """
    settings, best = recipe.train, folder / WEIGHTS["best"]
    shape = {key: getattr(settings, key) for key in ("way", "shot", "queries", "seed")}
    sampler = EpisodeSampler(data.train, split="train", options=TRAIN_OPTIONS, **shape)
    if len(data.val) > 1:  # checked now rather than at the first validation
        validation_protocol(recipe, data).sampler(data.val, options={"shot": "--set validation.shot={}"})
    resuming = (folder / STATE).exists()
    if (
        not resuming and (folder / WEIGHTS["last"]).exists()
    ):  # to begin at the first episode would replace what is there
        raise CheckpointError(f"{folder} holds trained weights, and no {STATE} to go on from", lost(folder))
    model = build_model(recipe, pretrained=not resuming, announce=announce).to(choose_device(device))
    optimizer = OPTIMIZERS[settings.optimizer](model.parameters(), lr=settings.learning_rate)
    run = RunInTraining(recipe, folder, data, model, optimizer)
    if resuming:
        run.restore(announce)
    if run.done < settings.episodes:
        begin()
    log = TrainLog(folder, after=run.done)
    recent: deque[tuple[float, float]] = deque(maxlen=RECENT)
    progress(run.done, settings.episodes, "")
    model.train()
    for episode, pixels in _episodes(sampler, data.loader, range(run.done, settings.episodes), loading_depth(model)):
        loss, accuracy = backward(recipe, model, episode, pixels)
        if not math.isfinite(loss):
            raise run.diverged(f"the loss is {loss}", episode)
        recent.append((loss, accuracy))
        run.done = episode.index + 1
        last = run.done == settings.episodes
        stepped = run.done % settings.accumulate == 0 or last
        if stepped:
            norm = clip_gradient(model, settings.gradient_clip)
            if not math.isfinite(norm):  # before the step, which would spoil the weights
                raise run.diverged(f"the gradient norm is {norm}", episode)
            take_step(recipe, optimizer, run.done)
        mean_loss, mean_accuracy = (sum(column) / len(recent) for column in zip(*recent, strict=True))
        progress(run.done, settings.episodes, f"loss {mean_loss:.3f}, accuracy {100 * mean_accuracy:.1f} %")
        line = {"episode": run.done, "loss": loss, "accuracy": accuracy}
        line["learning_rate"] = learning_rate(recipe, run.done)
        if run.done % recipe.validation.every == 0 or last:
            line |= run.validate(episode, validating, announce)
        log.add(**line)
        if stepped and run.save_is_due():  # not between steps, where gradients wait
            run.save(episode)
    return read_notes(best)


def _episodes(
    sampler: EpisodeSampler, loader: ClipLoader, indices: range, depth: int
) -> Iterator[tuple[Episode, tuple[Tensor, Tensor]]]:
    """Episodes with the pixels of their support and query clips, loaded ahead."""
    with ThreadPoolExecutor(LOADER_THREADS) as pool:

        def load(index: int) -> tuple[Episode, tuple[Tensor, Tensor]]:
            episode = sampler.episode(index)
            clips, support = episode.support_clips + episode.query_clips, len(episode.support_clips)
            pixels = loader.load_many(
                clips, pool, [Draws("training clip", sampler.seed, index, clip) for clip in clips]
            )
            return episode, (pixels[:support], pixels[support:])

        yield from ahead(load, indices, depth=depth)
