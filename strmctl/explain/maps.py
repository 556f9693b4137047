"""Attention maps as a picture: every map of one model, or the last one of each of several models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from strmctl.explain.attention import WORDS, attention_maps
from strmctl.explain.motion import write_film
from strmctl.explain.subjects import Subject, in_cells
from strmctl.explain.viewers import Viewer
from strmctl.progress import Progress, silent

if TYPE_CHECKING:
    from strmctl.report.drawing import Figure
    from strmctl.report.pictures.attention import MapRow
    from strmctl.report.pictures.contact_sheet import SheetRow

COMPARED = "Each row: how far each place of a frame agrees with the frame's vector that this model compares."
Maps = dict[str, np.ndarray]  # key of `WORDS` -> (L, h, w)


def draw_clip(
    subject: Subject, viewers: Sequence[Viewer], path: Path, *, progress: Progress = silent
) -> tuple[dict[str, Any], list[SheetRow]]:
    """Draws the maps of a clip into a PNG file, or as a film into an MP4 or GIF file.

    Args:
        subject: the clip.
        viewers: models whose maps to draw.
        path: file to write.
        progress: callable that receives (frames done, frames in all, "") of a film.

    Returns:
        What was drawn, in numbers, and the rows of a contact sheet: the frames, and the last map of each model.

    Raises:
        NotFiniteError: a map is not finite.
        UsageError: a GIF would have too many frames.
        OutputError: a film cannot be written.
    """
    from strmctl.report.drawing import save_picture

    maps = [attention_maps(viewer.run.model, subject.pixels) for viewer in viewers]
    rows = _map_rows(viewers, maps)
    if path.suffix.lower() == ".png":
        save_picture(_figure(subject, viewers, rows), path)
    else:
        write_film(subject, rows, path, title=_title(subject, viewers), progress=progress)
    return _document(subject, viewers, maps), _sheet_rows(subject, rows[-len(viewers) :])


def clip_picture(subject: Subject, viewers: Sequence[Viewer]) -> tuple[Figure, dict[str, Any]]:
    """The maps of a clip as a figure, and what was drawn, in numbers.

    Raises:
        NotFiniteError: a map is not finite.
    """
    maps = [attention_maps(viewer.run.model, subject.pixels) for viewer in viewers]
    return _figure(subject, viewers, _map_rows(viewers, maps)), _document(subject, viewers, maps)


def draw_contact_sheet(rows: Sequence[SheetRow], path: Path, *, clips: int) -> None:
    """Draws a contact sheet of so many clips into a PNG file."""
    from strmctl.report.drawing import save_picture
    from strmctl.report.pictures.contact_sheet import draw_sheet

    save_picture(draw_sheet(rows, title=f"{clips} clips"), path)


def _figure(subject: Subject, viewers: Sequence[Viewer], rows: Sequence[MapRow]) -> Figure:
    from strmctl.report.pictures.attention import draw_maps

    about = [COMPARED] if len(viewers) > 1 else []
    for viewer in viewers:
        if (steps := viewer.run.recipe.steps) < len(subject.positions):  # of a network over whole clips
            about.append(f"{viewer.label} has {steps} maps for these {len(subject.positions)} frames.")
    title = _title(subject, viewers)
    return draw_maps(subject.frames, rows, title=title, captions=subject.captions, about=" ".join(about))


def _title(subject: Subject, viewers: Sequence[Viewer]) -> str:
    by = f"run {viewers[0].run.name}" if len(viewers) == 1 else ", ".join(viewer.label for viewer in viewers)
    return f"{subject.name}, seen by {by}"


def _map_rows(viewers: Sequence[Viewer], maps: Sequence[Maps]) -> list[MapRow]:
    """The rows to draw."""
    from strmctl.report.pictures.attention import MapRow

    if len(viewers) == 1:
        return [MapRow(*WORDS[key], values) for key, values in maps[0].items()]
    pairs = zip(viewers, maps, strict=True)
    return [MapRow(viewer.label, f"run {viewer.run.name}", own[list(own)[-1]]) for viewer, own in pairs]


def _document(subject: Subject, viewers: Sequence[Viewer], maps: Sequence[Maps]) -> dict[str, Any]:
    """What was drawn, in numbers."""
    each = [
        {"run": viewer.run.name, "method": viewer.label, "maps": {key: _range(value) for key, value in own.items()}}
        for viewer, own in zip(viewers, maps, strict=True)
    ]
    document = {**subject.source, "frames": list(subject.positions), "fps": subject.fps}
    return document | (each[0] if len(each) == 1 else {"runs": each})


def _range(values: np.ndarray) -> dict[str, Any]:
    return {"min": float(values.min()), "max": float(values.max()), "places": list(values.shape[1:])}


def _sheet_rows(subject: Subject, rows: Sequence[MapRow]) -> list[SheetRow]:
    """A clip on a contact sheet: its frames, and rows of maps below them."""
    from strmctl.report.pictures.contact_sheet import HEIGHT, SheetRow
    from strmctl.report.pictures.overlay import overlay

    facts = [f"frames {', '.join(map(str, subject.positions))}"]
    seen = [SheetRow(row.name, [row.words], in_cells(overlay(subject.frames, row.scaled), HEIGHT)) for row in rows]
    return [SheetRow(subject.name, facts, in_cells(subject.frames, HEIGHT)), *seen]
