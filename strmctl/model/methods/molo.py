"""MoLo (Wang et al., CVPR 2023): local frames that know the whole clip, and the motion between frames.

    r = 3×3×3 convolution of the maps, D to D / 8         m_l = (3×3 convolution of r_{l+1}) - r_l
    x = branch(H)           y = branch(mean over places of relu(1×1 convolution of m, D / 8 to D))
    branch(z) = relu(layer(positions([token ; z])))       a learned token of its own, then a transformer layer

So x has a token for the whole clip and one for each of L frames, y one for the whole clip and one for each of L - 1
differences. Classes are means over shots. With the tokens of frames and differences alone, and d = 1 - x·y / (|x| |y| +
0.01) of two tokens,

    logit = -(Bi-MHM of x + motion_weight * Bi-MHM of y)

Losses, beside the cross-entropy of the logits:

    class           class_weight times the cross-entropy of the mean of x plus that of y among all training classes
    contrast        contrast_weight times four cross-entropies over the classes of the episode, with logits
                    -scale * sum over tokens of d(token, token for the whole clip of the other side): tokens of the
                    class or of the query, of x or of y; a learned scale for x and one for y, which start at 1
    reconstruction  reconstruction_weight times the mean squared error of a decoder, which makes the differences of
                    normalised frames in pixels from m; left out with a frozen backbone, whose maps are kept in place of
                    pixels

The maps are read as `patch_enrichment.patches` patches a side: 7 keep a 7×7 map whole, as in the authors' code. The
decoder enlarges to a sixteenth, a quarter and the whole of the frame's size, for their 224 pixels by 2, 4 and 4. Its
batch norm sees support and queries apart, as the backbone's does; theirs sees both at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from strmctl.model.backbones.build import Backbone
from strmctl.model.enrichment import Clips, Enriched, Maps, enrich
from strmctl.model.episode import Features, Logits, Truth, match_clips, mean_over_shots
from strmctl.model.layers.attention import TransformerLayer
from strmctl.model.layers.correspondence import Correspondence, nearest_of_means
from strmctl.model.layers.frame_distances import cosine_distances_of_pairs, hausdorff
from strmctl.model.layers.scaled_positions import ScaledPositions
from strmctl.model.seeding import seeded

BRANCHES = ("frames", "motion")


class Branch(nn.Module):
    """A sequence with a token for the whole of it, whose elements attend to each other.

    Args:
        channels: D, the width of an element.
        positions: positional encoding of the token and the elements.
        layer: transformer layer.
    """

    def __init__(self, *, channels: int, positions: nn.Module, layer: nn.Module) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.randn(1, 1, channels))
        self.positions = positions
        self.layer = layer

    def forward(self, sequence: Tensor) -> Tensor:
        """`(N, T, D)` to `(N, 1 + T, D)`, the token first."""
        whole = torch.cat([self.token.expand(len(sequence), -1, -1), sequence], dim=1)
        return F.relu(self.layer(self.positions(whole)))


class Motion(nn.Module):
    """What changes from one map to the next.

    Args:
        channels: D, channels of the map.
    """

    def __init__(self, *, channels: int) -> None:
        super().__init__()
        self.width = max(1, channels // 8)
        self.reduce = nn.Conv3d(channels, self.width, 3, padding=1)
        self.next = nn.Conv2d(self.width, self.width, 3, padding=1)
        self.widen = nn.Conv2d(self.width, channels, 1)

    def differences(self, maps: Tensor) -> Tensor:
        """m, `(N, L - 1, D / 8, h, w)`, of maps `(N, D, L, h, w)`."""
        reduced = self.reduce(maps).transpose(1, 2)  # (N, L, D / 8, h, w)
        following = reduced[:, 1:].flatten(0, 1)
        return self.next(following).unflatten(0, (len(maps), -1)) - reduced[:, :-1]

    def forward(self, differences: Tensor) -> Tensor:
        """A vector for each difference: m to `(N, L - 1, D)`."""
        wide = F.relu(self.widen(differences.flatten(0, 1))).mean(dim=(2, 3))
        return wide.unflatten(0, differences.shape[:2])


class Decoder(nn.Module):
    """From differences of maps to those of frames in pixels; only in training.

    Args:
        width: D / 8, channels of m.
    """

    def __init__(self, *, width: int) -> None:
        super().__init__()
        steps = ((width, 128), (128, 32), (32, 16))
        self.convolutions = nn.ModuleList(nn.Conv2d(*step, 3, padding=1, bias=False) for step in steps)
        # It is never tested, and so needs no running averages.
        self.norms = nn.ModuleList(nn.BatchNorm2d(step[1], track_running_stats=False) for step in steps)
        self.colours = nn.Conv2d(16, 3, 1)

    def forward(self, differences: Tensor, size: tuple[int, int]) -> Tensor:
        """`(N, L - 1, D / 8, h, w)` to `(N, L - 1, 3, H, W)`, with the size (H, W) in pixels."""
        # In this order of memory, enlarging copies nothing, and a step of training takes a third less on a CPU.
        made = differences.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        for share, convolution, norm in zip((16, 4, 1), self.convolutions, self.norms, strict=True):
            larger = tuple(math.ceil(side / share) for side in size)
            made = F.interpolate(made, larger, mode="bilinear", align_corners=True)
            made = F.relu(norm(convolution(made)))
        return self.colours(made).unflatten(0, differences.shape[:2])


class TrainingOnly(nn.Module):
    """What only the losses need.

    Args:
        channels: D, the width of a token.
        classes: number of training classes.
        decoder: `Decoder`; None where nothing is reconstructed.
    """

    def __init__(self, *, channels: int, classes: int, decoder: nn.Module | None) -> None:
        super().__init__()
        self.classify = nn.Linear(channels, classes)
        self.scales = nn.ParameterDict({name: torch.ones(()) for name in BRANCHES})
        self.decoder = decoder


class MoLo(nn.Module):
    """Bi-MHM of frames and of motion, each of which know their clip.

    Args:
        backbone: clips `(N, L, 3, H, W)` to maps `(N, L', D, h, w)`.
        motion: differences of maps.
        branches: `frames` and `motion`, a `Branch` for each.
        motion_weight: weight of the distance of motion.
        class_weight: weight of the cross-entropy over all training classes.
        contrast_weight: weight of each of the four cross-entropies of tokens and whole clips.
        reconstruction_weight: weight of the decoder's error; 0 leaves the decoder out.
        patches: P, patches along each side of a frame, of which motion is made.
    """

    def __init__(
        self,
        *,
        backbone: Backbone,
        motion: Motion,
        branches: nn.ModuleDict,
        motion_weight: float = 0.3,
        class_weight: float = 0.8,
        contrast_weight: float = 0.05,
        reconstruction_weight: float = 0.1,
        patches: int = 7,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.motion = motion
        self.branches = branches
        self.weights = {"frames": 1.0, "motion": motion_weight}
        self.class_weight = class_weight
        self.contrast_weight = contrast_weight
        self.reconstruction_weight = reconstruction_weight
        self.patches = patches
        self.training_only: nn.Module | None = None

    def prepare_training(self, classes: int) -> None:
        """Makes what the losses need, for a number of training classes."""
        decoder = Decoder(width=self.motion.width) if self.reconstruction_weight and self.backbone.trained else None
        self.training_only = TrainingOnly(channels=self.backbone.dim, classes=classes, decoder=decoder)

    @property
    def reads_pixels(self) -> bool:
        """Whether `embed` in training reads the pixels of clips beside their maps."""
        return self.training_only is not None and self.training_only.decoder is not None

    def enrich(self, clips: Clips) -> Enriched:
        """Clips `(N, L, 3, H, W)`, float in [0, 1], or their `Maps`, to patches and frames."""
        return enrich(clips, backbone=self.backbone, patches=self.patches)

    def embed(self, clips: Clips) -> Features:
        """What a clip decides on its own: `frames`, x, `(N, 1 + L, D)`, and `motion`, y, `(N, L, D)`.

        In training also `classes`, logits of all training classes, `(N, classes)`, and `reconstruction`, the error of
        the decoder, `(N)`.
        """
        enriched = self.enrich(clips)
        maps = enriched.map_patches.movedim(-1, 1).unflatten(-1, (self.patches, self.patches))  # (N, D, L, P, P)
        differences = self.motion.differences(maps)
        sequences = {"frames": enriched.frames, "motion": self.motion(differences)}
        features = {name: self.branches[name](sequence) for name, sequence in sequences.items()}
        if self.training and self.training_only is not None:
            features["classes"] = self.training_only.classify(sum(features[name].mean(dim=1) for name in BRANCHES))
            if self.reads_pixels:
                pixels = clips.pixels if isinstance(clips, Maps) else clips
                features["reconstruction"] = self._error(differences, pixels)
        return features

    def _error(self, differences: Tensor, pixels: Tensor) -> Tensor:
        """Mean squared error of the decoder, `(N)`, from m and clips `(N, L, 3, H, W)`.

        Where the backbone makes fewer maps than there are frames, as many frames are compared, evenly spread.
        """
        steps = differences.shape[1] + 1
        frames = pixels[:, torch.arange(steps, device=pixels.device) * pixels.shape[1] // steps]
        target = frames[:, 1:] - frames[:, :-1]
        if self.backbone.std is not None:
            target = target / self.backbone.std.to(target.dtype)
        made = self.training_only.decoder(differences, pixels.shape[-2:])
        return F.mse_loss(made, target, reduction="none").flatten(1).mean(dim=1)

    def match(self, support: Mapping[str, Tensor], query: Mapping[str, Tensor], mask: Tensor | None = None) -> Logits:
        """Logits `(B, Q, C)` from outputs of `embed`, `(B, C, K, …)` and `(B, Q, …)`, and `mask` `(B, C, K)`."""
        distances = {name: self._distances(name, support, query, mask) for name in BRANCHES}
        return Logits(-sum(self.weights[name] * hausdorff(own) for name, own in distances.items()))

    def correspondence(
        self, support: Mapping[str, Tensor], query: Mapping[str, Tensor], mask: Tensor | None = None
    ) -> list[Correspondence]:
        """Likeness of the frames that are nearest to each other, without motion; arguments as for `match`."""
        return nearest_of_means(self._distances("frames", support, query, mask), support["frames"].shape[2], mask)

    @staticmethod
    def _distances(
        name: str, support: Mapping[str, Tensor], query: Mapping[str, Tensor], mask: Tensor | None
    ) -> Tensor:
        """Distances between tokens of queries and of classes, those of whole clips left out, `(B, Q, C, T, T)`."""
        prototypes = mean_over_shots(support[name][..., 1:, :], mask)  # (B, C, T, D)
        return cosine_distances_of_pairs(query[name][:, :, 1:], prototypes)

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the losses, where there are several."""
        if self.training_only is None:
            return ()
        return ("match", "class", "contrast", *(("reconstruction",) if self.reads_pixels else ()))

    def losses(
        self, logits: Logits, support: Mapping[str, Tensor], query: Mapping[str, Tensor], truth: Truth
    ) -> dict[str, Tensor]:
        """The losses, with weights; that of the logits alone without what only training has."""
        found = {"match": truth.cross_entropy(logits.total)}
        if self.training_only is None:
            return found
        found["class"] = self.class_weight * truth.class_cross_entropy(support["classes"], query["classes"])
        contrast = 0
        for name, scale in self.training_only.scales.items():
            classes, queries = support[name].mean(dim=2), query[name]  # (B, C, 1 + T, D) and (B, Q, 1 + T, D)
            tokens_of_class = cosine_distances_of_pairs(queries[:, :, :1], classes[:, :, 1:])  # (B, Q, C, 1, T)
            tokens_of_query = cosine_distances_of_pairs(queries[:, :, 1:], classes[:, :, :1])  # (B, Q, C, T, 1)
            for distances in (tokens_of_class, tokens_of_query):
                contrast = contrast + truth.cross_entropy(-scale * distances.sum(dim=(-2, -1)))
        found["contrast"] = self.contrast_weight * contrast
        if self.reads_pixels:
            errors = torch.cat([support["reconstruction"].flatten(1), query["reconstruction"]], dim=1)
            found["reconstruction"] = self.reconstruction_weight * truth.beside(errors.mean())
        return found

    def forward(self, support_clips: Clips, support_labels: Tensor, query_clips: Clips) -> Logits:
        """One episode from its clips; see `match_clips`. Logits `(Q, C)`."""
        return match_clips(self, support_clips, support_labels, query_clips)


