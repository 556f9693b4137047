"""`strmctl viz`: pictures of where in a video trained models look, and of what they compare it with."""

from __future__ import annotations

import contextlib
import math
import os
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from strmctl.cli import console
from strmctl.cli.options import (
    FOLDER,
    GRID_OR_RUN,
    RUN,
    data_option,
    device_option,
    json_option,
    runs_option,
    threads_option,
)
from strmctl.cli.output_files import check_suffix, file_of_each
from strmctl.errors import UsageError

if TYPE_CHECKING:
    from strmctl.explain.match import Match
    from strmctl.explain.subjects import Subject
    from strmctl.explain.viewers import Viewer

PICTURE = ("the picture is a PNG file", ".png")
FILM = ("maps are a picture, PNG, or in motion MP4 or GIF", ".png", ".mp4", ".gif")
LONGEST_NAME = 200  # bytes of a picture's file name


@click.command(name="viz", short_help="Draw where in a video trained models look, and why they decide so.")
@click.option("--video", "videos", type=FOLDER, multiple=True, help="Video to draw. May be repeated.")
@click.option(
    "--start", type=float, metavar="SECONDS", help="Where in the videos to begin.  [default: their beginning]"
)
@click.option("--end", type=float, metavar="SECONDS", help="Where in the videos to end.  [default: their end]")
@click.option(
    "--clip",
    "clips",
    metavar="[STORE/]ID",
    multiple=True,
    help="Clip of a frame store to draw, by its id or the last part of it. May be repeated.",
)
@click.option(
    "--run",
    "run_names",
    type=RUN,
    metavar="NAME",
    multiple=True,
    help="Run to use. May be repeated.  [default: the newest]",
)
@click.option(
    "--contributions",
    type=GRID_OR_RUN,
    metavar="GRID|RUN",
    multiple=True,
    help="Grid of `ablate components`, or runs: the paper's contributions one below the other. May be repeated.",
)
@click.option(
    "--match", "query", metavar="CLIP", help="Query, a clip of a store or a video: draw which frames decide its class."
)
@click.option(
    "--support",
    metavar="[STORE/]ID",
    multiple=True,
    help="Clip that the query is compared with; clips of several classes. May be repeated.",
)
@click.option(
    "--episode", type=click.IntRange(0), metavar="N", help="Test episode whose support the query is compared with."
)
@click.option("--way", type=click.IntRange(2), default=5, show_default=True, help="Classes of that episode.")
@click.option("--shots", type=click.IntRange(1), default=1, show_default=True, help="Its support clips per class.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the test's episodes.")
@click.option(
    "--split", type=click.Choice(["test", "val"]), default="test", show_default=True, help="Subset of its classes."
)
@click.option(
    "--from-eval", type=FOLDER, metavar="FILE", help="Examples that `eval --save-examples` kept: draw a match of each."
)
@click.option(
    "--out",
    type=FOLDER,
    metavar="FILE|DIR",
    help="PNG file to write, or MP4 or GIF for maps in motion; a folder for several clips.  [default: in RUNS/RUN/viz]",
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
    query: str | None,
    support: tuple[str, ...],
    episode: int | None,
    way: int,
    shots: int,
    seed: int,
    split: str,
    from_eval: Path | None,
    out: Path | None,
    data_dir: Path,
    device: str,
    runs: Path,
    as_json: bool,
) -> None:
    """Draw the attention maps of videos, where trained models look, or why a model takes a clip for a class.

    The picture shows the frames that the model sees, in the order of time. With one run, each row below them shows one
    map: the length of the vectors of the backbone and of PLE, then the product of each patch vector of PLE with the
    frame's vector in H and in E, 0 where negative. With several, each row shows the last map of one run. Of several
    clips, each has a picture, and a contact sheet shows all of them. With --out look.mp4 or look.gif, every frame of
    the video is shown, and those that the model sees are marked.

    With --match, it shows the distance of each class, and side by side the frames of query and support that count most
    together: the tuples that TRM attends to, or the frames that are aligned. --json has the numbers of all tuples.
    --from-eval draws this of each query that a test has kept.

    \b
    Examples:
      strmctl viz --video my_clip.mp4
      strmctl viz --video my_clip.mp4 --start 2 --end 4.5 --run sprites --out look.png
      strmctl viz --video my_clip.mp4 --out look.gif
      strmctl viz --clip sprites/drop/003 --run sprites-trx-s0 --run sprites-strm-s0
      strmctl viz --clip drop/003 --clip lift/011 --contributions sprites-components
      strmctl viz --match drop/003 --support drop/001 --support lift/002 --support up/000
      strmctl viz --match drop/017 --episode 12 --shots 5
      strmctl viz --from-eval runs/sprites/eval/test_5way_1q_s0.json
    """
    maps, matches = bool(videos or clips), query is not None or episode is not None or bool(support)
    refusals = {
        "--from-eval names run and clips; leave out the other options": from_eval
        and (maps or matches or run_names or contributions),
        "name what to draw: --video FILE, --clip ID, --match CLIP or --from-eval FILE": not (
            maps or matches or from_eval
        ),
        "--match draws a match, and --video and --clip draw maps; leave one out": maps and matches,
        "--contributions names the runs; leave out --run": run_names and contributions,
        "--match draws one run; give --run once": matches and (len(run_names) > 1 or contributions),
        "--match needs --support CLIP, several times, or --episode N": query is not None
        and not support
        and episode is None,
        "--episode names the support; leave out --support": support and episode is not None,
        "--support is compared with --match CLIP": support and query is None,
        "--start and --end are for --video": matches and not (start is end is None),
    }
    if found := [message for message, wrong in refusals.items() if wrong]:
        raise click.UsageError(found[0])
    if from_eval is not None:
        _draw_examples(from_eval, data_dir, device, out, as_json)
        return
    _check_span(start, end, clips)
    if out is not None and (len(videos) + len(clips) < 2 or out.suffix):
        check_suffix("--out", out, *(PICTURE if matches else FILM))

    from strmctl.explain.viewers import load_viewers

    names: list[str | None] = list(run_names) or [None]
    if contributions:
        from strmctl.ablation.grid_file import runs_named

        names = list(runs_named(runs, contributions))
    viewers = load_viewers(runs, names, device=device, announce=console.say)
    if matches:
        from strmctl.evaluation.match import Protocol
        from strmctl.explain.episodes import episode_match, named_match

        run = viewers[0].run
        if episode is None:
            match = named_match(run, data_dir, str(query), support)
        else:
            match = episode_match(run, data_dir, query, Protocol(split, way, (shots,), seed=seed), episode)
        document = _draw_match(viewers[0], match, out, as_json)
    else:
        subjects = _subjects(videos, clips, viewers[0], data_dir, start=start, end=end)
        document = _draw_maps(subjects, viewers, out, as_json)
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


