"""`strmctl ablate`: the experiments of section 4 of the paper, as grids of ordinary runs."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from strmctl.cli import console
from strmctl.cli.options import (
    FOLDER,
    comma_separated,
    data_option,
    device_option,
    json_option,
    runs_option,
    set_option,
)

if TYPE_CHECKING:
    from strmctl.engine.grid_file import Grid
    from strmctl.engine.grids import Base, Cell

SEEDS = comma_separated(int)
OPTIONS = (
    click.option("--recipe", default="sprites", show_default=True, metavar="NAME|FILE", help="What the grid varies."),
    set_option,
    click.option("--name", help="What the names of the grid and its runs begin with.  [default: the recipe's name]"),
    click.option("--seeds", default="0", show_default=True, callback=SEEDS, help="Training seeds, such as 0,1,2."),
    click.option("--only", metavar="LABEL", multiple=True, help="Only this cell of the grid. May be repeated."),
    click.option("--way", type=click.IntRange(2), default=5, show_default=True, help="Classes per test episode."),
    click.option("--queries", type=click.IntRange(1), default=1, show_default=True, help="Query clips per class."),
    click.option("--episodes", type=click.IntRange(1), default=10_000, show_default=True, help="Test episodes."),
    click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the test episodes."),
    click.option("--split", type=click.Choice(["test", "val"]), default="test", show_default=True, help="To test on."),
    click.option("--distinct-groups", is_flag=True, help="Support and query never from the same source video."),
    click.option("--dry-run", is_flag=True, help="List the cells with an estimate of time, and do nothing."),
    click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Runs at a time."),
    click.option(
        "--threads", type=click.IntRange(1), help="Threads of each job.  [default: the processor's cores over --jobs]"
    ),
    data_option,
    runs_option,
    device_option,
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


@click.group(name="ablate", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Run the experiments of section 4 of the paper: each cell of a grid is an ordinary run folder.

    \b
    Examples:
      strmctl ablate components --seeds 0,1,2 --jobs 2
      strmctl ablate cardinality --recipe ssv2_r50 --dry-run
      strmctl ablate tuples --fractions 0.2,0.4,0.6,0.8,1.0 --trials 10
      strmctl ablate shots --shots 1,2,3,4,5,10 --methods trm,trx,strm
    Then: strmctl report

    Cells share initial weights, training episodes and test episodes, so that differences are paired. A finished cell is
    never run again: the same command goes on after a kill. runs/latest stays where it is.
    """


@command.command()
@grid_options("1,5")
def components(*, options: dict[str, Any]) -> None:
    """TRM, +PLE, +FLE, +PLE+FLE and STRM, which adds QC (Figure 6, left)."""
    from strmctl.engine import grids

    _run("components", grids.components, options)


@command.command()
@grid_options("1,5")
def cardinality(*, options: dict[str, Any]) -> None:
    """STRM with tuples of 1, 2, 3, 4 frames and sets of these (Table 2)."""
    from strmctl.engine import grids

    _run("cardinality", grids.cardinality, options)


@command.command()
@click.option(
    "--fractions",
    default="0.2,0.4,0.6,0.8,1.0",
    show_default=True,
    callback=comma_separated(float),
    help="Shares of the tuples, above 0 and up to 1.",
)
@click.option("--trials", type=click.IntRange(1), default=10, show_default=True, help="Random subsets of each share.")
@click.option("--retrain", is_flag=True, help="Train with the share as well; otherwise one run is tested with it.")
@grid_options("1,5")
def tuples(*, fractions: tuple[float, ...], trials: int, retrain: bool, options: dict[str, Any]) -> None:
    """STRM with a random share of the tuples, the same for query and support (Figure 6, right), and TRX with all."""
    from strmctl.engine import grids

    def plan(base: Base) -> list[Cell]:
        return grids.tuples(base, fractions, trials, retrain=retrain)

    _run("tuples-retrained" if retrain else "tuples", plan, options, kind="tuples", retrained=retrain, trials=trials)


@command.command()
@click.option("--methods", default="trm,trx,strm", show_default=True, callback=comma_separated(str), help="Methods.")
@grid_options("1,2,3,4,5,10")
def shots(*, methods: tuple[str, ...], options: dict[str, Any]) -> None:
    """Methods over the number of shots (Figure 7)."""
    from strmctl.engine import grids

    _run("shots", lambda base: grids.shots(base, methods), options)


