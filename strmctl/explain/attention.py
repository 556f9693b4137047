"""Attention maps: the places in its frames that a model compares clips by.

A map has one number per patch of a frame. For patches x of the backbone, f of PLE, frames h of H and e of E:

    |x|        |f|        relu(f · h)        relu(f · e)

The product tells how much of its own frame's vector a patch carries. As h is the mean over patches, the product may be
greatest in the background where that fills most of the frame: read it beside the lengths.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from strmctl.errors import NotFiniteError
from strmctl.evaluation.embed import OVERFLOW, to_model
from strmctl.model.finite import not_finite


@torch.inference_mode()
def attention_maps(model: nn.Module, clip: Tensor) -> dict[str, np.ndarray]:
    """The maps of one clip, in the order in which the model makes them.

    With all blocks, x the patches of the backbone (max-pooled), f those of PLE:

    - `backbone: |x|`: length (L2 norm) of each patch vector.
    - `PLE: |f|`: the same after PLE.
    - `H: relu(f·h)`: product of each patch vector of PLE with its frame's h, 0 where negative.
    - `E: relu(f·e)`: the same with its frame's e.

    Without PLE there is no map for it, and x takes the place of f; without FLE, E is H and has no map.

    Args:
        model: model in evaluation mode.
        clip: uint8 (L, 3, H, W), RGB, as `ClipLoader` gives it.

    Returns:
        Name and formula -> float64 (L, P, P), rows of patches from the top.

    Raises:
        NotFiniteError: a map is not finite.
    """
    enriched = model.enrich(to_model(clip[None], model))
    seen, patches = enriched.map_patches[0], enriched.patches[0]  # (L, P², D)
    frames, enriched_frames = enriched.frames[0], enriched.enriched_frames[0]  # (L, D)
    maps = {"backbone: |x|": seen.norm(dim=-1)}  # (L, P²)
    letter = "x"
    if enriched.patches is not enriched.map_patches:
        maps["PLE: |f|"] = patches.norm(dim=-1)
        letter = "f"
    maps[f"H: relu({letter}·h)"] = _products(patches, frames)
    if enriched.enriched_frames is not enriched.frames:
        maps[f"E: relu({letter}·e)"] = _products(patches, enriched_frames)
    if names := not_finite(maps):
        raise NotFiniteError(f"these maps are not finite: {names}", OVERFLOW)
    side = model.patches
    return {name: lengths.unflatten(1, (side, side)).double().cpu().numpy() for name, lengths in maps.items()}


def _products(patches: Tensor, frames: Tensor) -> Tensor:
    """Product of each patch `(L, P², D)` with its frame `(L, D)`, 0 where negative: `(L, P²)`."""
    return (patches @ frames[:, :, None]).squeeze(2).relu()
