"""Attention maps as a picture: every map of one model, or the last one of each of several models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from strmctl.explain.attention import WORDS, attention_maps
from strmctl.explain.subjects import Subject
from strmctl.explain.viewers import Viewer

if TYPE_CHECKING:
    from strmctl.report.pictures.attention import MapRow
    from strmctl.report.pictures.contact_sheet import SheetRow

Maps = dict[str, np.ndarray]  # key of `WORDS` -> (L, h, w)
COMPARED = "Each row: how far each place of a frame agrees with the vector of the frame that this model compares. "


def all_maps(subject: Subject, viewers: Sequence[Viewer]) -> list[Maps]:
    """The maps that each model makes of a clip.

    Raises:
        NotFiniteError: a map is not finite.
    """
    return [attention_maps(viewer.run.model, subject.pixels) for viewer in viewers]


def map_rows(viewers: Sequence[Viewer], maps: Sequence[Maps]) -> list[MapRow]:
    """The rows to draw."""
    from strmctl.report.pictures.attention import MapRow

    if len(viewers) == 1:
        return [MapRow(*WORDS[key], values) for key, values in maps[0].items()]
    pairs = zip(viewers, maps, strict=True)
    return [MapRow(viewer.label, f"run {viewer.run.name}", own[list(own)[-1]]) for viewer, own in pairs]


def title_of(subject: Subject, viewers: Sequence[Viewer]) -> str:
    """The title of the picture of a clip."""
    by = f"run {viewers[0].run.name}" if len(viewers) == 1 else ", ".join(viewer.label for viewer in viewers)
    return f"{subject.name}, seen by {by}"


def map_document(subject: Subject, viewers: Sequence[Viewer], maps: Sequence[Maps]) -> dict[str, Any]:
    """What was drawn, in numbers."""
    each = [
        {"run": viewer.run.name, "method": viewer.label, "maps": {key: _range(value) for key, value in own.items()}}
        for viewer, own in zip(viewers, maps, strict=True)
    ]
    document = {**subject.source, "frames": list(subject.positions), "fps": subject.fps}
    return document | (each[0] if len(each) == 1 else {"runs": each})


def _range(values: np.ndarray) -> dict[str, Any]:
    return {"min": float(values.min()), "max": float(values.max()), "places": list(values.shape[1:])}


def sheet_rows(subject: Subject, rows: Sequence[MapRow]) -> list[SheetRow]:
    """A clip on a contact sheet: its frames, and below them the last map of each row of the picture."""
    from strmctl.report.pictures.contact_sheet import HEIGHT, SheetRow
    from strmctl.report.pictures.overlay import overlay

    def small(frames: np.ndarray) -> list[np.ndarray]:
        smooth = cv2.INTER_AREA if frames.shape[1] > HEIGHT else cv2.INTER_NEAREST
        return [cv2.resize(frame, (HEIGHT, HEIGHT), interpolation=smooth) for frame in frames]

    facts = [f"frames {', '.join(map(str, subject.positions))}"]
    seen = [SheetRow(row.name, [row.words], small(overlay(subject.frames, row.scaled))) for row in rows]
    return [SheetRow(subject.name, facts, small(subject.frames)), *seen]
