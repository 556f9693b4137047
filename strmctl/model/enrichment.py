"""From frames to H and E: backbone, patch-level enrichment, mean over patches, frame-level enrichment.

A method without PLE takes the mean over the backbone's whole map as H.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Enriched:
    """A clip's features on their way through the model.

    Attributes:
        map_patches: the backbone's map, max-pooled to patches, row by row, `(N, L, P², D)`.
        patches: the same after PLE; `map_patches` itself without PLE.
        frames: H, `(N, L, D)`.
        enriched_frames: E, `(N, L, D)`; H itself without FLE.
    """

    map_patches: Tensor
    patches: Tensor
    frames: Tensor
    enriched_frames: Tensor


def enrich(
    clips: Tensor,
    *,
    backbone: nn.Module,
    patches: int,
    patch_enrichment: nn.Module | None = None,
    frame_enrichment: nn.Module | None = None,
) -> Enriched:
    """From the frames of clips to H and E, and to the patches that attention maps are drawn from.

    Args:
        clips: `(N, L, 3, H, W)`, float in [0, 1].
        backbone: module from frames `(N·L, 3, H, W)` to maps `(N·L, D, h, w)`.
        patches: P, patches along each side of a frame.
        patch_enrichment: PLE, on `(N, L, P², D)`; None to leave it out.
        frame_enrichment: FLE, on `(N, L, D)`; None to leave it out.
    """
    clip_axes = clips.shape[:2]
    maps = backbone(clips.flatten(0, 1))  # (N·L, D, h, w)
    pooled = F.adaptive_max_pool2d(maps, patches).flatten(2).transpose(1, 2)  # (N·L, P², D)
    map_patches = pooled.unflatten(0, clip_axes)  # (N, L, P², D)
    if patch_enrichment is None:
        enriched = map_patches
        frames = maps.mean(dim=(2, 3)).unflatten(0, clip_axes)  # (N, L, D)
    else:
        enriched = patch_enrichment(map_patches)
        frames = enriched.mean(dim=2)  # (N, L, D)
    enriched_frames = frames if frame_enrichment is None else frame_enrichment(frames)
    return Enriched(map_patches, enriched, frames, enriched_frames)
