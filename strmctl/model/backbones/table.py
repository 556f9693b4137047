"""The table of backbones: networks from frames or clips to feature maps. Recipes, builder and reports read it.

A new backbone is one function that makes its network, and one entry in `BACKBONES`; those of timm need none. Importing
this file imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Colours = tuple[float, float, float]
MOST_FRAMES = 64  # of a clip


@dataclass(frozen=True)
class Video:
    """What there is to say of a network over whole clips.

    Attributes:
        steps: L, the frames of a clip, to L', the time steps of its map; 0 where the network takes no such clip.
        frames: frames of the clips that its published accuracy was measured on.
        rate: number of these frames per second of video.
        pixels: side of these frames.
    """

    steps: Callable[[int], int]
    frames: int
    rate: float
    pixels: int


@dataclass(frozen=True)
class Entry:
    """What strmctl knows of a backbone; code is named as `module:name` and imported when it is needed.

    Attributes:
        trunk: makes the network with random weights: from frames `(N·L, 3, H, W)` to `(N·L, D, h, w)`, or with `video`
            from clips `(N, 3, L, H, W)` to `(N, D, L', h, w)`.
        dim: D, channels of the map; None for networks of timm, which are known when they are built.
        mean: mean per colour of pixels in [0, 1], used when the recipe asks for normalisation.
        std: standard deviation per colour, likewise.
        weights: published weights, by the word for them in recipes: torchvision's, a function that gives them, or the
            address of a file.
        classifier: prefix of the classifier's tensors, which a file may hold and the trunk does not.
        rename: a tensor's name in a file of weights to its name in the network that the trunk was cut from; None: the
            same.
        inside: name under which a file of its weights holds them beside other things; None: it holds nothing else.
        crop: side in pixels of the only frames that it takes; None: any.
        batch_norm: whether it has batch norm.
        table1: name in Table 1 of the paper; None where it is not there.
        libraries: libraries besides torch and torchvision that compute its maps.
        video: what there is to say of a network over whole clips; None for one of frames.
    """

    trunk: str
    dim: int | None
    mean: Colours = (0.485, 0.456, 0.406)
    std: Colours = (0.229, 0.224, 0.225)
    weights: Mapping[str, str] = field(default_factory=dict)
    classifier: str = "fc."
    rename: str | None = None
    inside: str | None = None
    crop: int | None = None
    batch_norm: bool = True
    table1: str | None = None
    libraries: tuple[str, ...] = ()
    video: Video | None = None

    def steps(self, frames: int) -> int:
        """L', the time steps of the map of a clip of L frames; 0 where the network takes no such clip."""
        return frames if self.video is None else self.video.steps(frames)

    @property
    def seen(self) -> str:
        """What its published weights were trained on, in words."""
        if self.video is None:
            return "frames" if self.weights else ""
        return f"{self.video.frames} frames of {self.video.pixels}², {self.video.rate:g} a second"

    def frames_for(self, steps: int) -> int | None:
        """The fewest frames of a clip, up to `MOST_FRAMES`, that give so many time steps; None where none do."""
        return next((frames for frames in range(2, MOST_FRAMES + 1) if self.steps(frames) >= steps), None)


HERE, VISION = "strmctl.model.backbones", "torchvision.models"
TIMM = "timm:"  # what names of backbones begin with that are models of timm
IMAGENET, KINETICS = "imagenet", "kinetics400"  # words for published weights


@dataclass(frozen=True)
class Pretraining:
    """A data set that published weights were trained on.

    Attributes:
        label: its name.
        actions: weights of torchvision whose `meta` lists its classes; None where these are no actions.
    """

    label: str
    actions: str | None = None


PRETRAINING = {
    IMAGENET: Pretraining("ImageNet"),
    KINETICS: Pretraining("Kinetics-400", f"{VISION}.video:R3D_18_Weights.KINETICS400_V1"),
}


