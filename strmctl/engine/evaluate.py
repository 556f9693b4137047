"""Evaluation on many episodes: every clip is embedded once, then episodes are matched in blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from strmctl.data.clips import ClipLoader
from strmctl.data.episodes import Episode, EpisodeSampler
from strmctl.engine.features import ClipFeatures, Progress, embed_clips, evaluating, silent
from strmctl.results import QueryRow

BLOCK_BYTES = 1 << 28  # of features at a time
BLOCK_EPISODES = 16  # more fall out of a processor's cache


@dataclass(frozen=True)
class Protocol:
    """How a model is tested.

    Attributes:
        split: subset of the classes, `test` or `val`.
        way: classes per episode.
        shots: numbers of support clips per class, each on the same episodes and queries.
        queries: query clips per class.
        episodes: how many.
        seed: of the episodes.
    """

    split: str = "test"
    way: int = 5
    shots: Sequence[int] = (1, 5)
    queries: int = 1
    episodes: int = 10_000
    seed: int = 0

    def sampler(self, clips: Mapping[str, Sequence[str]]) -> EpisodeSampler:
        """Episodes with the most shots; see `EpisodeSampler` for what can be wrong."""
        shape = {"way": self.way, "shot": max(self.shots), "queries": self.queries}
        return EpisodeSampler(clips, split=self.split, seed=self.seed, **shape)


def evaluate(
    model: nn.Module,
    loader: ClipLoader,
    clips: Mapping[str, Sequence[str]],
    protocol: Protocol,
    *,
    embedding: Progress = silent,
    matching: Progress = silent,
) -> list[QueryRow]:
    """Predictions for every query of every episode; every clip of the subset is embedded once.

    Args:
        model: in any mode; it is evaluated in evaluation mode.
        loader: reads the clips.
        clips: class name -> clip ids, of the subset.
        protocol: how to test.
        embedding: progress in clips.
        matching: progress in episodes.

    Raises:
        UsageError: the subset has too few classes, or a class too few clips.
    """
    protocol.sampler(clips)  # complains before any work
    features = embed_clips(model, loader, all_clips(clips), progress=embedding)
    return match_episodes(model, features, clips, protocol, progress=matching)


def all_clips(clips: Mapping[str, Sequence[str]]) -> list[str]:
    """The ids of all classes, sorted."""
    return sorted(clip for ids in clips.values() for clip in ids)


@torch.inference_mode()
def match_episodes(
    model: nn.Module,
    features: ClipFeatures,
    clips: Mapping[str, Sequence[str]],
    protocol: Protocol,
    *,
    progress: Progress = silent,
) -> list[QueryRow]:
    """Matches all episodes of a protocol in blocks; rows in the order of shots, episodes, queries."""
    sampler, episodes, shots = protocol.sampler(clips), protocol.episodes, sorted(protocol.shots)
    rows: dict[int, list[QueryRow]] = {shot: [] for shot in shots}
    size = _block_size(features, sampler.episode(0))
    progress(0, episodes, "")
    for first in range(0, episodes, size):
        block = [sampler.episode(index) for index in range(first, min(first + size, episodes))]
        with evaluating(model):
            predicted_columns = _predict(model, features, block, shots)
        for shot, predictions in predicted_columns.items():
            for episode, predicted in zip(block, predictions, strict=True):
                queries = [
                    (clip, name) for name, ids in zip(episode.classes, episode.query, strict=True) for clip in ids
                ]
                rows[shot] += [
                    QueryRow(shot, episode.index, clip, name, episode.classes[column])
                    for (clip, name), column in zip(queries, predicted, strict=True)
                ]
        progress(first + len(block), episodes, "")
    return [row for shot in rows for row in rows[shot]]


def _predict(
    model: nn.Module, features: ClipFeatures, block: Sequence[Episode], shots: Sequence[int]
) -> dict[int, list[list[int]]]:
    """For each shot, the predicted column of every query of every episode of the block."""
    way, queries, most = len(block[0].classes), len(block[0].query[0]), len(block[0].support[0])
    query_ids = [clip for episode in block for clip in episode.query_clips]
    support_ids = [clip for episode in block for clip in episode.support_clips]
    query = features.gather(query_ids, (len(block), way * queries))
    support = features.gather(support_ids, (len(block), way, most))
    predicted = {}
    for shot in shots:  # the 1-shot support is part of the 5-shot support
        part = {name: tensor[:, :, :shot] for name, tensor in support.items()}
        predicted[shot] = model.match(part, query).total.argmax(dim=-1).tolist()
    return predicted


def _block_size(features: ClipFeatures, episode: Episode) -> int:
    """Episodes per block, so that gathered features, and as many for each class, stay below `BLOCK_BYTES`.

    The largest things that `match` makes are prototypes, of the size of the queries' tuples times the classes.
    """
    queries, support = len(episode.query_clips), len(episode.support_clips)
    per_clip = sum(tensor[0].numel() * tensor.element_size() for tensor in features.tensors.values())
    return max(1, min(BLOCK_EPISODES, BLOCK_BYTES // (per_clip * (support + queries * len(episode.classes)))))
