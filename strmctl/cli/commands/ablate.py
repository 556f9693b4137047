"""`strmctl ablate`: the experiments of section 4 of the paper, as grids of ordinary runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from strmctl.cli.grid_command import grid_options, planned, run_grid, run_grids
from strmctl.cli.group import Group
from strmctl.cli.options import FILE, FOLDER, METHOD_LIST, comma_separated
from strmctl.model.methods.table import METHODS

if TYPE_CHECKING:
    from strmctl.ablation.cells import Base, Cell


def methods_option(default: str) -> Callable:
    """The option `--methods` of a grid."""
    known = f"Methods, out of {', '.join(METHODS)}."
    return click.option(
        "--methods",
        type=METHOD_LIST,
        default=default,
        show_default=True,
        callback=comma_separated(str),
        help=known,
    )


@click.group(cls=Group, name="ablate", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Run the experiments of section 4 of the paper: each cell of a grid is an ordinary run folder.

    \b
    Examples:
      strmctl ablate components --seeds 0,1,2 --jobs 2
      strmctl ablate cardinality --recipe ssv2_r50 --dry-run
      strmctl ablate tuples --fractions 0.2,0.4,0.6,0.8,1.0 --trials 10
      strmctl ablate shots --shots 1,2,3,4,5,10 --methods trm,trx,strm
      strmctl ablate folds --methods prototype,trm --distinct-groups --frame-orders natural,shuffled,repeated
    Then: strmctl report

    Cells share initial weights, training episodes and test episodes, so that differences are paired. A finished cell is
    never run again: the same command goes on after a kill. runs/latest stays where it is.
    """


@command.command()
@grid_options("1,5")
def components(*, options: dict[str, Any]) -> None:
    """TRM, +PLE, +FLE, +PLE+FLE and STRM, which adds QC (Figure 6, left)."""
    from strmctl.ablation import cells

    run_grid("components", cells.components, options)


@command.command()
@grid_options("1,5")
def cardinality(*, options: dict[str, Any]) -> None:
    """STRM with tuples of 1, 2, 3, 4 frames and sets of these (Table 2)."""
    from strmctl.ablation import cells

    run_grid("cardinality", cells.cardinality, options)


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
    from strmctl.ablation import cells

    def plan(base: Base) -> list[Cell]:
        return cells.tuples(base, fractions, trials, retrain=retrain)

    run_grid(
        "tuples-retrained" if retrain else "tuples", plan, options, kind="tuples", retrained=retrain, trials=trials
    )


@command.command()
@methods_option("trm,trx,strm")
@grid_options("1,2,3,4,5,10")
def shots(*, methods: tuple[str, ...], options: dict[str, Any]) -> None:
    """Methods over the number of shots (Figure 7)."""
    from strmctl.ablation import cells

    run_grid("shots", lambda base: cells.shots(base, methods), options)


@command.command()
@click.option(
    "--factors", default="1,4", show_default=True, callback=comma_separated(int), help="Multiples of episodes."
)
@methods_option("trm,strm")
@grid_options("1,5")
def training(*, factors: tuple[int, ...], methods: tuple[str, ...], options: dict[str, Any]) -> None:
    """Methods after multiples of the recipe's training episodes: is one better, or only faster?"""
    from strmctl.ablation import cells

    run_grid("training", lambda base: cells.training(base, factors, methods), options)


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
    from strmctl.ablation import cells

    first = options | {"seeds": options["seeds"][:1], "episodes": episodes_of_one_seed}
    over_shots = options | {"shots": (1, 2, 3, 4, 5, 10)}
    fractions, trials = (0.2, 0.4, 0.6, 0.8, 1.0), 10
    grids_of_paper = [
        planned("cardinality", cells.cardinality, first),
        planned("tuples", lambda base: cells.tuples(base, fractions, trials), first, retrained=False, trials=trials),
        planned("shots", lambda base: cells.shots(base, ("trm", "strm")), over_shots),
        planned("components", cells.components, options),
    ]
    run_grids(grids_of_paper, options)


@command.command()
@click.option("--folds", "count", type=click.IntRange(2), default=3, show_default=True, help="Number of folds.")
@click.option("--fold-seed", type=click.IntRange(0), default=0, show_default=True, help="Seed that deals the classes.")
@methods_option("trm,strm")
@click.option("--cells", "file", type=FILE, metavar="FILE", help="Models of a YAML file, as in `custom`, instead.")
@click.option(
    "--frame-orders",
    "orders",
    default="natural",
    show_default=True,
    callback=comma_separated(str),
    help="Orders of the frames in the tests, out of natural, shuffled, repeated; the latter two as controls.",
)
@grid_options("1,5")
def folds(
    *,
    count: int,
    fold_seed: int,
    methods: tuple[str, ...],
    file: Path | None,
    orders: tuple[str, ...],
    options: dict[str, Any],
) -> None:
    """Models in folds of all classes: each class is once a test class, and differences are paired over all of them.

    Classes are dealt to folds by their names and --fold-seed; opposite classes stay together. The first classes of the
    next fold are for validation, as many as the split has, and all others for training. A data set needs no split.
    Accuracies are means over all classes, ± the 95 % interval over classes; of each pair of models there is the mean
    difference with its interval and the p of a sign-flip test.
    """
    from strmctl.ablation.cells import of_methods
    from strmctl.ablation.custom_cells import named_changes
    from strmctl.ablation.folds import folds as in_folds

    def plan(base: Base) -> list[Cell]:
        return in_folds(base, named_changes(file) if file else of_methods(methods), count, fold_seed, orders)

    drawn = f"-draw{fold_seed}" if fold_seed else ""
    run_grid(f"{count}-folds{drawn}", plan, options, kind="folds")


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
    from strmctl.ablation.custom_cells import custom as custom_cells

    run_grid(grid.stem, lambda base: custom_cells(base, grid), options, kind="custom")
