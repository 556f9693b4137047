"""How long the tasks of a grid will take on this machine: each kind of model is timed on a few clips."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn

from strmctl.ablation.run_grid import Task
from strmctl.evaluation.embed import ClipFeatures, evaluating
from strmctl.evaluation.match import block_size
from strmctl.frames.store.usable_clips import usable_clips
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

    The estimate grows in proportion to clips and episodes. It may be off by a third, because processes that run at the
    same time slow each other down.

    Args:
        tasks: tasks that `open_tasks` gave.
        threads: number of threads of each process.
        progress: callable that receives (tasks done, tasks in all, "").
    """
    torch.set_num_threads(threads)
    timed: dict[str, _Timer] = {}
    found = []
    for done, task in enumerate(tasks):
        progress(done, len(tasks), "")
        recipe = task.recipe
        parts = recipe.model_dump(exclude=UNTIMED)
        timer = timed.get(repr(parts)) or timed.setdefault(repr(parts), _Timer(task))
        found.append(timer.test(task) if task.cells else timer.training(recipe))
    progress(len(tasks), len(tasks), "")
    return found


class _Timer:
    """Times one kind of model."""

    def __init__(self, task: Task) -> None:
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
        self.pixels = self._pixels(recipe, CLIPS)
        few = _seconds(partial(_step, self.model, self.pixels, 2, 1))
        self.backward = few / CLIPS
        if few < FAST:
            clips = recipe.train.way * (recipe.train.shot + recipe.train.queries)
            whole = self._pixels(recipe, clips)
            self.backward = _seconds(partial(_step, self.model, whole, recipe.train.way, recipe.train.shot)) / clips
        with torch.inference_mode(), evaluating(self.model):
            self.embed = _seconds(lambda: self.model.embed(self.pixels)) / CLIPS
        self.fraction = recipe.trm.tuple_fraction
        self.matches: dict[Any, float] = {}

    def _pixels(self, recipe: Recipe, clips: int) -> torch.Tensor:
        side = recipe.input.crop
        return torch.rand(clips, recipe.input.frames, 3, side, side, device=self.device)

    def training(self, recipe: Recipe) -> float:
        """Seconds of a whole training with its validations."""
        own, check = recipe.train, recipe.validation
        episode = own.way * (own.shot + own.queries) * (self.load + self.backward)
        validations = math.ceil(own.episodes / check.every)
        validation = len(self.clips["val"]) * (self.load + self.embed)
        validation += check.episodes * self._match(own.way, 1, check.shot, None)
        return own.episodes * episode + validations * validation

    def test(self, task: Task) -> float:
        """Seconds of the tests of one task."""
        test, share = task.protocol, task.cells[0].fraction
        matching = sum(self._match(test.way, test.queries, shot, share) for shot in test.shots)
        clips = self.clips.get(test.split, ())
        return len(clips) * (self.load + self.embed) + len(task.cells) * test.episodes * matching

    def _match(self, way: int, queries: int, shot: int, share: float | None) -> float:
        """Seconds of matching one episode."""
        key = way, queries, shot, share
        if key not in self.matches:
            keep_tuples(self.model, self.fraction if share is None else share, 0)
            with torch.inference_mode(), evaluating(self.model):
                features = self.model.embed(self.pixels)
                self.matches[key] = _match_seconds(self.model, features, way, queries, shot)
        return self.matches[key]


def _match_seconds(model: nn.Module, features: dict[str, torch.Tensor], way: int, queries: int, shot: int) -> float:
    clip_bytes = ClipFeatures(features, {}).gathered_bytes
    size = block_size(clip_bytes, way * queries, way * shot, way)
    rows = torch.arange(size * way * shot) % CLIPS, torch.arange(size * way * queries) % CLIPS
    support = {name: value[rows[0]].unflatten(0, (size, way, shot)) for name, value in features.items()}
    query = {name: value[rows[1]].unflatten(0, (size, way * queries)) for name, value in features.items()}
    return _seconds(lambda: model.match(support, query)) / size


def _step(model: nn.Module, pixels: torch.Tensor, way: int, shot: int) -> None:
    """Forward and backward of an episode; the first clips are the support."""
    labels = torch.arange(way, device=pixels.device).repeat_interleave(shot)
    model(pixels[: len(labels)], labels, pixels[len(labels) :]).total.sum().backward()


def _seconds(function: Callable[[], Any]) -> float:
    """The shortest of up to five calls, in seconds; no call follows once they have taken `ENOUGH` together."""
    took = []
    while len(took) < 5 and (not took or sum(took) < ENOUGH):
        begin = time.perf_counter()
        function()
        took.append(time.perf_counter() - begin)
    return min(took)
