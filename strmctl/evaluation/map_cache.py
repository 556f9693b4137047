"""Maps of a frozen backbone on disk, in `<runs>/.maps`: made once, for all runs, seeds and methods that can use them.

There is one cache for each class and view, so that training and tests, and splits that have classes in common, share
what they have in common, and further views cost only themselves. View 0 is a clip as tests see it; in the others it is
jittered, cropped and, where the recipe says so, mirrored, from draws of the clip and the view alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from strmctl.draws import Draws
from strmctl.episodes.clip_loader import ClipLoader, FrameOrder
from strmctl.errors import OutputError, StrmctlError
from strmctl.evaluation.embed import ClipFeatures, Loader, embed_batches
from strmctl.evaluation.ranks import ALONE, Ranks
from strmctl.evaluation.tensor_cache import INDEX, TensorCache
from strmctl.frames.store.store import FrameStore
from strmctl.model.backbones.table import backbone_entry
from strmctl.model.enrichment import Maps, backbone_maps
from strmctl.model.methods.table import METHODS
from strmctl.paths import read_json
from strmctl.progress import Progress, silent
from strmctl.provenance import code_sha256, versions
from strmctl.recipe import Recipe
from strmctl.runs.build import clip_loader
from strmctl.runs.checkpoint import LoadedRun
from strmctl.runs.folder import MAPS

CODE = ("model/backbones", "model/enrichment.py", "videos", "episodes/clip_loader.py")  # what maps depend on
PASSING = ("code", "libraries", "manifest")  # what changes for good: maps of an earlier state are never used again
# float16 turns fewer predictions than bfloat16, whose rounding is 8 times as coarse; what it cannot hold is an error.
KEPT = {"half": torch.float16, "float32": torch.float32}
TOO_LARGE = "keep them as they are: `--set backbone.maps=float32`"
ROOM = "make room, or keep fewer: a smaller `--set train.views=`, or `--set backbone.maps=half`"

Unit = tuple[tuple[str, ...], int]  # clips of a class, and a view
MakeMaps = Callable[[tuple[Sequence[str], int]], Iterator[dict[str, Tensor]]]


@dataclass(frozen=True)
class MapLoader:
    """Reads kept maps as `ClipLoader` reads frames.

    Attributes:
        store: frame store of the clips.
        maps: (clip, view) -> maps of several clips, and the row of this one.
        views: number of views of a training clip.
        patches: whether patches are read; many methods need the mean alone.
    """

    store: FrameStore
    maps: Mapping[tuple[str, int], tuple[ClipFeatures, int]]
    views: int
    patches: bool

    def load_many(self, clips: Sequence[str], pool: Executor, draws: Sequence[Draws | None] | None = None) -> Maps:
        """Maps of several clips; with draws, of a view of each that is drawn."""
        views = [0 if own is None else own.integer(0, self.views - 1) for own in draws or [None] * len(clips)]
        found = [self.maps[key] for key in zip(clips, views, strict=True)]

        def stacked(name: str) -> Tensor:
            return torch.stack([kept.tensors[name][row] for kept, row in found])

        return Maps(stacked("patches") if self.patches else None, stacked("mean"))


def maps_made_of(recipe: Recipe, model: nn.Module, store: FrameStore, order: FrameOrder = "natural") -> dict[str, Any]:
    """Everything that the maps of a clip depend on, but for the clip and its view."""
    return {
        "store": store.name,
        "manifest": store.manifest_sha256,
        "input": recipe.input.model_dump(exclude_none=True),  # maps of before there was a rate still serve
        "frame_order": order,
        "backbone": recipe.backbone.name,
        "weights": tensors_sha256(model.backbone),
        "patches": model.patches,
        "dtype": recipe.train.dtype,
        "kept": recipe.backbone.maps,
        "device": next(model.parameters()).device.type,
        "code": code_sha256(*CODE),
        "libraries": versions("torch", "torchvision", "opencv", *backbone_entry(recipe.backbone.name).libraries),
    }


def tensors_sha256(module: nn.Module) -> str:
    """A hash of all tensors of a module, whatever file they came from."""
    digest = hashlib.sha256()
    for name, value in module.state_dict().items():
        digest.update(f"{name} {tuple(value.shape)} {value.dtype} ".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def evaluation_loader(
    run: LoadedRun,
    store: FrameStore,
    clips: Sequence[str],
    *,
    order: FrameOrder = "natural",
    make: MakeMaps | None = None,
    progress: Progress = silent,
    announce: Callable[[str], None] = lambda message: None,
) -> Loader:
    """The loader of test clips: of frames, or of kept maps where the backbone is frozen and the disk has room.

    Args:
        run: run that is tested.
        store: frame store of the clips.
        clips: ids of the clips.
        order: order of the frames of each clip.
        make: see `keep_maps`.
        progress: callable that receives (clips that have maps, clips in all, stage of the work).
        announce: callable that receives what room maps take, or that there is none.
    """
    loader = clip_loader(run.recipe, store, order=order)
    if run.recipe.backbone.trained:
        return loader
    by_class: dict[str, list[str]] = {}
    for clip in sorted(clips):
        by_class.setdefault(store.by_id[clip].cls, []).append(clip)

    def stage(done: int, total: int, note: str) -> None:
        progress(min(done, total - 1), total, note)  # features are still to be made

    units = [(tuple(ids), 0) for ids in by_class.values()]
    try:
        how = {"make": make, "progress": stage, "announce": announce}
        return keep_maps(run.recipe, run.model, loader, units, run.folder.parent / MAPS, **how)
    except (OutputError, OSError) as error:
        announce(f"note: {error.message if isinstance(error, StrmctlError) else error}; frames are embedded instead")
        return loader


def keep_maps(
    recipe: Recipe,
    model: nn.Module,
    loader: ClipLoader,
    units: Sequence[Unit],
    folder: Path,
    *,
    make: MakeMaps | None = None,
    progress: Progress = silent,
    announce: Callable[[str], None] = lambda message: None,
) -> MapLoader:
    """Makes the maps that are missing, and opens all; a kill costs the last few clips.

    Args:
        recipe: the experiment.
        model: model whose backbone is frozen.
        loader: reader of the frames.
        units: clips, each with a view; clips that are used together, such as those of a class, stand together.
        folder: folder of all maps.
        make: function that yields the maps of clips in a view, some clips at a time; None: `make_maps`, here.
        progress: callable that receives (views that have maps, views in all, "maps of the backbone"); not called when
            none is missing.
        announce: callable that receives what room new maps take, and what is removed or damaged.

    Raises:
        OutputError: the disk has no room for them.
        DataError: a clip cannot be read, or the maps are not finite in their precision.
    """
    made_of = maps_made_of(recipe, model, loader.store, loader.order)
    home = folder / hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:16]
    caches = {unit: TensorCache(home, unit[0], {**made_of, "view": unit[1]}, what="maps") for unit in units}
    opened = {unit: cache.read(announce) for unit, cache in caches.items()}
    missing = [unit for unit, found in opened.items() if found is None]
    if missing:
        _remove_earlier(folder, home, made_of, announce)
    total, left = (sum(len(clips) for clips, _ in some) for some in (units, missing))
    make = make or partial(make_maps, recipe, model, loader)
    say_size = _SaySize(left, home, announce)

    def making(view: int, clips: Sequence[str]) -> Iterator[dict[str, Tensor]]:
        return map(say_size, make((clips, view)))

    for unit in missing:
        before, left = total - left, left - len(unit[0])

        def report(done: int, before: int = before) -> None:
            progress(before + done, total, "maps of the backbone")

        try:
            opened[unit] = caches[unit].write(partial(making, unit[1]), report, further=left)
        except OutputError as error:
            raise OutputError(error.message, ROOM) from error
    rows = {(clip, unit[1]): (found, row) for unit, found in opened.items() for clip, row in found.row.items()}
    patches = recipe.patch_enrichment.enabled or METHODS[recipe.method].maps
    return MapLoader(loader.store, rows, recipe.train.views, patches)


def make_maps(
    recipe: Recipe, model: nn.Module, loader: ClipLoader, unit: tuple[Sequence[str], int], ranks: Ranks = ALONE
) -> Iterator[dict[str, Tensor]]:
    """The maps of clips in a view as they are kept, some clips at a time.

    Args:
        recipe: the experiment.
        model: model whose backbone is frozen.
        loader: reader of the frames.
        unit: clips, and the view.
        ranks: processes that share out the clips; see `embed_batches`.

    Raises:
        DataError: a clip cannot be read, or the maps are not finite in their precision.
    """
    clips, view = unit

    def draws(clip: str) -> Draws | None:
        return Draws("view", clip, view) if view else None

    def embed(clips: Tensor) -> dict[str, Tensor]:
        maps, kept = maps_of(recipe, model, clips), KEPT[recipe.backbone.maps]
        return {"patches": maps.patches.to(kept), "mean": maps.mean.to(kept)}

    hint = TOO_LARGE if recipe.backbone.maps == "half" else ""
    return embed_batches(model, loader, clips, embed=embed, view=draws, hint=hint, ranks=ranks)


def maps_of(recipe: Recipe, model: nn.Module, clips: Tensor) -> Maps:
    """The maps of clips on the model's device, computed in the precision of the recipe's training."""
    with torch.autocast(clips.device.type, torch.bfloat16, enabled=recipe.train.dtype == "bfloat16"):
        return backbone_maps(clips, backbone=model.backbone, patches=model.patches)


@dataclass
class _SaySize:
    """Says once what room all maps take, and passes them on.

    Attributes:
        count: number of all clips and views to make.
        home: folder of the maps.
        announce: callable that receives their size; None when it was called.
    """

    count: int
    home: Path
    announce: Callable[[str], None] | None

    def __call__(self, part: dict[str, Tensor]) -> dict[str, Tensor]:
        if self.announce is not None:
            size = self.count * sum(value[0].numel() * value.element_size() for value in part.values())
            self.announce(
                f"note: the maps of {self.count:,} clips and views take {size / 1e6:,.0f} MB in {self.home}, for all "
                "runs; remove that folder when you need them no more"
            )
            self.announce = None
        return part


def _remove_earlier(folder: Path, home: Path, made_of: Mapping[str, Any], announce: Callable[[str], None]) -> None:
    """Deletes maps that were made as these are, of earlier frames or by other code, and says so."""
    for other in folder.glob("*/"):
        with contextlib.suppress(StrmctlError, OSError, StopIteration, KeyError, TypeError):  # nobody knows whose it is
            theirs = read_json(next(other.glob(f"*/{INDEX}")))["made_of"]
            if other != home and all(theirs[key] == value for key, value in made_of.items() if key not in PASSING):
                shutil.rmtree(other)
                announce(f"note: {other} was removed: its maps are of earlier frames, or were made by other code")
