"""What is noted beside a file of weights: `weights.json` says what made `weights.pt`, and which file it speaks of.

Both are written one after the other. The notes hold the hash of the weights, so that a kill in between, or a file that
was swapped, is recognised.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from strmctl.errors import CheckpointError, DataError
from strmctl.forms import misfit
from strmctl.paths import names_in, read_json
from strmctl.provenance import sha256_of
from strmctl.recipe import Recipe
from strmctl.runs.folder import RECIPE

WEIGHTS = {"best": "weights.pt", "last": "last.pt"}  # of a run: best on the val split, of the last training episode
SNAPSHOTS = "snapshots"  # folder of a run: weights after chosen training episodes, `train.keep`
NOTES = {
    "training_episodes": (int, None),
    "selected_by?": str,
    "validation?": {"shot": int, "accuracy": float, "ci95": float, "episodes": int},
    "dataset?": (str, None),
    "train_classes?": ([str], None),
    "imported_from?": str,
    "recipe?": dict,  # of earlier versions there is none, and no hash
    "sha256?": str,
}


def snapshot_file(episode: int) -> str:
    """Where the weights after a training episode lie in the folder of their run."""
    return f"{SNAPSHOTS}/{episode:05d}.pt"


def snapshots(folder: Path) -> list[str]:
    """The snapshots in the folder of a run, by episode, as their paths in it."""
    found = (re.fullmatch(r"([0-9]{5,})\.pt", name) for name in names_in(folder / SNAPSHOTS))
    return [snapshot_file(episode) for episode in sorted(int(name[1]) for name in found if name)]


def run_of(weights: Path) -> Path:
    """The folder of the run in whose folder weights lie."""
    return weights.parents[1] if weights.parent.name == SNAPSHOTS else weights.parent


def read_notes(weights: Path) -> dict[str, Any]:
    """The content of the JSON file beside a file of weights; empty when there is none.

    Raises:
        DataError: it is not what was written there.
    """
    notes = weights.with_suffix(".json")
    if not notes.exists() and not notes.is_symlink():
        return {}
    hint = f"{ways_out(run_of(weights))}; beside weights from elsewhere, put the JSON file of their run"
    content = read_json(notes, hint)
    if problem := misfit(content, NOTES):
        raise DataError(f"{notes} does not hold what was written there: {problem}", hint)
    return content


def belong_together(weights: Path) -> bool:
    """Whether there are weights, and the notes beside them are of this very file."""
    try:
        notes = read_notes(weights)
    except DataError:
        return False
    return bool(notes) and weights.is_file() and notes.get("sha256") in (None, sha256_of(weights))


def still_tested(folder: Path, source: Mapping[str, Any]) -> bool:
    """Whether a result, of this provenance, is of the weights that a run has; without them nothing contradicts it."""
    return own_hash(folder, source.get("weights_file", WEIGHTS["best"])) in (None, source.get("weights_sha256"))


def own_hash(folder: Path, name: str) -> str | None:
    """The hash of one of the weights in a run's folder; None where they are not there, or `name` is no name of them."""
    own = name in WEIGHTS.values() or name in snapshots(folder)
    return sha256_of(folder / name) if own and (folder / name).is_file() else None


def check_recipe(file: Path, recipe: Recipe, before: Mapping[str, Any] | None, source: Path) -> None:
    """Makes sure that the recipe of a run is still the one that it was begun with.

    Args:
        file: the run's `recipe.yaml`.
        recipe: its content.
        before: the recipe that the run was begun with; None where that is not known.
        source: the file that holds it.

    Raises:
        CheckpointError: keys differ; names them.
    """
    if changed := differences(before or {}, recipe.model_dump()):
        raise CheckpointError(
            f"{file} is not the recipe of {source.name} beside it: {'; '.join(changed)}",
            f"write the earlier values back, or train the changed recipe as another run: `{train_anew(file.parent)}`",
        )


def differences(before: Mapping[str, Any], now: Mapping[str, Any], section: str = "") -> list[str]:
    """What differs between two recipes, as `trm.dim was 8 and is 9`; keys that came later, with a method, do not."""
    found = []
    for key, value in before.items():
        if isinstance(value, Mapping) and isinstance(now.get(key), Mapping):
            found += differences(value, now[key], f"{section}{key}.")
        elif now.get(key) != value:
            found.append(f"{section}{key} was {value!r} and is {now.get(key)!r}")
    return found


def ways_out(folder: Path) -> str:
    """What to do about a run whose weights or notes are damaged."""
    resume = shlex.join(["strmctl", "train", "--resume", "--name", folder.name, *_elsewhere(folder)])
    return f"`{resume}` mends what can be mended; import an imported run again"


def train_anew(folder: Path) -> str:
    """The command that trains the recipe of a run as another run."""
    return shlex.join(["strmctl", "train", "--recipe", str(folder / RECIPE), *_elsewhere(folder)])


def lost(folder: Path) -> str:
    """What to do about a run that cannot go on."""
    return (
        f"train anew: `{train_anew(folder)}`; or remove {folder}, whose name is free then, for the cell of a grid, too"
    )


def _elsewhere(folder: Path) -> list[str]:
    return [] if folder.parent == Path("runs") else ["--runs", str(folder.parent)]
