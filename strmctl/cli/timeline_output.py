"""What `classify --window` prints and writes of a long video: its segments, its windows, pictures and copies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strmctl.cli import console
from strmctl.paths import write_csv, write_text
from strmctl.report.clock import clock

if TYPE_CHECKING:
    from strmctl.classify.timeline import Timeline

COLUMNS = ("start", "end", "class", "p, %", "nearest example")
SEGMENTS = ("video", "start", "end", "class", "probability", "nearest", "reason", "notes")
NOTHING = "none of the classes is seen"


def write_files(timeline: Timeline, files: Mapping[str, Path]) -> None:
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
    from strmctl.videos.write_video import annotate

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


def write_table(path: Path, timelines: Iterable[Timeline]) -> None:
    """Writes one row per segment, and one for a video without any, so that its reason or notes are there."""
    write_csv(path, SEGMENTS, [row for timeline in timelines for row in _rows(timeline)])


def _rows(timeline: Timeline) -> Iterator[list[object]]:
    ends = [timeline.reason, "; ".join(timeline.notes)]
    for one in timeline.segments:
        yield [timeline.video, one.start, one.end, one.cls, one.probability, one.nearest, *ends]
    if not timeline.segments:
        yield [timeline.video, *[None] * (len(SEGMENTS) - 1 - len(ends)), *ends]


def document(timeline: Timeline) -> dict[str, Any]:
    """A video as part of a JSON document; windows as columns."""
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
