"""`strmctl import`: a checkpoint of the authors' released code becomes a run."""

from __future__ import annotations

from pathlib import Path

import click

from strmctl.cli import console
from strmctl.cli.options import FOLDER, json_option, runs_option


@click.command(name="import", short_help="Make a run from a checkpoint of the authors' released code.")
@click.argument("checkpoint", type=FOLDER)
@click.option("--name", metavar="NAME", required=True, help="Name of the run.")
@click.option(
    "--dataset",
    metavar="NAME",
    help="Data set it was trained on; its training classes are then never tested on.  [default: not known]",
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

    Widths, cardinalities, frames and the depth of the ResNet are inferred from the shapes of the tensors. Files of one
    or several GPUs, a bare state dict or the dict around it are read; only tensors are ever unpickled.
    """
    from strmctl.runs.import_released import import_checkpoint

    imported = import_checkpoint(checkpoint, runs, name, dataset=dataset)
    if as_json:
        console.print_json({"run": name, "folder": str(imported.folder), **imported.info})
        return
    sizes = imported.sizes
    cardinalities = ", ".join(map(str, sorted(sizes.cardinalities)))
    click.echo(
        f"{imported.folder}: {sizes.method.upper()} with {sizes.backbone}, cardinalities {{{cardinalities}}}, "
        f"{sizes.frames} frames per clip, {sizes.patches}×{sizes.patches} patches, D' = {sizes.dim}"
    )
    for line in imported.remarks():
        console.say(f"note: {line}")
    where = "" if dataset else " --dataset NAME"
    console.say(f"next: `strmctl eval --run {name}{where} --shots 1,5`, `strmctl viz --run {name} --video FILE`")
