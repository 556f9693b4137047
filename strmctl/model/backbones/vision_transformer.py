"""ViT-B/16 as a backbone: the tokens of the patches, laid out as a map (Dosovitskiy et al., ICLR 2021).

    frame -> 14×14 patches of 16×16 pixels -> tokens, a class token before them -> 12 encoder blocks -> LayerNorm

The class token takes part in attention, as it was trained to, and is dropped from the map.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from strmctl.errors import RecipeError
from strmctl.model.backbones.torchvision_models import models


class PatchTokens(nn.Module):
    """A vision transformer of torchvision without its classifier, its parts under their own names.

    Args:
        network: network whose convolution of patches, class token and encoder are taken over.
    """

    def __init__(self, *, network: models.VisionTransformer) -> None:
        super().__init__()
        self.image_size = network.image_size
        self.conv_proj = network.conv_proj
        self.class_token = network.class_token
        self.encoder = network.encoder

    def forward(self, frames: Tensor) -> Tensor:
        """Frames `(N·L, 3, 224, 224)` to the map of patch tokens `(N·L, 768, 14, 14)`, rows from top to bottom.

        Raises:
            RecipeError: the frames have another size, for which there is no positional embedding.
        """
        height, width = frames.shape[-2:]
        side = self.image_size
        if (height, width) != (side, side):
            problem = f"the vision transformer takes frames of {side}×{side} pixels (got {width}×{height})"
            raise RecipeError(problem, f"write `input.crop: {side}` in the recipe, or add `--set input.crop={side}`")
        patches = self.conv_proj(frames)  # (N·L, D, 14, 14)
        tokens = patches.flatten(2).transpose(1, 2)  # (N·L, 196, D)
        class_token = self.class_token.expand(len(tokens), -1, -1)  # (N·L, 1, D)
        tokens = self.encoder(torch.cat([class_token, tokens], dim=1))[:, 1:]  # (N·L, 196, D)
        return tokens.transpose(1, 2).unflatten(2, patches.shape[2:])  # (N·L, D, 14, 14)


def vit_b16_trunk() -> nn.Module:
    """ViT-B/16 with random weights, from frames to its map of tokens."""
    return PatchTokens(network=models.vit_b_16(weights=None))


def present_name(name: str) -> str:
    """A tensor's name in torchvision's network by its name in a file; torchvision's own file has those of 2022."""
    return name.replace(".mlp.linear_1.", ".mlp.0.").replace(".mlp.linear_2.", ".mlp.3.")
