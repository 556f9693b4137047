"""`strmctl viz`: pictures of where in a video trained models look."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from strmctl.cli import console
from strmctl.cli.options import FOLDER, data_option, device_option, json_option, runs_option, threads_option
from strmctl.cli.output_files import check_suffix, file_of_each
from strmctl.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from strmctl.explain.subjects import Subject
    from strmctl.explain.viewers import Viewer

PICTURE = ("the picture is a PNG file", ".png")
LONGEST_NAME = 200  # bytes of a picture's file name


@click.command(name="viz", short_help="Draw where in a video trained models look.")
@click.option("--video", "videos", type=FOLDER, multiple=True, help="Video to draw. May be repeated.")
@click.option(
    "--start", type=float, metavar="SECONDS", help="Where in the videos to begin.  [default: at their beginning]"
)
@click.option("--end", type=float, metavar="SECONDS", help="Where in the videos to end.  [default: at their end]")
@click.option(
    "--clip",
    "clips",
    metavar="[STORE/]ID",
    multiple=True,
    help="Clip of a frame store to draw, by its id or the last part of it. May be repeated.",
)
@click.option(
    "--run", "run_names", metavar="NAME", multiple=True, help="Run to use. May be repeated.  [default: the newest]"
)
@click.option(
    "--contributions",
    metavar="GRID|RUN",
    multiple=True,
    help="Grid of `ablate components`, or runs: the paper's contributions one below the other. May be repeated.",
)
@click.option(
    "--out",
    type=FOLDER,
    metavar="FILE|DIR",
    help="PNG file to write; a folder for several clips.  [default: RUNS/RUN/viz]",
)
@data_option
@device_option
@threads_option
@runs_option
@json_option
def command(
    videos: tuple[Path, ...],
    start: float | None,
    end: float | None,
    clips: tuple[str, ...],
    run_names: tuple[str, ...],
    contributions: tuple[str, ...],
    out: Path | None,
    data_dir: Path,
    device: str,
    runs: Path,
    as_json: bool,
) -> None:
    """Draw the attention maps of videos: where trained models look.

    The picture shows the frames that the model sees, in the order of time. With one run, each row below them shows one
    map: the length of the vectors of the backbone and of PLE, then the product of each patch vector of PLE with the
    frame's vector in H and in E, 0 where negative. With several, each row shows the last map of one run. Of several
    clips, each has a picture, and a contact sheet shows all of them.

    \b
    Examples:
      strmctl viz --video my_clip.mp4
      strmctl viz --video my_clip.mp4 --start 2 --end 4.5 --run sprites --out look.png
      strmctl viz --clip sprites/drop/003 --run sprites-trx-s0 --run sprites-strm-s0
      strmctl viz --clip drop/003 --clip lift/011 --contributions sprites-components
    """
    if not videos and not clips:
        raise click.UsageError("name what to draw: --video FILE, or --clip ID")
    if run_names and contributions:
        raise click.UsageError("--contributions names the runs; leave out --run")
    _check_span(start, end, clips)
    names = _named(runs, contributions) if contributions else list(run_names) or [None]
    if out is not None and (len(videos) + len(clips) == 1 or out.suffix):
        check_suffix("--out", out, *PICTURE)

    from strmctl.explain.maps import all_maps, map_document, map_rows, sheet_rows, title_of
    from strmctl.explain.viewers import load_viewers
    from strmctl.report.drawing import save_picture
    from strmctl.report.pictures.attention import draw_maps
    from strmctl.report.pictures.contact_sheet import draw_sheet

    viewers = load_viewers(runs, names, device=device, announce=console.say)
    subjects = _subjects(videos, clips, viewers[0], data_dir, start=start, end=end)
    files = _files(out, subjects, viewers)
    documents, sheet = [], []
    for subject, path in zip(subjects, files, strict=True):
        maps = all_maps(subject, viewers)
        rows = map_rows(viewers, maps)
        with console.picture(path, asked_for=True):
            figure = draw_maps(subject.frames, rows, title=title_of(subject, viewers), captions=subject.captions)
            _say_replaced(path)
            save_picture(figure, path)
        documents.append({"picture": str(path)} | map_document(subject, viewers, maps))
        sheet += sheet_rows(subject, rows[-1:] if len(viewers) == 1 else rows)
        if not as_json:
            click.echo(path)
    document: Any = documents[0]
    if len(subjects) > 1:
        path = files[0].with_name("contact_sheet.png")
        with console.picture(path, asked_for=True):
            _say_replaced(path)
            save_picture(draw_sheet(sheet, title=f"{len(subjects)} clips"), path)
        document = {"contact_sheet": str(path), "pictures": documents}
        if not as_json:
            click.echo(path)
    if as_json:
        console.print_json(document)


def _check_span(start: float | None, end: float | None, clips: Sequence[str]) -> None:
    for name, value in (("start", start), ("end", end)):
        if value is None:
            continue
        if clips:
            raise UsageError(f"--{name} is for videos; clips of a store are drawn whole", f"leave `--{name}` out")
        if not (math.isfinite(value) and value >= 0):
            raise UsageError(f"--{name} is a number of seconds from 0 (got {value:g})")


def _named(runs: Path, names: Sequence[str]) -> list[str]:
    """The runs of the first training seed of grids, and runs by their own names."""
    from strmctl.ablation.grid_file import grid_names, read_grid
    from strmctl.runs.folder import run_names

    grids, known, found = grid_names(runs), run_names(runs), []
    for name in names:
        if name in grids:
            first: dict[str, str] = {}  # label -> run
            for cell in read_grid(runs, name).cells:
                first.setdefault(cell.label, cell.run)
            found += first.values()
        elif name in known:
            found.append(name)
        else:
            here = ", ".join(grids + known) or "none yet: `strmctl ablate components`"
            hint = f"{did_you_mean([*grids, *known], name)}grids and runs here: {here}"
            raise UsageError(f"no grid and no run named {name!r} in {runs}", hint)
    return list(dict.fromkeys(found))


def _subjects(
    videos: Sequence[Path],
    clips: Sequence[str],
    viewer: Viewer,
    data_dir: Path,
    *,
    start: float | None,
    end: float | None,
) -> list[Subject]:
    from strmctl.explain.subjects import clip_subject, stored_clip, video_subject

    recipe = viewer.run.recipe
    subjects = [video_subject(path, recipe.input, start=start, end=end) for path in videos]
    subjects += [clip_subject(*stored_clip(recipe, data_dir, name), recipe.input) for name in clips]
    for subject in subjects:
        if subject.count < recipe.input.frames:
            what = subject.source.get("video", subject.name)
            takes = f"the model takes {recipe.input.frames}"
            console.say(f"note: {what} has {subject.count} frames and {takes}, so some appear twice")
    return subjects


def _files(out: Path | None, subjects: Sequence[Subject], viewers: Sequence[Viewer]) -> list[Path]:
    """Where each picture goes."""
    if out is not None and len(subjects) == 1:
        return [out]
    others = "".join(f"+{viewer.run.name}" for viewer in viewers[1:])
    rooms = [max(0, LONGEST_NAME - len(os.fsencode(subject.stem))) for subject in subjects]
    named = [Path(f"{subject.stem}{others[:room]}.png") for subject, room in zip(subjects, rooms, strict=True)]
    return list(file_of_each("--out", out or viewers[0].run.folder / "viz", named, *PICTURE).values())


def _say_replaced(path: Path) -> None:
    if path.exists():
        console.say(f"note: {path} is replaced")
