"""Attention maps: the places in its frames that a model compares clips by.

A map has one number per place of a frame. For places x of the backbone, f of PLE, frames h of H and e of E:

    |x|        |f|        relu(f · h)        relu(f · e)

h is the mean over places. So the products f · h add up to |h|² times their number: each is what a place adds to the
length of its frame's vector. It may be greatest in the background where that fills most of the frame: read it beside
the lengths.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from strmctl.errors import NotFiniteError
from strmctl.evaluation.embed import OVERFLOW, to_model
from strmctl.model.finite import not_finite

BACKBONE, PLE, H, E = "backbone", "PLE", "H", "E"
# What the rows are called, and what their values are.
WORDS = {
    BACKBONE: ("backbone", "length of the vector of each place"),
    PLE: ("after patch-level enrichment", "length of the vector of each patch"),
    H: ("in the frame (H)", "what each place adds to the frame's vector"),
    E: ("in the enriched frame (E)", "how far each place agrees with the vector that is compared"),
}


@torch.inference_mode()
def attention_maps(model: nn.Module, clip: Tensor) -> dict[str, np.ndarray]:
    """The maps of one clip, in the order in which the model makes them; the last one belongs to what it compares.

    With all blocks, x the places of the backbone's map, f the patches of PLE:

    - `backbone`: |x|, length (L2 norm) of the vector of each place, before any pooling.
    - `PLE`: |f|, the same after PLE, on the map that was max-pooled to patches.
    - `H`: relu(f·h), product of each patch vector of PLE with its frame's h, 0 where negative.
    - `E`: relu(f·e), the same with its frame's e.

    Without PLE there is no map for it, and x takes the place of f; without FLE, E is H and has no map. A backbone that
    makes one map of several frames has that map for each of them.

    Args:
        model: model in evaluation mode.
        clip: uint8 (L, 3, H, W), RGB, as `ClipLoader` gives it.

    Returns:
        Key of `WORDS` -> float64 (L, h, w), rows of places from the top.

    Raises:
        NotFiniteError: a map is not finite.
    """
    made: list[Tensor] = []
    with model.backbone.register_forward_hook(lambda module, given, output: made.append(output)):
        enriched = model.enrich(to_model(clip[None], model))
    places = made[0].flatten(0, -4).permute(0, 2, 3, 1)  # (L', h, w, D)
    frames, enriched_frames = enriched.frames[0], enriched.enriched_frames[0]  # (L', D)
    maps = {BACKBONE: places.norm(dim=-1)}  # (L', h, w)
    if enriched.patches is not enriched.map_patches:
        places = enriched.patches[0].unflatten(1, (model.patches, model.patches))  # (L', P, P, D)
        maps[PLE] = places.norm(dim=-1)
    maps[H] = _products(places, frames)
    if enriched.enriched_frames is not enriched.frames:
        maps[E] = _products(places, enriched_frames)
    if names := not_finite(maps):
        raise NotFiniteError(f"these maps are not finite: {names}", OVERFLOW)
    step = torch.arange(len(clip)) * len(places) // len(clip)  # of each frame
    return {key: values.double().cpu()[step].numpy() for key, values in maps.items()}


def _products(places: Tensor, frames: Tensor) -> Tensor:
    """Product of each place `(L, h, w, D)` with its frame `(L, D)`, 0 where negative: `(L, h, w)`."""
    return torch.einsum("lhwd,ld->lhw", places, frames).relu()
