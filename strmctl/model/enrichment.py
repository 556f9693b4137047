"""From frames to H and E: backbone, patch-level enrichment, mean over patches, frame-level enrichment.

A method without PLE takes the mean over the backbone's whole map as H. What a frozen backbone makes of a clip can be
kept as `Maps`, which take the place of the clip from here on. A network over whole clips may make fewer time steps L'
than it is given frames; from the maps on, L is their number, and a step is what the paper calls a frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Maps:
    """What a backbone makes of N clips.

    Attributes:
        patches: its map, max-pooled to patches, row by row, `(N, L, P², D)`; None where no PLE needs them.
        mean: the mean over the whole map of each time step, `(N, L, D)`.
        pixels: the clips themselves, for a method in training whose losses read them; None elsewhere.
    """

    patches: Tensor | None
    mean: Tensor
    pixels: Tensor | None = None

    def __len__(self) -> int:
        return len(self.mean)

    def __getitem__(self, clips: slice) -> Maps:
        return Maps(None if self.patches is None else self.patches[clips], self.mean[clips])

    def to(self, device: torch.device, dtype: torch.dtype) -> Maps:
        """The same on a device and in a precision."""
        return Maps(None if self.patches is None else self.patches.to(device, dtype), self.mean.to(device, dtype))


Clips = Tensor | Maps  # frames, or what a frozen backbone makes of them


@dataclass(frozen=True)
class Enriched:
    """A clip's features on their way through the model.

    Attributes:
        map_patches: the backbone's map, max-pooled to patches, row by row, `(N, L, P², D)`; None where `Maps` without
            patches were enriched.
        patches: the same after PLE; `map_patches` itself without PLE.
        frames: H, `(N, L, D)`.
        enriched_frames: E, `(N, L, D)`; H itself without FLE.
    """

    map_patches: Tensor | None
    patches: Tensor | None
    frames: Tensor
    enriched_frames: Tensor


def backbone_maps(clips: Tensor, *, backbone: nn.Module, patches: int) -> Maps:
    """What a backbone makes of clips `(N, L, 3, H, W)`, float in [0, 1]; arguments as for `enrich`."""
    maps = backbone(clips)  # (N, L', D, h, w)
    axes, maps = maps.shape[:2], maps.flatten(0, 1)  # (N·L', D, h, w)
    pooled = F.adaptive_max_pool2d(maps, patches).flatten(2).transpose(1, 2)  # (N·L', P², D)
    return Maps(pooled.unflatten(0, axes), maps.mean(dim=(2, 3)).unflatten(0, axes))


def enrich(
    clips: Clips,
    *,
    backbone: nn.Module,
    patches: int,
    patch_enrichment: nn.Module | None = None,
    frame_enrichment: nn.Module | None = None,
) -> Enriched:
    """From the frames of clips to H and E, and to the patches that attention maps are drawn from.

    Args:
        clips: `(N, L, 3, H, W)`, float in [0, 1]; or their `Maps`, for which the backbone is left out.
        backbone: module from clips `(N, L, 3, H, W)` to maps `(N, L', D, h, w)`.
        patches: P, patches along each side of a frame.
        patch_enrichment: PLE, on `(N, L, P², D)`; None to leave it out.
        frame_enrichment: FLE, on `(N, L, D)`; None to leave it out.
    """
    maps = clips if isinstance(clips, Maps) else backbone_maps(clips, backbone=backbone, patches=patches)
    if patch_enrichment is None:
        enriched, frames = maps.patches, maps.mean
    else:
        enriched = patch_enrichment(maps.patches)
        frames = enriched.mean(dim=2)  # (N, L, D)
    enriched_frames = frames if frame_enrichment is None else frame_enrichment(frames)
    return Enriched(maps.patches, enriched, frames, enriched_frames)
