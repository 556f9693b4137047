"""`strmctl prepare`: from original videos to stored frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from strmctl.cli import console
from strmctl.cli.options import DATA_SET_OR_FOLDER, FILE, FOLDER, data_option, json_option
from strmctl.cli.prepare_output import print_fetch, print_left_out, print_summary
from strmctl.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from strmctl.datasets.draw_split import Shares
    from strmctl.frames.store.shards import Shard


def frames_option(context: click.Context, parameter: click.Parameter, text: str) -> int | None:
    """Turns `all` into None, and a number of at least 8 into itself."""
    if text == "all":
        return None
    if not text.isdecimal() or int(text) < 8:
        raise click.BadParameter(f"{text!r} is neither `all` nor a number of at least 8, the frames that a clip needs")
    return int(text)


def split_option(context: click.Context, parameter: click.Parameter, path: Path | None) -> Path | Shares | None:
    """Turns `60/20/20` into shares; anything else is a file."""
    from strmctl.datasets.draw_split import parse_shares

    return path and (parse_shares(str(path)) or path)


@click.command(name="prepare", short_help="Extract the frames of videos into a frame store.")
@click.argument("what", metavar="DATASET|FOLDER", type=DATA_SET_OR_FOLDER)
@click.option("--videos", type=FOLDER, help="Original videos.  [default: DATA/videos/DATASET]")
@data_option
@click.option("--download", is_flag=True, help="Fetch and unpack the videos first (ucf101, hmdb51).")
@click.option("--url", help="Fetch them from here instead of the data set's own address.")
@click.option("--frames-from", type=FOLDER, metavar="DIR|ZIP", help="Use frames that are extracted already, in place.")
@click.option(
    "--frames-pattern",
    metavar="PATTERN",
    help="Names of these frames, where other images lie beside them: 'img_*.jpg'.",
)
@click.option("--annotations", type=FOLDER, help="Folder of train.json and validation.json (ssv2, ssv2_small).")
@click.option(
    "--list",
    "list_file",
    type=FILE,
    help="Take the clips of a list only: CLASS/CLIP or CLIP a line, a table with both, or JSON.",
)
@click.option("--name", help="Name of the frame store.  [default: DATASET, or the name of the FOLDER]")
@click.option(
    "--split",
    "split_file",
    type=FILE,
    metavar="FILE|60/20/20",
    callback=split_option,
    help="YAML file with the classes of train, val and test; for a FOLDER, or the percent of its classes to draw.",
)
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
@click.option("--shard", "shard_text", metavar="I/N", help="Prepare the I-th of N parts, for job arrays; then --merge.")
@click.option("--merge", "merging", is_flag=True, help="Join the manifests of all shards.")
@click.option("--workers", type=click.IntRange(min=1), help="Processes.  [default: one per CPU]")
@click.option(
    "--video-timeout",
    metavar="SECONDS",
    type=click.IntRange(0, 86_400),
    default=600,
    show_default=True,
    help="Give a video up that brings no further frame for so long; 0 waits for ever.",
)
@click.option("--seed", type=click.IntRange(min=0), help="Seed of rendered videos, or of a drawn split.  [default: 0]")
@click.option("--redo", is_flag=True, help="Throw the stored frames away and extract all again.")
@click.option(
    "--dry-run", is_flag=True, help="Say what would be done, how much space and time it takes; write nothing."
)
@json_option
def command(
    workers: int | None,
    redo: bool,
    dry_run: bool,
    download: bool,
    url: str | None,
    shard_text: str | None,
    merging: bool,
    video_timeout: int,
    as_json: bool,
    **request: Any,
) -> int:
    """Extract the frames of a data set's videos into a frame store, DATA/NAME.

    DATASET is ucf101, hmdb51, jhmdb, kinetics100, ssv2, ssv2_small or sprites, which is rendered and needs no download.
    A path with a separator, or a folder here, is a FOLDER of class folders (with --flat: of videos).

    --frames 8 stores the eight frames that `eval` takes of a clip: for clips of 180 frames that is 1/22 of the space
    and, as the other frames are decoded but not converted, about a third of the time. Its cost: training then sees the
    same eight frames each time, without the jitter of their ends. A model has the same accuracy on such a store as on
    all frames (unless the frame rate varies: with a number, frames are sampled by time).

    --split 60/20/20 draws a split: DATA/NAME-split.yaml. A later run takes that file as it is, so that no class moves
    from training to the test; classes that it does not name are left out and named.

    A second run skips what is done and intact; after a kill, the same command goes on where it was. A video that cannot
    be decoded becomes a row of the manifest with its reason, and the rest is done. So does one at which the decoder
    hangs: --video-timeout counts from frame to frame, so a long video is no reason to raise it. The next run tries such
    videos again.

    \b
    Examples:
      strmctl prepare sprites
      strmctl prepare ucf101 --videos ~/UCF-101
      strmctl prepare kinetics100 --videos /k400/videos --list kinetics100.txt --frames 32
      strmctl prepare ssv2 --videos ~/20bn-something-something-v2 --annotations ~/labels --size 256x256
      strmctl prepare ./my_videos --split 60/20/20
      strmctl prepare ./my_videos --name mine --split mine.yaml
      strmctl prepare ./my_videos --flat --dry-run
      strmctl prepare ucf101 --download
      strmctl prepare ssv2 --frames-from /data/ssv2_256x256q5.zip --annotations ~/labels
      strmctl prepare kinetics100 --videos /k400 --shard 3/8      # 1/8 to 8/8 anywhere, then:
      strmctl prepare kinetics100 --videos /k400 --merge
    """
    from strmctl.datasets.download import fetch
    from strmctl.frames.prepare.fetch import to_fetch
    from strmctl.frames.prepare.merge import merge
    from strmctl.frames.prepare.prepare import Request, plan, prepare
    from strmctl.threads import available_cpus

    wanted = Request(**request)
    name, processes = wanted.name or wanted.what, workers or available_cpus()
    shard = _shard(shard_text, merging)
    if url and not download:
        raise UsageError("--url says where to --download from", "add `--download`")
    beside = {"--download": download, "--dry-run": dry_run, "--redo": redo}
    if merging and any(beside.values()):
        given = ", ".join(option for option, is_given in beside.items() if is_given)
        raise UsageError(f"--merge joins what is prepared, and does nothing else: not {given}", f"leave {given} out")
    planned = to_fetch(wanted, url=url) if download else None
    if download and planned is None:
        console.say("the videos are there already: nothing is downloaded")
    if planned is not None and dry_run:
        print_fetch(planned, as_json=as_json)
        return ExitCode.DONE
    if planned is not None:
        with console.progress(f"download {name}", "MB") as report:
            left_out = fetch(planned, progress=report)
        print_left_out(left_out)
    if merging:
        result = merge(wanted)
    elif dry_run:
        result = plan(wanted, redo=redo, workers=processes, shard=shard, video_timeout=video_timeout)
    else:
        with console.progress(f"prepare {name}", "clips") as report:
            how = {"redo": redo, "shard": shard, "video_timeout": video_timeout}
            result = prepare(wanted, workers=processes, **how, progress=report)
    if as_json:
        console.print_json(result.to_json())
    else:
        print_summary(result)
    if not dry_run and result.clips and not result.done:  # of few clips, a shard may get none
        console.say("error: no clip could be decoded")
        return ExitCode.DATA
    return ExitCode.DATA if result.unreadable else ExitCode.DONE


def _shard(text: str | None, merging: bool) -> Shard | None:
    """The part to prepare, from the option or from what started this process."""
    from strmctl.frames.store.shards import parse_shard, shard_of_environment

    if text is not None:
        if merging:
            raise UsageError("--shard and --merge exclude each other", "prepare all shards first, then merge once")
        return parse_shard(text)
    shard = None if merging else shard_of_environment()
    if shard is not None:
        console.say(f"shard {shard}, taken from {shard.origin} (`--shard 1/1` prepares all)")
    return shard
