"""Episodic training with validation on the val split. The test split is never read.

Training episode i, its crops and its dropout depend on (seed, i) alone. On a CPU, a run that was killed and resumed
therefore ends with the same weights as one that was not.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from strmctl.draws import Draws
from strmctl.episodes.clip_loader import ClipLoader
from strmctl.episodes.sampler import Episode, EpisodeSampler
from strmctl.errors import CheckpointError, NotFiniteError, StrmctlError, UsageError
from strmctl.evaluation.embed import LOADER_THREADS, ahead, loading_depth
from strmctl.evaluation.match import Protocol, all_clips, evaluate
from strmctl.evaluation.statistics.summary import summarise
from strmctl.model.finite import not_finite
from strmctl.paths import write_json
from strmctl.progress import Progress, silent
from strmctl.provenance import sha256_of
from strmctl.recipe import Recipe
from strmctl.runs.build import build_model
from strmctl.runs.checkpoint import choose_device, save_tensors, save_weights
from strmctl.runs.notes import WEIGHTS, belong_together, lost, read_notes
from strmctl.runs.train_log import TrainLog
from strmctl.training.state import STATE, read_state
from strmctl.training.step import OPTIMIZERS, backward, clip_gradient, learning_rate, take_step

SAVE_SECONDS = 120
KEPT = ("shot", "accuracy", "ci95", "episodes", "queries")  # keys of a validation in weights.json
LAST = "last episode"  # what chose the weights
RECENT = 50  # episodes that the shown loss and accuracy are means of


@dataclass(frozen=True)
class TrainingData:
    """What training may see.

    Attributes:
        train: class -> clip ids, of the train split.
        val: class -> clip ids, of the val split.
        loader: reader of the clips, which jitters, crops and mirrors those of training episodes.
        info: entries for `weights.json`.
    """

    train: Mapping[str, Sequence[str]]
    val: Mapping[str, Sequence[str]]
    loader: ClipLoader
    info: dict[str, Any]


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
        CheckpointError: the state of the run is not what was written, or its best weights are lost.
        StrmctlError: the loss, its gradient or the weights are not finite; the last good state is kept.
    """
    settings, best = recipe.train, folder / WEIGHTS["best"]
    sampler = EpisodeSampler(
        data.train, split="train", way=settings.way, shot=settings.shot, queries=settings.queries, seed=settings.seed
    )
    if len(data.val) > 1:  # checked now rather than at the first validation
        _validation_protocol(recipe, data).sampler(data.val)
    resuming = (folder / STATE).exists()
    model = build_model(recipe, pretrained=not resuming, announce=announce).to(choose_device(device))
    optimizer = OPTIMIZERS[settings.optimizer](model.parameters(), lr=settings.learning_rate)
    run = _Run(recipe, folder, data, model, optimizer)
    if resuming:
        run.restore()
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


def _validation_protocol(recipe: Recipe, data: TrainingData) -> Protocol:
    way = min(recipe.train.way, len(data.val))
    validation = recipe.validation
    return Protocol("val", way, (validation.shot,), queries=1, episodes=validation.episodes, seed=recipe.train.seed)


