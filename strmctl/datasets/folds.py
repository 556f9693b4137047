"""Folds: the classes of a data set in parts, each of which is the test of one fold; a split has few test classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from strmctl.datasets.draw_split import LEAST
from strmctl.datasets.splits import class_key
from strmctl.draws import philox
from strmctl.errors import UsageError

Unit = tuple[str, ...]  # classes that stay together


def fold_classes(
    subsets: Mapping[str, Iterable[str]],
    opposites: Iterable[Sequence[str]] = (),
    *,
    number: int,
    folds: int,
    seed: int,
) -> dict[str, list[str]]:
    """The classes of train, val and test in one fold; every class is in the test of exactly one of all folds.

    Classes are dealt to the folds in a random order that depends on their names and the seed alone, each to the
    smallest fold so far. The first classes of the next fold (and of those after it, where it is too small) are for
    validation, as many as the split has; all others are for training. Opposite classes stay together, as they do in a
    split, so that sizes may differ by a class or two.

    Args:
        subsets: subset -> classes of the data set's own split.
        opposites: pairs of classes that differ only in the direction of time.
        number: number of the fold, from 1.
        folds: number of all folds.
        seed: seed of the order.

    Raises:
        UsageError: there are too few classes for so many folds, or none is left to train on.
    """
    units = _units([cls for classes in subsets.values() for cls in classes], opposites)
    most = min(len(units), _size(units) // LEAST)
    if folds > most:
        hint = f"`--folds {most}` is as many as there can be" if most > 1 else "prepare more classes"
        raise UsageError(f"{_size(units)} classes are too few for {folds} folds, {LEAST} in the test of each", hint)
    units.sort(key=lambda unit: (int(philox("fold", seed, class_key(unit[0])).random_raw()), unit))
    dealt: list[list[Unit]] = [[] for _ in range(folds)]
    for unit in units:
        min(dealt, key=_size).append(unit)
    others = [unit for part in (*dealt[number:], *dealt[: number - 1]) for unit in part]
    wanted, val = len(list(subsets.get("val", ()))), []
    while others and _size(val) < wanted:
        val.append(others.pop(0))
    if not others:
        raise UsageError(
            f"with {_size(val)} classes for validation, as in the split, {folds} folds leave none to train on",
            "take more folds, or prepare the data with a split that has fewer val classes",
        )
    parts = {"train": others, "val": val, "test": dealt[number - 1]}
    return {subset: sorted(cls for unit in part for cls in unit) for subset, part in parts.items()}


def _size(part: Iterable[Unit]) -> int:
    return sum(map(len, part))


def _units(classes: Iterable[str], opposites: Iterable[Sequence[str]]) -> list[Unit]:
    """The classes, each on its own or together with its opposites."""
    home = {cls: {cls} for cls in classes}
    for first, second in opposites:
        if first in home and second in home:
            home[first] |= home[second]
            home.update(dict.fromkeys(home[first], home[first]))
    return sorted({tuple(sorted(unit)) for unit in home.values()})
