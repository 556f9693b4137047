"""`classify --window`: its options, and the way from long videos to what is printed and written."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from strmctl.classify import WINDOW
from strmctl.cli import classify_output, console, timeline_output
from strmctl.cli.interruption import Interruptible
from strmctl.cli.options import FOLDER
from strmctl.cli.output_files import check_inputs, check_outside, file_of_each
from strmctl.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from strmctl.classify.classifier import Classifier
    from strmctl.classify.timeline import Timeline
    from strmctl.cli.classify_page import Page

KINDS = {  # option -> its kind of file, and suffixes
    "subtitles": ("subtitles are a WebVTT file", ".vtt"),
    "timeline": ("the timeline is a picture, PNG or SVG", ".png", ".svg"),
    "annotate": ("the annotated video is an MP4 file", ".mp4"),
}
PER_VIDEO = "DIR for several videos."
OPTIONS = ("stride", *KINDS)  # which need a window


def window_options(command: Callable) -> Callable:
    """The options of long videos, `OPTIONS`."""
    for option in (
        click.option(
            "--annotate",
            type=FOLDER,
            metavar="FILE|DIR",
            help=f"Copy of the video (MP4, without sound) to write, with class and probability on it. {PER_VIDEO}",
        ),
        click.option(
            "--timeline",
            type=FOLDER,
            metavar="FILE|DIR",
            help=f"Picture (PNG or SVG) to write: probabilities and segments over time. {PER_VIDEO}",
        ),
        click.option(
            "--subtitles",
            type=FOLDER,
            metavar="FILE|DIR",
            help=f"Subtitles (WebVTT) to write: what is seen, while it is seen. {PER_VIDEO}",
        ),
        click.option(
            "--stride",
            type=float,
            metavar="SECONDS",
            help="From the start of a window to that of the next.  [default: about a quarter of a window, so that "
            "windows share frames]",
        ),
        click.option(
            "--window",
            type=float,
            metavar="SECONDS",
            help="Find the classes in long videos, by windows of this length; as long as the examples is best.",
        ),
    ):
        command = option(command)
    return command


@dataclass(frozen=True)
class Asked:
    """What `--window` asks for.

    Attributes:
        window: length of a window, seconds.
        stride: from the start of a window to that of the next, seconds; None: what suits each video.
        files: option -> video -> file to write of it.
    """

    window: float
    stride: float | None
    files: dict[str, dict[Path, Path]]


def wanted(
    window: float | None,
    values: Mapping[str, Any],
    videos: Sequence[Path],
    *,
    read: Sequence[Path],
    folders: Sequence[Path],
) -> Asked | None:
    """What is asked for; None without `--window`.

    Args:
        window: length of a window, seconds.
        values: values of `OPTIONS`.
        videos: videos to label.
        read: files that are read, which none may replace.
        folders: folders of which every video is read, and where no new one may lie.

    Raises:
        UsageError: an option makes no sense, or a file to write is one that is read, now or the next time.
    """
    stride = values["stride"]
    if window is None:
        if given := [name for name in OPTIONS if values[name] is not None]:
            least = max(WINDOW, stride) if stride is not None and math.isfinite(stride) else WINDOW
            raise UsageError(f"--{given[0]} is for windows, and there are none", f"`--window {least:g}`")
        return None

    from strmctl.videos.windows import check_window

    check_window(window, stride)
    files = {f"--{name}": file_of_each(f"--{name}", values[name], videos, *kind) for name, kind in KINDS.items()}
    for option, own in files.items():
        for file in own.values():
            check_inputs(option, file, read)
    for file in files["--annotate"].values():
        check_outside("--annotate", file, folders)
    return Asked(window, stride, files)


def find(
    classifier: Classifier,
    videos: Sequence[Path],
    asked: Asked,
    *,
    csv_file: Path | None,
    page: Page | None,
    as_json: bool,
) -> ExitCode:
    """Finds the classes in long videos, and prints and writes what is asked for.

    What is written of a video is written before the next one is begun.
    """
    from strmctl.classify.find import length_note

    if note := length_note(classifier, asked.window):
        console.say(f"note: {note}")
    found: list[Timeline] = []
    try:
        with Interruptible(found, len(videos)) as work:
            for video in videos:
                _search(classifier, video, asked, found, page=page, as_json=as_json)
        if not as_json:
            classify_output.show_examples(classifier)
    finally:  # whatever ends it, such as a full disk: what was found is written
        if csv_file is not None and found:
            timeline_output.write_table(csv_file, found)
    if page is not None:
        page.write(classifier, timelines=found)
    if as_json:
        window = {
            "window": asked.window,
            "stride": asked.stride,
            "timelines": list(map(timeline_output.document, found)),
        }
        console.print_json(window | classify_output.about(classifier))
    return work.exit_code(not any(timeline.reason for timeline in found))


def _search(
    classifier: Classifier, video: Path, asked: Asked, found: list[Timeline], *, page: Page | None, as_json: bool
) -> None:
    """Adds what one video shows to `found`, prints it, and writes what is asked for."""
    pictures = page and page.pictures
    with console.progress(video.name, "seconds of video") as watching:
        timeline = classifier.timeline(
            video, window=asked.window, stride=asked.stride, progress=watching, pictures=pictures
        )
    found.append(timeline)
    if not as_json:
        timeline_output.show(timeline)
    if timeline.reason:
        return
    try:
        timeline_output.write_files(timeline, {option: own[video] for option, own in asked.files.items() if own})
    except KeyboardInterrupt:
        console.say(f"note: {video} has been searched, and not all of its files are written")
        raise
