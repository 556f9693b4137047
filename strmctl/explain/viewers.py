"""The models whose maps stand side by side: they must take the same frames, and each has a name in words."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from strmctl.errors import UsageError
from strmctl.model.methods.table import METHODS
from strmctl.recipe import Recipe
from strmctl.runs.checkpoint import LoadedRun, load_run
from strmctl.runs.folder import run_folder

SHORT = {"patch_enrichment": "PLE", "frame_enrichment": "FLE", "query_class": "QC"}


@dataclass(frozen=True)
class Viewer:
    """A model that looks at a clip.

    Attributes:
        label: name of the method.
        run: its run.
    """

    label: str
    run: LoadedRun


def method_label(recipe: Recipe) -> str:
    """The name of a method; of STRM without some of its parts, those that it has: `TRM+PLE`."""
    method = METHODS[recipe.method]
    parts = {short: getattr(recipe, part).enabled for part, short in SHORT.items() if part in method.parts}
    return method.label if all(parts.values()) else "+".join(["TRM", *(part for part, on in parts.items() if on)])


def load_viewers(
    runs: Path, names: Sequence[str | None], *, device: str, announce: Callable[[str], None]
) -> list[Viewer]:
    """The models of runs, in the order of their names; None names the newest run.

    Raises:
        UsageError: a run is named twice, or they take different frames.
        DataError: there is no such run, or it has no weights yet.
    """
    folders = [run_folder(runs, name, announce) for name in names]
    if twice := [folder.name for folder, count in Counter(folders).items() if count > 1]:
        raise UsageError(f"the run {twice[0]} is named twice")
    loaded = [load_run(folder, device=device) for folder in folders]
    first = loaded[0]
    for run in loaded:
        for key in first.recipe.input.taken:
            values = [json.dumps(one.recipe.input.taken[key]) for one in (first, run)]
            if values[0] != values[1]:
                raise UsageError(
                    f"{first.name} and {run.name} take different inputs: input.{key} is {values[0]} and {values[1]}",
                    "draw each by itself, with a single `--run`",
                )
    return [Viewer(method_label(run.recipe), run) for run in loaded]
