"""Clips of runs to embed, as tasks that several processes share out, and what each of them does for that.

The process that tests runs hands out the tasks. The others know the runs and nothing of their tests.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from strmctl.episodes.clip_loader import FrameOrder
from strmctl.evaluation.embed import embed_batches
from strmctl.evaluation.map_cache import MapLoader, evaluation_loader, make_maps
from strmctl.evaluation.ranks import ALONE, Ranks
from strmctl.evaluation.select import store_of
from strmctl.frames.store.store import FrameStore
from strmctl.runs.build import clip_loader
from strmctl.runs.checkpoint import LoadedRun, load_run


@dataclass(frozen=True)
class Task:
    """Clips to embed from their frames.

    Attributes:
        run: name of the run whose model embeds.
        order: order of the frames of each clip.
        dtype: precision of embedding, `float32` or `bfloat16`.
        clips: clip ids.
        maps: whether their maps are made, of a frozen backbone, rather than their features.
    """

    run: str
    order: FrameOrder
    dtype: str
    clips: Sequence[str] = ()
    maps: bool = False


LoadedFrom = tuple[LoadedRun, FrameStore]  # a run, and the store that it is tested on
Share = Callable[[Task], Iterator[dict[str, Tensor]]]


@dataclass(frozen=True)
class Source:
    """Runs on disk, and the frame stores that they are tested on.

    Attributes:
        folders: folders of the runs.
        weights: see `load_run`.
        device: name of the device.
        data_dir: folder of the frame stores.
        dataset: name of the store; None for that of each run.
    """

    folders: Sequence[Path]
    weights: str
    device: str
    data_dir: Path
    dataset: str | None

    def load(self) -> list[LoadedFrom]:
        """The runs, each with its store; see `load_run` and `store_of` for what can be wrong."""
        runs = [load_run(folder, device=self.device, weights=self.weights) for folder in self.folders]
        return [(run, store_of(run, self.data_dir, self.dataset)) for run in runs]


class Embedder:
    """Does a process's share of tasks.

    Args:
        loaded: runs that are embedded with, each with its frame store.
        ranks: the processes that share out each task.
    """

    def __init__(self, loaded: Sequence[LoadedFrom], ranks: Ranks = ALONE) -> None:
        self._loaded, self._ranks = {run.name: (run, store) for run, store in loaded}, ranks

    def __call__(self, task: Task) -> Iterator[dict[str, Tensor]]:
        """Features or maps of this process's share of the clips, a few at a time; see `embed_batches`."""
        run, store = self._loaded[task.run]
        loader = clip_loader(run.recipe, store, order=task.order)
        if task.maps:
            yield from make_maps(run.recipe, run.model, loader, (task.clips, 0), self._ranks)
        else:
            yield from embed_batches(in_precision(run.model, task.dtype), loader, task.clips, ranks=self._ranks)


def together(ranks: Ranks, find: Callable[[], Source], lead: Callable[[list[LoadedFrom], Share], None]) -> None:
    """Tests runs in the first process, of whose tasks all do their share.

    Args:
        ranks: the processes, all of which call this.
        find: function that gives the runs, called in the first process.
        lead: function that tests them, called in the first process.
    """
    source = ranks.from_first(find)
    loaded: list[LoadedFrom] = []
    ranks.to_first(lambda: loaded.extend(source.load()))
    ranks.led(Embedder(loaded, ranks), partial(lead, loaded))


def follow(ranks: Ranks) -> None:
    """What `together` does in other processes than the first, which find and lead nothing."""
    together(ranks, lambda: Source((), "", "", Path(), None), lambda loaded, share: None)


def embedded(
    run: LoadedRun,
    store: FrameStore,
    clips: Sequence[str],
    missing: Sequence[str] | None = None,
    *,
    order: FrameOrder = "natural",
    dtype: str = "float32",
    share: Share | None = None,
    **shown: Any,
) -> Iterator[dict[str, Tensor]]:
    """Features of clips, a few at a time; with a frozen backbone, of its maps, which are made for all clips.

    Args:
        run: run whose model embeds.
        store: frame store of the clips.
        clips: distinct clip ids.
        missing: those of them to embed; None for all.
        order: order of the frames of each clip.
        dtype: precision of embedding.
        share: function that does a task; None: it is done here.
        shown: see `evaluation_loader`.
    """
    share = share or Embedder([(run, store)])
    task = Task(run.name, order, dtype, clips if missing is None else missing)

    def make(unit: tuple[Sequence[str], int]) -> Iterator[dict[str, Tensor]]:
        return share(replace(task, clips=unit[0], maps=True))

    loader = evaluation_loader(run, store, clips, order=order, make=make, **shown)
    if isinstance(loader, MapLoader):  # what is left to do is little
        return embed_batches(in_precision(run.model, dtype), loader, task.clips)
    return share(task)


def in_precision(model: nn.Module, dtype: str) -> nn.Module:
    """The model itself in float32, or a copy in another precision."""
    return model if dtype == "float32" else copy.deepcopy(model).to(getattr(torch, dtype))
