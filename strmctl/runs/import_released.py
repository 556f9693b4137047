"""A released checkpoint becomes a run folder, which `eval` and `viz` use like any other."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strmctl.datasets.splits import known_splits, load_split
from strmctl.errors import UsageError
from strmctl.model.methods.table import METHODS
from strmctl.model.released import Released, Sizes, read_released
from strmctl.paths import write_json, write_text
from strmctl.provenance import provenance, sha256_of
from strmctl.recipe import Recipe, load_recipe, shipped_recipes
from strmctl.runs.checkpoint import save_tensors
from strmctl.runs.folder import check_new, point_latest

UNKNOWN_DATASET = "unknown"  # what the recipe of an imported run says when it is not known


@dataclass(frozen=True)
class Imported:
    """What an import made.

    Attributes:
        folder: of the run.
        sizes: of the model.
        info: the content of `weights.json`.
    """

    folder: Path
    sizes: Sizes
    info: Mapping[str, Any]

    def remarks(self) -> list[str]:
        """What a user should know of the file."""
        remarks = []
        if self.sizes.method == "strm" and self.sizes.query_class_dim is None:
            remarks.append("the file has no W_cls (the released code never saved it): predictions are by TRM alone")
        if dropped := self.info["dropped_tensors"]:
            remarks.append(f"{len(dropped)} tensors that nothing uses were left out: {', '.join(dropped)}")
        return remarks


def import_checkpoint(path: Path, runs: Path, name: str, *, dataset: str | None = None) -> Imported:
    """Makes `runs/<name>` from a released STRM or TRX checkpoint; the folder appears when it is complete.

    Args:
        path: of the checkpoint.
        runs: folder of the runs.
        name: of the run.
        dataset: what it was trained on: a known split, whose training classes then are not tested on; None when that
            is not known.

    Raises:
        UsageError: a run of this name is there already, or an unknown data set.
        DataError: no such file.
        CheckpointError: it is no released checkpoint.
    """
    check_new(runs, name)
    if dataset is not None and dataset not in known_splits():
        raise UsageError(f"no data set named {dataset!r}", f"known: {', '.join(known_splits())}")
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
    }
    runs.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=runs))
    try:
        partial.chmod(0o755)
        save_tensors(partial / "weights.pt", released.model.state_dict())
        write_json(partial / "weights.json", info)
        write_text(partial / "recipe.yaml", recipe.to_yaml())
        partial.rename(runs / name)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    point_latest(runs, runs / name)
    return Imported(runs / name, released.sizes, info)


def released_recipe(released: Released, dataset: str | None) -> Recipe:
    """A recipe that the model of a released checkpoint fits; what the file does not tell is as in a shipped recipe.

    Args:
        released: the checkpoint.
        dataset: what it was trained on; None when that is not known.
    """
    sizes = released.sizes
    base = f"{dataset}_r50" if f"{dataset}_r50" in shipped_recipes() else "ssv2_r50"
    strm = sizes.method == "strm"
    ways = tuple(sorted(sizes.cardinalities))
    method = "strm" if strm else next((name for name, m in METHODS.items() if m.cardinalities == ways), "strm")
    assignments = {
        "name": f"released_{sizes.method}_{sizes.backbone}",
        "method": method,
        "prediction": "joint",
        "data.dataset": dataset or UNKNOWN_DATASET,
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