class _Run:
    """The part of a run that changes during training, and its files."""

    def __init__(
        self, recipe: Recipe, folder: Path, data: TrainingData, model: nn.Module, optimizer: torch.optim.Optimizer
    ) -> None:
        self.recipe, self.folder, self.data, self.model, self.optimizer = recipe, folder, data, model, optimizer
        self.done = self.saved = 0  # training episodes
        self.validated = 0  # training episodes at the last validation
        self.best = -1.0  # validation accuracy, a fraction
        self.notes: dict[str, dict[str, Any]] = {}  # of the best and last weights, when they were written
        self._saved_at = time.monotonic()

    def validate(self, episode: Episode, validating: Progress, announce: Callable[[str], None]) -> dict[str, float]:
        """Validation accuracy now; keeps the weights when they are the best so far, or when there is no val split."""
        self._check_weights(episode)
        self.validated = self.done
        if len(self.data.val) < 2:
            self._keep({"selected_by": f"{LAST}: the data has fewer than two val classes"})
            return {}
        validation = self.recipe.validation

        def embedding(done: int, total: int, note: str) -> None:
            validating(min(done, total - 1), total, note)  # episodes are still to be matched

        protocol = _validation_protocol(self.recipe, self.data)
        try:
            found = evaluate(self.model, self.data.loader, self.data.val, protocol, embedding=embedding)
        except NotFiniteError as error:
            raise self.diverged(error.message, episode) from error
        result = summarise(found.rows)[0]
        clips = len(all_clips(self.data.val))
        validating(clips, clips, "")
        accuracy, ci95 = result["accuracy"], result["ci95"]
        better = accuracy > self.best
        if better:
            self.best = accuracy
            self._keep({"selected_by": "val split", "validation": {key: result[key] for key in KEPT}})
        announce(
            f"episode {self.done}: validation {100 * accuracy:.1f} ± {100 * ci95:.1f} % "
            f"({validation.shot}-shot, {validation.episodes} episodes){', the best so far' if better else ''}"
        )
        return {"validation_accuracy": accuracy, "validation_ci95": ci95}

    def _keep(self, selection: dict[str, Any]) -> None:
        self._write("best", selection)

    def _write(self, which: str, selection: dict[str, Any]) -> None:
        notes = {"training_episodes": self.done, **selection, **self.data.info, "recipe": self.recipe.model_dump()}
        self.notes[which] = save_weights(self.folder / WEIGHTS[which], self.model.state_dict(), notes)

    def _check_weights(self, episode: Episode) -> None:
        if names := not_finite(self.model.state_dict()):
            raise self.diverged(f"these weights are not finite: {names},", episode)

    def diverged(self, problem: str, episode: Episode) -> StrmctlError:
        """The error of a training that diverged; what was saved before stays."""
        kept = f"the state after episode {self.saved} is kept" if self.saved else "nothing had been saved yet"
        return StrmctlError(
            f"{problem} at training episode {episode.index + 1} of run {self.folder.name}",
            f"{kept}; start a new run with a smaller rate, --set train.learning_rate="
            f"{self.recipe.train.learning_rate / 10:g}, or with --set train.gradient_clip=1.0",
        )

    def save_is_due(self) -> bool:
        """Whether to save: after each validation, and every few minutes in between."""
        return self.validated > self.saved or time.monotonic() - self._saved_at > SAVE_SECONDS

    def save(self, episode: Episode) -> None:
        """Writes the last weights, then all that resuming needs."""
        self._check_weights(episode)
        self._write("last", {"selected_by": LAST})
        state = {"done": self.done, "best": self.best, "manifest_sha256": self.data.loader.store.manifest_sha256}
        state |= {"recipe": self.recipe.model_dump(), "notes": self.notes}
        state |= {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        save_tensors(self.folder / STATE, state)
        self.saved, self._saved_at = self.done, time.monotonic()

    def restore(self) -> None:
        """Continues from what `save` wrote, and writes again what was lost of it.

        Raises:
            UsageError: there is more to train, and the frame store is not the one that the run was begun with.
            CheckpointError: the state is not what was written, or there is nothing more to train and the best weights
                are lost.
        """
        store = self.data.loader.store
        state = read_state(self.folder, self.recipe, self.model, self.optimizer)
        self.done = self.saved = self.validated = state["done"]
        self.best, self.notes = state["best"], state.get("notes", {})
        finished = self.done == self.recipe.train.episodes
        if not finished and state["manifest_sha256"] != store.manifest_sha256:
            raise UsageError(
                f"the frame store {store.name} has changed since run {self.folder.name} was begun on it",
                "start a new run, or bring the old frames back",
            )
        if not self._mended("best"):
            if finished:
                path = self.folder / WEIGHTS["best"]
                raise CheckpointError(
                    f"{path} is not what was written there, and the training of run {self.folder.name} is at its end",
                    lost(self.folder),
                )
            self.best = -1.0  # the next validation keeps its weights
        if not self._mended("last") and finished:
            self._write("last", {"selected_by": LAST})

    def _mended(self, which: str) -> bool:
        """Whether weights are there with their notes, which are written again where they were lost."""
        path, notes = self.folder / WEIGHTS[which], self.notes.get(which)
        if belong_together(path):
            return True
        if not notes or not path.is_file() or notes.get("sha256") != sha256_of(path):
            return False
        write_json(path.with_suffix(".json"), notes)
        return True
