"""How fast evaluation is here, as a ratio within one run: features made once, or every episode embedded anew.

Weights and frames are random, so that no data is needed; both ways compute the same model. What is repeated is
interleaved, and the median counts, because machines have other things to do as well.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import multiprocessing.pool
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from strmctl.ablation.cost import EPISODES, QUERIES, SHOT, SSV2_CLIPS, WAY
from strmctl.episodes.sampler import Episode
from strmctl.errors import UsageError, did_you_mean
from strmctl.evaluation.embed import ClipFeatures
from strmctl.evaluation.match import Protocol, match_episodes
from strmctl.memory import HUGE_PAGES
from strmctl.model.backbones.table import BACKBONES, TIMM, backbone_entry
from strmctl.model.episode import match_clips, told
from strmctl.model.methods.strm import STRM
from strmctl.model.methods.table import METHODS
from strmctl.progress import Progress, silent
from strmctl.recipe import load_recipe
from strmctl.runs.build import build_model
from strmctl.threads import environment

CLASSES = 24  # classes of the SSv2 test split, which the ratio is for
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
SQUARE = 2048  # rows of the matrix product that matching is compared with
SIZES = ("backbone.weights=none", "patch_enrichment.hidden=null", "query_class.dim=null")  # of any backbone


def bench_eval(
    *,
    backbone: str = "resnet50",
    method: str = "strm",
    clips: int = 8,
    episodes: int = 64,
    repeats: int = 3,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Measures evaluation on the CPU.

    Args:
        backbone: key of `BACKBONES`.
        method: key of `METHODS`, with the keys of recipe `ssv2_r50`.
        clips: clips that are embedded at a time, each of `clip_shape`.
        episodes: episodes that are matched per repetition, 5-way 5-shot with one query per class, from features: the
            SSv2 test split has too many clips for tables of pairs.
        repeats: repetitions of each measurement.
        progress: callable that receives (measurements done, measurements in all, next measurement).

    Returns:
        `embed_ms_per_clip` and `match_episodes_per_second` by precision of the features (episodes are matched in
        float32, as `eval` does), the share of the rate of a matrix product in float32 that matching has,
        `uncached_seconds_per_episode`, and `ratio_10000_episodes_2857_clips`: the time of 10,000 episodes the other way
        over that of 2,857 clips and 10,000 matches, extrapolated from the measurements.

    Raises:
        UsageError: unknown backbone or method, or the package of one is missing.
        RecipeError: the method cannot compare what the backbone makes.
    """
    check_backbone(backbone)
    check_methods([method])
    shape = clip_shape(backbone)
    model = _model(backbone, method)
    models = {name: copy.deepcopy(model).to(dtype) for name, dtype in DTYPES.items()}
    batch = {name: torch.rand(clips, *shape).to(dtype) for name, dtype in DTYPES.items()}
    features = {name: _random_features(model, dtype, shape) for name, dtype in DTYPES.items()}
    drawn = _episodes(episodes)
    jobs: dict[tuple[str, str], Callable[[], Any]] = {}
    for name, dtype in DTYPES.items():
        jobs["embed", name] = lambda name=name: _embed(models[name], batch[name])
        jobs["match", name] = lambda name=name: match_episodes(model, features[name], drawn, (SHOT,))
        square = torch.rand(SQUARE, SQUARE).to(dtype)
        jobs["product", name] = lambda square=square: square @ square
    with as_others() as other:
        jobs["peers", "float32"] = lambda: other.apply(_peer_episode, (backbone, method))
        seconds = take_turns(jobs, repeats, progress)
    embed = {name: 1e3 * seconds["embed", name] / clips for name in DTYPES}  # ms per clip
    match = {name: episodes / seconds["match", name] for name in DTYPES}  # episodes per second
    rate = {name: 2 * SQUARE**3 / seconds["product", name] for name in DTYPES}  # floating-point operations per second
    uncached = seconds["peers", "float32"]
    work = matching_operations(model, features["float32"], drawn[0])
    ours = {name: SSV2_CLIPS * embed[name] / 1e3 + EPISODES / match[name] for name in DTYPES}  # seconds
    return {
        "backbone": backbone,
        "method": method,
        "threads": torch.get_num_threads(),
        "embed_ms_per_clip": embed,
        "match_episodes_per_second": match,
        "match_share_of_matrix_product": {name: match[name] * work / rate["float32"] for name in DTYPES},
        "matrix_product_gflops": {name: rate[name] / 1e9 for name in DTYPES},
        "uncached_seconds_per_episode": uncached,
        "ratio_10000_episodes_2857_clips": {name: EPISODES * uncached / ours[name] for name in DTYPES},
        "extrapolated_from": {"clips": clips, "episodes": episodes, "repeats": repeats},
    }


def check_backbone(name: str) -> None:
    """Makes sure that there is such a backbone.

    Raises:
        UsageError: there is none.
    """
    if name not in BACKBONES and not name.startswith(TIMM):
        hint = f"{did_you_mean(BACKBONES, name)}choose one of {', '.join(BACKBONES)}"
        raise UsageError(f"no backbone named {name!r}", hint)


def check_methods(names: Sequence[str]) -> None:
    """Makes sure that there are such methods.

    Raises:
        UsageError: there is not one of them.
    """
    for name in names:
        if name not in METHODS:
            raise UsageError(f"no method named {name!r}", f"{did_you_mean(METHODS, name)}known: {', '.join(METHODS)}")


def clip_shape(backbone: str) -> tuple[int, int, int, int]:
    """The shape of a clip, `(L, 3, H, W)`: eight frames, or what a network over clips was published with, up to 16."""
    video = backbone_entry(backbone).video
    side = video.pixels if video else 64 if backbone == "conv3" else 224
    return min(video.frames, 16) if video else 8, 3, side, side


