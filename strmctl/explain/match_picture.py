"""A match as a picture, the strongest pairs of each class as strips of frames, and as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from strmctl.explain.match import ClassMatch, Match, Pair
from strmctl.explain.subjects import Subject, in_cells
from strmctl.explain.viewers import Viewer

if TYPE_CHECKING:
    from strmctl.report.pictures.match import MatchRow, Strip

NO_PAIRS = "This method compares no single frames, so numbers are all there is; a support clip stands beside each."
STRONGEST = "Beside each class, the strongest pairs: frames of the query (blue) and those of a support clip (orange)"


def draw_match_of(match: Match, viewer: Viewer, path: Path) -> None:
    """Draws a match, by a model, into a PNG file."""
    from strmctl.report.drawing import save_picture
    from strmctl.report.pictures.match import draw_match

    first = match.classes[0]
    none = "" if match.true in [one.name for one in match.classes] else ", without support"
    truth = f" (true class: {match.true}{none})" if match.true not in (None, "", first.name) else ""
    words = list(dict.fromkeys(pair.words for kind in first.pairs for pair in kind))
    of_what = "minus the distances" if match.of_distances else "the logits"
    legend = f"{STRONGEST}, with their weight: {'; '.join(words)}." if words else NO_PAIRS
    figure = draw_match(
        _small(match.query, range(len(match.query.positions))),
        [str(position) for position in match.query.positions],
        [_row(match, one) for one in match.classes],
        title=f"{match.query.name} is taken for {first.name}{truth} by {viewer.label} (run {viewer.run.name})",
        legend=f"Bars: softmax of {of_what}, not calibrated. {legend} Numbers below frames count from 0.",
    )
    save_picture(figure, path)


def _row(match: Match, one: ClassMatch) -> MatchRow:
    from strmctl.report.pictures.match import MatchRow, Strip, strips_in_a_line

    value = f"distance {one.distance:.4g}" if match.of_distances else f"logit {-one.distance:.4g}"
    facts = [value, *(f"{part}: {value:.4g}" for part, value in one.parts.items())]
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
    caption = f"{pair.weight:.2f}: {own} with {theirs} of clip {shot.source['clip'].rpartition('/')[2]}"
    return Strip(_small(query, pair.query_frames), _small(shot, pair.support_frames), caption)


def _small(subject: Subject, which: Sequence[int]) -> list[np.ndarray]:
    """Frames of a clip as large as the picture has them."""
    from strmctl.report.pictures.match import CELL

    return in_cells(subject.frames[list(which)], CELL)


def match_document(match: Match) -> dict[str, Any]:
    """All numbers of a match; frames by their positions in their clips."""
    return {
        "query": match.query.source,
        "frames": list(match.query.positions),
        "true": match.true,
        "predicted": match.classes[0].name,
        "classes": [
            {
                "class": one.name,
                "distance": one.distance,
                "probability": one.probability,
                "parts": dict(one.parts),
                "support": [shot.source["clip"] for shot in one.shots],
                "pairs": [_pair_document(pair, match.query, one.shots) for kind in one.pairs for pair in kind],
            }
            for one in match.classes
        ],
    }


def _pair_document(pair: Pair, query: Subject, shots: Sequence[Subject]) -> dict[str, Any]:
    shot = shots[pair.shot]
    return {
        "weight": pair.weight,
        "meaning": pair.words,
        "query_frames": [query.positions[frame] for frame in pair.query_frames],
        "clip": shot.source["clip"],
        "support_frames": [shot.positions[frame] for frame in pair.support_frames],
    }
