"""The split that `prepare FOLDER --split 60/20/20` draws, and its file beside the frame store."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from pathlib import Path

from strmctl.datasets.draw_split import Shares, draw_split, split_text
from strmctl.datasets.splits import Split, load_split
from strmctl.errors import UsageError


def drawn_file(store: Path) -> Path:
    """The file of a split that is drawn for a frame store."""
    return store.with_name(f"{store.name}-split.yaml")


def drawn_split(shares: Shares, store: Path, *, seed: int, classes: Callable[[], Iterable[str]]) -> tuple[Split, str]:
    """The split of a frame store with these shares; that of an earlier run stays, so that no class changes sides.

    Args:
        shares: percent of the classes for each subset.
        store: folder of the frame store.
        seed: seed of the draw.
        classes: callable that finds the classes; it is called where there is no split yet.

    Returns:
        The split, and the text of its file; empty where that is there.

    Raises:
        UsageError: an earlier run has drawn it otherwise, or there are too few classes.
    """
    how, path = f"drawn by class: {shares}, seed {seed}", drawn_file(store)
    if path.is_file():
        split = load_split(path)
        if split.source != how:
            hint = f"`--split {shlex.quote(str(path))}` takes it as it is; remove it to draw another"
            raise UsageError(f"the split of {store} stands in {path}, {split.source or 'of your own'}, not {how}", hint)
        return split, ""
    subsets = draw_split(classes(), shares, seed=seed)
    listed = {subset: dict.fromkeys(names) for subset, names in subsets.items()}
    return Split(path.stem, path.stem, how, listed), split_text(path.stem, subsets, how)
