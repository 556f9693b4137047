import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision import models

from strmctl.model.backbones.build import build_backbone
from strmctl.model.backbones.table import BACKBONES
from strmctl.model.backbones.weights import load_trunk
from tests.model.reference import relative_error

RESNETS = {"resnet18": models.resnet18, "resnet34": models.resnet34, "resnet50": models.resnet50}


def random_batch_norm(module):
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias)
            nn.init.normal_(layer.running_mean)
            nn.init.uniform_(layer.running_var, 0.5, 1.5)


@pytest.mark.parametrize("name", RESNETS)
def test_resnet_is_torchvisions_up_to_its_last_map(name):
    torch.manual_seed(0)
    network = RESNETS[name]().double().eval()
    backbone = build_backbone(name, weights="none").double().eval()
    load_trunk(backbone.trunk, network.state_dict(), "test")
    maps = []
    network.avgpool.register_forward_pre_hook(lambda module, inputs: maps.append(inputs[0]))
    frames = torch.rand(2, 3, 64, 48, dtype=torch.float64)
    network(frames)
    actual = backbone(frames[None])[0]
    assert actual.shape == (2, backbone.dim, 2, 2)
    assert relative_error(actual, maps[0].detach()) < 1e-10


def test_conv3_is_three_blocks_of_convolution_norm_relu_and_pooling():
    torch.manual_seed(0)
    backbone = build_backbone("conv3", weights="none").double().eval()
    random_batch_norm(backbone)
    weights = list(backbone.trunk.state_dict().values())
    frames = torch.rand(2, 3, 64, 64, dtype=torch.float64)
    x = frames
    for block, (stride, padding) in enumerate([(2, 2), (1, 1), (1, 1)]):
        kernel, scale, shift, mean, variance, _ = weights[6 * block : 6 * block + 6]
        x = F.conv2d(x, kernel, stride=stride, padding=padding)
        x = (x - mean[:, None, None]) / (variance[:, None, None] + 1e-5).sqrt() * scale[:, None, None]
        x = F.max_pool2d((x + shift[:, None, None]).clamp(min=0), 2)
    assert x.shape == (2, 128, 4, 4)
    assert [tuple(kernel.shape) for kernel in weights[::6]] == [(32, 3, 5, 5), (64, 32, 3, 3), (128, 64, 3, 3)]
    assert relative_error(backbone(frames[None])[0], x.detach()) < 1e-12


@pytest.mark.parametrize("name", ["conv3", "resnet18"])
def test_normalize_applies_what_the_entry_declares_and_saves_nothing_of_it(name):
    torch.manual_seed(0)
    plain = build_backbone(name, weights="none").double().eval()
    normalizing = build_backbone(name, weights="none", normalize=True).double().eval()
    normalizing.load_state_dict(plain.state_dict())
    frames = torch.rand(2, 3, 64, 64, dtype=torch.float64)
    colours = [(frames[:, i] - BACKBONES[name].mean[i]) / BACKBONES[name].std[i] for i in range(3)]
    assert relative_error(normalizing(frames[None])[0], plain(torch.stack(colours, dim=1)[None])[0].detach()) < 1e-10


def test_frozen_batch_norm_keeps_its_statistics_and_uses_them():
    torch.manual_seed(0)
    frozen = build_backbone("conv3", weights="none", batch_norm="frozen")
    moving = build_backbone("conv3", weights="none", batch_norm="batch")
    clips = torch.rand(1, 4, 3, 64, 64)
    for backbone, stays in ((frozen, True), (moving, False)):
        parent = nn.Sequential(backbone)
        before = {name: value.clone() for name, value in backbone.named_buffers()}
        in_training = parent.train()(clips)
        assert all(torch.equal(value, before[name]) for name, value in backbone.named_buffers()) == stays
        assert torch.equal(in_training, parent.eval()(clips)) == stays
        assert backbone(clips).sum().requires_grad
    assert frozen.train().training
