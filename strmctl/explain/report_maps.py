"""Attention in a report: what the models of each grid look at in the same test clips, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strmctl.errors import DataError
from strmctl.explain.maps import clip_picture
from strmctl.explain.subjects import clip_subject
from strmctl.explain.viewers import load_viewers
from strmctl.frames.store.store import FrameStore
from strmctl.recipe import load_recipe
from strmctl.report.document import OF_MODELS, Document
from strmctl.runs.build import frame_store

if TYPE_CHECKING:
    from strmctl.report.drawing import Figure

MOST_RUNS = 6  # rows of a picture
CLIPS = 2  # pictures of a grid, each of a clip of another class


def report_maps(document: Document, runs: Path, data_dir: Path) -> Iterator[tuple[str, Figure, dict[str, Any]]]:
    """The picture of each clip: the name of its figure, the figure, and what was drawn, in numbers.

    Args:
        document: a report.
        runs: folder of its runs.
        data_dir: folder of the frame stores.

    Raises:
        DataError: the frames are missing or damaged, or a run has no weights.
        NotFiniteError: a map is not finite.
    """
    number = 0
    for names in _side_by_side(document):
        recipes = {name: load_recipe(runs / name / "recipe.yaml") for name in names}
        first = next(iter(recipes.values()))
        alike = [name for name, recipe in recipes.items() if recipe.input.taken == first.input.taken]
        store = frame_store(first.data, data_dir)
        clips = _test_clips(store)
        viewers = load_viewers(runs, alike[:MOST_RUNS], device="auto", announce=lambda words: None)
        for clip in clips:
            number += 1
            figure, shown = clip_picture(clip_subject(store, clip, first.input), viewers)
            yield f"attention_{number}", figure, shown


def _side_by_side(document: Document) -> Iterator[list[str]]:
    """Names of the runs that stand in one picture: the first of each model of a grid, and those that were named."""
    groups = [getattr(document, kind).values() for kind in OF_MODELS]
    groups.append([run.shots for run in document.runs])
    drawn: set[str] = set()
    for group in groups:
        names = list(dict.fromkeys(next(iter(entries.values())).runs[0] for entries in group if entries))
        if not drawn.issuperset(names):
            drawn |= set(names)
            yield names


def _test_clips(store: FrameStore) -> list[str]:
    """The first clip of some test classes, which lie far apart in their order."""
    classes = list(store.clips("test").values())
    if not classes:
        raise DataError(f"the frame store {store.folder} has no test clips", f"run `{store.prepare_command}`")
    places = range(0, len(classes), -(-len(classes) // CLIPS))
    return [classes[place][0] for place in places]