def build_molo(
    *,
    backbone: Backbone,
    frames: int = 8,
    heads: int = 8,
    hidden: int = 2048,
    position_a: float = 10.0,
    position_b: float = 1.0,
    position_dropout: float = 0.1,
    clip_dropout: float = 0.2,
    hidden_dropout: float = 0.05,
    motion_weight: float = 0.3,
    class_weight: float = 0.8,
    contrast_weight: float = 0.05,
    reconstruction_weight: float = 0.1,
    patches: int = 7,
    seed: int = 0,
) -> MoLo:
    """Builds MoLo; every block is initialised from (seed, its path) alone.

    Args:
        backbone: network from frames to maps.
        frames: L, frames per clip, at least 2.
        heads: number of heads of attention.
        hidden: width of the network on each token.
        position_a: A of the positional encoding.
        position_b: B of the positional encoding.
        position_dropout: probability of dropout after the positional encoding.
        clip_dropout: probability of dropout on the result of attention.
        hidden_dropout: probability of dropout in the network on each token.
        motion_weight: as for `MoLo`, likewise the next three.
        class_weight: see there.
        contrast_weight: see there.
        reconstruction_weight: see there.
        patches: P, patches along each side of a frame, of which motion is made.
        seed: seed of all initial weights.
    """
    channels = backbone.dim
    with seeded(seed, "motion"):
        motion = Motion(channels=channels)
    branches = nn.ModuleDict()
    for name, count in (("frames", frames), ("motion", frames - 1)):
        positions = ScaledPositions(
            length=1 + count, channels=channels, a=position_a, b=position_b, dropout=position_dropout
        )
        with seeded(seed, f"branches.{name}"):
            layer = TransformerLayer(
                channels=channels, heads=heads, hidden=hidden, dropout=clip_dropout, hidden_dropout=hidden_dropout
            )
            branches[name] = Branch(channels=channels, positions=positions, layer=layer)
    return MoLo(
        backbone=backbone,
        motion=motion,
        branches=branches,
        motion_weight=motion_weight,
        class_weight=class_weight,
        contrast_weight=contrast_weight,
        reconstruction_weight=reconstruction_weight,
        patches=patches,
    )
