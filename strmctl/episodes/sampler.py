"""Episodes: which clips are support and which are queries. No pixel is read here.

Episode i is a pure function of (seed, split, i, way, queries, the sorted clip ids, distinct groups or not): the same on
any machine and for any number of workers. Classes and clips are put in the order of keys from a counter generator; the
first `queries` clips of a class are its queries, the next K its support, so the 1-shot support is part of the 5-shot
support.

With distinct groups, support and query of an episode never come from the same source video, across classes too:

- classes, queries and the order of support candidates are the same as without; candidates that share a source with any
  query of the episode are passed over;
- only where that would leave a class fewer than 10 candidates (or than the poorest class has at best), queries are
  chosen anew. Class by class, in the order drawn, a query is the first clip in random order that leaves as many to
  every class; if there is none, the one that leaves most to the poorest class, and the best of ten attempts counts.
  The support is then drawn from what is left, each clip as likely as another.

No rule depends on the shot, so that all shots share their episodes.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np

from strmctl.draws import philox
from strmctl.episodes.distinct_groups import ClassClips, enough, sparing_queries
from strmctl.errors import UsageError

ATTEMPTS = 10  # attempts to find queries that leave every class enough clips from other sources
FEW_SOURCES = (
    "leave `--distinct-groups` out, and in training `--set train.distinct_groups=false`; with fewer shots or queries "
    "it may do"
)
OPTIONS = {"way": "--way {}", "shot": "--shots {}", "queries": "--queries {}", "classes": "--classes {}"}  # of `eval`
TRAIN_OPTIONS = {key: f"--set train.{key}={{}}" for key in ("way", "shot", "queries")}


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
        split: name of the subset; episodes depend on it.
        way: C, classes per episode.
        shot: K, support clips per class.
        queries: query clips per class.
        seed: seed of all episodes.
        groups: clip id -> source video, for distinct groups; None lets support and query share a source.
        options: how a user sets way, shot, queries and classes; those that are not named cannot be set.

    Raises:
        UsageError: more ways than classes, or a class with too few clips or, for distinct groups, too few sources; the
            message names it.

    Example:
        >>> clips = {"run": ["r1", "r2", "r3"], "sit": ["s1", "s2", "s3"]}
        >>> strmctl.EpisodeSampler(clips, split="test", way=2, shot=2, queries=1, seed=0).episode(0)
        Episode(index=0, classes=('run', 'sit'), support=(('r3', 'r2'), ('s1', 's2')), query=(('r1',), ('s3',)))
    """

    def __init__(
        self,
        clips: Mapping[str, Sequence[str]],
        *,
        split: str,
        way: int,
        shot: int,
        queries: int,
        seed: int,
        groups: Mapping[str, str] | None = None,
        options: Mapping[str, str] = OPTIONS,
    ) -> None:
        if way > len(clips):
            fewer = options["way"].format(len(clips)) if "way" in options and len(clips) > 1 else ""
            raise UsageError(
                f"{way}-way episodes need {way} classes, but the {split} split has {len(clips)}",
                f"`{fewer}` takes all of them" if fewer else "prepare more classes",
            )
        need = shot + queries
        few = [f"{name} ({len(clips[name])})" for name in sorted(clips) if len(clips[name]) < need]
        if few:
            raise UsageError(
                f"{shot}-shot episodes with {queries} queries per class need {need} clips of a class, "
                f"but the {split} split has classes with fewer: {', '.join(few)}",
                _fewer_clips(clips, way, shot, queries, options),
            )
        self.way, self.shot, self.queries, self.seed = way, shot, queries, seed
        self._key = (seed, split, way, queries)
        self._distinct = groups is not None
        self._classes = [ClassClips.from_clips(name, clips[name], groups, queries) for name in sorted(clips)]
        few = [f"{entry.name} ({entry.at_best})" for entry in self._classes if entry.at_best < shot]
        if few:
            raise UsageError(
                f"{shot}-shot episodes with {queries} queries per class and distinct groups need {shot} clips of a "
                f"class from other source videos than its queries, but the {split} split has classes with fewer at "
                f"best: {', '.join(few)}",
                FEW_SOURCES,
            )

    def episode(self, index: int) -> Episode:
        """Episode number `index`, counted from 0.

        Raises:
            UsageError: with distinct groups, no queries were found that leave K clips from other sources to each class.
        """
        bits = philox("episode", *self._key, index)
        drawn = _order(bits, len(self._classes))[: self.way]
        chosen = sorted(drawn)
        classes = [self._classes[position] for position in chosen]
        orders = _orders(bits, classes)
        query = [order[: self.queries] for order in orders]
        support: list[Iterable[int]] = [order[self.queries :] for order in orders]
        if self._distinct:
            used = {entry.groups[i] for entry, picked in zip(classes, query, strict=True) for i in picked}
            if min(entry.left(used) for entry in classes) < enough(classes):
                attempts = chain([orders], (_orders(bits, classes) for _ in range(ATTEMPTS - 1)))
                query, used = sparing_queries(classes, attempts, [chosen.index(i) for i in drawn], self.queries)
                # afresh: in the order of the queries, clips that were passed over would come first
                orders = _orders(bits, classes)
            self._check(index, classes, used)
            support = [entry.outside(used, order) for entry, order in zip(classes, orders, strict=True)]
        return Episode(
            index,
            tuple(entry.name for entry in classes),
            tuple(
                tuple(entry.ids[i] for i in islice(candidates, self.shot))
                for entry, candidates in zip(classes, support, strict=True)
            ),
            tuple(tuple(entry.ids[i] for i in picked) for entry, picked in zip(classes, query, strict=True)),
        )

    def _check(self, index: int, classes: Sequence[ClassClips], used: Collection[str]) -> None:
        few = [f"{entry.name} ({left})" for entry in classes if (left := entry.left(used)) < self.shot]
        if few:
            raise UsageError(
                f"{self.shot}-shot episodes with distinct groups: in episode {index} the queries leave too few clips "
                f"from other source videos: {', '.join(few)}",
                FEW_SOURCES,
            )


