"""Tiny networks over whole clips, with entries in the table of backbones for as long as a test runs."""

import pytest
from torch import nn
from torchvision import models
from torchvision.models.video.mvit import MSBlockConfig

from strmctl.model.backbones.table import BACKBONES, KINETICS, Entry, Video
from strmctl.model.backbones.video_networks import ClipTokens, ClipWindows, without_chance


def convolutions():
    """Steps of two frames: `(N, 3, L, H, W)` to `(N, 6, L / 2, H / 4, W / 4)`."""

    def block(inputs, outputs, stride):
        convolution = nn.Conv3d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        return nn.Sequential(nn.Sequential(convolution, nn.BatchNorm3d(outputs)), nn.ReLU(inplace=True))

    return nn.Sequential(block(3, 4, (1, 2, 2)), block(4, 6, 2))


def mvit(side=(32, 32), frames=8):
    """A multiscale transformer of torchvision, with steps of two frames."""
    sizes = ([3, 3, 3], [3, 3, 3])  # kernels
    blocks = [
        MSBlockConfig(1, 8, 16, *sizes, [1, 2, 2], [1, 2, 2]),
        MSBlockConfig(2, 16, 16, *sizes, [1, 1, 1], [1, 2, 2]),
    ]
    how = {"residual_pool": True, "residual_with_cls_embed": False, "rel_pos_embed": False, "proj_after_attn": True}
    return models.video.MViT(side, frames, blocks, **how, stochastic_depth_prob=0.5, num_classes=3)


def swin():
    """A transformer of windows of torchvision, with steps of two frames."""
    sizes = ([2, 4, 4], 8, [2, 2], [1, 2], [2, 3, 3])  # patch, width, blocks, heads, window
    return models.video.SwinTransformer3d(*sizes, stochastic_depth_prob=0.5, num_classes=3)


def mvit_trunk():
    return without_chance(ClipTokens(network=mvit()))


def swin_trunk():
    return without_chance(ClipWindows(network=swin()))


def weights():
    """What stands for published weights of the convolutions."""
    return convolutions().state_dict()


HALF = Video(lambda frames: -(-frames // 2), frames=8, rate=15, pixels=32)
TINY = {
    "tiny_convolutions": Entry(
        "tests.tiny_video:convolutions", 6, weights={KINETICS: "tests.tiny_video:weights"}, video=HALF
    ),
    "tiny_mvit": Entry(
        "tests.tiny_video:mvit_trunk",
        16,
        crop=32,
        batch_norm=False,
        video=Video(lambda frames: 4 if frames == 8 else 0, frames=8, rate=15, pixels=32),
    ),
    "tiny_swin": Entry("tests.tiny_video:swin_trunk", 16, batch_norm=False, video=HALF),
}


@pytest.fixture
def tiny_video(monkeypatch):
    """Puts the networks into the table."""
    for name, entry in TINY.items():
        monkeypatch.setitem(BACKBONES, name, entry)
