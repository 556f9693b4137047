"""`strmctl train`: a recipe and a frame store become a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from strmctl.cli import console
from strmctl.cli.advice import elsewhere
from strmctl.cli.options import (
    RECIPE,
    RUN,
    data_option,
    device_option,
    json_option,
    loader_threads_option,
    runs_option,
    set_option,
    threads_option,
)
from strmctl.errors import StrmctlError

if TYPE_CHECKING:
    from strmctl.evaluation.ranks import Ranks
    from strmctl.training.run import TrainingRun


@click.command(name="train", short_help="Train a recipe; the val split chooses the model.")
@click.option("--recipe", type=RECIPE, metavar="NAME|FILE", help="Recipe to train; `strmctl recipe ls` lists them.")
@click.option(
    "--name",
    type=RUN,
    metavar="NAME",
    help="Name of the run.  [default: that of the recipe, with a number if it is taken]",
)
@click.option(
    "--resume", is_flag=True, help="Continue a run that was killed: the newest, or the one that --name names."
)
@click.option(
    "--log",
    type=click.Choice(["tensorboard"]),
    help="Also write loss, accuracy, speed, memory and validation to runs/NAME/tensorboard (extra `tensorboard`). "
    "torchrun has a `--log` of its own: there, write `torchrun … -m -- strmctl train …`.",
)
@click.option(
    "--dry-run", is_flag=True, help="Say what the training will take here, from a few episodes, and write nothing."
)
@set_option
@data_option
@runs_option
@device_option
@threads_option
@loader_threads_option
@json_option
def command(
    recipe: str | None,
    name: str | None,
    resume: bool,
    log: str | None,
    dry_run: bool,
    assignments: tuple[str, ...],
    data_dir: Path,
    runs: Path,
    device: str,
    as_json: bool,
) -> None:
    """Train a model; the best one on the val split is kept, and the test split is never read.

    \b
    Examples:
      strmctl train --recipe sprites
      strmctl train --recipe ssv2_r50 --set backbone.weights=resnet50.pth
      strmctl train --recipe sprites --set train.seed=1 --name sprites_seed1
      strmctl train --recipe sprites --dry-run
      strmctl train --resume
      strmctl train --recipe sprites --log tensorboard   # then: tensorboard --logdir runs
      torchrun --nproc-per-node 4 -m strmctl train --recipe ssv2_r50   # one process per GPU; srun does as well

    A run is a folder: runs/NAME/ with recipe.yaml, weights.pt (the best on the val split), last.pt (those of the last
    episode), a JSON file beside each, state.pt, train.csv, and train.png, its learning curve. With
    `--set train.keep=[2000,4000]` the weights after these episodes are kept as well, for `strmctl eval --weights
    snapshots/02000.pt`. However many processes train it together, each step sums the gradients of the same episodes.
    """
    from strmctl.evaluation.joining import joined
    from strmctl.training.run import begun_run, new_run

    if not resume and recipe is None:
        raise click.UsageError("name a recipe, such as --recipe sprites, or give --resume")
    if dry_run:
        if resume:
            raise click.UsageError("--dry-run is for a training that has not begun; leave --resume out")
        with joined(device, adds_up=False) as ranks:
            run = ranks.from_first(lambda: new_run(runs, name, recipe, assignments))
            _estimate(run, data_dir, device, ranks, as_json)
        return
    events = log == "tensorboard"
    with joined(device) as ranks:
        run = ranks.from_first(
            lambda: (
                begun_run(runs, name, recipe, assignments, console.say)
                if resume
                else new_run(runs, name, recipe, assignments)
            )
        )
        if not ranks.first:  # which speaks for all
            try:
                run.train(data_dir, device=device, ranks=ranks, events=events)
            except StrmctlError as error:
                raise type(error)(f"rank {ranks.rank} of {ranks.count}: {error.message}", error.hint) from error
            return
        with (
            console.progress(f"training {run.name}", "episodes") as report,
            console.progress("validating", "clips", within=report) as validating,
            console.progress("embedding", "views") as embedding,
        ):
            shown = {"progress": report, "validating": validating, "embedding": embedding}
            info = run.train(data_dir, device=device, announce=console.say, ranks=ranks, events=events, **shown)
    if as_json:
        console.print_json({"run": run.name, "folder": str(run.folder), **info})
        return
    chosen = info.get("validation")
    what = (
        f"best on the val split at training episode {info['training_episodes']}: {100 * chosen['accuracy']:.1f} ± "
        f"{100 * chosen['ci95']:.1f} % ({chosen['shot']}-shot, {chosen['episodes']} episodes)"
        if chosen
        else info["selected_by"]
        if not info["training_episodes"]
        else f"weights of the last training episode, {info['training_episodes']}: there is no val split to choose by"
    )
    click.echo(f"{run.folder}: {what}")
    test = f"strmctl eval --shots 1,5{elsewhere(data=data_dir, runs=runs)}"
    console.say(f"next: `{test}`, `strmctl viz --video FILE{elsewhere(runs=runs)}`")


def _estimate(run: TrainingRun, data_dir: Path, device: str, ranks: Ranks, as_json: bool) -> None:
    from strmctl.report.terminal.dry_run_table import dry_run_table
    from strmctl.training.dry_run import dry_run

    found = dry_run(run, data_dir, device=device, ranks=ranks)
    if found is None:
        return
    if as_json:
        console.print_json(found)
        return
    console.print_table(f"Training of {found['recipe']}, not begun", *dry_run_table(found))
    console.say(
        "measured on a few episodes with random weights; other work here makes it slower, and nothing was written"
    )
    if found["disk_bytes"] + found["maps_bytes"] > found["free_disk_bytes"]:
        console.say("warning: the disk has too little room for this run")
    if found["less_memory"]:
        changes = " or ".join(f"`--set {change}`" for change in found["less_memory"])
        console.say(f"note: that is close to the memory here; {changes} needs less")
