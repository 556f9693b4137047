"""Distinct groups: queries that leave their classes enough support from other source videos (rule: see `sampler`).

Clips cut from the same video look alike, so a support clip from a query's own source gives the answer away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

RESERVE = 10  # support candidates that queries leave to a class if possible: the largest shot in common use


@dataclass(frozen=True)
class ClassClips:
    """The clips of one class and the sources that they were cut from.

    Attributes:
        name: name of the class.
        ids: clip ids, sorted.
        groups: source of each clip.
        sizes: source -> number of its clips.
        at_best: largest number of clips from other sources that the class's own queries can leave.
    """

    name: str
    ids: tuple[str, ...]
    groups: tuple[str, ...]
    sizes: Mapping[str, int]
    at_best: int

    @classmethod
    def from_clips(cls, name: str, clips: Sequence[str], groups: Mapping[str, str] | None, queries: int) -> ClassClips:
        """Describes the clips of a class; without `groups` each clip is its own source."""
        ids = tuple(sorted(clips))
        sources = ids if groups is None else tuple(groups[clip] for clip in ids)
        sizes = Counter(sources)
        return cls(name, ids, sources, sizes, len(ids) - _least_sum(sizes.values(), queries))

    def left(self, used: Iterable[str]) -> int:
        """Number of clips from other sources than those used."""
        return len(self.ids) - sum(self.sizes.get(group, 0) for group in used)

    def outside(self, used: Collection[str], order: Iterable[int]) -> Iterator[int]:
        """Numbers of the clips from other sources than those used, in the given order."""
        return (i for i in order if self.groups[i] not in used)


def _least_sum(sizes: Iterable[int], bound: int) -> int:
    """The smallest sum of some of the sizes that reaches the bound: the fewest clips that the queries' sources hold."""
    sums = 1  # bit s: some of the sizes add up to s
    for size in sizes:
        sums |= sums << size
    above = sums >> bound
    return bound + (above & -above).bit_length() - 1


def enough(classes: Iterable[ClassClips]) -> int:
    """Number of clips from other sources that the queries of an episode should leave to each of its classes."""
    return min(RESERVE, *(entry.at_best for entry in classes))


def sparing_queries(
    classes: Sequence[ClassClips], orders: Iterable[Sequence[Sequence[int]]], turns: Sequence[int], queries: int
) -> tuple[list[list[int]], set[str]]:
    """Queries of each class that leave enough to every class, or the most to the poorest; and their sources.

    Args:
        classes: classes of the episode.
        orders: random orders of each class's clips, one set for each attempt until one leaves enough.
        turns: order in which the classes choose.
        queries: number of queries per class.
    """
    best: tuple[int, list[list[int]], set[str]] = (-1, [], set())
    for order in orders:
        picked, used = _attempt(classes, order, turns, queries)
        fewest = min(entry.left(used) for entry in classes)
        if fewest > best[0]:
            best = fewest, picked, used
        if fewest >= enough(classes):
            break
    return best[1], best[2]


def _attempt(
    classes: Sequence[ClassClips], orders: Sequence[Sequence[int]], turns: Sequence[int], queries: int
) -> tuple[list[list[int]], set[str]]:
    used: set[str] = set()
    left = [len(entry.ids) for entry in classes]
    picked: list[list[int]] = [[] for _ in classes]
    for turn in turns:
        groups, waiting = classes[turn].groups, list(orders[turn])
        for _ in range(queries):
            best = _first_sparing(waiting, groups, classes, left, used)
            waiting.remove(best)
            picked[turn].append(best)
            if (group := groups[best]) not in used:
                left = [count - entry.sizes.get(group, 0) for count, entry in zip(left, classes, strict=True)]
                used.add(group)
    return picked, used


def _first_sparing(
    waiting: Sequence[int],
    groups: Sequence[str],
    classes: Sequence[ClassClips],
    left: Sequence[int],
    used: Collection[str],
) -> int:
    """The first clip whose source leaves every class enough, else the first that leaves most to the poorest class."""
    wanted = enough(classes)
    fewest: dict[str, int] = {}  # source -> number that it would leave to the poorest class
    for i in waiting:
        if (group := groups[i]) not in fewest:
            lost = (0 if group in used else entry.sizes.get(group, 0) for entry in classes)
            fewest[group] = min(count - loss for count, loss in zip(left, lost, strict=True))
            if fewest[group] >= wanted:
                return i
    return max(waiting, key=lambda i: fewest[groups[i]])  # max takes the first of equals
