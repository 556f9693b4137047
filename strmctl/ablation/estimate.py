"""How long the tasks of a grid will take on this machine: each kind of model is timed on a few clips."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from strmctl.ablation.run_grid import Task
from strmctl.evaluation.embed import ClipFeatures, evaluating
from strmctl.evaluation.tables import matching_from, tables_fit
from strmctl.frames.store.usable_clips import usable_clips
from strmctl.model.enrichment import Clips, backbone_maps
from strmctl.model.episode import match_clips, told
from strmctl.model.tuples import keep_tuples
from strmctl.progress import Progress, silent
from strmctl.recipe import Recipe
from strmctl.runs.build import build_model, clip_loader, frame_store
from strmctl.runs.checkpoint import choose_device

CLIPS = 4  # number of clips that are timed: one support and one query clip of two classes
FAST = 0.2  # seconds; a model that takes less for these clips is timed on a whole episode
UNTIMED = {"name": True, "train": True, "validation": True, "data": {"fold"}}  # what a step of a model does not see
ENOUGH = 1.0  # seconds after which a measurement is not repeated


def task_seconds(tasks: Sequence[Task], *, threads: int, progress: Progress = silent) -> list[float]:
    """An estimate for each task, in seconds of one process.

    The estimate grows in proportion to clips and episodes, and for tables to pairs of clips. It may be off by a third,
    because processes that run at the same time slow each other down.

    Args:
        tasks: tasks that `open_tasks` gave.
        threads: number of threads of each process.
        progress: callable that receives (tasks done, tasks in all, "").
    """
    torch.set_num_threads(threads)
    timed: dict[str, _Timer] = {}
    kept: set[tuple[str, str]] = set()
    found = []
    for done, task in enumerate(tasks):
        progress(done, len(tasks), "")
        recipe = task.recipe
        parts = recipe.model_dump(exclude=UNTIMED)
        timer = timed.get(repr(parts)) or timed.setdefault(repr(parts), _Timer(task, kept))
        found.append(timer.test(task) if task.cells else timer.training(recipe))
    progress(len(tasks), len(tasks), "")
    return found


class _Timer:
    """Times one kind of model.

    Args:
        task: task of such a model.
        kept: maps of frozen backbones that earlier tasks will have made, each as the backbone and the subset of clips.
    """

    def __init__(self, task: Task, kept: set[tuple[str, str]]) -> None:
        recipe = task.recipe
        store = frame_store(recipe.data, task.data_dir)
        self.clips = {
            subset: [clip for ids in usable_clips(store, subset, missing_classes="drop")[0].values() for clip in ids]
            for subset in ("train", "val", "test")
        }
        loader, some = clip_loader(recipe, store), self.clips["train"][:CLIPS]
        self.load = _seconds(lambda: [loader.load(clip) for clip in some]) / len(some)
        self.device = choose_device(task.device)
        self.model = build_model(recipe, pretrained=False).to(self.device)
        self.kept, self.shared = (
            kept,
            "" if recipe.backbone.trained else repr((recipe.data.dataset, recipe.input, recipe.backbone)),
        )
        self.making = 0.0  # seconds of the maps of a clip
        if self.shared:
            self.making = self.load + _seconds(partial(self._inputs, recipe, CLIPS)) / CLIPS
            self.load = 0.0
        self.clips_in = self._inputs(recipe, CLIPS)
        few = _seconds(partial(_step, self.model, self.clips_in, 2, 1))
        self.backward = few / CLIPS
        if few < FAST:
            clips = recipe.train.way * (recipe.train.shot + recipe.train.queries)
            whole = self._inputs(recipe, clips)
            self.backward = _seconds(partial(_step, self.model, whole, recipe.train.way, recipe.train.shot)) / clips
        with torch.inference_mode(), evaluating(self.model):
            self.embed = _seconds(lambda: self.model.embed(self.clips_in)) / CLIPS
        self.fraction = recipe.trm.tuple_fraction
        self.matches: dict[Any, tuple[float, float]] = {}

    @torch.no_grad()
    def _inputs(self, recipe: Recipe, clips: int) -> Clips:
        """What a model is trained on: clips, or what its frozen backbone makes of them."""
        side = recipe.input.crop
        pixels = torch.rand(clips, recipe.input.frames, 3, side, side, device=self.device)
        if recipe.backbone.trained:
            return pixels
        return backbone_maps(pixels, backbone=self.model.backbone, patches=self.model.patches)

    def _maps(self, views: Mapping[str, int]) -> float:
        """Seconds for the maps of subsets, in so many views, that no earlier task makes."""
        new = {subset: count for subset, count in views.items() if (self.shared, subset) not in self.kept}
        self.kept.update((self.shared, subset) for subset in new)
        return self.making * sum(count * len(self.clips.get(subset, ())) for subset, count in new.items())

    def training(self, recipe: Recipe) -> float:
        """Seconds of a whole training with its validations."""
        own, check = recipe.train, recipe.validation
        episode = own.way * (own.shot + own.queries) * (self.load + self.backward)
        validations = math.ceil(own.episodes / check.every)
        validation = len(self.clips["val"]) * (self.load + self.embed)
        tables, match = self._match("val", own.way, 1, check.shot, None)
        validation += tables + check.episodes * match
        maps = self._maps({"train": own.views, "val": 1}) if own.episodes else 0.0
        return maps + own.episodes * episode + validations * validation

    def test(self, task: Task) -> float:
        """Seconds of the tests of one task."""
        test, share = task.protocol, task.cells[0].fraction
        found = [self._match(test.split, test.way, test.queries, shot, share) for shot in test.shots]
        matching = found[0][0] + test.episodes * sum(match for _, match in found)
        clips = self.clips.get(test.split, ())
        embedding = self._maps({test.split: 1}) + len(clips) * (self.load + self.embed)
        return embedding + len(task.cells) * matching

    def _match(self, subset: str, way: int, queries: int, shot: int, share: float | None) -> tuple[float, float]:
        """Seconds of the tables of a subset's clips, 0 where there are none, and of matching one episode."""
        clips = len(self.clips.get(subset, ()))
        key = clips, way, queries, shot, share
        if key not in self.matches:
            keep_tuples(self.model, self.fraction if share is None else share, 0)
            with torch.inference_mode(), evaluating(self.model):
                features = self.model.embed(self.clips_in)
                self.matches[key] = _match_seconds(self.model, features, clips, way=way, queries=queries, shot=shot)
        return self.matches[key]


