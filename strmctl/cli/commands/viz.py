"""`strmctl viz`: a picture of where in a video a trained model looks."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from strmctl.cli import console
from strmctl.cli.options import FOLDER, device_option, json_option, run_option, runs_option, threads_option
from strmctl.errors import UsageError
from strmctl.runs.folder import run_folder

if TYPE_CHECKING:
    from strmctl.videos.read_video import VideoClip


@click.command(name="viz", short_help="Draw where in a video a trained model looks.")
@click.option("--video", type=FOLDER, required=True, help="Video to draw.")
@run_option
@click.option("--out", type=FOLDER, help="PNG file to write.  [default: RUNS/RUN/viz/VIDEO.png]")
@device_option
@threads_option
@runs_option
@json_option
def command(video: Path, run_name: str | None, out: Path | None, device: str, runs: Path, as_json: bool) -> None:
    """Draw the attention maps of a video: where a trained model looks.

    The picture shows the frames that the model sees, in the order of time. Each row below them shows one map,
    interpolated over the frames: the length of the patch vectors of the backbone and of PLE, then the product of each
    patch vector of PLE with the frame's vector in H and in E, 0 where negative. Compare colours within a row, not
    between rows.

    \b
    Examples:
      strmctl viz --video my_clip.mp4
      strmctl viz --video my_clip.mp4 --run sprites --out look.png
    """
    if out is not None and out.suffix.lower() != ".png":
        raise UsageError(
            f"--out {out}: the picture is a PNG file", f"`--out {shlex.quote(str(out.with_suffix('.png')))}`"
        )
    folder = run_folder(runs, run_name, console.say)

    from strmctl.explain.attention import attention_maps
    from strmctl.runs.checkpoint import load_run
    from strmctl.videos.read_video import read_video

    run = load_run(folder, device=device)
    shape = run.recipe.input
    clip = read_video(video, frames=shape.frames, size=shape.size, crop=shape.crop)
    if clip.count < shape.frames:
        console.say(f"note: {video} has {clip.count} frames and the model takes {shape.frames}, so some appear twice")
    maps = attention_maps(run.model, clip.pixels)
    frames = clip.pixels.permute(0, 2, 3, 1).numpy()  # (L, S, S, 3)
    picture = out or folder / "viz" / f"{video.stem}.png"
    title = f"{'/'.join(video.parts[-2:])}, seen by run {run.name}"
    with console.picture(picture, asked_for=True):
        from strmctl.report.drawing import save_picture
        from strmctl.report.pictures.attention import draw_maps

        figure = draw_maps(frames, maps, title=title, captions=captions(clip))
        if picture.exists():
            console.say(f"note: {picture} is replaced")
        save_picture(figure, picture)
    if as_json:
        ranges = {name: {"min": float(values.min()), "max": float(values.max())} for name, values in maps.items()}
        document = {"picture": str(picture), "run": run.name, "video": str(video)}
        console.print_json(document | {"frames": clip.positions, "fps": clip.fps, "maps": ranges})
    else:
        click.echo(picture)


def captions(clip: VideoClip) -> list[str]:
    """Number of each frame, from 0, and its time in seconds where the frame rate is known."""
    times = [f"\n{position / clip.fps:.2f} s" if clip.fps else "" for position in clip.positions]
    return [f"frame {position}{time}" for position, time in zip(clip.positions, times, strict=True)]
