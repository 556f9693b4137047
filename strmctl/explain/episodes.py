"""The query and the support of a match: named clips, or those of an episode of a test."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from strmctl.episodes.sampler import Episode
from strmctl.errors import DataError, UsageError
from strmctl.evaluation.match import Protocol
from strmctl.evaluation.select import select
from strmctl.explain.match import Match, match_query
from strmctl.explain.subjects import Subject, clip_subject, stored_clip, video_subject
from strmctl.frames.store.store import FrameStore
from strmctl.runs.build import frame_store
from strmctl.runs.checkpoint import LoadedRun

Support = Mapping[str, Sequence[tuple[FrameStore, str]]]  # class -> clips, each in its store


def named_support(run: LoadedRun, data_dir: Path, names: Sequence[str]) -> Support:
    """Clips that a user names, by their classes.

    Raises:
        DataError: there is no such clip, or it has no class.
    """
    found: dict[str, list[tuple[FrameStore, str]]] = defaultdict(list)
    for name in names:
        store, clip = stored_clip(run.recipe, data_dir, name)
        if not (cls := store.by_id[clip].cls):
            raise DataError(
                f"the clip {clip} of {store.name} has no class", "a store with classes has support for a query"
            )
        found[cls].append((store, clip))
    return found


def drawn_episode(run: LoadedRun, data_dir: Path, protocol: Protocol, index: int) -> tuple[FrameStore, Episode]:
    """Episode number `index` of a test of a run, and the store of its clips.

    Raises:
        UsageError: the split has too few classes or clips, or the run was trained on one of its classes.
        DataError: the store is missing.
    """
    tests = select(run, frame_store(run.recipe.data, data_dir), protocol.split)
    return tests.store, protocol.sampler(tests.clips, tests.store.groups).episode(index)


def support_of(store: FrameStore, episode: Episode) -> Support:
    """The support of an episode."""
    return {name: [(store, clip) for clip in ids] for name, ids in zip(episode.classes, episode.support, strict=True)}


def matched(run: LoadedRun, data_dir: Path, query: str, support: Support) -> Match:
    """Compares a query, the path of a video or the name of a clip, with its support.

    Raises:
        DataError: there is no such clip.
        UsageError: the query is part of the support.
    """
    shape, true = run.recipe.input, None
    if Path(query).is_file():
        subject: Subject = video_subject(Path(query), shape)
    else:
        store, clip = stored_clip(run.recipe, data_dir, query)
        if any((other.folder, shot) == (store.folder, clip) for shots in support.values() for other, shot in shots):
            raise UsageError(f"{clip} is part of the support, and would be compared with itself", "name another clip")
        subject, true = clip_subject(store, clip, shape), store.by_id[clip].cls
    shots = {name: [clip_subject(*one, shape) for one in clips] for name, clips in support.items()}
    return match_query(run, subject, shots, true=true)
