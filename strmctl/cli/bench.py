"""`strmctl bench`: how fast things are on this machine, as ratios within one run."""

from __future__ import annotations

import click

from strmctl.cli import console
from strmctl.cli.options import json_option


@click.group(name="bench", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Measure speed on this machine; random weights and frames, no data needed.

    \b
    Example:
      strmctl bench eval --backbone resnet50
    """


@command.command(name="eval")
@click.option("--backbone", default="resnet50", show_default=True, help="Backbone, such as resnet18.")
@click.option("--clips", type=click.IntRange(1), default=8, show_default=True, help="Clips embedded at a time.")
@click.option("--episodes", type=click.IntRange(16), default=64, show_default=True, help="Episodes per repetition.")
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True, help="Of each measurement.")
@json_option
def evaluation(backbone: str, clips: int, episodes: int, repeats: int, as_json: bool) -> None:
    """Evaluation: every clip embedded once and episodes matched in blocks, against embedding every episode anew.

    5-way 5-shot with one query per class, D' = 1152, pairs of frames, on the CPU. ResNet-50 takes a few minutes.
    """
    from strmctl.engine.bench import bench_eval
    from strmctl.report import benchmarks

    with console.progress("measuring", "steps") as progress:
        found = bench_eval(backbone=backbone, clips=clips, episodes=episodes, repeats=repeats, progress=progress)
    if as_json:
        console.print_json(found)
        return
    console.print_table(f"Evaluation with {backbone}, {found['threads']} threads", *benchmarks.evaluation(found))
    console.say(
        f"ratio: the time of 10,000 episodes embedded anew, {found['uncached_seconds_per_episode']:.1f} s each, over "
        "that of 2,857 clips (the SSv2 test split) embedded once and 10,000 matches; extrapolated from "
        f"{clips} clips and {found['extrapolated_from']['episodes']} episodes, the median of {repeats}"
    )