def _match_seconds(
    model: nn.Module, features: dict[str, Tensor], clips: int, *, way: int, queries: int, shot: int
) -> tuple[float, float]:
    making, tables, known = 0.0, None, ClipFeatures(features, {str(row): row for row in range(CLIPS)})
    if tables_fit(model, {name: value[:1] for name, value in features.items()}, clips):
        making = _seconds(lambda: model.pairs(features, features)) * (clips / CLIPS) ** 2
        tables = model.pairs(features, features)
    known, match, size = matching_from(model, known, tables, way=way, queries=queries, shot=shot)
    rows = torch.arange(size * way * shot) % CLIPS, torch.arange(size * way * queries) % CLIPS
    known = {name: value.to(next(model.parameters()).device) for name, value in known.tensors.items()}
    support = {name: value[rows[0]].unflatten(0, (size, way, shot)) for name, value in known.items()}
    query = {name: value[rows[1]].unflatten(0, (size, way * queries)) for name, value in known.items()}
    support = told(model, support, [[str(number) for number in range(way)]] * size)
    return making, _seconds(lambda: match(support, query)) / size


def _step(model: nn.Module, clips: Clips, way: int, shot: int) -> None:
    """Forward and backward of an episode, where there is something to train; the first clips are the support."""
    labels = torch.arange(way, device=next(model.parameters()).device).repeat_interleave(shot)
    names = [str(number) for number in range(way)]
    total = match_clips(model, clips[: len(labels)], labels, clips[len(labels) :], names).total.sum()
    if total.requires_grad:
        total.backward()


def _seconds(function: Callable[[], Any]) -> float:
    """The shortest of up to five calls, in seconds; no call follows once they have taken `ENOUGH` together."""
    took = []
    while len(took) < 5 and (not took or sum(took) < ENOUGH):
        begin = time.perf_counter()
        function()
        took.append(time.perf_counter() - begin)
    return min(took)
