"""What a method costs: its parameters, and the floating-point operations of each part, episode and evaluation.

torch's own counter counts matrix products and convolutions, with two operations for a multiply-add. Each part really
runs, but on the meta device, which has shapes without numbers and needs no data and no memory. Batch norm, pooling,
softmax and the like are not counted; forming tuples is, because it is a matrix product here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from strmctl.errors import RecipeError
from strmctl.model.backbones.table import backbone_entry
from strmctl.model.methods.table import METHODS
from strmctl.recipe import Recipe, load_recipe
from strmctl.runs.build import build_model

WAY, SHOT, QUERIES = 5, 5, 1  # an episode of Table 1; queries per class
SSV2_CLIPS, EPISODES = 2857, 10_000  # clips of the SSv2 test split, and the episodes that they are tested on
PARTS = {
    "backbone": "backbone",
    "PLE": "patch_enrichment",
    "FLE": "frame_enrichment",
    "TRM": "temporal_relations",
    "QC": "query_class",
}
MATCHING = ("TRM", "QC")  # parts that compare clips


def cost_table(
    recipe: Recipe | None = None,
    *,
    way: int = WAY,
    shot: int = SHOT,
    queries: int = QUERIES,
    clips: int = SSV2_CLIPS,
    episodes: int = EPISODES,
) -> dict[str, Any]:
    """Costs of TRM {2}, TRX {2,3} and STRM {2}, by part.

    Args:
        recipe: recipe whose backbone and sizes count; its method, preset and cardinalities do not. None: `ssv2_r50`.
        way: number of classes of an episode, C.
        shot: number of support clips per class, K.
        queries: number of query clips per class.
        clips: number of clips of a split, each embedded once.
        episodes: number of episodes that are then matched.

    Returns:
        The sizes that were counted, and per method `parameters` by part and `flops`: of one clip (`embed_clip`) and one
        frame (`frame`) on their own, of the comparison in one episode (`match_episode`), of one episode from its
        clips (`episode`), and of `cached_evaluation`. A part that a method does not have costs 0. Parts have a `total`.

    Raises:
        RecipeError: the clips have no triples of frames, which TRX compares.
        UsageError: the backbone needs a package that is not installed.
    """
    recipe = load_recipe("ssv2_r50") if recipe is None else recipe
    if recipe.steps < 3:
        more = backbone_entry(recipe.backbone.name).frames_for(3)
        raise RecipeError("TRX {2,3} compares triples of frames", f"write `input.frames: {more}` or more in the recipe")
    models = {
        f"{method.label} {{{','.join(map(str, method.cardinalities or (2,)))}}}": _model(recipe, name)
        for name, method in METHODS.items()
        if "trm" in method.parts
    }
    clip = torch.empty(1, recipe.input.frames, 3, recipe.input.crop, recipe.input.crop, device="meta")
    sizes = {"way": way, "shot": shot, "queries": queries}
    counted = {"clips": clips, "episodes": episodes}
    return {
        "backbone": recipe.backbone.name,
        "frames": recipe.input.frames,
        "pixels": recipe.input.crop,
        **sizes,
        "dim": recipe.trm.dim,
        "query_class_dim": models["STRM {2}"].query_class.similarities["2"].project.out_features,
        "methods": {
            name: {"parameters": _parameters(model), "flops": _flops(model, clip, **sizes, **counted)}
            for name, model in models.items()
        },
        "cached": counted,
    }


def _model(recipe: Recipe, method: str) -> nn.Module:
    """The paper's complete model of a method in the sizes of a recipe, on the meta device."""
    values = recipe.model_dump() | {"method": method, "model": {"preset": "paper", "deviations": []}}
    values["trm"]["cardinalities"] = [2]
    for section in ("patch_enrichment", "frame_enrichment", "query_class"):
        values[section]["enabled"] = True
    # Settling leaves out the parts that the method does not have and gives TRX its own cardinalities.
    settled = Recipe.model_validate(Recipe.model_validate(values).settled())
    with torch.device("meta"):
        return build_model(settled, pretrained=False).eval()


def _parts(model: nn.Module) -> dict[str, nn.Module]:
    """The parts that a model has."""
    return {name: part for name, attribute in PARTS.items() if (part := getattr(model, attribute, None)) is not None}


def _parameters(model: nn.Module) -> dict[str, int]:
    return _with_total({name: sum(p.numel() for p in part.parameters()) for name, part in _parts(model).items()}, PARTS)


def _flops(model: nn.Module, clip: Tensor, *, way: int, shot: int, queries: int, clips: int, episodes: int) -> dict:
    embed, match = _embed_flops(model, clip), _match_flops(model, clip, way, shot, way * queries)
    cached = {"embedding": clips * embed["total"], "matching": episodes * match["total"]}
    return {
        "embed_clip": embed,
        "match_episode": match,
        "frame": embed["total"]
        // clip.shape[1],  # every part does the same for each frame of a clip; on average, where
        # a network over clips makes fewer steps
        "episode": {name: way * (shot + queries) * count + match.get(name, 0) for name, count in embed.items()},
        "cached_evaluation": _with_total(cached, cached),
    }


@torch.no_grad()
def _embed_flops(model: nn.Module, clip: Tensor) -> dict[str, int]:
    """Operations by part for everything that depends on one clip `(1, L, 3, H, W)` alone."""
    enriched = model.enrich(clip)
    inputs = {
        "backbone": clip,  # (1, L, 3, H, W)
        "PLE": enriched.map_patches,  # (1, L, P², D)
        "FLE": enriched.frames,  # (1, L, D)
        "TRM": enriched.enriched_frames,  # (1, L, D)
        "QC": enriched.frames,  # (1, L, D)
    }
    runs = {name: part.embed if name in MATCHING else part for name, part in _parts(model).items()}
    return _with_total({name: _count(run, inputs[name]) for name, run in runs.items()}, PARTS)


@torch.no_grad()
def _match_flops(model: nn.Module, clip: Tensor, way: int, shot: int, queries: int) -> dict[str, int]:
    """Operations by part of comparing `queries` clips with `way · shot` others, whose features are known."""
    features = model.embed(clip)  # (1, …) each
    support = {name: value[None, None].expand(1, way, shot, *value.shape[1:]) for name, value in features.items()}
    query = {name: value[None].expand(1, queries, *value.shape[1:]) for name, value in features.items()}
    parts = {name: part for name, part in _parts(model).items() if name in MATCHING}
    return _with_total({name: _count(part.match, support, query) for name, part in parts.items()}, MATCHING)


def _count(run: Callable[..., Any], *inputs: Any) -> int:
    with FlopCounterMode(display=False) as counter:
        run(*inputs)
    return counter.get_total_flops()


def _with_total(counts: dict[str, int], names: Iterable[str]) -> dict[str, int]:
    """The counts in the order of `names`, 0 where there is none, and their sum."""
    return {name: counts.get(name, 0) for name in names} | {"total": sum(counts.values())}
