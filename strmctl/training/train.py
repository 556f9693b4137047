"""Episodic training with validation on the val split. The test split is never read.

Training episode i and its crops are functions of (seed, i) alone, and so is its dropout on a CPU: there, a run that was
killed and resumed ends with the same weights as one that was not.
"""

from __future__ import annotations

import csv
import json
import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from strmctl.draws import Draws
from strmctl.episodes.clip_loader import ClipLoader
from strmctl.episodes.sampler import Episode, EpisodeSampler
from strmctl.errors import StrmctlError, UsageError
from strmctl.evaluation.embed import LOADER_THREADS, ahead, loading_depth, pixels_to_model
from strmctl.evaluation.match import Protocol, evaluate
from strmctl.evaluation.statistics.summary import summarise
from strmctl.model.episode import Logits
from strmctl.model.seeding import seeded
from strmctl.model.weight_files import read_tensors
from strmctl.paths import replacing, write_json
from strmctl.progress import Progress, silent
from strmctl.recipe import Recipe
from strmctl.runs.build import build_model
from strmctl.runs.checkpoint import choose_device, save_tensors

COLUMNS = ("episode", "loss", "accuracy", "learning_rate", "validation_accuracy", "validation_ci95")


class RunLog:
    """Appends lines to a CSV file.

    Args:
        path: the file.
        after: keep the lines up to this episode; 0 starts anew.
    """

    def __init__(self, path: Path, *, after: int) -> None:
        kept = []
        if after and path.is_file():
            with path.open(newline="", encoding="utf-8") as file:
                kept = [line for line in csv.DictReader(file) if _number(line["episode"]) <= after]
        with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(kept)
        self._path = path

    def add(self, **values: float) -> None:
        """Adds a line; columns that are not given stay empty."""
        with self._path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, COLUMNS, lineterminator="\n").writerow(values)


def _number(text: str) -> float:
    """The episode of a line; a line that a kill cut short counts as beyond any."""
    return int(text) if text.isdigit() else float("inf")


SAVE_SECONDS = 120
KEPT = ("shot", "accuracy", "ci95", "episodes", "queries")  # of a validation, in weights.json
RECENT = 50  # episodes that the shown loss and accuracy are means of
Clips = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class TrainingData:
    """What training may see: the clips of two subsets, by class, and their loader."""

    train: Clips
    val: Clips
    loader: ClipLoader  # jitters, crops and mirrors
    info: dict[str, Any]  # goes into weights.json


