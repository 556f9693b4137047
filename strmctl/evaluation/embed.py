"""Features of many clips: loaded ahead by threads, embedded in batches."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn

from strmctl.draws import Draws
from strmctl.errors import NotFiniteError
from strmctl.evaluation.ranks import ALONE, Ranks
from strmctl.frames.store.store import FrameStore
from strmctl.model.backbones.folding import folded_backbone
from strmctl.model.enrichment import Clips, Maps
from strmctl.model.finite import is_finite
from strmctl.progress import Progress, silent
from strmctl.threads import loader_threads

CLIPS_PER_BATCH = 4  # more are no faster on a CPU and take up to 2.4 times the memory
OVERFLOW = (
    "the numbers grow too large for the precision: leave `--dtype` out where it was given, or train anew with a "
    "smaller rate, such as `--set train.learning_rate=1e-4`"
)

Item = TypeVar("Item")
Value = TypeVar("Value")


class Reader(Protocol):
    """A reader of clips, wherever they lie."""

    def load_many(self, clips: Sequence[str], pool: Executor, draws: Sequence[Draws | None] | None = None) -> Clips:
        """Several clips `(N, …)`; with draws, as in training."""


class Loader(Reader, Protocol):
    """A reader of a store: `ClipLoader`, or `MapLoader`, which reads what a frozen backbone has made of its clips.

    Attributes:
        store: frame store of the clips.
    """

    store: FrameStore


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

    def on(self, device: torch.device) -> ClipFeatures:
        """The same on a GPU that has room for them, so that only rows travel there for each block; else as they are."""
        if device.type != "cuda" or self.bytes > torch.cuda.mem_get_info(device)[0] // 4:
            return self
        return ClipFeatures({name: value.to(device) for name, value in self.tensors.items()}, self.row)

    def gather(self, clips: Sequence, shape: tuple[int, ...]) -> dict[str, Tensor]:
        """Features of a flat sequence of clip ids, reshaped so that the first axes are `shape`; bfloat16 as float32."""
        rows = torch.tensor([self.row[clip] for clip in clips])
        picked = {name: tensor[rows.to(tensor.device)].unflatten(0, shape) for name, tensor in self.tensors.items()}
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


def to_model(clips: Clips, model: nn.Module) -> Clips:
    """Brings clips to the model's device and precision: `Maps`, or uint8 pixels, which become floats in [0, 1]."""
    parameter = next(model.parameters())
    if isinstance(clips, Maps):
        return clips.to(parameter.device, parameter.dtype)
    return clips.to(parameter.device, non_blocking=True).to(parameter.dtype) / 255


def pinned(clips: Clips) -> Clips:
    """Pixels in memory from which a GPU copies beside its other work; without one, and for `Maps`, as they are."""
    return clips.pin_memory() if isinstance(clips, Tensor) and torch.cuda.is_available() else clips


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


def embed_clips(model: nn.Module, loader: Loader, clips: Sequence[str], *, progress: Progress = silent) -> ClipFeatures:
    """Embeds each of the distinct clips once, in evaluation mode; the features stay on the model's device."""
    return collected(embed_batches(model, loader, clips), clips, model, progress)


@torch.inference_mode()
def collected(
    parts: Iterable[dict[str, Tensor]], clips: Sequence[str], model: nn.Module, progress: Progress = silent
) -> ClipFeatures:
    """The features of clips, on the model's device, from those of a few at a time."""
    progress(0, len(clips), "")
    found: list[dict[str, Tensor]] = []
    done = 0
    for part in parts:
        found.append(part)
        done += len(next(iter(part.values())))
        progress(done, len(clips), "")
    device = next(model.parameters()).device
    tensors = {name: torch.cat([part[name] for part in found]).to(device) for name in found[0]}
    return ClipFeatures(tensors, {clip: row for row, clip in enumerate(clips)})


@torch.inference_mode()
def embed_batches(
    model: nn.Module,
    loader: Reader,
    clips: Sequence[str],
    *,
    depth: int | None = None,
    embed: Callable[[Clips], dict[str, Tensor]] | None = None,
    view: Callable[[str], Draws | None] = lambda clip: None,
    hint: str = "",
    ranks: Ranks = ALONE,
) -> Iterator[dict[str, Tensor]]:
    """Features of `CLIPS_PER_BATCH` clips at a time, loaded ahead where that helps.

    Args:
        model: model in any mode; it embeds in evaluation mode.
        loader: reader of the clips.
        clips: distinct clip ids.
        depth: number of batches to load ahead; None: `loading_depth`.
        embed: function of clips on the model's device; None for the model's own `embed`.
        view: function from a clip to the draws that jitter, crop and mirror it; without draws, as in a test.
        hint: what to do about features that are not finite; see `ClipFeatures.check_finite`.
        ranks: processes that share out the clips, as `Ranks.led` expects; where there are others, features are on the
            CPU.

    Raises:
        DataError: a clip cannot be read.
        NotFiniteError: its features are not finite.
    """
    batches = [clips[first : first + CLIPS_PER_BATCH] for first in range(0, len(clips), CLIPS_PER_BATCH)]
    batches = batches[ranks.rank :: ranks.count]
    threads = loader_threads()
    together = max(1, threads // CLIPS_PER_BATCH)  # batches that are loaded at a time, so that all threads have a clip
    loads = [batches[first : first + together] for first in range(0, len(batches), together)]
    with ThreadPoolExecutor(threads) as pool, evaluating(model), contextlib.ExitStack() as stack:
        depth = loading_depth(model) if depth is None else depth

        def load(several: Sequence[Sequence[str]]) -> list[tuple[Sequence[str], Clips]]:
            ids = [clip for batch in several for clip in batch]
            clips = loader.load_many(ids, pool, list(map(view, ids)))
            clips = pinned(clips) if depth else clips
            firsts = range(0, len(ids), CLIPS_PER_BATCH)
            return [
                (batch, clips[first : first + CLIPS_PER_BATCH]) for batch, first in zip(several, firsts, strict=True)
            ]

        for number, (ids, loaded) in enumerate(chain.from_iterable(ahead(load, loads, depth=depth))):
            ready = to_model(loaded, model)
            if number == 0 and not isinstance(ready, Maps):
                stack.enter_context(folded_backbone(model, ready))
            features = (embed or model.embed)(ready)
            ClipFeatures(features, {clip: row for row, clip in enumerate(ids)}).check_finite(hint)
            yield features if ranks.count == 1 else {name: value.cpu() for name, value in features.items()}
