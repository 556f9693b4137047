"""The query and the support of a match: named clips, those of an episode of a test, or examples that a test kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from strmctl.episodes.clip_loader import FrameOrder
from strmctl.errors import CheckpointError, DataError, UsageError
from strmctl.evaluation.examples import read_examples
from strmctl.evaluation.match import Protocol
from strmctl.evaluation.select import select
from strmctl.explain.match import Match, match_query
from strmctl.explain.subjects import Subject, clip_subject, stored_clip, video_subject
from strmctl.explain.viewers import Viewer, method_label
from strmctl.frames.store.store import FrameStore
from strmctl.runs.build import frame_store
from strmctl.runs.checkpoint import LoadedRun, load_run

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


def saved_matches(path: Path, data_dir: Path, *, device: str) -> Iterator[tuple[str, Viewer, Match]]:
    """The examples that a test kept, each compared again: name for a file, model, match.

    Args:
        path: file of the examples, or of the result beside it, in the folder of a run.
        data_dir: folder of the frame stores.
        device: name of the device.

    Raises:
        DataError: there are no examples, or the clips of one are gone.
        CheckpointError: the run has other weights by now.
    """
    document = read_examples(path)
    run = load_run(path.resolve().parents[1], device=device, weights=document["weights_file"])
    if run.weights_sha256 != document["weights_sha256"]:
        raise CheckpointError(
            f"the examples in {path} are of other weights than {run.weights} holds now",
            f"test run {run.name} again, with `--save-examples`",
        )
    store = FrameStore.open(data_dir, document["store"])
    viewer, order = Viewer(method_label(run.recipe), run), document["frame_order"]
    for number, one in enumerate(document["examples"], 1):
        support = {name: [(store, clip) for clip in clips] for name, clips in one["support"].items()}
        clips = [one["query"], *(clip for shots in one["support"].values() for clip in shots)]
        if gone := [clip for clip in clips if clip not in store.by_id]:
            raise DataError(f"the frame store {store.name} has no clip {gone[0]!r} any more, which {path} names")
        query = clip_subject(store, one["query"], run.recipe.input, order=order)
        match = _compared(run, query, support, one["true"], order)
        yield f"{number:02d}_{one['shot']}shot_{one['kind']}_{query.stem}", viewer, match


def _compared(
    run: LoadedRun, query: Subject, support: Support, true: str | None, order: FrameOrder = "natural"
) -> Match:
    shape = run.recipe.input
    shots = {name: [clip_subject(*one, shape, order=order) for one in clips] for name, clips in support.items()}
    return match_query(run, query, shots, true=true)


def _matched(run: LoadedRun, data_dir: Path, query: str, support: Support) -> Match:
    shape, true = run.recipe.input, None
    if Path(query).is_file():
        subject: Subject = video_subject(Path(query), shape)
    else:
        store, clip = stored_clip(run.recipe, data_dir, query)
        if any((other.folder, shot) == (store.folder, clip) for shots in support.values() for other, shot in shots):
            raise UsageError(f"{clip} is part of the support, and would be compared with itself", "name another clip")
        subject, true = clip_subject(store, clip, shape), store.by_id[clip].cls
    return _compared(run, subject, support, true)
