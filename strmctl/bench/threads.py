"""How training shares the processor with other busy processes: as strmctl sets threads up, and otherwise.

Each measurement is a process of its own, since threads are set up when torch is imported. They take turns, and the
median counts.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import torch

from strmctl.episodes.sampler import Episode
from strmctl.progress import Progress, silent
from strmctl.recipe import load_recipe
from strmctl.runs.build import build_model
from strmctl.threads import CHOICES, SPINS, available_cpus, environment, use_threads
from strmctl.training.step import OPTIMIZERS, backward, take_step

WAYS = {"as strmctl does": SPINS, "OpenMP's default": {}, "one thread": {"OMP_NUM_THREADS": "1"}}
UNSET = dict.fromkeys((*CHOICES, "OMP_NUM_THREADS"))
WARM_UP = 3  # training steps that are not counted


def bench_threads(*, seconds: float = 5.0, repeats: int = 3, progress: Progress = silent) -> dict[str, Any]:
    """Measures training steps of the recipe sprites on random frames.

    Args:
        seconds: duration of a measurement.
        repeats: repetitions of each measurement.
        progress: callable that receives (measurements done, measurements in all, next measurement).

    Returns:
        `steps_per_second`: way -> number of busy foreign processes (as text) -> training steps per second, the median;
        `cpus`, the cores that are free to this process; `repeats`, `seconds`.
    """
    loads = range(available_cpus() + 1)
    rates: dict[tuple[str, int], list[float]] = {(way, load): [] for load in loads for way in WAYS}
    spawn = multiprocessing.get_context("spawn")
    for turn in range(repeats):
        for number, (way, load) in enumerate(rates):
            note = f"{way}, beside {load} busy processes"
            progress(turn * len(rates) + number, repeats * len(rates), note)
            with _busy(load), environment({**UNSET, **WAYS[way]}), spawn.Pool(1) as pool:
                rates[way, load].append(pool.apply(steps_per_second, (seconds,)))
    progress(repeats * len(rates), repeats * len(rates), "")
    found = {way: {str(load): statistics.median(rates[way, load]) for load in loads} for way in WAYS}
    return {"steps_per_second": found, "cpus": available_cpus(), "repeats": repeats, "seconds": seconds}


def steps_per_second(seconds: float) -> float:
    """Rate of training steps of the recipe sprites in this process."""
    use_threads(None)
    recipe = load_recipe("sprites")
    model, settings, shape = build_model(recipe, pretrained=False).train(), recipe.train, recipe.input
    optimizer = OPTIMIZERS[settings.optimizer](model.parameters(), lr=settings.learning_rate)
    counts = (settings.way * settings.shot, settings.way * settings.queries)
    pixels = tuple(
        torch.randint(256, (count, shape.frames, 3, shape.crop, shape.crop), dtype=torch.uint8) for count in counts
    )
    done, begin = 0, 0.0
    while done <= WARM_UP or time.perf_counter() - begin < seconds:
        if done == WARM_UP:
            begin = time.perf_counter()
        backward(recipe, model, Episode(done, (), (), ()), pixels)
        done += 1
        take_step(recipe, optimizer, done)
    return (done - WARM_UP) / (time.perf_counter() - begin)


@contextlib.contextmanager
def _busy(count: int) -> Iterator[None]:
    """Keeps `count` foreign processes busy within the block."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
