"""A split that is drawn: the classes of a folder go to train, val and test in given shares."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from strmctl import yaml
from strmctl.datasets.splits import SUBSETS, class_key
from strmctl.draws import philox
from strmctl.errors import UsageError

SHARES = re.compile(r"\d*\.?\d+(?:[/:]\d*\.?\d+)+")
LEAST = 2  # classes of a subset: episodes of one class ask nothing


class Shares(NamedTuple):
    """Percent of the classes; val may have none."""

    train: int
    val: int
    test: int

    def __str__(self) -> str:
        return "/".join(map(str, self))


def parse_shares(text: str) -> Shares | None:
    """The shares that `60/20/20` names; None when the text is something else, such as a file.

    Raises:
        UsageError: they are not three whole numbers that add up to 100, or train or test has none.
    """
    if not SHARES.fullmatch(text):
        return None
    parts = [float(part) for part in re.split("[/:]", text)]
    if len(parts) == 2:
        parts.insert(1, 0)
    usable = len(parts) == len(SUBSETS) and parts[0] > 0 and parts[2] > 0
    meant = Shares(*_apportioned(100, parts)) if usable else Shares(60, 20, 20)
    if usable and meant == tuple(parts) and text.count("/") == 2:
        return meant
    what = "the shares of train, val and test are whole percents that add up to 100, and only val may have none"
    raise UsageError(f"--split {text}: {what}", f"for example `--split {meant}`")


def draw_split(classes: Iterable[str], shares: Shares, *, seed: int) -> dict[str, list[str]]:
    """Subset -> classes. Which classes go together depends on their names and the seed alone, on any machine.

    Args:
        classes: names; of several spellings of a class the first counts.
        shares: percent of the classes for each subset.
        seed: seed of the draw.

    Raises:
        UsageError: there are too few classes for two in each subset.
    """
    names = {class_key(name): name for name in sorted(classes, reverse=True)}
    counts = _apportioned(len(names), shares)
    if len(names) < LEAST * sum(share > 0 for share in shares):
        hint = f"`--split {shares.train + shares.val}/0/{shares.test}` does without val"
        if len(names) < 2 * LEAST:
            hint = f"a test needs classes that training has not seen: {2 * LEAST} at least, folders with videos"
        raise UsageError(f"{len(names)} classes are too few for the split {shares}, {LEAST} in each subset", hint)
    while few := [i for i, share in enumerate(shares) if share and counts[i] < LEAST]:
        counts[few[0]] += 1
        counts[counts.index(max(counts))] -= 1
    order = sorted(names, key=lambda key: (int(philox("split", seed, key).random_raw()), key))
    drawn = iter(names[key] for key in order)
    return {subset: sorted(next(drawn) for _ in range(count)) for subset, count in zip(SUBSETS, counts, strict=True)}


def split_text(name: str, subsets: dict[str, list[str]], how: str) -> str:
    """A drawn split as the text of a split file."""
    return yaml.dump({"name": name, "title": name, "source": how, "subsets": subsets})


def _apportioned(total: int, shares: Sequence[float]) -> list[int]:
    """Whole numbers in the proportion of shares that add up to a total, by largest remainders."""
    exact = [total * share / sum(shares) for share in shares]
    counts = [int(value) for value in exact]
    by_rest = sorted(range(len(shares)), key=lambda i: (counts[i] - exact[i], i))
    for i in by_rest[: total - sum(counts)]:
        counts[i] += 1
    return counts