def train(
    recipe: Recipe,
    folder: Path,
    data: TrainingData,
    *,
    device: str = "auto",
    begin: Callable[[], None] = lambda: None,
    progress: Progress = silent,
    announce: Callable[[str], None] = lambda message: None,
) -> dict[str, Any]:
    """Trains a model, or goes on where `folder/state.pt` says.

    Args:
        recipe: the experiment.
        folder: of the run; gets `weights.pt`, `weights.json`, `state.pt`, `train.csv`.
        data: training and validation clips; without two val classes the last weights are kept.
        device: `auto`, `cpu` or `cuda`.
        begin: is called when all that can be wrong beforehand is right, before the first write.
        progress: is told (episodes done, episodes in all, loss and accuracy).
        announce: is told what is about to be downloaded, and validation results.

    Returns:
        The content of `weights.json`.

    Raises:
        UsageError: the data has too few classes or clips for the recipe's episodes.
        StrmctlError: the loss is not finite; the last good state is kept.
    """
    settings, state_path = recipe.train, folder / "state.pt"
    sampler = EpisodeSampler(
        data.train, split="train", way=settings.way, shot=settings.shot, queries=settings.queries, seed=settings.seed
    )
    if len(data.val) > 1:  # checked now rather than at the first validation
        _validation_protocol(recipe, data).sampler(data.val)
    resuming = state_path.is_file()
    model = build_model(recipe, pretrained=not resuming, announce=announce).to(choose_device(device))
    optimizer = _optimizer(recipe, model)
    run = _Run(recipe, folder, data, model, optimizer)
    if resuming:
        run.restore(read_tensors(state_path))
    if run.done < settings.episodes:
        begin()
    log = RunLog(folder / "train.csv", after=run.done)
    recent: deque[tuple[float, float]] = deque(maxlen=RECENT)
    progress(run.done, settings.episodes, "")
    model.train()
    for episode, pixels in _episodes(sampler, data.loader, range(run.done, settings.episodes), loading_depth(model)):
        loss, accuracy = _backward(recipe, model, episode, pixels)
        if not math.isfinite(loss):
            raise run.diverged("loss", loss, episode)
        recent.append((loss, accuracy))
        run.done = episode.index + 1
        last = run.done == settings.episodes
        stepped = run.done % settings.accumulate == 0 or last
        if stepped:
            length = _gradient_length(model, recipe.train.gradient_clip)
            if not math.isfinite(length):  # before the step, which would spoil the weights
                raise run.diverged("length of the gradient", length, episode)
            _step(recipe, optimizer, run.done)
        now = run.done, settings.episodes
        line = {"episode": run.done, "loss": loss, "accuracy": accuracy, "learning_rate": _rate(recipe, run.done)}
        if run.done % recipe.validation.every == 0 or last:
            line |= run.validate(announce, _validating(progress, now))
        log.add(**line)
        if stepped and run.save_is_due():  # not between steps, where gradients wait
            run.save()
        mean_loss, mean_accuracy = (sum(column) / len(recent) for column in zip(*recent, strict=True))
        progress(*now, f"loss {mean_loss:.3f}, accuracy {100 * mean_accuracy:.1f} %")
    return json.loads((folder / "weights.json").read_text(encoding="utf-8"))


