"""Runs a grid: trains each run that is not finished, tests each cell that has no result, in several processes.

Each cell is an ordinary run folder. What is finished is never done again, and a grid that was killed goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from strmctl.ablation.cell_workers import Tell, work_on
from strmctl.ablation.cells import Cell
from strmctl.ablation.grid_file import Grid, finished_result, result_path, trained_episodes
from strmctl.errors import DataError, StrmctlError, UsageError
from strmctl.evaluation.episodes import draw_episodes
from strmctl.evaluation.match import Protocol
from strmctl.evaluation.run import evaluate_run, select
from strmctl.frames.store.store import FrameStore
from strmctl.frames.store.usable_clips import usable_clips
from strmctl.model.tuples import keep_tuples
from strmctl.paths import alone
from strmctl.progress import Progress, silent
from strmctl.recipe import Recipe, load_recipe
from strmctl.runs.checkpoint import choose_device, load_run
from strmctl.runs.folder import check_new
from strmctl.training.run import TrainingRun

LOCKS = ".locks"  # folder below that of the runs


@dataclass(frozen=True)
class Task:
    """One thing to do for a run.

    Attributes:
        run: its name.
        recipe: of the run.
        cells: to test; none: train the run.
        protocol: of the test.
        runs: folder of the runs.
        data_dir: folder of the frame stores.
        device: `auto`, `cpu` or `cuda`.
    """

    run: str
    recipe: Recipe
    cells: tuple[Cell, ...]
    protocol: Protocol
    runs: Path
    data_dir: Path
    device: str

    def __str__(self) -> str:
        if not self.cells:
            return f"the training of {self.run}"
        share = self.cells[0].fraction
        return f"the test of {self.run}" + ("" if share is None else f" with {100 * share:g} % of the tuples")


def open_tasks(grids: Sequence[Grid], runs: Path, data_dir: Path, device: str = "auto") -> list[Task]:
    """What is still to be done for grids: each run's training, then its tests, each of them once for all grids.

    Raises:
        UsageError: a run of a cell's name is there with another recipe, cells of one run differ in theirs, or the data
            has too few classes or clips for the test.
        DataError: the frame store is missing, or classes of it.
    """
    choose_device(device)
    recipes: dict[str, Recipe] = {}
    tests: dict[tuple[str, float | None, int, Protocol], tuple[Cell, set[int]]] = {}
    for grid in grids:
        test = replace(grid.protocol, shots=())
        for cell in grid.cells:
            if recipes.setdefault(cell.run, cell.recipe) != cell.recipe:
                raise UsageError(f"two cells with different recipes have the name {cell.run}", "choose other labels")
            shots = tests.setdefault((cell.run, cell.fraction, cell.trial, test), (cell, set()))[1]
            shots.update(grid.protocol.shots)
    tasks, stores = [], dict[str, FrameStore]()
    for run, recipe in recipes.items():
        _check_recipe(runs, run, recipe)
        where = {"run": run, "recipe": recipe, "runs": runs, "data_dir": data_dir, "device": device}
        name = recipe.data.dataset
        store = stores.get(name) or stores.setdefault(name, FrameStore.open(data_dir, name))
        if trained_episodes(runs / run) < recipe.train.episodes or not (runs / run / "weights.pt").is_file():
            tasks.append(Task(cells=(), protocol=Protocol(), **where))
        alike: dict[tuple[float | None, Protocol], list[Cell]] = {}  # all trials of a share are one task
        for (of, fraction, _, test), (cell, shots) in tests.items():
            if of != run:
                continue
            if before := finished_result(runs, cell, test, store.manifest_sha256):  # what another grid has tested stays
                tested = {figures["shot"] for figures in before.results}
                if shots <= tested:
                    continue
                shots.update(tested)
            protocol = replace(test, shots=tuple(sorted(shots)))
            if protocol not in (other for _, other in alike):
                _check_test(recipe, store, protocol)
            alike.setdefault((fraction, protocol), []).append(cell)
        tasks += [Task(cells=tuple(cells), protocol=test, **where) for (_, test), cells in alike.items()]
    return tasks


def _check_test(recipe: Recipe, store: FrameStore, protocol: Protocol) -> None:
    """Says before any training what is wrong with the test: too few classes or clips."""
    clips = usable_clips(store, protocol.split, missing_classes=recipe.data.missing_classes)[0]
    protocol.sampler(clips, store.groups)


def _check_recipe(runs: Path, run: str, recipe: Recipe) -> None:
    """A folder of this name must be of this recipe."""
    file = runs / run / "recipe.yaml"
    if not file.is_file():
        if not (runs / run).is_dir():  # a kill may have left a folder without its recipe
            check_new(runs, run)
        return
    if load_recipe(file) != recipe:
        raise UsageError(
            f"there is a run {run} in {runs} already, of another recipe", "choose another --name for the grid"
        )


def run_tasks(
    tasks: Sequence[Task],
    *,
    jobs: int = 1,
    threads: int = 1,
    progress: Progress = silent,
    announce: Callable[[str], None] = lambda message: None,
) -> None:
    """Does all tasks; one that fails does not keep the others from their end.

    Args:
        tasks: of `open_tasks`.
        jobs: processes; with 1, all is done in this one.
        threads: of each process.
        progress: is told (training episodes and tests done, in all, what is being done).
        announce: is told what is finished.

    Raises:
        StrmctlError: of the first task that failed, when all others are done.
    """
    board = _Board(tasks, progress)
    failed: list[tuple[Task, StrmctlError]] = []
    broken: set[str] = set()
    for task, value in work_on(_do, tasks, jobs=jobs, threads=threads, ready=_ready, told=board.told):
        board.finished(task)
        if isinstance(value, StrmctlError):
            if task.run not in broken:  # the tests of a run that could not be trained fail of course
                failed.append((task, value))
                announce(f"{task} failed: {value.message}")
            broken.add(task.run)
        elif isinstance(value, Exception):
            raise value
        else:
            announce(value)
    if failed:
        task, error = failed[0]
        count = "" if len(failed) == 1 else f" ({len(failed)} runs failed)"
        again = f"{error.hint}; the same command does what is missing".removeprefix("; ")
        raised = type(error)(f"{task} failed{count}: {error.message}", again)
        raise raised from error


def _ready(task: Task, others: Sequence[Task]) -> bool:
    """A run is tested when it is trained."""
    return not task.cells or not any(other.run == task.run and not other.cells for other in others)


def _do(task: Task, tell: Tell) -> str:
    return _test(task, tell) if task.cells else _train(task, tell)


def _train(task: Task, tell: Tell) -> str:
    tell("training", 0, task.recipe.train.episodes)

    def progress(done: int, total: int, note: str) -> None:
        if done % 10 == 0 or done == total:
            tell("training", done, total)

    folder = task.runs / task.run
    with alone(task.runs / LOCKS / task.run):  # another grid may be at the same run
        run = TrainingRun(task.recipe, folder, new=not folder.is_dir(), latest=False)
        info = run.train(task.data_dir, device=task.device, progress=progress)
    chosen = info.get("validation")
    how = f", {100 * chosen['accuracy']:.1f} % on the val split" if chosen else ""
    return f"{task.run}: trained; best after {info['training_episodes']} episodes{how}"


def _test(task: Task, tell: Tell) -> str:
    if trained_episodes(task.runs / task.run) < task.recipe.train.episodes:
        raise DataError(f"{task.run} is not trained to its end", "run the same command again")
    run = load_run(task.runs / task.run, device=task.device)
    tests = select(run, FrameStore.open(task.data_dir, task.recipe.data.dataset), task.protocol.split)
    drawn = draw_episodes(tests.clips, tests.store.groups, task.protocol)
    results = []
    for cell in task.cells:
        notes: dict[str, Any] = {}
        if cell.fraction is not None:
            kept = keep_tuples(run.model, cell.fraction, cell.trial)
            notes = {"tuples": {"fraction": cell.fraction, "trial": cell.trial, "kept": kept}}
        tell("testing", len(results), len(task.cells))
        result = evaluate_run(run, tests, drawn, notes=notes)
        result.write(result_path(task.runs, cell, task.protocol).with_suffix(""))
        results.append(result)
    means = [
        f"{shot}-shot {100 * sum(result.results[i]['accuracy'] for result in results) / len(results):.1f} %"
        for i, shot in enumerate(sorted(task.protocol.shots))
    ]
    return f"{str(task).removeprefix('the test of ')}: {', '.join(means)}"


class _Board:
    """How far all tasks are, in training episodes and tests."""

    def __init__(self, tasks: Sequence[Task], progress: Progress) -> None:
        self.progress = progress
        self.total = sum(len(task.cells) or task.recipe.train.episodes for task in tasks)
        self.done: dict[int, int] = {}  # by identity of the task
        self.stages: dict[int, str] = {}

    def told(self, task: Task, stage: str, done: int, total: int) -> None:
        # the end of a training is when its validation is done
        self.done[id(task)] = min(done, (len(task.cells) or task.recipe.train.episodes) - 1)
        self.stages[id(task)] = f"{task.run} {stage} {done}/{total}"
        self._show()

    def finished(self, task: Task) -> None:
        self.done[id(task)] = len(task.cells) or task.recipe.train.episodes
        self.stages.pop(id(task), None)
        self._show()

    def _show(self) -> None:
        self.progress(sum(self.done.values()), self.total, ", ".join(sorted(self.stages.values())))
