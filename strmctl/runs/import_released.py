"""Makes a run folder from a released checkpoint; `eval` and `viz` use it like any other."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from strmctl.datasets.splits import known_splits, load_split
from strmctl.errors import UsageError, did_you_mean
from strmctl.model.methods.table import METHODS
from strmctl.model.released import Released, read_released
from strmctl.paths import write_text
from strmctl.provenance import provenance, sha256_of
from strmctl.recipe import Recipe, load_recipe, shipped_recipes
from strmctl.runs.checkpoint import save_weights
from strmctl.runs.folder import check_new, point_latest
from strmctl.runs.lock import occupied
from strmctl.runs.notes import WEIGHTS


def import_checkpoint(
    path: Path,
    runs: Path,
    name: str,
    *,
    dataset: str | None = None,
    announce: Callable[[str], None] = lambda message: None,
) -> tuple[Released, dict[str, Any]]:
    """Makes `runs/<name>` from a released STRM or TRX checkpoint; the folder appears when it is complete.

    Args:
        path: file of the checkpoint.
        runs: folder of the runs.
        name: name of the run.
        dataset: data set that it was trained on, whose training classes then are not tested on; None when that is not
            known.
        announce: callable that receives a note where `runs/latest` cannot point at the run.

    Returns:
        The checkpoint, and the content of `weights.json`.

    Raises:
        UsageError: there is a run of this name already, or the data set is unknown.
        DataError: there is no such file.
        CheckpointError: it is no released checkpoint.
    """
    check_new(runs, name)
    if dataset is not None and dataset not in known_splits():
        raise UsageError(
            f"no data set named {dataset!r}",
            f"{did_you_mean(known_splits(), dataset)}known: {', '.join(known_splits())}",
        )
    released = read_released(path)
    recipe = released_recipe(released, dataset)
    info = {
        "imported_from": path.name,
        "imported_sha256": sha256_of(path),
        "training_episodes": released.iteration,
        "selected_by": "unknown: imported",
        "dataset": dataset,
        "training_settings": "unknown: those of recipe.yaml are the shipped ones for the data set",
        "train_classes": load_split(dataset).classes("train") if dataset else None,
        "dropped_tensors": list(released.dropped),
        "provenance": provenance(),
        "recipe": recipe.model_dump(),
    }
    with occupied(runs / name):
        check_new(runs, name)
        partial = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=runs))
        try:
            partial.chmod(0o755)
            info = save_weights(partial / WEIGHTS["best"], released.model.state_dict(), info)
            write_text(partial / "recipe.yaml", recipe.to_yaml())
            partial.rename(runs / name)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        point_latest(runs, runs / name, announce)
    return released, info


def released_recipe(released: Released, dataset: str | None) -> Recipe:
    """A recipe that the model of a released checkpoint fits; what its file leaves open comes from a shipped recipe."""
    sizes = released.sizes
    base = f"{dataset}_r50" if f"{dataset}_r50" in shipped_recipes() else "ssv2_r50"
    strm = sizes.method == "strm"
    ways = tuple(sorted(sizes.cardinalities))
    method = "strm" if strm else next((name for name, m in METHODS.items() if m.cardinalities == ways), "strm")
    assignments = {
        "name": f"released_{sizes.method}_{sizes.backbone}",
        "method": method,
        "prediction": "joint",
        "data.dataset": dataset or "unknown",
        "input.frames": sizes.frames,
        "input.flip": True,
        "model.preset": "released",
        "backbone.name": sizes.backbone,
        "patch_enrichment.enabled": strm,
        "patch_enrichment.patches": sizes.patches,
        "patch_enrichment.hidden": sizes.patch_hidden,
        "frame_enrichment.enabled": strm,
        "trm.cardinalities": list(sizes.cardinalities),
        "trm.dim": sizes.dim,
        "query_class.enabled": sizes.query_class_dim is not None,
        "query_class.dim": sizes.query_class_dim,
    }
    if released.iteration:
        assignments["train.episodes"] = released.iteration
    return load_recipe(base, [f"{key}={json.dumps(value)}" for key, value in assignments.items()])
