"""`strmctl bench`: how fast things are on this machine, as ratios within one run."""

from __future__ import annotations

from pathlib import Path

import click

from strmctl.cli import console
from strmctl.cli.group import Group
from strmctl.cli.options import (
    FOLDER,
    METHOD,
    METHOD_LIST,
    RECIPE,
    comma_separated,
    device_option,
    json_option,
    set_option,
    threads_option,
)

repeats_option = click.option(
    "--repeats", type=click.IntRange(1), default=3, show_default=True, help="Repetitions of each measurement."
)


@click.group(cls=Group, name="bench", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Measure speed on this machine.

    `eval`, `embed`, `methods`, `train` and `threads` use random weights and frames and need no data; `classify` and
    `prepare` need a folder of videos.

    \b
    Examples:
      strmctl bench eval --backbone resnet50
      strmctl bench embed --backbone efficientnet_lite0
      strmctl bench methods --recipe sprites
      strmctl bench classify --videos ~/UCF-101/Archery
      strmctl bench train --recipe ssv2_r50
      strmctl bench prepare --videos ~/UCF-101/Archery
      strmctl bench threads
    """


@command.command(name="eval")
@click.option("--backbone", default="resnet50", show_default=True, help="Backbone, such as resnet18.")
@click.option("--method", default="strm", show_default=True, type=METHOD, metavar="NAME", help="Method.")
@click.option("--clips", type=click.IntRange(1), default=8, show_default=True, help="Clips embedded at a time.")
@click.option("--episodes", type=click.IntRange(16), default=64, show_default=True, help="Episodes per repetition.")
@repeats_option
@json_option
def evaluation(backbone: str, method: str, clips: int, episodes: int, repeats: int, as_json: bool) -> None:
    """Evaluation: every clip embedded once and episodes matched in blocks, against embedding every episode anew.

    5-way 5-shot with one query per class, on the CPU, methods as in recipe ssv2_r50. ResNet-50 takes a few minutes.

    \b
    Examples:
      strmctl bench eval --backbone resnet18
      strmctl bench eval --method hyrsm
    """
    from strmctl.bench.evaluation import bench_eval
    from strmctl.report.terminal import benchmarks

    with console.progress("measuring", "steps") as progress:
        found = bench_eval(
            backbone=backbone, method=method, clips=clips, episodes=episodes, repeats=repeats, progress=progress
        )
    if as_json:
        console.print_json(found)
        return
    title = f"Evaluation of {method} with {backbone}, {found['threads']} threads"
    console.print_table(title, *benchmarks.evaluation(found))
    console.say(
        f"ratio: the time of 10,000 episodes embedded anew, {found['uncached_seconds_per_episode']:.1f} s each, over "
        "that of 2,857 clips (the SSv2 test split) embedded once and 10,000 matches; extrapolated from "
        f"{clips} clips and {found['extrapolated_from']['episodes']} episodes, the median of {repeats}"
    )


@command.command(name="embed")
@click.option("--backbone", default="resnet50", show_default=True, help="Backbone, such as efficientnet_lite0.")
@click.option("--clips", type=click.IntRange(1), default=4, show_default=True, help="Clips embedded at a time.")
@click.option(
    "--seconds", type=click.FloatRange(0.1), default=6, show_default=True, help="Duration of a measurement, in seconds."
)
@repeats_option
@json_option
def embedding(backbone: str, clips: int, seconds: float, repeats: int, as_json: bool) -> None:
    """Embedding: clips per second as strmctl does it (memory kept, batch norm folded), and as plain PyTorch does.

    Clips of eight frames at 224 pixels on the CPU. The matrix rate is that of a matrix product of the same precision.

    \b
    Example:
      strmctl bench embed --backbone efficientnet_lite0
    """
    from strmctl.bench.embedding import bench_embedding
    from strmctl.report.terminal import benchmarks

    with console.progress("measuring", "steps") as progress:
        found = bench_embedding(backbone=backbone, clips=clips, seconds=seconds, repeats=repeats, progress=progress)
    if as_json:
        console.print_json(found)
        return
    console.print_table(f"Embedding with {backbone}, {found['threads']} threads", *benchmarks.embedding(found))
    faster = " and ".join(f"{times:.1f} ({dtype})" for dtype, times in found["faster"].items())
    console.say(f"as strmctl does: {faster} times as fast; {clips} clips at a time, median of {repeats}")


@command.command(name="methods")
@click.option("--recipe", default="sprites", show_default=True, type=RECIPE, metavar="NAME|FILE", help="Recipe of all.")
@set_option
@click.option(
    "--methods",
    "names",
    type=METHOD_LIST,
    metavar="NAME,...",
    callback=comma_separated(str),
    help="Methods; the others are compared with the first.  [default: all, against strm]",
)
@click.option("--episodes", type=click.IntRange(1), default=64, show_default=True, help="Test episodes per repetition.")
@device_option
@threads_option
@repeats_option
@json_option
def methods(
    recipe: str,
    assignments: tuple[str, ...],
    names: tuple[str, ...] | None,
    episodes: int,
    device: str,
    repeats: int,
    as_json: bool,
) -> None:
    """Methods beside each other: time of a training episode, and test episodes per second from cached features.

    Every method has the recipe's backbone, episodes and optimizer. Test episodes are 5-way 5-shot with one query per
    class, out of more clips than there would be tables of pairs for.

    \b
    Examples:
      strmctl bench methods --recipe sprites
      strmctl bench methods --recipe jhmdb_lite --methods strm,trx,otam --repeats 5
    """
    from strmctl.bench.methods import bench_methods
    from strmctl.report.terminal import benchmarks

    how = {"episodes": episodes, "device": device, "repeats": repeats, **({"methods": names} if names else {})}
    with console.progress("measuring", "steps") as progress:
        found = bench_methods(recipe=recipe, assignments=assignments, progress=progress, **how)
    if as_json:
        console.print_json(found)
        return
    title = f"Methods of {recipe} with {found['backbone']}, {found['device']}, {found['threads']} threads"
    console.print_table(title, *benchmarks.methods(found))
    console.say(f"median of {repeats}; times as fast as {next(iter(found['methods']))}")


@command.command(name="classify")
@click.option("--videos", type=FOLDER, required=True, help="Folder of videos, short ones; the first are taken.")
@click.option("--long", type=FOLDER, metavar="VIDEO", help="Long video to search by windows as well.")
@click.option("--backbone", default="efficientnet_lite0", show_default=True, help="Backbone, such as resnet18.")
@click.option("--window", type=float, default=2, show_default=True, help="Length of a window, in seconds.")
@click.option(
    "--stride", type=float, help="From one window to the next, in seconds.  [default: about a quarter of a window]"
)
@click.option("--clips", type=click.IntRange(8), default=64, show_default=True, help="Videos of the folder to take.")
@repeats_option
@json_option
def classification(
    videos: Path,
    long: Path | None,
    backbone: str,
    window: float,
    stride: float | None,
    clips: int,
    repeats: int,
    as_json: bool,
) -> None:
    """Classify: clips per second against decoding alone and embedding alone, which limit it.

    With --long, seconds of video per second as well. Embedding alone takes frames that are in memory.

    \b
    Example:
      strmctl bench classify --videos ~/UCF-101/Archery --long ~/match.mp4
    """
    from strmctl.bench.classification import bench_classify
    from strmctl.report.terminal import benchmarks

    with console.progress("measuring", "steps") as progress:
        found = bench_classify(
            videos,
            long=long,
            backbone=backbone,
            window=window,
            stride=stride,
            clips=clips,
            repeats=repeats,
            progress=progress,
        )
    if as_json:
        console.print_json(found)
        return
    console.print_table(f"Classify with {backbone}, {found['threads']} threads", *benchmarks.classification(found))
    console.say(f"share: of the slower of the two others; {found['clips']} videos, median of {repeats}")


@command.command(name="train")
@click.option("--recipe", type=RECIPE, metavar="NAME|FILE", required=True, help="Recipe whose training to measure.")
@set_option
@click.option(
    "--modes",
    metavar="MODE,...",
    callback=comma_separated(str),
    help="Values of train.memory.  [default: all that suit the recipe]",
)
@click.option(
    "--dtypes",
    metavar="DTYPE,...",
    callback=comma_separated(str),
    help="Values of train.dtype.  [default: float32,bfloat16]",
)
@device_option
@threads_option
@repeats_option
@click.option("--no-peer", is_flag=True, help="Leave the authors' way out.")
@json_option
def training(
    recipe: str,
    assignments: tuple[str, ...],
    modes: tuple[str, ...] | None,
    dtypes: tuple[str, ...] | None,
    device: str,
    repeats: int,
    no_peer: bool,
    as_json: bool,
) -> None:
    """Training: time and peak memory of an episode, for each train.memory and train.dtype.

    The authors' way is the same model in plain PyTorch: frames in NCHW order, float32, everything kept for the
    gradient. Each way is a process of its own; nothing is written. What does not fit is said to be out of memory.

    \b
    Examples:
      strmctl bench train --recipe ssv2_r50 --device cuda
      strmctl bench train --recipe ssv2_r50 --set train.shot=1 --set train.queries=1 --modes plain,checkpoint
      strmctl bench train --recipe ssv2_r50 --set backbone.batch_norm=frozen --modes clips --no-peer
    """
    from strmctl.bench.training import DTYPES, bench_train
    from strmctl.report.terminal import benchmarks

    how = {"modes": modes, "dtypes": dtypes or DTYPES, "device": device, "repeats": repeats, "peers": not no_peer}
    with console.progress("measuring", "ways") as progress:
        found = bench_train(recipe, assignments, **how, progress=progress)
    if as_json:
        console.print_json(found)
        return
    shape = f"{found['way']}-way {found['shot']}-shot, {found['queries']} queries"
    title = f"Training of {found['recipe']}, {shape}, {found['device']}, {found['threads']} threads"
    console.print_table(title, *benchmarks.training(found))
    tf32 = "; float32 is multiplied in TF32, the authors' way as well" if found["tf32"] else ""
    console.say(f"median of {repeats} episodes; hours of all {found['episodes']:,} of the recipe{tf32}")
    for reason in found["left_out"].values():
        console.say(f"left out: {reason}")


@command.command(name="prepare")
@click.option("--videos", type=FOLDER, required=True, help="Folder of videos; those in folders below count too.")
@click.option(
    "--size", type=click.IntRange(16, 4096), default=256, show_default=True, help="Pixels of the shorter side."
)
@click.option(
    "--quality", type=click.IntRange(1, 100), default=90, show_default=True, help="JPEG quality of `prepare`."
)
@click.option(
    "--peer-quality",
    type=click.IntRange(2, 31),
    help="Quality of ffmpeg, its -q:v.  [default: 2, which is nearest to JPEG quality 90]",
)
@click.option(
    "--workers", metavar="N,...", callback=comma_separated(int), help="Numbers of processes.  [default: 1, CPUs]"
)
@click.option(
    "--frames", type=click.IntRange(8), default=8, show_default=True, help="Frames per clip, besides all frames."
)
@repeats_option
@click.option("--no-peer", is_flag=True, help="Measure prepare alone, without ffmpeg.")
@json_option
def preparation(
    videos: Path,
    size: int,
    quality: int,
    peer_quality: int | None,
    workers: tuple[int, ...] | None,
    frames: int,
    repeats: int,
    no_peer: bool,
    as_json: bool,
) -> None:
    """Preparation: strmctl prepare against one ffmpeg process after another, as clips per second.

    The other way is `ffmpeg -i VIDEO -vf scale=... -q:v 2 DIR/%05d.jpg` for each video, on all cores. Both make
    frames of the same size on the same files, in turns, into a temporary folder (TMPDIR) that is removed
    afterwards; it needs room for the frames of all videos. A few dozen videos are enough.

    \b
    Examples:
      strmctl bench prepare --videos ~/UCF-101/Archery
      strmctl bench prepare --videos ~/k400/val --workers 1,4,16 --frames 16 --json
    """
    from strmctl.bench.preparation import PEER_QUALITY, bench_prepare
    from strmctl.report.terminal import benchmarks

    with console.progress("measuring", "steps") as progress:
        found = bench_prepare(
            videos,
            size=size,
            quality=quality,
            peer_quality=peer_quality or PEER_QUALITY,
            workers=workers or (),
            frames=frames,
            repeats=repeats,
            peers=not no_peer,
            progress=progress,
        )
    if as_json:
        console.print_json(found)
        return
    console.print_table(f"Preparation of {found['clips']} clips", *benchmarks.preparation(found))
    kinds = ", ".join(f"{clips} × {kind}" for kind, clips in found["summary"].items())
    console.say(
        f"{found['clips']} clips with {found['frames']} frames ({kinds}); median of {repeats}, {found['cpus']} CPUs; "
        f"shorter side {size} pixels, JPEG quality {quality}, {found['decoder']}"
    )
    if found["ffmpeg"]:
        console.say(
            f"ffmpeg {found['ffmpeg']}, -q:v {found['peer_quality']}, with its own choice of threads; "
            "similar bytes per frame mean similar quality (those of prepare include what the zip adds)"
        )
    if found["clips_of_other_length"]:
        console.say(f"note: ffmpeg stores another number of frames of {found['clips_of_other_length']} clips")
    for entry in found["left_out"]:
        console.say(f"left out: {entry['video']}: {entry['reason']}")


@command.command(name="threads")
@click.option(
    "--seconds", type=click.FloatRange(0.1), default=5, show_default=True, help="Duration of a measurement, in seconds."
)
@repeats_option
@json_option
def threads(seconds: float, repeats: int, as_json: bool) -> None:
    """Threads: training steps beside busy foreign processes, from none to one per core.

    The recipe sprites on random frames: with threads as strmctl sets them up, as OpenMP does by itself, and with one.

    \b
    Example:
      strmctl bench threads --repeats 5
    """
    from strmctl.bench.threads import bench_threads
    from strmctl.report.terminal import benchmarks

    with console.progress("measuring", "steps") as progress:
        found = bench_threads(seconds=seconds, repeats=repeats, progress=progress)
    if as_json:
        console.print_json(found)
        return
    console.print_table("Training steps per second, and times those of one thread", *benchmarks.threads(found))
    console.say(f"recipe sprites, {found['cpus']} cores; median of {repeats} measurements of {seconds:g} s")