class _Run:
    """What changes while a run goes on, and how it is kept."""

    def __init__(
        self, recipe: Recipe, folder: Path, data: TrainingData, model: nn.Module, optimizer: torch.optim.Optimizer
    ) -> None:
        self.recipe, self.folder, self.data, self.model, self.optimizer = recipe, folder, data, model, optimizer
        self.done = self.saved = 0  # training episodes
        self.validated = 0  # training episodes at the last validation
        self.best = -1.0  # validation accuracy, a fraction
        self._saved_at = time.monotonic()

    def validate(self, announce: Callable[[str], None], embedding: Progress) -> dict[str, float]:
        """Validation accuracy now; keeps the weights when they are the best so far, or when there is no val split."""
        self.validated = self.done
        if len(self.data.val) < 2:
            self._keep({"selected_by": "last episode: the data has fewer than two val classes"})
            return {}
        validation = self.recipe.validation
        protocol = _validation_protocol(self.recipe, self.data)
        found = evaluate(self.model, self.data.loader, self.data.val, protocol, embedding=embedding)
        result = summarise(found.rows)[0]
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
        save_tensors(self.folder / "weights.pt", self.model.state_dict())
        info = {"training_episodes": self.done, **selection, **self.data.info}
        write_json(self.folder / "weights.json", info)

    def diverged(self, what: str, value: float, episode: Episode) -> StrmctlError:
        """The error of a training that went astray; what was saved before stays."""
        kept = f"the state after episode {self.saved} is kept" if self.saved else "nothing had been saved yet"
        return StrmctlError(
            f"the {what} is {value} at training episode {episode.index + 1} of run {self.folder.name}",
            f"{kept}; start a new run with a smaller rate, --set train.learning_rate="
            f"{self.recipe.train.learning_rate / 10:g}, or with --set train.gradient_clip=1.0",
        )

    def save_is_due(self) -> bool:
        """After each validation, and every few minutes in between."""
        return self.validated > self.saved or time.monotonic() - self._saved_at > SAVE_SECONDS

    def save(self) -> None:
        """Writes all that resuming needs."""
        state = {"done": self.done, "best": self.best, "manifest_sha256": self.data.loader.store.manifest_sha256}
        state |= {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        save_tensors(self.folder / "state.pt", state)
        self.saved, self._saved_at = self.done, time.monotonic()

    def restore(self, state: dict[str, Any]) -> None:
        """Takes up what `save` wrote.

        Raises:
            UsageError: there is more to train, and the frame store is not the one that the run was begun with.
        """
        store = self.data.loader.store
        unfinished = state["done"] < self.recipe.train.episodes
        if unfinished and state["manifest_sha256"] != store.manifest_sha256:
            raise UsageError(
                f"the frame store {store.name} has changed since run {self.folder.name} was begun on it",
                "start a new run, or bring the old frames back",
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.done = self.saved = self.validated = state["done"]
        self.best = state["best"]


def _validating(progress: Progress, now: tuple[int, int]) -> Progress:
    return lambda done, total, _: progress(*now, f"validating: {done}/{total} clips")


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


def _backward(recipe: Recipe, model: nn.Module, episode: Episode, pixels: tuple[Tensor, Tensor]) -> tuple[float, float]:
    """Adds the gradient of one episode; returns its loss and the share of right answers."""
    support, query = (pixels_to_model(part, model) for part in pixels)
    labels = torch.arange(recipe.train.way, device=support.device)
    with seeded(recipe.train.seed, f"dropout of episode {episode.index}"):
        logits = model(support, labels.repeat_interleave(recipe.train.shot), query)
    targets = labels.repeat_interleave(recipe.train.queries)
    loss = episode_loss(logits, targets, weight=recipe.query_class.weight, reduction=recipe.train.loss_reduction)
    if torch.isfinite(loss):
        (loss / _accumulated(recipe, episode.index)).backward()
    return loss.item(), (logits.total.argmax(dim=-1) == targets).double().mean().item()


def _accumulated(recipe: Recipe, index: int) -> int:
    """Episodes that share an optimiser step with episode `index`; the last step may have fewer."""
    first = index - index % recipe.train.accumulate
    return min(recipe.train.accumulate, recipe.train.episodes - first)


def episode_loss(logits: Logits, targets: Tensor, *, weight: float, reduction: str) -> Tensor:
    """L_TM + lambda · L_QC: cross-entropies, summed or averaged over the queries `(Q)`.

    A method without TRM has one cross-entropy, that of its total.
    """
    loss = F.cross_entropy(logits.total if logits.trm is None else logits.trm, targets, reduction=reduction)
    if logits.query_class is not None:
        loss = loss + weight * F.cross_entropy(logits.query_class, targets, reduction=reduction)
    return loss


def _optimizer(recipe: Recipe, model: nn.Module) -> torch.optim.Optimizer:
    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[recipe.train.optimizer]
    return kind(model.parameters(), lr=recipe.train.learning_rate)


def _gradient_length(model: nn.Module, clip: float | None) -> float:
    """Norm of the gradient, which is shortened to `clip` where it is longer."""
    return torch.nn.utils.clip_grad_norm_(model.parameters(), math.inf if clip is None else clip).item()


def _step(recipe: Recipe, optimizer: torch.optim.Optimizer, done: int) -> None:
    for group in optimizer.param_groups:
        group["lr"] = _rate(recipe, done)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def _rate(recipe: Recipe, done: int) -> float:
    """Learning rate of the step that ends with training episode number `done`."""
    if recipe.train.schedule == "constant":
        return recipe.train.learning_rate
    share = (done - 1) / recipe.train.episodes
    return recipe.train.learning_rate * 0.5 * (1 + math.cos(math.pi * share))


def _validation_protocol(recipe: Recipe, data: TrainingData) -> Protocol:
    way = min(recipe.train.way, len(data.val))
    validation = recipe.validation
    return Protocol("val", way, (validation.shot,), queries=1, episodes=validation.episodes, seed=recipe.train.seed)
