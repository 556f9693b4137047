from functools import partial

import pytest
import torch
from torch import nn
from torchvision import models

from strmctl.errors import ExitCode, RecipeError
from strmctl.model.backbones.build import build_backbone
from strmctl.model.backbones.table import BACKBONES
from strmctl.model.backbones.weights import load_trunk
from tests.model.reference import relative_error


def randomised(network):
    """Classifier, class token and what starts as constants, so that nothing can be left out unseen."""
    for name, parameter in network.named_parameters():
        if parameter.ndim == 1 or name == "class_token" or name.startswith("heads."):
            nn.init.normal_(parameter, mean=1.0 if "ln" in name and name.endswith("weight") else 0.0, std=0.1)
    return network


def names_of_2022(state):
    """As torchvision's file has them: see `MLPBlock._load_from_state_dict` there."""
    return {
        name.replace(".mlp.0.", ".mlp.linear_1.").replace(".mlp.3.", ".mlp.linear_2."): value
        for name, value in state.items()
    }


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return randomised(models.vit_b_16()).double().eval()


@pytest.fixture(scope="module")
def backbone(network):
    backbone = build_backbone("vit_b16", weights="none").double().eval()
    load_trunk(backbone.trunk, network.state_dict(), "test", classifier=BACKBONES["vit_b16"].classifier)
    return backbone


@pytest.fixture
def small(monkeypatch):
    """A transformer of 0.2 MB in place of ViT-B/16's 330 MB."""
    make = partial(
        models.VisionTransformer, image_size=24, patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32
    )
    monkeypatch.setattr(models, "vit_b_16", lambda weights: make())
    torch.manual_seed(1)
    return randomised(make()).eval()


@torch.no_grad()
def test_the_map_is_torchvisions_tokens_of_patches_and_the_class_token_its_own(network, backbone):
    into, out_of, ours = [], [], []
    hooks = [
        network.encoder.register_forward_pre_hook(lambda module, inputs: into.append(inputs[0])),
        network.encoder.register_forward_hook(lambda module, inputs, output: out_of.append(output)),
        backbone.trunk.encoder.register_forward_hook(lambda module, inputs, output: ours.append(output)),
    ]
    frames = torch.rand(1, 3, 224, 224, dtype=torch.float64)
    logits, maps = network(frames), backbone(frames)
    for hook in hooks:
        hook.remove()
    assert maps.shape == (1, backbone.dim, 14, 14)
    assert relative_error(network.heads(ours[0][:, 0]), logits) < 1e-12
    kernel, bias = network.conv_proj.weight, network.conv_proj.bias
    for row, column in ((0, 0), (0, 13), (3, 5), (5, 3), (13, 0), (13, 13)):
        position = 1 + 14 * row + column
        # this token is this patch of the frame, and lies in this place of the map
        pixels = frames[0, :, 16 * row : 16 * row + 16, 16 * column : 16 * column + 16]
        token = (kernel * pixels).sum(dim=(1, 2, 3)) + bias
        assert relative_error(into[0][0, position], token) < 1e-12
        assert relative_error(maps[0, :, row, column], out_of[0][0, position]) < 1e-12


@pytest.mark.parametrize("size", [(112, 112), (224, 240), (256, 224)])
def test_frames_of_another_size_name_the_key_to_set(backbone, size):
    with pytest.raises(RecipeError, match="224×224 pixels") as caught:
        backbone(torch.zeros(1, 3, *size, dtype=torch.float64))
    assert caught.value.exit_code == ExitCode.RECIPE
    assert f"{size[1]}×{size[0]}" in caught.value.message
    assert "`input.crop: 224`" in caught.value.hint


@pytest.mark.parametrize("names", [dict, names_of_2022])
def test_weights_from_a_file_with_torchvisions_names_of_today_and_of_2022(small, tmp_path, names):
    state = small.state_dict()
    torch.save(names(state), tmp_path / "vit.pth")
    trunk = build_backbone("vit_b16", weights=str(tmp_path / "vit.pth")).trunk.state_dict()
    assert trunk.keys() == {name for name in state if not name.startswith("heads.")}
    assert all(torch.equal(value, state[name]) for name, value in trunk.items())