@command.command()
@click.option("--factors", default="1,4", show_default=True, callback=comma_separated(int), help="Of the episodes.")
@click.option("--methods", default="trm,strm", show_default=True, callback=comma_separated(str), help="Methods.")
@grid_options("1,5")
def training(*, factors: tuple[int, ...], methods: tuple[str, ...], options: dict[str, Any]) -> None:
    """Methods after multiples of the recipe's training episodes: is one better, or only faster?"""
    from strmctl.engine import grids

    _run("training", lambda base: grids.training(base, factors, methods), options)


@command.command(name="all")
@click.option(
    "--episodes-of-one-seed",
    type=click.IntRange(1),
    default=2000,
    show_default=True,
    help="Test episodes of cardinality and tuples: the spread of training seeds is wider than their interval.",
)
@grid_options("1,5")
def everything(*, episodes_of_one_seed: int, options: dict[str, Any]) -> None:
    """Components, TRM and STRM over the number of shots with all seeds; cardinality and tuples with the first seed."""
    from strmctl.engine import grids

    first = options | {"seeds": options["seeds"][:1], "episodes": episodes_of_one_seed}
    over_shots = options | {"shots": (1, 2, 3, 4, 5, 10)}
    fractions, trials = (0.2, 0.4, 0.6, 0.8, 1.0), 10
    planned = [
        _planned("cardinality", grids.cardinality, first),
        _planned("tuples", lambda base: grids.tuples(base, fractions, trials), first, retrained=False, trials=trials),
        _planned("shots", lambda base: grids.shots(base, ("trm", "strm")), over_shots),
        _planned("components", grids.components, options),
    ]
    _run_all(planned, options)


@command.command()
@click.argument("grid", type=FOLDER)
@grid_options("1,5")
def custom(*, grid: Path, options: dict[str, Any]) -> None:
    """Any recipe keys and values, from a YAML file.

    \b
    Every combination of values:
      vary: {query_class.weight: [0.05, 0.1, 0.2], trm.dropout: [0.0, 0.1]}
    or cells by name:
      cells:
        no dropout: {trm.dropout: 0.0}
        Euclidean: {trm.distance: norm}
    """
    from strmctl.engine import grids

    _run(grid.stem, lambda base: grids.custom(base, grid), options, kind="custom")


def _run(
    suffix: str, plan: Callable[[Base], list[Cell]], options: dict[str, Any], kind: str = "", **notes: Any
) -> None:
    """Plans one grid, then lists it or runs it."""
    _run_all([_planned(suffix, plan, options, kind, **notes)], options)


def _planned(
    suffix: str, plan: Callable[[Base], list[Cell]], options: dict[str, Any], kind: str = "", **notes: Any
) -> Grid:
    from strmctl.engine import grids
    from strmctl.engine.evaluate import Protocol
    from strmctl.engine.grid_file import Grid
    from strmctl.engine.runs import check_new
    from strmctl.provenance import provenance

    if min(options["shots"]) < 1:
        raise click.BadParameter("shots count from 1", param_hint="--shots")
    base = grids.Base(options["recipe"], options["assignments"], options["name"], options["seeds"])
    cells = plan(base)
    if options["only"]:
        cells = grids.chosen(cells, options["only"])
    settings = {key: options[key] for key in ("split", "way", "queries", "episodes", "seed", "distinct_groups")}
    name = f"{options['name'] or base.load().name}-{suffix}"
    if not (options["runs"] / name / "grid.json").is_file():
        check_new(options["runs"], name)
    notes |= {"recipe": options["recipe"], "jobs": options["jobs"], "threads": _threads(options)}
    return Grid(
        kind or suffix,
        name,
        cells,
        Protocol(shots=tuple(sorted(set(options["shots"]))), **settings),
        notes,
        provenance(),
    )


def _threads(options: dict[str, Any]) -> int:
    return options["threads"] or max(1, (os.cpu_count() or 1) // options["jobs"])


def _run_all(planned: list[Grid], options: dict[str, Any]) -> None:
    from strmctl.engine import ablate

    runs, jobs, threads = options["runs"], options["jobs"], _threads(options)
    tasks = ablate.open_tasks(planned, runs, options["data_dir"], options["device"])
    if options["dry_run"]:
        _list(planned, tasks, options)
        return
    for grid in planned:
        grid.write(runs)
    names = ", ".join(grid.name for grid in planned)
    with console.progress(names, "training episodes and tests") as report:
        ablate.run_grid(tasks, jobs=jobs, threads=threads, progress=report, announce=console.say)


def _list(planned, tasks, options) -> None:
    for task in tasks:
        console.say(str(task))
