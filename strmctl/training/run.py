"""A training run as a folder: named, begun, resumed."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from strmctl.episodes.clip_loader import rate_note
from strmctl.errors import UsageError
from strmctl.evaluation.match import all_clips
from strmctl.evaluation.ranks import ALONE, Ranks
from strmctl.frames.store.usable_clips import usable_clips
from strmctl.model.precision import trains_in_tf32
from strmctl.paths import write_text
from strmctl.progress import Progress, silent
from strmctl.provenance import provenance
from strmctl.recipe import Recipe, load_recipe
from strmctl.runs.build import clip_loader, frame_store
from strmctl.runs.checkpoint import choose_device, device_notes
from strmctl.runs.folder import LATEST, RECIPE, check_new, newest_run, point_latest, run_folder
from strmctl.runs.lock import occupied
from strmctl.runs.notes import WEIGHTS, belong_together, read_notes
from strmctl.training.state import STATE
from strmctl.training.train import TrainingData, train


@dataclass(frozen=True)
class TrainingRun:
    """A run that can be trained, from its beginning or from where it was killed.

    Attributes:
        recipe: the experiment.
        folder: folder of the run.
        new: whether the run has yet to begin.
        latest: whether `runs/latest` should point at it.
        locked: whether the caller holds the run's lock.
    """

    recipe: Recipe
    folder: Path
    new: bool
    latest: bool = True
    locked: bool = False

    @property
    def name(self) -> str:
        """Name of the run."""
        return self.folder.name

    def train(
        self,
        data_dir: Path,
        *,
        device: str = "auto",
        progress: Progress = silent,
        validating: Progress = silent,
        embedding: Progress = silent,
        announce: Callable[[str], None] = lambda message: None,
        ranks: Ranks = ALONE,
        events: bool = False,
    ) -> dict[str, Any]:
        """Trains on a frame store and returns the content of `weights.json`; the data is checked before any write.

        The other arguments are those of `train` of `strmctl.training.train`; of several `ranks`, all call this.

        Raises:
            DataError: the store is missing, or some of its classes.
            UsageError: there are too few classes or clips for the recipe's episodes, or another process writes the run.
        """
        with contextlib.ExitStack() as held:
            ranks.from_first(lambda: self._occupy(held))
            shown = {"progress": progress, "validating": validating, "embedding": embedding}
            data = ranks.in_turn(lambda: self.open_data(data_dir, choose_device(device), ranks.count))
            if note := rate_note(data.loader, all_clips(data.train) + all_clips(data.val)):
                announce(note)
            how = {"begin": partial(self._begin, announce), "announce": announce, **shown}
            return train(self.recipe, self.folder, data, device=device, ranks=ranks, events=events, **how)

    def _occupy(self, held: contextlib.ExitStack) -> None:
        """Keeps other writers out, and makes sure that none was faster."""
        if not self.locked:
            held.enter_context(occupied(self.folder))
        if self.new and self.folder.is_dir():
            raise UsageError(f"another training has begun in {self.folder}", "run the same command again")

    def open_data(self, data_dir: Path, device: torch.device, count: int = 1) -> TrainingData:
        """What may be seen, and what the notes of the weights will say of it and of so many ranks."""
        store = frame_store(self.recipe.data, data_dir)
        policy = self.recipe.data.missing_classes
        subsets = ("train", "val")
        clips, dropped = ({subset: {} for subset in subsets} for _ in range(2))
        for subset in subsets if self.recipe.train.episodes else ():  # what is not trained has seen no class
            clips[subset], dropped[subset] = usable_clips(store, subset, missing_classes=policy)
        info = {
            "dataset": store.display_name,
            "train_classes": sorted(clips["train"]),
            "val_classes": sorted(clips["val"]),
            "dropped_classes": {subset: names for subset, names in dropped.items() if names},
            "provenance": provenance(
                libraries=self.recipe.libraries,
                manifest_sha256=store.manifest_sha256,
                seed=self.recipe.train.seed,
                **device_notes(device),
                tf32=trains_in_tf32(device),
                ranks=count,
            ),
        }
        return TrainingData(clips["train"], clips["val"], clip_loader(self.recipe, store), info)

    def _begin(self, announce: Callable[[str], None]) -> None:
        """Makes the folder, and lets `runs/latest` point at it."""
        self.folder.mkdir(parents=True, exist_ok=not self.new)
        write_text(self.folder / RECIPE, self.recipe.to_yaml())
        if self.latest:
            point_latest(self.folder.parent, self.folder, announce)


def new_run(runs: Path, name: str | None, recipe: str, assignments: Iterable[str]) -> TrainingRun:
    """A new run; nothing is written yet.

    Raises:
        RecipeError: the recipe is unknown or invalid.
        UsageError: there is a run of this name already.
    """
    loaded = load_recipe(recipe, assignments)
    if name is None:
        name, number = loaded.name, 2
        while (runs / name).exists() and name != LATEST:
            name, number = f"{loaded.name}-{number}", number + 1
    check_new(runs, name, f"go on with it: `strmctl train --resume --name {name}`; or ")
    return TrainingRun(loaded, runs / name, new=True)


def untrained_run(
    runs: Path,
    recipe: str,
    data_dir: Path,
    *,
    device: str = "auto",
    announce: Callable[[str], None] = lambda message: None,
) -> Path:
    """The folder of the run of a recipe that needs no training, which is made where it is missing.

    Args:
        runs: folder of the runs.
        recipe: name of a shipped recipe, or the path of a file; its name is that of the run.
        data_dir: folder of the frame stores.
        device: name of the device, see `choose_device`.
        announce: callable that receives what is about to be downloaded, and that the run was made.

    Raises:
        RecipeError: the recipe is unknown or invalid.
        UsageError: the recipe trains, or there is a run of its name and of another recipe.
    """
    loaded = load_recipe(recipe)
    folder = runs / loaded.name
    if loaded.train.episodes:
        raise UsageError(
            f"recipe {loaded.name} trains for {loaded.train.episodes:,} episodes before it can be tested",
            f"`{shlex.join(['strmctl', 'train', '--recipe', recipe])}` does that; test its run with `--run`",
        )
    if (folder / RECIPE).is_file() and load_recipe(folder / RECIPE) != loaded:
        raise UsageError(
            f"the run {loaded.name} in {runs} is of another recipe than {recipe}",
            f"test it as it is: `--run {loaded.name}`; or give your recipe another `name`",
        )
    if not belong_together(folder / WEIGHTS["best"]):
        run = TrainingRun(loaded, folder, new=not folder.is_dir(), latest=newest_run(runs) is None)
        run.train(data_dir, device=device, announce=announce)
        announce(f"{folder}: made, with the weights of the backbone; there is nothing to train")
    return folder


def begun_run(
    runs: Path,
    name: str | None,
    recipe: str | None,
    assignments: Iterable[str],
    announce: Callable[[str], None] = lambda message: None,
) -> TrainingRun:
    """A run that was begun; a recipe that is given must be that of the run.

    Raises:
        DataError: there is no such run.
        UsageError: the run was begun with another recipe, or imported.
    """
    folder = run_folder(runs, name, announce)
    if not (folder / STATE).exists() and "imported_from" in read_notes(folder / "weights.pt"):
        raise UsageError(
            f"run {folder.name} was imported, so there is no training of it to go on with", "name another with `--name`"
        )
    own = load_recipe(folder / "recipe.yaml")
    assignments = tuple(assignments)
    if recipe is None and assignments:
        raise UsageError("a run goes on with the recipe it was begun with", "leave `--set` out, or start a new run")
    if recipe is not None and load_recipe(recipe, assignments) != own:
        raise UsageError(
            f"run {folder.name} was begun with another recipe", f"leave `--recipe` out; {folder}/recipe.yaml is used"
        )
    return TrainingRun(own, folder, new=False)
