"""Batch norm folded into convolutions: the same maps, and hands off networks that compute in another order."""

import copy

import pytest
import torch
from torch import nn

from strmctl.model.backbones.build import build_backbone
from strmctl.model.backbones.folding import folded, folded_backbone

FRAMES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
LEFT = {  # batch norms that stay; timm lists this ResNet's first one in another module than its convolution
    **dict.fromkeys(["conv3", "resnet18", "resnet34", "resnet50", "efficientnet_lite0"], 0),
    "timm:test_resnet.r160_in1k": 1,
}


def with_statistics(network):
    """The network in evaluation, whose batch norms do something."""
    generator = torch.Generator().manual_seed(1)
    for norm in norms(network):
        norm.running_mean.normal_(0, 0.1, generator=generator)
        norm.running_var.uniform_(0.5, 2, generator=generator)
        with torch.no_grad():
            norm.weight.uniform_(0.5, 1.5, generator=generator)
            norm.bias.normal_(0, 0.1, generator=generator)
    return network.eval()


def norms(network):
    return [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]


@pytest.mark.parametrize("name", LEFT)
def test_batch_norms_are_folded_and_the_maps_stay(name):
    crop = 64 if name.startswith("timm:") else None
    network = with_statistics(build_backbone(name, weights="none", normalize=True, crop=crop)).double()
    before = copy.deepcopy(network.state_dict())
    clips = FRAMES.double()[None]
    other = folded(network, clips)
    assert len(norms(network)) > len(norms(other)) == LEFT[name]
    with torch.inference_mode():
        torch.testing.assert_close(other(clips), network(clips), rtol=1e-9, atol=1e-9)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_the_copy_has_the_precision_of_the_network():
    network = with_statistics(build_backbone("conv3", weights="none"))
    rounded = copy.deepcopy(network).bfloat16()
    other = folded(rounded, FRAMES.bfloat16()[None])
    assert {value.dtype for value in other.parameters()} == {torch.bfloat16}
    found, expected = other(FRAMES.bfloat16()[None]).float(), network(FRAMES[None])
    assert (found - expected).abs().max() < 0.03 * expected.abs().max()


class Block(nn.Module):
    """A convolution and a batch norm, listed in this order; a subclass says how it computes."""

    def __init__(self):
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)


class NormFirst(Block):
    def forward(self, frames):
        return self.convolution(self.norm(frames))


class UsedTwice(Block):
    def forward(self, frames):
        maps = self.convolution(frames)
        return self.norm(maps) + maps


class OfOtherMaps(Block):
    def forward(self, frames):
        return self.convolution(frames) + self.norm(frames)


@pytest.mark.parametrize("kind", [NormFirst, UsedTwice, OfOtherMaps])
def test_networks_that_compute_in_another_order_stay(kind):
    network = with_statistics(kind())
    assert folded(network, FRAMES) is network


@pytest.mark.parametrize(
    "network",
    [
        nn.Conv2d(3, 4, 3),
        nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3)),
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.BatchNorm2d(4)),
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False)),
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4)),
    ],
)
def test_where_there_is_nothing_to_fold(network):
    assert folded(network.eval(), FRAMES) is network


def test_a_model_has_its_own_backbone_again_also_after_an_error():
    model = nn.Module()
    model.backbone = network = with_statistics(build_backbone("conv3", weights="none"))
    with pytest.raises(ValueError, match="broken"), folded_backbone(model, FRAMES[None]):
        assert not norms(model.backbone)
        raise ValueError("broken")
    assert model.backbone is network
