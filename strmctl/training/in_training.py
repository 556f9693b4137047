"""What training keeps: the best weights by validation on the val split, the last ones, and the state to go on from."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from strmctl.errors import CheckpointError, NotFiniteError, StrmctlError, UsageError
from strmctl.evaluation.embed import Loader
from strmctl.evaluation.match import Protocol, all_clips, evaluate
from strmctl.evaluation.ranks import Ranks
from strmctl.evaluation.statistics.summary import summarise
from strmctl.model.episode import without_training_only
from strmctl.model.finite import not_finite
from strmctl.paths import write_json
from strmctl.progress import Progress
from strmctl.provenance import sha256_of
from strmctl.recipe import Recipe
from strmctl.runs.checkpoint import save_tensors, save_weights
from strmctl.runs.notes import WEIGHTS, belong_together, lost, snapshot_file
from strmctl.training.state import STATE, read_state
from strmctl.training.step import add_gradients, clip_gradient, take_step

SAVE_SECONDS = 120
KEPT = ("shot", "accuracy", "ci95", "episodes", "queries")  # keys of a validation in weights.json
LAST, KEEP = "last episode", "train.keep"  # what chose the weights
UNTRAINED = "not trained: the weights of the backbone, and the initial ones of the rest"


@dataclass(frozen=True)
class TrainingData:
    """What training may see.

    Attributes:
        train: class -> clip ids, of the train split.
        val: class -> clip ids, of the val split.
        loader: reader of the clips, which jitters, crops and mirrors those of training episodes; or of their maps, in
            one of their views.
        info: entries for `weights.json`.
    """

    train: Mapping[str, Sequence[str]]
    val: Mapping[str, Sequence[str]]
    loader: Loader
    info: dict[str, Any]


def validation_protocol(recipe: Recipe, data: TrainingData) -> Protocol:
    """How a model is validated: as many ways as in training, where the val split has them."""
    way, validation = min(recipe.train.way, len(data.val)), recipe.validation
    how = {"seed": recipe.train.seed, "distinct_groups": recipe.train.distinct_groups}
    return Protocol("val", way, (validation.shot,), queries=1, episodes=validation.episodes, **how)


class RunInTraining:
    """The part of a run that changes during training, and its files."""

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        data: TrainingData,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        ranks: Ranks,
    ) -> None:
        self.ranks = ranks
        self.recipe, self.folder, self.data, self.model, self.optimizer = recipe, folder, data, model, optimizer
        self.done = self.saved = 0  # training episodes
        self.validated = 0  # training episodes at the last validation
        self.best = -1.0  # validation accuracy, a fraction
        self.notes: dict[str, dict[str, Any]] = {}  # of the best and last weights, when they were written
        self._saved_at = time.monotonic()

    def step(self) -> None:
        """Changes the weights by the gradient of all ranks since the last step."""
        add_gradients(self.model, self.ranks)
        norm = clip_gradient(self.model, self.recipe.train.gradient_clip)
        if not math.isfinite(norm):  # before the step, which would spoil the weights
            raise self.diverged(f"the gradient norm is {norm}")
        take_step(self.recipe, self.optimizer, self.done)

    def validate(self, validating: Progress, announce: Callable[[str], None]) -> dict[str, float]:
        """Validation accuracy now; keeps the weights when they are the best so far, or when there is no val split."""
        self._check_weights()
        self.validated = self.done
        if len(self.data.val) < 2:
            self._keep({"selected_by": f"{LAST}: the data has fewer than two val classes"})
            return {}
        validation = self.recipe.validation

        def embedding(done: int, total: int, note: str) -> None:
            validating(min(done, total - 1), total, note)  # episodes are still to be matched

        protocol = validation_protocol(self.recipe, self.data)
        try:
            found = evaluate(
                self.model, self.data.loader, self.data.val, protocol, embedding=embedding, ranks=self.ranks
            )
        except NotFiniteError as error:
            raise self.diverged(error.message) from error
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
        self.ranks.from_first(lambda: self._write("best", selection))

    def _write(self, which: str, selection: dict[str, Any]) -> None:
        self.notes[which] = self._save_weights(WEIGHTS[which], selection)

    def _save_weights(self, file: str, selection: dict[str, Any]) -> dict[str, Any]:
        notes = {"training_episodes": self.done, **selection, **self.data.info, "recipe": self.recipe.model_dump()}
        return save_weights(self.folder / file, without_training_only(self.model.state_dict()), notes)

    def keep_snapshot(self) -> None:
        """Writes the weights as they are now: between two steps, those of the last, and batch norm's averages now."""
        self._check_weights()
        self.ranks.from_first(lambda: self._save_weights(snapshot_file(self.done), {"selected_by": KEEP}))

    def _check_weights(self) -> None:
        if names := not_finite(self.model.state_dict()):
            raise self.diverged(f"these weights are not finite: {names},")

    def diverged(self, problem: str) -> BaseException:
        """The error of a training that diverged, of which the first rank speaks; what was saved before stays."""
        if not self.ranks.first:
            return SystemExit(int(StrmctlError.exit_code))
        kept = f"the state after episode {self.saved} is kept" if self.saved else "nothing had been saved yet"
        return StrmctlError(
            f"{problem} at training episode {self.done} of run {self.folder.name}",
            f"{kept}; start a new run with a smaller rate, `--set train.learning_rate="
            f"{self.recipe.train.learning_rate / 10:g}`, or with `--set train.gradient_clip=1.0`",
        )

    def save_is_due(self) -> bool:
        """Whether to save: after each validation, and every few minutes in between."""
        return self.validated > self.saved or time.monotonic() - self._saved_at > SAVE_SECONDS

    def save(self) -> None:
        """Writes the last weights, then all that resuming needs."""
        self._check_weights()
        self._write("last", {"selected_by": LAST})
        self._save_state()

    def keep_untrained(self) -> None:
        """Writes the weights of a model that is used as it is."""
        for which in WEIGHTS:
            self._write(which, {"selected_by": UNTRAINED})
        self._save_state()

    def _save_state(self) -> None:
        state = {"done": self.done, "best": self.best, "manifest_sha256": self.data.loader.store.manifest_sha256}
        state |= {"recipe": self.recipe.model_dump(), "notes": self.notes}
        state |= {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        save_tensors(self.folder / STATE, state)
        self.saved, self._saved_at = self.done, time.monotonic()

    def restore(self, announce: Callable[[str], None]) -> None:
        """Continues from what `save` wrote, and writes again what was lost of it.

        Raises:
            UsageError: there is more to train, and the frame store is not the one that the run was begun with.
            CheckpointError: the state is not what was written, or there is nothing more to train and the best weights
                are lost.
        """
        store = self.data.loader.store
        state = read_state(self.folder, self.recipe, self.model, self.optimizer)
        self.done = self.saved = self.validated = state["done"]
        self.notes = state.get("notes", {})
        finished = self.done == self.recipe.train.episodes
        if not finished and state["manifest_sha256"] != store.manifest_sha256:
            raise UsageError(
                f"the frame store {store.name} has changed since run {self.folder.name} was begun on it",
                "start a new run, or bring the old frames back",
            )
        self.best = self.ranks.from_first(lambda: self._mend(state["best"], finished, announce))

    def _mend(self, best: float, finished: bool, announce: Callable[[str], None]) -> float:
        """Writes again what was lost of the weights; returns the best validation accuracy that there are weights of."""
        if not self._mended("best", announce):
            if finished:
                path = self.folder / WEIGHTS["best"]
                raise CheckpointError(
                    f"{path} is not what was written there, and the training of run {self.folder.name} is at its end",
                    lost(self.folder),
                )
            if best >= 0:
                announce(f"note: {WEIGHTS['best']} is not what was written there; the next validation keeps new ones")
            best = -1.0
        if not self._mended("last", announce) and finished:
            self._write("last", {"selected_by": LAST})
        return best

    def _mended(self, which: str, announce: Callable[[str], None]) -> bool:
        """Whether weights are there with their notes, which are written again where they were lost."""
        path, notes = self.folder / WEIGHTS[which], self.notes.get(which)
        if belong_together(path):
            return True
        if not notes or not path.is_file() or notes.get("sha256") != sha256_of(path):
            return False
        write_json(path.with_suffix(".json"), notes)
        announce(f"note: {path.with_suffix('.json')} was not what was written there, and is mended")
        return True
