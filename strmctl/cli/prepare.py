"""`strmctl prepare`: from original videos to stored frames."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from strmctl.cli import console
from strmctl.cli.options import FOLDER, data_option, json_option
from strmctl.errors import ExitCode

if TYPE_CHECKING:
    from strmctl.data.prepare_result import PrepareResult, SubsetCount

NAMED = 5  # how many missing or ignored things are named before "and so on"
FILE = click.Path(path_type=Path, dir_okay=False)


def frames_option(context: click.Context, parameter: click.Parameter, text: str) -> int | None:
    """`all` or a number of at least 8; None stands for all."""
    if text == "all":
        return None
    if not text.isdecimal() or int(text) < 8:
        raise click.BadParameter(f"{text!r} is neither `all` nor a number of at least 8, the frames that a clip needs")
    return int(text)


@click.command(name="prepare", short_help="Extract the frames of videos into a frame store.")
@click.argument("what", metavar="DATASET|FOLDER")
@click.option("--videos", type=FOLDER, help="Original videos.  [default: DATA/videos/DATASET]")
@data_option
@click.option("--annotations", type=FOLDER, help="Folder of train.json and validation.json (ssv2, ssv2_small).")
@click.option("--list", "list_file", type=FILE, help="Take these clips only: one CLASS/CLIP or CLIP a line.")
@click.option("--name", help="Name of the frame store; a FOLDER needs one.  [default: DATASET]")
@click.option("--split", "split_file", type=FILE, help="YAML file with the classes of train, val and test.")
@click.option("--flat", is_flag=True, help="FOLDER holds videos without classes.")
@click.option("--size", metavar="N|WxH", help="Pixels: shorter side, or width x height.  [default: 256; sprites 64]")
@click.option("--quality", type=click.IntRange(1, 100), default=90, show_default=True, help="JPEG quality.")
@click.option(
    "--frames",
    metavar="N|all",
    default="all",
    callback=frames_option,
    help="Evenly spaced frames to keep per clip, at least 8.  [default: all]",
)
@click.option("--workers", type=click.IntRange(min=1), help="Processes.  [default: one per CPU]")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of the rendered videos (sprites).  [default: 0]")
@click.option("--redo", is_flag=True, help="Throw the stored frames away and extract all again.")
@click.option("--dry-run", is_flag=True, help="Say what would be done and how much space it takes; write nothing.")
@json_option
def command(workers: int | None, redo: bool, dry_run: bool, as_json: bool, **request: Any) -> int:
    """Extract the frames of a data set's videos into a frame store, DATA/NAME.

    DATASET is ucf101, hmdb51, kinetics100, ssv2, ssv2_small or sprites, which is rendered and needs no download. What
    holds a separator, or is a folder here, is a FOLDER of class folders (or with --flat of videos).

    Run again, it skips what is done and intact; killed, it goes on where it was. A video that cannot be decoded is a
    row of the manifest with its reason and keeps nothing else from being done.

    \b
    Examples:
      strmctl prepare sprites
      strmctl prepare ucf101 --videos ~/UCF-101
      strmctl prepare kinetics100 --videos /k400/videos --list kinetics100.txt --frames 32
      strmctl prepare ssv2 --videos ~/20bn-something-something-v2 --annotations ~/labels --size 256x256
      strmctl prepare ./my_videos --name mine --split mine.yaml
      strmctl prepare ./my_videos --name mine --flat --dry-run
    """
    from strmctl.data.prepare import Request, plan, prepare

    wanted = Request(**request)
    if dry_run:
        result = plan(wanted, redo=redo)
    else:
        with console.progress(f"prepare {wanted.name or wanted.what}", "clips") as report:
            result = prepare(wanted, workers=workers or os.cpu_count() or 1, redo=redo, progress=report)
    if as_json:
        console.print_json(result.to_json())
    else:
        _print_summary(result)
    if not dry_run and not result.done:
        console.say("error: no clip could be decoded")
        return ExitCode.DATA
    return ExitCode.DONE


def _print_summary(result: PrepareResult) -> None:
    title = f"{result.display_name}: {_clips(result.clips)}" + (", dry run" if result.dry_run else "")
    columns = ("subset", "classes", "clips", "published", "short", "failed", "frames")
    console.print_table(title, columns, [_subset_line(count) for count in result.subsets])
    if result.dry_run:
        lines = [(cls, count.subset or "-", clips) for count in result.subsets for cls, clips in count.classes.items()]
        if lines:
            console.print_table("", ("class", "subset", "clips"), lines)
        _say_plan(result)
    else:
        console.say(
            f"{result.store}: {result.done} of {_clips(result.clips)} stored ({result.skipped} were there before), "
            f"{len(result.failed)} failed, {_megabytes(result.bytes)}, {console.duration(result.seconds)}"
        )
    for clip, reason in result.failed:
        console.say(f"failed: {clip}: {reason}")
    for clip, reason in result.odd:
        console.say(f"note: {clip}: {reason}")
    if result.short:
        console.say(f"note: {_clips(result.short)} of fewer than 8 frames: stored, but never sampled")
    for reason, files in result.ignored.items():
        console.say(f"ignored: {len(files)} ({reason}): {_first(files)}")
    if result.missing_classes:
        console.say(f"missing: {len(result.missing_classes)} classes of the split: {_first(result.missing_classes)}")
    if result.missing_clips:
        console.say(f"missing: {len(result.missing_clips)} listed clips: {_first(result.missing_clips)}")
    if result.dropped:
        console.say(f"dropped: {_clips(result.dropped)}, no longer found; their frames stay on disk until --redo")


def _say_plan(result: PrepareResult) -> None:
    if result.to_render:
        console.say(f"{result.to_render} videos would be rendered first")
    console.say(
        f"{result.store}: {_clips(result.clips - result.skipped)} would be extracted, {result.skipped} are there; "
        f"about {_megabytes(result.bytes)} in all. Nothing was written."
    )


def _subset_line(count: SubsetCount) -> tuple[object, ...]:
    classes = f"{len(count.classes)}/{len(count.expected)}" if count.expected else len(count.classes)
    published = [clips for clips in count.expected.values() if clips is not None]
    return (
        count.subset or "-",
        classes,
        count.clips,
        sum(published) if published else "-",
        count.short,
        count.failed,
        count.frames,
    )


def _first(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (", …" if len(names) > NAMED else "")


def _clips(number: int) -> str:
    return f"{number} clip" if number == 1 else f"{number} clips"


def _megabytes(number: int) -> str:
    return f"{number / 1e6:.1f} MB" if number < 1e9 else f"{number / 1e9:.1f} GB"
