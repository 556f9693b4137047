"""Episodes: which clips are support and which are queries. No pixel is read here.

Episode i is a pure function of (seed, split, i, way, queries, the sorted clip ids): the same on any machine and for
any number of workers. Classes and clips are put in the order of keys from a counter generator; the first `queries`
clips of a class are its queries, the next K its support, so the 1-shot support is part of the 5-shot support.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from strmctl.data.draws import philox
from strmctl.errors import UsageError


@dataclass(frozen=True)
class Episode:
    """One few-shot task; classes stand in sorted order, and so do labels."""

    index: int
    classes: tuple[str, ...]  # C names
    support: tuple[tuple[str, ...], ...]  # C times K clip ids
    query: tuple[tuple[str, ...], ...]  # C times `queries` clip ids

    @property
    def support_clips(self) -> list[str]:
        """The C·K support clips, class by class."""
        return [clip for ids in self.support for clip in ids]

    @property
    def query_clips(self) -> list[str]:
        """The query clips, class by class."""
        return [clip for ids in self.query for clip in ids]


class EpisodeSampler:
    """Draws episodes from the clips of a subset.

    Args:
        clips: class name -> clip ids.
        split: name of the subset, part of what an episode is a function of.
        way: C, classes per episode.
        shot: K, support clips per class.
        queries: query clips per class.
        seed: of all episodes.

    Raises:
        UsageError: more ways than classes, or a class with too few clips; the message names it.
    """

    def __init__(
        self, clips: Mapping[str, Sequence[str]], *, split: str, way: int, shot: int, queries: int, seed: int
    ) -> None:
        if way > len(clips):
            raise UsageError(
                f"{way}-way episodes need {way} classes, but the {split} split has {len(clips)}",
                f"use --way {len(clips)} or less (in training, --set train.way={len(clips)})"
                if len(clips) > 1
                else "prepare more classes",
            )
        self._clips = {name: tuple(sorted(clips[name])) for name in sorted(clips)}
        need = shot + queries
        few = [f"{name} ({len(ids)})" for name, ids in self._clips.items() if len(ids) < need]
        if few:
            raise UsageError(
                f"{shot}-shot episodes with {queries} queries per class need {need} clips of a class, "
                f"but the {split} split has classes with fewer: {', '.join(few)}",
                f"use at most {need - 1} clips in all, or leave these classes out" if need > 2 else "",
            )
        self._names = tuple(self._clips)
        self._way, self._shot, self._queries = way, shot, queries
        self.seed = seed
        self._key = (seed, split, way, queries)

    def episode(self, index: int) -> Episode:
        """Episode number `index`, counted from 0."""
        bits = philox("episode", *self._key, index)
        chosen = sorted(_order(bits, len(self._names))[: self._way])
        support, query = [], []
        for position in chosen:
            ids = self._clips[self._names[position]]
            drawn = [ids[i] for i in _order(bits, len(ids))[: self._queries + self._shot]]
            query.append(tuple(drawn[: self._queries]))
            support.append(tuple(drawn[self._queries :]))
        return Episode(index, tuple(self._names[position] for position in chosen), tuple(support), tuple(query))


def _order(bits: np.random.Philox, count: int) -> list[int]:
    """The numbers below `count`, put in the order of fresh random keys."""
    return np.argsort(bits.random_raw(count), kind="stable").tolist()
