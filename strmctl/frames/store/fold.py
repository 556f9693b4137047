"""A frame store with other classes for training, validation and test: those of one fold of all its classes."""

from __future__ import annotations

from dataclasses import replace

from strmctl.datasets.folds import fold_classes
from strmctl.datasets.splits import SUBSETS
from strmctl.frames.store.store import FrameStore


def in_fold(store: FrameStore, *, number: int, folds: int, seed: int) -> FrameStore:
    """The same frames, with the subsets that the classes have in a fold; its name in results says which.

    Raises:
        UsageError: see `fold_classes`.
    """
    named, found = store.settings.get("classes", {}), dict.fromkeys(row.cls for row in store.rows if row.cls)
    own = {subset: list(named.get(subset, ())) for subset in SUBSETS}
    known = {cls for classes in own.values() for cls in classes}
    own["train"] += [cls for cls in found if cls not in known]  # of a store without a split, that is all
    classes = fold_classes(own, store.settings.get("opposites", ()), number=number, folds=folds, seed=seed)
    subset_of = {cls: subset for subset, names in classes.items() for cls in names}
    rows = [replace(row, subset=subset_of.get(row.cls, "")) for row in store.rows]
    settings = {**store.settings, "classes": classes, "display_name": f"{store.display_name}, fold {number} of {folds}"}
    return FrameStore(store.folder, settings, rows, store.manifest_sha256)
