"""`classify --window`: options, what is printed, and the files that are written of each long video."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from strmctl.classify import STRIDES, WINDOW
from strmctl.cli import classify_output, console
from strmctl.cli.options import FOLDER
from strmctl.cli.output_files import check_inputs, file_of_each
from strmctl.errors import UsageError
from strmctl.paths import write_csv, write_text
from strmctl.report.clock import clock

if TYPE_CHECKING:
    from strmctl.classify.classifier import Classifier
    from strmctl.classify.timeline import Timeline
    from strmctl.cli.classify_page import Page

COLUMNS = ("start", "end", "class", "p, %", "nearest example")
NOTHING = "none of the classes is seen"
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
            help=f"From the start of a window to that of the next.  [default: 1/{STRIDES} of a window]",
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
        stride: from the start of a window to that of the next, seconds.
        files: option -> video -> file to write of it.
    """

    window: float
    stride: float
    files: dict[str, dict[Path, Path]]


def wanted(
    window: float | None, values: Mapping[str, Any], videos: Sequence[Path], read: Sequence[Path]
) -> Asked | None:
    """What is asked for; None without `--window`.

    Args:
        window: length of a window, seconds.
        values: values of `OPTIONS`.
        videos: videos to label.
        read: files that are read, which none may replace.

    Raises:
        UsageError: an option makes no sense, or a file to write is one that is read.
    """
    stride = values["stride"]
    if window is None:
        if given := [name for name in OPTIONS if values[name] is not None]:
            least = max(WINDOW, stride) if stride is not None and math.isfinite(stride) else WINDOW
            raise UsageError(f"--{given[0]} is for windows, and there are none", f"`--window {least:g}`")
        return None

    from strmctl.videos.windows import check_window

    step = window / STRIDES if stride is None else stride
    check_window(window, step)
    files = {f"--{name}": file_of_each(f"--{name}", values[name], videos, *kind) for name, kind in KINDS.items()}
    for option, own in files.items():
        for file in own.values():
            check_inputs(option, file, read)
    return Asked(window, step, files)


def find(
    classifier: Classifier,
    videos: Sequence[Path],
    asked: Asked,
    *,
    csv_file: Path | None,
    page: Page | None,
    as_json: bool,
) -> bool:
    """Finds the classes in long videos, and prints and writes what is asked for; whether all could be read.

    What is written of a video is written before the next one is begun.
    """
    from strmctl.classify.find import length_note

    if note := length_note(classifier, asked.window):
        console.say(f"note: {note}")
    found = []
    for video in videos:
        with console.progress(video.name, "seconds of video") as watching:
            timeline = classifier.timeline(
                video,
                window=asked.window,
                stride=asked.stride,
                progress=watching,
                pictures=page and page.pictures,
            )
        found.append(timeline)
        if not as_json:
            show(timeline)
        if not timeline.reason:
            _write_files(timeline, {option: files[video] for option, files in asked.files.items() if files})
    if not as_json:
        classify_output.show_examples(classifier)
    if csv_file is not None:
        write_csv(csv_file, SEGMENTS, [row for timeline in found for row in _rows(timeline)])
    if page is not None:
        page.write(classifier, timelines=found)
    if as_json:
        window = {"window": asked.window, "stride": asked.stride, "timelines": list(map(_document, found))}
        console.print_json(window | classify_output.about(classifier))
    return not any(timeline.reason for timeline in found)


def _write_files(timeline: Timeline, files: Mapping[str, Path]) -> None:
    """Writes what is asked for of a video: option -> file."""
    if path := files.get("--subtitles"):
        from strmctl.classify.subtitles import subtitles

        write_text(path, subtitles(timeline.segments))
    if path := files.get("--timeline"):
        with console.picture(path, asked_for=True):
            _draw(timeline, path)
    if path := files.get("--annotate"):
        _annotate(timeline, path)


def _draw(timeline: Timeline, path: Path) -> None:
    from strmctl.classify.timeline import edges_of
    from strmctl.report.drawing import save_picture, svg_text
    from strmctl.report.pictures.timeline import TimelineRow, draw_timeline

    rows = [
        TimelineRow(cls, shares, [(one.start, one.end, one.probability) for one in timeline.segments if one.cls == cls])
        for cls, shares in zip(timeline.classes, timeline.windows.probabilities.T, strict=True)
    ]
    figure = draw_timeline(rows, edges_of(timeline.windows), title=str(timeline.video))
    if path.suffix.lower() == ".svg":
        write_text(path, svg_text(figure))
    else:
        save_picture(figure, path)


def _annotate(timeline: Timeline, path: Path) -> None:
    from strmctl.classify.timeline import shown_at
    from strmctl.report.pictures.caption import draw_caption
    from strmctl.videos.annotate import annotate

    shown, whole = shown_at(timeline), max(1, round(timeline.duration))

    def caption(second: float, width: int, height: int) -> Any:
        if (found := shown(second)) is None:
            return None
        cls, share = found
        return draw_caption(f"{cls} {100 * share:.0f} %", share, width, height)[..., [2, 1, 0, 3]]

    with console.progress(path.name, "seconds of video") as writing:
        annotate(timeline.video, path, caption, seen=lambda second: writing(min(int(second), whole - 1), whole, ""))
        writing(whole, whole, "")


def show(timeline: Timeline) -> None:
    """Prints the segments of a video for a person."""
    rows = [
        [clock(one.start), clock(one.end), one.cls, f"{100 * one.probability:.0f}", one.nearest]
        for one in timeline.segments
    ]
    if rows:
        console.print_table(str(timeline.video), COLUMNS, rows)
    else:
        console.print_text(f"{timeline.video}: {timeline.reason or NOTHING}")
    for note in timeline.notes:
        console.print_text(f"{timeline.video}: {note}")


SEGMENTS = ("video", "start", "end", "class", "probability", "nearest", "reason", "notes")


def _rows(timeline: Timeline) -> Iterator[list[object]]:
    """Rows of the CSV file: one per segment, and one for a video that cannot be read."""
    ends = [timeline.reason, "; ".join(timeline.notes)]
    for one in timeline.segments:
        yield [timeline.video, one.start, one.end, one.cls, one.probability, one.nearest, *ends]
    if timeline.reason:
        yield [timeline.video, *[None] * (len(SEGMENTS) - 1 - len(ends)), *ends]


def _document(timeline: Timeline) -> dict[str, Any]:
    windows = timeline.windows
    shares = zip(timeline.classes, windows.probabilities.T.tolist(), strict=False)  # none where there are no windows
    return {
        "video": str(timeline.video),
        "duration": timeline.duration,
        "segments": [
            {
                "start": one.start,
                "end": one.end,
                "class": one.cls,
                "probability": one.probability,
                "nearest": one.nearest,
            }
            for one in timeline.segments
        ],
        "windows": {
            "start": windows.starts.tolist(),
            "end": windows.ends.tolist(),
            "refused": windows.refused.tolist(),
            "nearest": list(windows.nearest),
            "probabilities": dict(shares),
        },
        "reason": timeline.reason or None,
        "notes": list(timeline.notes),
    }
