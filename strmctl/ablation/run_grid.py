"""Runs a grid: trains each unfinished run and tests each cell without a result, in several processes.

Each cell is an ordinary run folder. Nothing is done twice: a grid that was killed continues where it stopped.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from strmctl.ablation.cell_workers import Report, gpus_to_share, work_on
from strmctl.ablation.cells import Cell
from strmctl.ablation.grid_file import Grid, finished_result, result_path
from strmctl.episodes.clip_loader import ORDERS, FrameOrder
from strmctl.errors import DataError, StrmctlError, UsageError
from strmctl.evaluation.episodes import draw_episodes
from strmctl.evaluation.match import Protocol
from strmctl.evaluation.run import evaluate_run
from strmctl.evaluation.select import select
from strmctl.frames.store.store import FrameStore
from strmctl.frames.store.usable_clips import usable_clips
from strmctl.model.tuples import keep_tuples
from strmctl.progress import Progress, silent
from strmctl.recipe import Recipe, load_recipe
from strmctl.runs.build import frame_store
from strmctl.runs.checkpoint import choose_device, load_run
from strmctl.runs.folder import check_new
from strmctl.runs.lock import occupied
from strmctl.runs.train_log import trained_episodes
from strmctl.training.run import TrainingRun


@dataclass(frozen=True)
class Task:
    """The training of a run, or the test of some of its cells.

    Attributes:
        run: name of the run.
        recipe: recipe of the run.
        cells: cells to test; none for training.
        protocol: settings of the test.
        runs: folder of the runs.
        data_dir: folder of the frame stores.
        device: name of the device, see `choose_device`.
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
        share, order = self.cells[0].fraction, self.cells[0].order
        words = "" if share is None else f" with {100 * share:g} % of the tuples"
        return f"the test of {self.run}{words}" + ("" if order == "natural" else f", {ORDERS[order]}")

    @property
    def steps(self) -> int:
        """Size of the task, in training episodes or tests."""
        return len(self.cells) or self.recipe.train.episodes


def open_tasks(grids: Sequence[Grid], runs: Path, data_dir: Path, device: str = "auto") -> list[Task]:
    """The unfinished tasks of grids: each run's training, then its tests, each of them once for all grids.

    Raises:
        UsageError: there is a run of a cell's name with another recipe, cells of one run have different recipes, or the
            data has too few classes or clips for the test.
        DataError: the frame store is missing, or some of its classes.
    """
    choose_device(device)
    recipes: dict[str, Recipe] = {}
    tests: dict[
        str, dict[tuple[float | None, int, FrameOrder, Protocol], tuple[Cell, set[int]]]
    ] = {}  # by run; with their shots
    for grid in grids:
        test = replace(grid.protocol, shots=())
        for cell in grid.cells:
            if recipes.setdefault(cell.run, cell.recipe) != cell.recipe:
                raise UsageError(f"two cells with different recipes have the name {cell.run}", "choose other labels")
            own = tests.setdefault(cell.run, {})
            own.setdefault((cell.fraction, cell.trial, cell.order, test), (cell, set()))[1].update(grid.protocol.shots)
    tasks, open_store = [], functools.cache(partial(frame_store, data_dir=data_dir))
    for run, recipe in recipes.items():
        _check_recipe(runs, run, recipe)
        where = {"run": run, "recipe": recipe, "runs": runs, "data_dir": data_dir, "device": device}
        store = open_store(recipe.data)
        if trained_episodes(runs / run) < recipe.train.episodes or not (runs / run / "weights.pt").is_file():
            tasks.append(Task(cells=(), protocol=Protocol(), **where))
        alike: dict[tuple[float | None, FrameOrder, Protocol], list[Cell]] = {}  # all trials of a share are one task
        for (fraction, _, order, test), (cell, shots) in tests[run].items():
            before, trained = None, (runs / run / "weights.pt").is_file()
            with contextlib.suppress(DataError):  # damaged: it is tested again
                before = trained and finished_result(runs, cell, test, store.manifest_sha256)
            if before:
                tested = set(before.shots)
                if shots <= tested:
                    continue
                shots.update(tested)  # a new result must not lose what another grid has tested
            protocol = replace(test, shots=tuple(sorted(shots)))
            if protocol not in (other for *_, other in alike):
                _check_test(recipe, store, protocol)
            alike.setdefault((fraction, order, protocol), []).append(cell)
        tasks += [Task(cells=tuple(cells), protocol=test, **where) for (*_, test), cells in alike.items()]
    return tasks


def _check_test(recipe: Recipe, store: FrameStore, protocol: Protocol) -> None:
    """Makes sure, before any training, that there are enough classes and clips for the test."""
    clips = usable_clips(store, protocol.split, missing_classes=recipe.data.missing_classes)[0]
    protocol.sampler(clips, store.groups)