@contextlib.contextmanager
def as_others() -> Iterator[multiprocessing.pool.Pool]:
    """A process that gets its memory as other code does: from the system, and returned after every tensor."""
    with environment({HUGE_PAGES: None}), multiprocessing.get_context("spawn").Pool(1) as pool:
        yield pool


def _model(backbone: str, method: str) -> nn.Module:
    frames, _, _, side = clip_shape(backbone)
    size = (f"input.frames={frames}", f"input.size={side}", f"input.crop={side}")
    recipe = load_recipe("ssv2_r50", (f"method={method}", f"backbone.name={backbone}", *size, *SIZES))
    return build_model(recipe, pretrained=False).eval()


@functools.cache
def _peer(backbone: str, method: str) -> tuple[nn.Module, Tensor, Tensor]:
    """The model and one episode, of other code's process."""
    shape = clip_shape(backbone)
    peer = _model(backbone, method).to(memory_format=torch.contiguous_format)
    peer.backbone.memory_format = torch.contiguous_format  # not the faster order of memory
    return peer, torch.rand(WAY * SHOT, *shape), torch.rand(WAY * QUERIES, *shape)


@torch.inference_mode()
def _embed(model: nn.Module, clips: Tensor) -> None:
    model.embed(clips)


@torch.inference_mode()
def _peer_episode(backbone: str, method: str) -> None:
    """An episode from its clips: STRM's as other code does it, others by their own functions."""
    model, support, query = _peer(backbone, method)
    if method == "strm":
        peer_episode(model, support, query)
    else:
        names = [f"{number:02d}" for number in range(WAY)]
        match_clips(model, support, torch.arange(WAY).repeat_interleave(SHOT), query, names)


def take_turns(jobs: dict[Any, Callable[[], Any]], repeats: int, progress: Progress) -> dict[Any, float]:
    """Median seconds of each job; the jobs take turns. The first turn, which warms up, does not count."""
    times: dict[Any, list[float]] = {name: [] for name in jobs}
    total = (repeats + 1) * len(jobs)
    for turn in range(repeats + 1):
        for number, (name, job) in enumerate(jobs.items()):
            progress(turn * len(jobs) + number, total, " ".join(name))
            begin = time.perf_counter()
            job()
            if turn:
                times[name].append(time.perf_counter() - begin)
    progress(total, total, "")
    return {name: statistics.median(values) for name, values in times.items()}


def _random_features(model: nn.Module, dtype: torch.dtype, shape: Sequence[int]) -> ClipFeatures:
    """Features of as many clips as the SSv2 test split has, as evaluation holds them; too many for tables of pairs."""
    with torch.inference_mode():
        one = model.embed(torch.rand(1, *shape))
    tensors = {name: torch.randn(SSV2_CLIPS, *value.shape[1:]).to(dtype) for name, value in one.items()}
    return ClipFeatures(tensors, {f"{row:04d}": row for row in range(SSV2_CLIPS)})


def _episodes(count: int) -> list[Episode]:
    classes = {f"{c:02d}": [f"{row:04d}" for row in range(c, SSV2_CLIPS, CLASSES)] for c in range(CLASSES)}
    return Protocol("test", WAY, (SHOT,), QUERIES, count).draw(classes)


def matching_operations(model: nn.Module, features: ClipFeatures, episode: Episode) -> int:
    """Floating-point operations of the matrix products and convolutions of one episode from features."""
    query = features.gather(episode.query_clips, (1, WAY * QUERIES))
    support = told(model, features.gather(episode.support_clips, (1, WAY, SHOT)), [episode.classes])
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model.match(support, query)
    return counter.get_total_flops()


def peer_episode(model: STRM, support: Tensor, query: Tensor) -> Tensor:
    """TRM + lambda * QC of one episode, as other code does it: one forward over all frames, tuples before projections.

    Args:
        model: STRM in evaluation mode.
        support: clips `(C·K, L, 3, H, W)`, class by class.
        query: clips `(Q, L, 3, H, W)`.

    Returns:
        Logits `(Q, C)`, those of the model.
    """
    enriched = model.enrich(torch.cat([support, query]))
    shots = len(support) // WAY
    total = 0
    for w, relation in model.temporal_relations.relations.items():
        encoded = model.temporal_relations.encoding(enriched.enriched_frames)  # (N, L, D)
        tuples = encoded[:, relation.tuples.indices].flatten(2)  # (N, T, w·D)
        keys, values = relation.key_norm(relation.key(tuples)), relation.value(tuples)  # (N, T, D')
        plain = (
            model.query_class.similarities[w].project(enriched.frames[:, relation.tuples.indices].flatten(2)).relu()
        )  # (N, T, D'')
        columns = []
        for first in range(0, len(support), shots):
            own = slice(first, first + shots)
            class_keys, class_values, class_plain = (x[own].flatten(0, 1) for x in (keys, values, plain))  # (K·T, …)
            scores = keys[len(support) :] @ class_keys.T / class_keys.shape[1] ** 0.5  # (Q, T, K·T)
            difference = values[len(support) :] - scores.softmax(dim=-1) @ class_values  # (Q, T, D')
            trm = -difference.square().sum(dim=-1).mean(dim=1)  # (Q)
            nearest = torch.cdist(plain[len(support) :], class_plain).amin(dim=-1)  # (Q, T)
            columns.append(trm - model.query_class_weight * nearest.mean(dim=1))
        total = total + torch.stack(columns, dim=1)  # (Q, C)
    return total
