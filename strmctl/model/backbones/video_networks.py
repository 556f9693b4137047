"""Networks of torchvision over whole clips as backbones: clips `(N, 3, L, H, W)` to their last map `(N, D, L', h, w)`.

The parts keep their names. Dropout and stochastic depth, which drops whole blocks, are off: as in the other backbones,
nothing is left to chance in training.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from strmctl.errors import RecipeError
from strmctl.model.backbones.torchvision_models import StochasticDepth, models


class ClipTokens(nn.Module):
    """A multiscale vision transformer without its classifier: the tokens of the clip's patches, laid out as a map.

    The class token takes part in attention, as it was trained to, and is dropped from the map.

    Args:
        network: network whose convolution of patches, positional encoding, blocks and norm are taken over.
    """

    def __init__(self, *, network: models.video.MViT) -> None:
        super().__init__()
        self.conv_proj = network.conv_proj
        self.pos_encoding = network.pos_encoding
        self.blocks = network.blocks
        self.norm = network.norm

    def forward(self, clips: Tensor) -> Tensor:
        """Clips `(N, 3, L, H, W)`, 16 frames of 224×224 pixels, to maps `(N, 768, 8, 7, 7)`.

        Raises:
            RecipeError: the clips have another size, for which there is no positional encoding.
        """
        places = (self.pos_encoding.temporal_size, *self.pos_encoding.spatial_size)
        frames, height, width = (count * stride for count, stride in zip(places, self.conv_proj.stride, strict=True))
        if clips.shape[2:] != (frames, height, width):
            got = "{} frames of {}×{}".format(*clips.shape[2:])
            raise RecipeError(
                f"the transformer takes clips of {frames} frames of {height}×{width} pixels (got {got})",
                f"write `input.frames: {frames}` and `input.crop: {height}` in the recipe",
            )
        patches = self.conv_proj(clips).flatten(2)  # (N, D, L'·h·w)
        tokens = self.pos_encoding(patches.transpose(1, 2))  # (N, 1 + L'·h·w, D)
        for block in self.blocks:
            tokens, places = block(tokens, places)
        return self.norm(tokens)[:, 1:].transpose(1, 2).unflatten(2, places)  # (N, D, L', h, w)


class ClipWindows(nn.Module):
    """A video Swin transformer without its classifier.

    Args:
        network: network whose embedding of patches, blocks and norm are taken over.
    """

    def __init__(self, *, network: models.video.SwinTransformer3d) -> None:
        super().__init__()
        self.patch_embed = network.patch_embed
        self.features = network.features
        self.norm = network.norm

    def forward(self, clips: Tensor) -> Tensor:
        """Clips `(N, 3, L, H, W)` to maps `(N, 768, L', h, w)`."""
        features = self.norm(self.features(self.patch_embed(clips)))  # (N, L', h, w, D)
        return features.permute(0, 4, 1, 2, 3)


def _trunk(make: Callable[..., nn.Module], *without: str) -> nn.Module:
    """A network of convolutions up to its last map."""
    parts = OrderedDict(make(weights=None).named_children())
    for name in without:
        del parts[name]
    return without_chance(nn.Sequential(parts))


def _transformer(kind: Callable[..., nn.Module], make: Callable[..., nn.Module]) -> nn.Module:
    return without_chance(kind(network=make(weights=None)))


def without_chance(network: nn.Module) -> nn.Module:
    """The same network, which drops nothing in training."""
    for layer in network.modules():
        if isinstance(layer, nn.Dropout | StochasticDepth):
            layer.p = 0.0
    return network


r3d_18_trunk = partial(_trunk, models.video.r3d_18, "avgpool", "fc")
mc3_18_trunk = partial(_trunk, models.video.mc3_18, "avgpool", "fc")
r2plus1d_18_trunk = partial(_trunk, models.video.r2plus1d_18, "avgpool", "fc")
s3d_trunk = partial(_trunk, models.video.s3d, "avgpool", "classifier")
mvit_v1_b_trunk = partial(_transformer, ClipTokens, models.video.mvit_v1_b)
mvit_v2_s_trunk = partial(_transformer, ClipTokens, models.video.mvit_v2_s)
swin3d_t_trunk = partial(_transformer, ClipWindows, models.video.swin3d_t)