def _halved(times: int) -> Callable[[int], int]:
    """Steps after so many strides of 2 over time, each of which rounds up."""
    return lambda frames: -(-frames // 2**times)


def _sixteen(frames: int) -> int:
    """Steps of a network whose positions are those of 16 frames."""
    return 8 if frames == 16 else 0


def _video(name: str, dim: int, published: str, video: Video, **more: Any) -> Entry:
    """The entry of a network of torchvision with weights for Kinetics-400."""
    weights = {KINETICS: f"{VISION}.video:{published}_Weights.KINETICS400_V1"}
    return Entry(f"{HERE}.video_networks:{name}_trunk", dim, weights=weights, video=video, **more)


# Mean and standard deviation of networks over clips.
KINETICS_COLOURS = {"mean": (0.43216, 0.394666, 0.37645), "std": (0.22803, 0.22145, 0.216989)}
GREY = {"mean": (0.45, 0.45, 0.45), "std": (0.225, 0.225, 0.225)}
TOKENS = {**GREY, "classifier": "head.", "crop": 224, "batch_norm": False}

BACKBONES: dict[str, Entry] = {
    "conv3": Entry(f"{HERE}.build:conv3_trunk", 128, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
    "resnet18": Entry(
        f"{HERE}.build:resnet18_trunk", 512, weights={IMAGENET: f"{VISION}:ResNet18_Weights.IMAGENET1K_V1"}
    ),
    "resnet34": Entry(
        f"{HERE}.build:resnet34_trunk", 512, weights={IMAGENET: f"{VISION}:ResNet34_Weights.IMAGENET1K_V1"}
    ),
    "resnet50": Entry(
        f"{HERE}.build:resnet50_trunk",
        2048,
        weights={IMAGENET: f"{VISION}:ResNet50_Weights.IMAGENET1K_V1"},
        table1="ResNet-50",
    ),
    "vit_b16": Entry(
        f"{HERE}.vision_transformer:vit_b16_trunk",
        768,
        weights={IMAGENET: f"{VISION}:ViT_B_16_Weights.IMAGENET1K_V1"},
        classifier="heads.",
        rename=f"{HERE}.vision_transformer:present_name",
        crop=224,
        batch_norm=False,
        table1="ViT",
    ),
    **{
        f"efficientnet_lite{number}": Entry(
            f"{HERE}.efficientnet_lite:LITE{number}.trunk",
            1280,
            # The weights were trained on (pixel - 127) / 128, pixels from 0 to 255: MEAN_RGB and STDDEV_RGB of
            # TensorFlow's efficientnet/lite/efficientnet_lite_builder.py. The README of `efficientnet-lite-pytorch`
            # scales for b0 to b7.
            mean=(127 / 255, 127 / 255, 127 / 255),
            std=(128 / 255, 128 / 255, 128 / 255),
            weights={IMAGENET: f"{HERE}.efficientnet_lite:LITE{number}.weights"},
            classifier="classifier.",
            rename=f"{HERE}.efficientnet_lite:LITE{number}.timm_name",
            libraries=("timm",),
        )
        for number in (0, 1, 2)
    },
    "resnet50_3d": Entry(
        f"{HERE}.inflated_resnet:resnet50_3d_trunk",
        2048,
        **GREY,
        weights={KINETICS: "https://dl.fbaipublicfiles.com/pytorchvideo/model_zoo/kinetics/SLOW_8x8_R50.pyth"},
        classifier="blocks.5.",
        rename=f"{HERE}.inflated_resnet:torchvision_name",
        inside="model_state",
        video=Video(_halved(0), frames=8, rate=3.75, pixels=256),
    ),
    "r3d_18": _video("r3d_18", 512, "R3D_18", Video(_halved(3), 16, 15, 112), **KINETICS_COLOURS),
    "mc3_18": _video("mc3_18", 512, "MC3_18", Video(_halved(0), 16, 15, 112), **KINETICS_COLOURS),
    "r2plus1d_18": _video("r2plus1d_18", 512, "R2Plus1D_18", Video(_halved(3), 16, 15, 112), **KINETICS_COLOURS),
    "s3d": _video(
        "s3d",
        1024,
        "S3D",
        Video(lambda frames: _halved(2)(frames) // 2, frames=128, rate=15, pixels=224),  # its last stride rounds down
        classifier="classifier.",
        **KINETICS_COLOURS,
    ),
    "mvit_v1_b": _video("mvit_v1_b", 768, "MViT_V1_B", Video(_sixteen, 16, 7.5, 224), **TOKENS),
    "mvit_v2_s": _video("mvit_v2_s", 768, "MViT_V2_S", Video(_sixteen, 16, 7.5, 224), **TOKENS),
    "swin3d_t": _video(
        "swin3d_t", 768, "Swin3D_T", Video(_halved(1), 32, 15, 224), classifier="head.", batch_norm=False
    ),
}


def backbone_entry(name: str) -> Entry:
    """The entry of a backbone; `timm:` and any name have one as well."""
    return Entry("", None, weights={IMAGENET: ""}, libraries=("timm",)) if name.startswith(TIMM) else BACKBONES[name]