def _check_recipe(runs: Path, run: str, recipe: Recipe) -> None:
    """Makes sure that a run of this name, if there is one, has this recipe."""
    file = runs / run / "recipe.yaml"
    if not file.is_file() and not (runs / run).is_dir():  # a kill may have left a folder without its recipe
        check_new(runs, run)
    if file.is_file() and load_recipe(file) != recipe:
        raise UsageError(
            f"there is a run {run} in {runs} already, of another recipe", "choose another `--name` for the grid"
        )


def run_tasks(
    tasks: Sequence[Task],
    *,
    jobs: int = 1,
    threads: int = 1,
    progress: Progress = silent,
    announce: Callable[[str], None] = lambda message: None,
) -> None:
    """Does all tasks; when one fails, the others still go on to their end.

    Args:
        tasks: tasks as `open_tasks` gives them.
        jobs: number of processes; with 1, this process does all the work.
        threads: number of threads of each process.
        progress: callable that receives (training episodes and tests done, in all, what is being done).
        announce: callable that receives what is finished.

    Raises:
        StrmctlError: a task failed; the error of the first, when all others are done.
    """
    board = _Board(tasks, progress)
    failed: list[tuple[Task, StrmctlError]] = []
    broken: set[str] = set()
    how = {"jobs": jobs, "threads": threads, "gpus": gpus_to_share(tasks[0].device) if tasks else ()}
    for task, value in work_on(_do, tasks, ready=_ready, progress=board.update, **how):
        board.finish(task)
        if isinstance(value, StrmctlError):
            if task.run not in broken:  # the tests of a run that failed to train fail, too
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
        raise type(error)(f"{task} failed{count}: {error.message}", again) from error


def _ready(task: Task, others: Sequence[Task]) -> bool:
    """Whether a task can begin: a run is trained before it is tested."""
    return not task.cells or not any(other.run == task.run and not other.cells for other in others)


def _do(task: Task, report: Report) -> str:
    return _test(task, report) if task.cells else _train(task, report)


def _train(task: Task, report: Report) -> str:
    report("waiting for another process", 0, task.recipe.train.episodes)

    def progress(done: int, total: int, note: str) -> None:
        if done % 10 == 0 or done == total:
            report("training", done, total)

    folder = task.runs / task.run
    with occupied(folder, wait=True):  # another grid may be working on the same run
        report("training", 0, task.recipe.train.episodes)
        run = TrainingRun(task.recipe, folder, new=not folder.is_dir(), latest=False, locked=True)
        embedding = partial(_report_stage, report)
        info = run.train(task.data_dir, device=task.device, progress=progress, embedding=embedding)
    chosen = info.get("validation")
    how = f", {100 * chosen['accuracy']:.1f} % on the val split" if chosen else ""
    if not task.recipe.train.episodes:
        return f"{task.run}: made; there is nothing to train"
    return f"{task.run}: trained; best after {info['training_episodes']} episodes{how}"


def _report_stage(report: Report, done: int, total: int, note: str) -> None:
    report(note or "embedding", done, total)


def _test(task: Task, report: Report) -> str:
    if trained_episodes(task.runs / task.run) < task.recipe.train.episodes:
        raise DataError(f"{task.run} is not trained to its end", "run the same command again")
    run = load_run(task.runs / task.run, device=task.device)
    tests = select(run, frame_store(task.recipe.data, task.data_dir), task.protocol.split)
    drawn = draw_episodes(tests.clips, tests.store.groups, task.protocol)
    results = []
    for cell in task.cells:
        notes: dict[str, Any] = {}
        if cell.fraction is not None:
            kept = keep_tuples(run.model, cell.fraction, cell.trial)
            notes = {"tuples": {"fraction": cell.fraction, "trial": cell.trial, "kept": kept}}
        report("testing", len(results), len(task.cells))
        how = {"order": cell.order, "notes": notes, "embedding": partial(_report_stage, report)}
        result = evaluate_run(run, tests, drawn, **how)
        result.write(result_path(task.runs, cell, task.protocol).with_suffix(""))
        results.append(result)
    means = [
        f"{shot}-shot {100 * sum(result.results[i]['accuracy'] for result in results) / len(results):.1f} %"
        for i, shot in enumerate(sorted(task.protocol.shots))
    ]
    return f"{str(task).removeprefix('the test of ')}: {', '.join(means)}"


class _Board:
    """Progress of all tasks together, in training episodes and tests."""

    def __init__(self, tasks: Sequence[Task], progress: Progress) -> None:
        self.progress = progress
        self.total = sum(task.steps for task in tasks)
        self.done: dict[int, int] = {}  # by identity of the task
        self.stages: dict[int, str] = {}

    def update(self, task: Task, stage: str, done: int, total: int) -> None:
        steps = min(done, max(0, task.steps - 1)) if total == task.steps else 0  # validation is still to come
        self._show(task, steps, f"{task.run} {stage} {done}/{total}")

    def finish(self, task: Task) -> None:
        self._show(task, task.steps, "")

    def _show(self, task: Task, done: int, stage: str) -> None:
        self.done[id(task)], self.stages[id(task)] = done, stage
        self.progress(sum(self.done.values()), self.total, ", ".join(sorted(filter(None, self.stages.values()))))
