"""A match as a picture: the strongest pairs of each class as strips of frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from strmctl.explain.match import ClassMatch, Match, Pair
from strmctl.explain.subjects import Subject

if TYPE_CHECKING:
    from strmctl.report.drawing import Figure
    from strmctl.report.pictures.match import MatchRow, Strip

NO_PAIRS = "This method compares no single frames, so distances are all there is; a support clip stands beside each."
STRONGEST = "Beside each class, the strongest pairs: frames of the query (blue) and those of a support clip (orange)"


def match_picture(match: Match, *, seen_by: str) -> Figure:
    """A match as a figure.

    Args:
        match: the match.
        seen_by: name of the method and of the run, for the title.
    """
    from strmctl.report.pictures.match import draw_match

    first = match.classes[0]
    truth = f" (true class: {match.true})" if match.true not in (None, first.name) else ""
    words = list(dict.fromkeys(pair.words for kind in first.pairs for pair in kind))
    legend = f"{STRONGEST}, with their weight: {'; '.join(words)}." if words else NO_PAIRS
    return draw_match(
        _small(match.query, range(len(match.query.positions))),
        [str(position) for position in match.query.positions],
        [_row(match, one) for one in match.classes],
        title=f"{match.query.name} is taken for {first.name}{truth} by {seen_by}",
        legend=f"Bars: softmax of minus the distances, not calibrated. {legend} Numbers below frames count from 0.",
    )


def _row(match: Match, one: ClassMatch) -> MatchRow:
    from strmctl.report.pictures.match import MatchRow, Strip, strips_in_a_line

    facts = [f"distance {one.distance:.4g}", *(f"{part}: {value:.4g}" for part, value in one.parts.items())]
    facts += ["true class"] if one.name == match.true else []
    lines = []
    for kind in one.pairs:
        count = strips_in_a_line(len(kind[0].query_frames), len(kind[0].support_frames))
        lines.append([_strip(match.query, one, pair) for pair in kind[:count]])
    if not lines:
        shot = one.shots[0]
        lines = [[Strip([], _small(shot, range(len(shot.positions))), shot.source["clip"])]]
    return MatchRow(one.name, facts, one.probability, lines)


def _strip(query: Subject, one: ClassMatch, pair: Pair) -> Strip:
    from strmctl.report.pictures.match import Strip

    shot = one.shots[pair.shot]
    own, theirs = (
        ", ".join(str(subject.positions[frame]) for frame in frames)
        for subject, frames in ((query, pair.query_frames), (shot, pair.support_frames))
    )
    caption = f"{pair.weight:.2f}: {own} and {theirs} of {shot.source['clip']}"
    return Strip(_small(query, pair.query_frames), _small(shot, pair.support_frames), caption)


def _small(subject: Subject, which: Sequence[int]) -> list[np.ndarray]:
    """Frames of a clip as large as the picture has them."""
    from strmctl.report.pictures.match import CELL

    frames = subject.frames
    smooth = cv2.INTER_AREA if frames.shape[1] > CELL else cv2.INTER_NEAREST
    return [cv2.resize(frames[frame], (CELL, CELL), interpolation=smooth) for frame in which]
