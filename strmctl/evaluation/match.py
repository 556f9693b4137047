"""Evaluation on many episodes: every clip is embedded once, then episodes are matched in blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from strmctl.episodes.sampler import OPTIONS, Episode, EpisodeSampler
from strmctl.errors import NotFiniteError
from strmctl.evaluation.embed import (
    OVERFLOW,
    ClipFeatures,
    Loader,
    collected,
    embed_batches,
    evaluating,
    to_model,
)
from strmctl.evaluation.ranks import ALONE, Ranks
from strmctl.evaluation.tables import make_tables, matching_from
from strmctl.model.episode import match_clips, told
from strmctl.model.finite import is_finite
from strmctl.progress import Progress, silent
from strmctl.results import QueryRow
from strmctl.threads import loader_threads

# As a share of a query's largest logit. Rounding in float32 moves logits by 2e-7 to 4e-6 of it, whatever their range:
# from tables, by at most 3e-7 for TRM and STRM trained on JHMDB.
NARROW = 1e-5

# Receives a number of shots, the episodes of a block, and their logits, `(B, Q, C)` or those of more.
Seen = Callable[[int, Sequence[Episode], Tensor], None]


def nobody(shot: int, block: Sequence[Episode], logits: Tensor) -> None:
    """Looks at no logits."""


@dataclass(frozen=True)
class Protocol:
    """How a model is tested.

    Attributes:
        split: subset of the classes, `test` or `val`.
        way: classes per episode.
        shots: numbers of support clips per class, each tested on the same episodes and queries.
        queries: query clips per class.
        episodes: number of episodes.
        seed: seed of the episodes.
        distinct_groups: whether support and query of an episode never come from the same source video.

    Example:
        >>> strmctl.Protocol(way=2, shots=[1], episodes=3).draw({"run": ["r1", "r2"], "sit": ["s1", "s2"]})[2].classes
        ('run', 'sit')
    """

    split: str = "test"
    way: int = 5
    shots: Sequence[int] = (1, 5)
    queries: int = 1
    episodes: int = 10_000
    seed: int = 0
    distinct_groups: bool = False

    def sampler(
        self,
        clips: Mapping[str, Sequence[str]],
        groups: Mapping[str, str] | None = None,
        options: Mapping[str, str] = OPTIONS,
    ) -> EpisodeSampler:
        """Episodes with the most shots; see `EpisodeSampler` for what can be wrong."""
        shape = {"way": self.way, "shot": max(self.shots), "queries": self.queries}
        kept_apart = groups if self.distinct_groups else None
        return EpisodeSampler(clips, split=self.split, seed=self.seed, groups=kept_apart, options=options, **shape)

    def draw(self, clips: Mapping[str, Sequence[str]], groups: Mapping[str, str] | None = None) -> list[Episode]:
        """All episodes, drawn before any other work, so that an error in one of them comes first."""
        sampler = self.sampler(clips, groups)
        return [sampler.episode(index) for index in range(self.episodes)]


class Evaluation(NamedTuple):
    """The outcome of an evaluation.

    Attributes:
        rows: predictions in the order of shots, episodes, queries.
        narrow: shot -> number of predictions that rounding may decide, because their margin, the lead over the second
            class, is below `NARROW` of the largest logit's size.
    """

    rows: list[QueryRow]
    narrow: dict[int, int]


def evaluate(
    model: nn.Module,
    loader: Loader,
    clips: Mapping[str, Sequence[str]],
    protocol: Protocol,
    *,
    embedding: Progress = silent,
    matching: Progress = silent,
    ranks: Ranks = ALONE,
) -> Evaluation:
    """Predictions for every query of every episode; every clip of the subset is embedded once.

    Args:
        model: model in any mode; it is tested in evaluation mode.
        loader: reader of the clips.
        clips: class name -> clip ids, of the subset.
        protocol: way, shots, queries, number and seed of the episodes.
        embedding: progress in clips.
        matching: progress in episodes.
        ranks: processes that embed the clips together, all of which call this; the first one matches.

    Raises:
        UsageError: the subset has too few classes, or a class too few clips or, for distinct groups, too few sources.

    Example:
        >>> run, store = strmctl.load_run(Path("runs/strm")), strmctl.FrameStore.open(Path("data"), "mine")
        >>> loader = strmctl.ClipLoader(store, frames=8, size=32, crop=32, flip=False)
        >>> protocol = strmctl.Protocol(way=2, shots=[1], episodes=20)
        >>> found = strmctl.evaluate(run.model, loader, store.clips("test"), protocol)
        >>> len(found.rows)  # 20 episodes of 2 classes, each with one query
        40
    """
    episodes = protocol.draw(clips, loader.store.groups)
    every = all_clips(clips)

    def found(share: Callable[[Sequence[str]], Iterator[dict[str, Tensor]]]) -> Evaluation:
        features = collected(share(every), every, model, embedding)
        return match_episodes(model, features, episodes, protocol.shots, progress=matching)

    result = ranks.led(partial(embed_batches, model, loader, ranks=ranks), found)
    return ranks.from_first(lambda: result)


def all_clips(clips: Mapping[str, Sequence[str]]) -> list[str]:
    """The ids of all classes, sorted."""
    return sorted(clip for ids in clips.values() for clip in ids)


@torch.inference_mode()
def match_episodes(
    model: nn.Module,
    features: ClipFeatures,
    episodes: Sequence[Episode],
    shots: Sequence[int],
    *,
    progress: Progress = silent,
    seen: Seen = nobody,
) -> Evaluation:
    """Matches episodes in blocks of one size, whose predictions do not depend on each other.

    Tables of all pairs of clips, where `make_tables` makes them, are several times as fast as features.
    `seen` receives the logits of each block.
    """
    way, queries, most = len(episodes[0].classes), len(episodes[0].query[0]), len(episodes[0].support[0])
    device = next(model.parameters()).device

    def logits_of(block: Sequence[Episode]) -> Iterator[tuple[int, Tensor]]:
        # The last block is filled up, so that an episode is computed alike however many there are.
        block = [*block, *[block[-1]] * (size - len(block))]
        query = features.gather([clip for episode in block for clip in episode.query_clips], (size, way * queries))
        support = features.gather([clip for episode in block for clip in episode.support_clips], (size, way, most))
        query, support = ({name: value.to(device) for name, value in side.items()} for side in (query, support))
        support = told(model, support, [episode.classes for episode in block])
        for shot in sorted(shots):  # the 1-shot support is part of the 5-shot support
            yield shot, match({name: value[:, :, :shot] for name, value in support.items()}, query).total

    with evaluating(model):
        tables = make_tables(model, features)
        features, match, size = matching_from(model, features, tables, way=way, queries=queries, shot=most)
        return _collect(episodes, shots, size, logits_of, progress=progress, seen=seen)


@torch.inference_mode()
def evaluate_uncached(
    model: nn.Module,
    loader: Loader,
    episodes: Sequence[Episode],
    shots: Sequence[int],
    *,
    progress: Progress = silent,
    seen: Seen = nobody,
) -> Evaluation:
    """Like `match_episodes`, but embeds each episode from its own frames, as other code bases do; for comparison."""

    def logits_of(block: Sequence[Episode]) -> Iterator[tuple[int, Tensor]]:
        (episode,) = block
        query = to_model(loader.load_many(episode.query_clips, pool), model)
        for shot in sorted(shots):
            clips = [clip for ids in episode.support for clip in ids[:shot]]
            support = to_model(loader.load_many(clips, pool), model)
            labels = torch.arange(len(episode.classes), device=support.device).repeat_interleave(shot)
            yield shot, match_clips(model, support, labels, query, episode.classes).total[None]

    with evaluating(model), ThreadPoolExecutor(loader_threads()) as pool:
        return _collect(episodes, shots, 1, logits_of, progress=progress, seen=seen)


def _collect(
    episodes: Sequence[Episode],
    shots: Sequence[int],
    size: int,
    logits_of: Callable[[Sequence[Episode]], Iterator[tuple[int, Tensor]]],
    *,
    progress: Progress,
    seen: Seen,
) -> Evaluation:
    """Predictions of all episodes, `size` of them at a time; `logits_of` yields (shot, logits `(B, Q, C)`).

    Raises:
        NotFiniteError: a query's logits are not finite; names the query.
    """
    rows: dict[int, list[QueryRow]] = {shot: [] for shot in sorted(shots)}
    narrow = dict.fromkeys(rows, 0)
    progress(0, len(episodes), "")
    for first in range(0, len(episodes), size):
        block = episodes[first : first + size]
        for shot, logits in logits_of(block):
            _check_finite(block, shot, logits)
            seen(shot, block, logits)
            best, next_best = logits[: len(block)].topk(2).values.unbind(dim=-1)  # (B, Q) each
            narrow[shot] += int((best - next_best <= NARROW * logits[: len(block)].abs().amax(dim=-1)).sum())
            for episode, predicted in zip(block, logits.argmax(dim=-1).tolist(), strict=False):
                truth = [name for name, ids in zip(episode.classes, episode.query, strict=True) for _ in ids]
                rows[shot] += [
                    QueryRow(shot, episode.index, clip, name, episode.classes[column])
                    for clip, name, column in zip(episode.query_clips, truth, predicted, strict=True)
                ]
        progress(first + len(block), len(episodes), "")
    return Evaluation([row for shot in rows for row in rows[shot]], narrow)


def _check_finite(block: Sequence[Episode], shot: int, logits: Tensor) -> None:
    if is_finite(logits):
        return
    for episode, rows in zip(block, logits, strict=False):
        for clip, row in zip(episode.query_clips, rows, strict=True):
            if not is_finite(row):
                raise NotFiniteError(
                    f"the logits of clip {clip}, a query of episode {episode.index} ({shot}-shot), are not finite",
                    OVERFLOW,
                )
