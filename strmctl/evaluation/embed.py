"""Features of many clips: loaded ahead by threads, embedded in batches."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from strmctl.episodes.clip_loader import ClipLoader
from strmctl.errors import NotFiniteError
from strmctl.model.finite import is_finite
from strmctl.progress import Progress, silent

LOADER_THREADS = min(4, os.cpu_count() or 1)
CLIPS_PER_BATCH = 16
OVERFLOW = (
    "the numbers grow too large for the precision: leave `--dtype` out where it was given, or train anew with a "
    "smaller rate, such as `--set train.learning_rate=1e-4`"
)

Item = TypeVar("Item")
Value = TypeVar("Value")


@dataclass(frozen=True)
class ClipFeatures:
    """Features of clips, and the row of each clip in every tensor."""

    tensors: dict[str, Tensor]
    row: dict[str, int]

    @property
    def bytes(self) -> int:
        """Size of all tensors."""
        return sum(value.numel() * value.element_size() for value in self.tensors.values())

    def check_finite(self, hint: str = "") -> None:
        """Makes sure that no feature is NaN or infinite, which no accuracy would show.

        Args:
            hint: what to do about it; by default, what helps where a model computes such numbers.

        Raises:
            NotFiniteError: one is; names a clip and a tensor.
        """
        for name, tensor in self.tensors.items():
            if not is_finite(tensor):
                clip = next(clip for clip, row in self.row.items() if not is_finite(tensor[row]))
                numbers = str(tensor.dtype).removeprefix("torch.")
                raise NotFiniteError(
                    f"the features of clip {clip} are not finite ({name}, {numbers})", hint or OVERFLOW
                )

    @property
    def gathered_bytes(self) -> int:
        """Size of one clip's features as `gather` gives them."""
        sizes = [(value[0].numel(), value.element_size()) for value in self.tensors.values()]
        return sum(count * max(4, size) for count, size in sizes)

    def gather(self, clips: Sequence, shape: tuple[int, ...]) -> dict[str, Tensor]:
        """Features of a flat sequence of clip ids, reshaped so that the first axes are `shape`; bfloat16 as float32."""
        rows = torch.tensor([self.row[clip] for clip in clips])
        picked = {name: tensor[rows].unflatten(0, shape) for name, tensor in self.tensors.items()}
        return {name: value.float() if value.dtype == torch.bfloat16 else value for name, value in picked.items()}


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Puts a model into evaluation mode for a block, then back into the mode it was in."""
    before = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(before)


def pixels_to_model(clips: Tensor, model: nn.Module) -> Tensor:
    """Turns uint8 pixels on the CPU into floats in [0, 1], on the model's device and in its precision."""
    parameter = next(model.parameters())
    return clips.to(parameter.device).to(parameter.dtype) / 255


def loading_depth(model: nn.Module) -> int:
    """Number of batches to load ahead: none on a CPU, where loading would only take cores from the model."""
    return 0 if next(model.parameters()).device.type == "cpu" else 2


def ahead(function: Callable[[Item], Value], items: Iterable[Item], *, depth: int) -> Iterator[Value]:
    """Like `map`, but a background thread computes up to `depth` values ahead; the order stays."""
    if depth == 0:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(1) as worker:
        waiting: deque = deque()
        try:
            for item in items:
                waiting.append(worker.submit(function, item))
                if len(waiting) > depth:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


@torch.inference_mode()
def embed_clips(
    model: nn.Module, loader: ClipLoader, clips: Sequence[str], *, progress: Progress = silent
) -> ClipFeatures:
    """Embeds each of the distinct clips once, in evaluation mode; the features stay on the model's device."""
    parts: list[dict[str, Tensor]] = []
    done = 0
    progress(0, len(clips), "")
    for part in embed_batches(model, loader, clips):
        parts.append(part)
        done += len(next(iter(part.values())))
        progress(done, len(clips), "")
    tensors = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    return ClipFeatures(tensors, {clip: row for row, clip in enumerate(clips)})


@torch.inference_mode()
def embed_batches(model: nn.Module, loader: ClipLoader, clips: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Features of `CLIPS_PER_BATCH` clips at a time, loaded ahead where that helps.

    Raises:
        DataError: a clip cannot be read.
        NotFiniteError: its features are not finite.
    """
    batches = [clips[first : first + CLIPS_PER_BATCH] for first in range(0, len(clips), CLIPS_PER_BATCH)]
    with ThreadPoolExecutor(LOADER_THREADS) as pool, evaluating(model):
        loaded = ahead(lambda ids: loader.load_many(ids, pool), batches, depth=loading_depth(model))
        for ids, pixels in zip(batches, loaded, strict=True):
            features = model.embed(pixels_to_model(pixels, model))
            ClipFeatures(features, {clip: row for row, clip in enumerate(ids)}).check_finite()
            yield features
