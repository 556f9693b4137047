"""`strmctl import`: makes a run from a checkpoint of the authors' released code."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from strmctl.cli import console
from strmctl.cli.advice import elsewhere
from strmctl.cli.options import DATA_SET, FOLDER, json_option, runs_option


@click.command(name="import", short_help="Make a run from a checkpoint of the authors' released code.")
@click.argument("checkpoint", type=FOLDER)
@click.option("--name", metavar="NAME", required=True, help="Name of the run.")
@click.option(
    "--dataset",
    type=DATA_SET,
    metavar="NAME",
    help="Data set it was trained on, whose training classes are then never tested on.  [default: not known]",
)
@runs_option
@json_option
def command(checkpoint: Path, name: str, dataset: str | None, runs: Path, as_json: bool) -> None:
    """Make a run from a checkpoint of the released STRM or TRX code.

    \b
    Examples:
      strmctl import checkpoint75000.pt --name released_ssv2 --dataset ssv2
      strmctl eval --run released_ssv2 --shots 1,5
      strmctl viz --run released_ssv2 --video my_clip.mp4

    Widths, cardinalities, frames and the depth of the ResNet are inferred from the shapes of the tensors. The file may
    come from one or several GPUs, and hold a state dict or a dict around it; only tensors are ever unpickled.
    """
    from strmctl.runs.import_released import import_checkpoint

    released, info = import_checkpoint(checkpoint, runs, name, dataset=dataset, announce=console.say)
    if as_json:
        console.print_json({"run": name, "folder": str(runs / name), **info})
        return
    sizes, dropped = released.sizes, released.dropped
    cardinalities = ", ".join(map(str, sorted(sizes.cardinalities)))
    click.echo(
        f"{runs / name}: {sizes.method.upper()} with {sizes.backbone}, cardinalities {{{cardinalities}}}, "
        f"{sizes.frames} frames per clip, {sizes.patches}×{sizes.patches} patches, D' = {sizes.dim}"
    )
    if sizes.method == "strm" and sizes.query_class_dim is None:
        console.say("note: the file has no W_cls (the released code never saved it): predictions are by TRM alone")
    if dropped:
        console.say(f"note: {len(dropped)} tensors that nothing uses were left out: {', '.join(dropped)}")
    run = f"--run {shlex.quote(name)}{elsewhere(runs=runs)}"
    where = "" if dataset else " --dataset NAME"
    console.say(f"next: `strmctl eval {run}{where} --shots 1,5`, `strmctl viz {run} --video FILE`")