def _fewer_clips(
    clips: Mapping[str, Sequence[str]], way: int, shot: int, queries: int, options: Mapping[str, str]
) -> str:
    """The options that do with the clips of the smallest class, or without that class."""
    least = min(map(len, clips.values()))
    changes = [("queries", least - shot), ("shot", least - queries)]
    ways = [options[key].format(number) for key, number in changes if key in options and number > 0]
    if not ways and least > 1 and "queries" in options:
        ways = [f"{options['shot'].format(least - 1)} {options['queries'].format(1)}"]
    enough = [name for name in sorted(clips) if len(clips[name]) >= shot + queries]
    if not ways and len(enough) >= way and "classes" in options:
        ways = [options["classes"].format(shlex.quote(",".join(enough)))]
    listed = "` or `".join(ways)
    return f"`{listed}` takes no more than there are" if ways else "prepare more clips, or leave these classes out"


def shared_source_share(episodes: Collection[Episode], groups: Mapping[str, str], shot: int) -> float:
    """Fraction of the episodes in which a query and one of the first `shot` support clips share a source.

    All classes count together, since a source may hold clips of several (HMDB51). With distinct groups it is 0.
    """
    shared = 0
    for episode in episodes:
        sources = {groups[clip] for ids in episode.query for clip in ids}
        shared += not sources.isdisjoint([groups[clip] for ids in episode.support for clip in ids[:shot]])
    return shared / len(episodes)


def _orders(bits: np.random.Philox, classes: Iterable[ClassClips]) -> list[list[int]]:
    """The clips of each class in random order."""
    return [_order(bits, len(entry.ids)) for entry in classes]


def _order(bits: np.random.Philox, count: int) -> list[int]:
    """The numbers below `count`, put in the order of fresh random keys."""
    return np.argsort(bits.random_raw(count), kind="stable").tolist()
