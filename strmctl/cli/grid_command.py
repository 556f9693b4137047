"""What all grids of `strmctl ablate` share: options, and planning, listing, running and showing a grid."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from strmctl.cli import console
from strmctl.cli.options import (
    RECIPE,
    comma_separated,
    data_option,
    device_option,
    json_option,
    loader_threads_option,
    runs_option,
    set_option,
)
from strmctl.threads import available_cpus

if TYPE_CHECKING:
    from strmctl.ablation.cells import Base, Cell
    from strmctl.ablation.grid_file import Grid
    from strmctl.ablation.run_grid import Task

SEEDS = comma_separated(int)
OPTIONS = (
    click.option(
        "--recipe",
        type=RECIPE,
        default="sprites",
        show_default=True,
        metavar="NAME|FILE",
        help="Recipe that the grid varies.",
    ),
    set_option,
    click.option("--name", help="Beginning of the names of the grid and its runs.  [default: the recipe's name]"),
    click.option("--seeds", default="0", show_default=True, callback=SEEDS, help="Training seeds, such as 0,1,2."),
    click.option("--only", metavar="LABEL", multiple=True, help="Only this cell of the grid. May be repeated."),
    click.option("--way", type=click.IntRange(2), default=5, show_default=True, help="Classes per test episode."),
    click.option("--queries", type=click.IntRange(1), default=1, show_default=True, help="Query clips per class."),
    click.option("--episodes", type=click.IntRange(1), default=10_000, show_default=True, help="Test episodes."),
    click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the test episodes."),
    click.option(
        "--split", type=click.Choice(["test", "val"]), default="test", show_default=True, help="Classes to test on."
    ),
    click.option("--distinct-groups", is_flag=True, help="Never take support and query from the same source video."),
    click.option("--dry-run", is_flag=True, help="List the cells with an estimate of the time, and do nothing."),
    click.option(
        "--jobs",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="Runs at a time, shared out to GPUs.",
    ),
    click.option(
        "--threads", type=click.IntRange(1), help="Threads of each job.  [default: the free cores over --jobs]"
    ),
    data_option,
    runs_option,
    device_option,
    loader_threads_option,
    json_option,
)


def grid_options(default_shots: str) -> Callable:
    """The options that all grids share, gathered as the keyword `options`."""

    def decorate(function: Callable) -> Callable:
        @functools.wraps(function)
        def gathered(**values: Any) -> None:
            own = function.__code__.co_varnames[: function.__code__.co_argcount + function.__code__.co_kwonlyargcount]
            kept = {name: values.pop(name) for name in own if name in values}
            function(**kept, options=values)

        shots = click.option(
            "--shots",
            default=default_shots,
            show_default=True,
            callback=comma_separated(int),
            help="Support clips per class in the tests.",
        )
        for option in reversed((shots, *OPTIONS)):
            gathered = option(gathered)
        return gathered

    return decorate


def run_grid(
    suffix: str, plan: Callable[[Base], list[Cell]], options: dict[str, Any], kind: str = "", **notes: Any
) -> None:
    """Plans one grid, then lists it or runs it."""
    run_grids([planned(suffix, plan, options, kind, **notes)], options)


def planned(
    suffix: str, plan: Callable[[Base], list[Cell]], options: dict[str, Any], kind: str = "", **notes: Any
) -> Grid:
    """A grid as the options describe it; nothing is written yet."""
    from strmctl.ablation.cells import Base, chosen
    from strmctl.ablation.grid_file import Grid
    from strmctl.errors import UsageError
    from strmctl.evaluation.match import Protocol
    from strmctl.provenance import provenance
    from strmctl.runs.folder import check_name

    if min(options["shots"]) < 1:
        raise click.BadParameter("shots count from 1", param_hint="--shots")
    base = Base(options["recipe"], options["assignments"], options["name"], options["seeds"])
    cells = plan(base)
    if options["only"]:
        cells = chosen(cells, options["only"])
    settings = {key: options[key] for key in ("split", "way", "queries", "episodes", "seed", "distinct_groups")}
    name = f"{options['name'] or base.load().name}-{suffix}"
    check_name(options["name"] or name)
    if (options["runs"] / name / "recipe.yaml").is_file():
        raise UsageError(f"there is a run {name} in {options['runs']} already", "choose another `--name` for the grid")
    source = provenance()
    notes |= {"recipe": options["recipe"], "jobs": options["jobs"], "threads": _threads(options)}
    notes["commands"] = [source["command"]]
    protocol = Protocol(shots=tuple(sorted(set(options["shots"]))), **settings)
    return Grid(kind or suffix, name, cells, protocol, notes, source)


def _threads(options: dict[str, Any]) -> int:
    return options["threads"] or max(1, available_cpus() // options["jobs"])


def run_grids(grids: list[Grid], options: dict[str, Any]) -> None:
    """Lists grids, or does what is missing of them and shows their tables."""
    from strmctl.ablation.run_grid import open_tasks, run_tasks

    runs, jobs, threads = options["runs"], options["jobs"], _threads(options)
    tasks = open_tasks(grids, runs, options["data_dir"], options["device"])
    if options["dry_run"]:
        _list(grids, tasks, options)
        return
    for grid in grids:
        grid.write(runs)
    names = ", ".join(grid.name for grid in grids)
    with console.progress(names, "training episodes and tests") as report:
        run_tasks(tasks, jobs=jobs, threads=threads, progress=report, announce=console.say)
    _show(grids, options)


def _show(grids: list[Grid], options: dict[str, Any]) -> None:
    """Prints the tables of the grids."""
    from strmctl.ablation.report_document import collect
    from strmctl.report.tables.grids import tables

    documents = [collect(options["runs"], [grid.name], cost=False) for grid in grids]
    if options["as_json"]:
        found = [document.to_json() for document in documents]
        about = {kind: grid for one in found for kind, grid in one["grids"].items()}
        console.print_json(
            {"grids": about} | {kind: one[kind] for one in found for kind in one["grids"] if kind in one}
        )
        return
    for grid, document in zip(grids, documents, strict=True):
        for table in tables(document):
            if table.name.partition("_")[0] == grid.kind:
                console.print_table(table.title, table.columns, table.rows)
                click.echo(table.caption)
    names = [grid.name for grid in grids]
    where = ["--runs", str(options["runs"])] if options["runs"] != Path("runs") else []
    console.say(f"next: `{shlex.join(['strmctl', 'report', *names, *where, '--out', 'reports/NAME'])}`")


def _list(grids: list[Grid], tasks: list[Task], options: dict[str, Any]) -> None:
    """Shows the cells, what is to be done for each, and how long that may take."""
    from strmctl.ablation.estimate import task_seconds
    from strmctl.report.terminal.grid_plan import plan_document, plan_table

    with console.progress("timing the models", "tasks") as report:
        seconds = task_seconds(tasks, threads=_threads(options), progress=report)
    document = plan_document(
        [(grid.name, [(cell.label, cell.run) for cell in grid.cells]) for grid in grids],
        [(task.run, bool(task.cells), took) for task, took in zip(tasks, seconds, strict=True)],
        options["jobs"],
    )
    if options["as_json"]:
        console.print_json(document)
        return
    for grid in document["grids"]:
        console.print_table(f"Grid {grid['name']}", *plan_table(grid, console.duration))
    console.say(
        f"about {console.duration(document['seconds'])} with --jobs {options['jobs']}, estimated by timing each kind "
        "of model on a few clips; nothing was run or written"
    )
