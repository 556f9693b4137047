"""The query and the support of a match: named clips, or those of an episode of a test."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from strmctl.errors import DataError, UsageError
from strmctl.evaluation.match import Protocol
from strmctl.evaluation.select import select
from strmctl.explain.match import Match, match_query
from strmctl.explain.subjects import Subject, clip_subject, stored_clip, video_subject
from strmctl.frames.store.store import FrameStore
from strmctl.runs.build import frame_store
from strmctl.runs.checkpoint import LoadedRun

Support = Mapping[str, Sequence[tuple[FrameStore, str]]]  # class -> clips, each in its store


def named_match(run: LoadedRun, data_dir: Path, query: str, names: Sequence[str]) -> Match:
    """Compares a query with clips that a user names, by their classes.

    Args:
        run: run whose model compares.
        data_dir: folder of the frame stores.
        query: path of a video, or name of a clip.
        names: names of the clips.

    Raises:
        DataError: there is no such clip, or it has no class.
        UsageError: the query is one of them.
    """
    found: dict[str, list[tuple[FrameStore, str]]] = defaultdict(list)
    for name in names:
        store, clip = stored_clip(run.recipe, data_dir, name)
        if not (cls := store.by_id[clip].cls):
            raise DataError(f"the clip {clip} of {store.name} has no class", "support comes from a store with classes")
        found[cls].append((store, clip))
    return _matched(run, data_dir, query, found)


def episode_match(run: LoadedRun, data_dir: Path, query: str | None, protocol: Protocol, index: int) -> Match:
    """Compares a query with the support of episode number `index` of a test of the run; see `named_match`.

    Raises:
        UsageError: no query is named, the split has too few classes or clips, or the run was trained on one of them.
        DataError: the store is missing.
    """
    tests = select(run, frame_store(run.recipe.data, data_dir), protocol.split)
    episode = protocol.sampler(tests.clips, tests.store.groups).episode(index)
    if query is None:
        first, *others = episode.query_clips
        hint = f"`--match {first}`, or another of {', '.join(others)}"
        raise UsageError(f"episode {index} has {1 + len(others)} queries, and none is named", hint)
    pairs = zip(episode.classes, episode.support, strict=True)
    return _matched(run, data_dir, query, {name: [(tests.store, clip) for clip in ids] for name, ids in pairs})


def _matched(run: LoadedRun, data_dir: Path, query: str, support: Support) -> Match:
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