def _draw_maps(subjects: Sequence[Subject], viewers: Sequence[Viewer], out: Path | None, as_json: bool) -> Any:
    """Draws the maps of each clip, and of several a contact sheet; returns the document."""
    from strmctl.explain.maps import draw_clip, draw_contact_sheet

    documents, sheet = [], []
    files = _files(out, subjects, viewers)
    for subject, path in zip(subjects, files, strict=True):
        with _picture(path, as_json), console.progress(path.name, "frames") as progress:
            document, rows = draw_clip(subject, viewers, path, progress=progress)
        documents.append({"picture": str(path)} | document)
        sheet += rows
    if len(subjects) == 1:
        return documents[0]
    path = files[0].with_name("contact_sheet.png")
    with _picture(path, as_json):
        draw_contact_sheet(sheet, path, clips=len(subjects))
    return {"contact_sheet": str(path), "pictures": documents}


def _draw_match(viewer: Viewer, match: Match, path: Path | None, as_json: bool) -> Any:
    """Draws a match; returns its document."""
    from strmctl.explain.match_picture import draw_match_of, match_document

    path = path or viewer.run.folder / "viz" / f"match_{match.query.stem}.png"
    if not match.classes[0].pairs:
        console.say(f"note: method {viewer.label} compares no single frames, so numbers are all there is to draw")
    with _picture(path, as_json):
        draw_match_of(match, viewer, path)
    return {"picture": str(path), "run": viewer.run.name, "method": viewer.label} | match_document(match)


def _draw_examples(path: Path, data_dir: Path, device: str, out: Path | None, as_json: bool) -> None:
    """Draws the examples that a test kept into a folder."""
    from strmctl.explain.episodes import saved_matches

    if out is not None and out.suffix:
        hint = f"`--out {shlex.quote(str(out.with_suffix('')))}` is a folder"
        raise UsageError(f"--out {out}: the examples are several pictures", hint)
    documents = []
    for name, viewer, match in saved_matches(path, data_dir, device=device):
        folder = out or viewer.run.folder / "viz" / path.stem
        documents.append(_draw_match(viewer, match, folder / f"{name}.png", as_json))
    if as_json:
        console.print_json({"examples": documents})


def _files(out: Path | None, subjects: Sequence[Subject], viewers: Sequence[Viewer]) -> list[Path]:
    """Where each picture goes."""
    if out is not None and len(subjects) == 1:
        return [out]
    others = "".join(f"+{viewer.run.name}" for viewer in viewers[1:])
    rooms = [max(0, LONGEST_NAME - len(os.fsencode(subject.stem))) for subject in subjects]
    named = [Path(f"{subject.stem}{others[:room]}.png") for subject, room in zip(subjects, rooms, strict=True)]
    return list(file_of_each("--out", out or viewers[0].run.folder / "viz", named, *PICTURE).values())


@contextlib.contextmanager
def _picture(path: Path, as_json: bool) -> Iterator[None]:
    """Draws a picture, and prints where it is."""
    there = path.exists()
    with console.picture(path, asked_for=True):
        yield
    if there:
        console.say(f"note: {path} was replaced")
    if not as_json:
        click.echo(path)
