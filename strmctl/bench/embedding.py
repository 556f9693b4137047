"""How fast clips are embedded, and what share of the processor's matrix rate that is: as strmctl does, and otherwise.

strmctl keeps freed memory and folds batch norm; plain PyTorch returns memory to the system after every tensor. Each way
is a process of its own, since memory is settled before torch's first tensor. The processes take turns, and the median
counts.
"""

from __future__ import annotations

import resource
import statistics
import time
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from strmctl.bench.evaluation import DTYPES, as_others, check_backbone, clip_shape
from strmctl.evaluation.embed import CLIPS_PER_BATCH
from strmctl.memory import keep_memory
from strmctl.model.backbones.build import build_backbone
from strmctl.model.backbones.folding import folded
from strmctl.progress import Progress, silent

WAYS = ("as strmctl does", "plain PyTorch")
SQUARE = 2048  # rows of the matrix product


def bench_embedding(
    *, backbone: str, clips: int = CLIPS_PER_BATCH, seconds: float = 6.0, repeats: int = 3, progress: Progress = silent
) -> dict[str, Any]:
    """Measures the embedding of random clips by a backbone with random weights, on the CPU.

    Args:
        backbone: key of `BACKBONES`, or `timm:` and the name of a model in timm.
        clips: clips that are embedded at a time, each of `clip_shape`.
        seconds: duration of a measurement; two batches are measured at least.
        repeats: repetitions of each measurement.
        progress: callable that receives (measurements done, measurements in all, next measurement).

    Returns:
        `ways`: a document for each way and each precision, with `clips_per_second`, `system_share` (of
        the processor time), `matrix_share` (of the rate of a matrix product in that precision, in the same process) and
        `peak_bytes`; and `faster`: precision -> times the clips per second of plain PyTorch.

    Raises:
        UsageError: unknown backbone.
    """
    check_backbone(backbone)
    cells = [(way, dtype) for dtype in DTYPES for way in WAYS]
    found: dict[tuple[str, str], list[dict[str, float]]] = {cell: [] for cell in cells}
    for turn in range(repeats):
        for number, cell in enumerate(cells):
            progress(turn * len(cells) + number, repeats * len(cells), f"{cell[1]}, {cell[0]}")
            with as_others() as pool:
                found[cell].append(pool.apply(_embed, (backbone, clips, seconds, *cell)))
    progress(repeats * len(cells), repeats * len(cells), "")
    ways = [{"way": way, "dtype": dtype, **_median(found[way, dtype])} for way, dtype in cells]
    rate = {cell: way["clips_per_second"] for cell, way in zip(cells, ways, strict=True)}
    return {
        "backbone": backbone,
        "threads": torch.get_num_threads(),
        "clips": clips,
        "seconds": seconds,
        "repeats": repeats,
        "ways": ways,
        "faster": {dtype: rate[WAYS[0], dtype] / rate[WAYS[1], dtype] for dtype in DTYPES},
    }


def _median(runs: list[dict[str, float]]) -> dict[str, float]:
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def _embed(backbone: str, clips: int, seconds: float, way: str, dtype: str) -> dict[str, float]:
    """What embedding takes in this process, which has just begun."""
    if way == WAYS[0]:
        keep_memory()
    network = build_backbone(backbone, weights="none").eval().to(DTYPES[dtype])
    pixels = torch.randint(256, (clips, *clip_shape(backbone)), dtype=torch.uint8)
    if way == WAYS[0]:
        network = folded(network, network.least(pixels).to(DTYPES[dtype]) / 255)
    square = torch.rand(SQUARE, SQUARE).to(DTYPES[dtype])
    with torch.inference_mode():
        with FlopCounterMode(display=False) as counter:
            _once(network, pixels, dtype)
        _once(network, pixels, dtype)
        before, begin, done = _used(), time.perf_counter(), 0
        while done < 2 * clips or time.perf_counter() - begin < seconds:
            _once(network, pixels, dtype)
            done += clips
        taken, after = time.perf_counter() - begin, _used()
        product = _seconds_of_product(square)
    user, system = (now - then for now, then in zip(after[:2], before[:2], strict=True))
    rate = done / taken
    return {
        "clips_per_second": rate,
        "system_share": system / (user + system),
        "matrix_share": rate * counter.get_total_flops() / clips / (2 * SQUARE**3 / product),
        "peak_bytes": after[2],
    }


def _once(network: nn.Module, pixels: torch.Tensor, dtype: str) -> None:
    network(pixels.to(DTYPES[dtype]) / 255)


def _seconds_of_product(square: torch.Tensor) -> float:
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        square @ square
        times.append(time.perf_counter() - begin)
    return statistics.median(times[1:])


def _used() -> tuple[float, float, int]:
    """Seconds of the processor in this program and in the system, and the most memory so far, in bytes."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime, usage.ru_stime, usage.ru_maxrss * 1024
