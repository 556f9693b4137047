from functools import partial
from itertools import product

import pytest
import torch
from torch import nn
from torchvision import models

from strmctl.errors import ExitCode, RecipeError
from strmctl.model.backbones.build import build_backbone
from strmctl.model.backbones.table import BACKBONES
from strmctl.model.backbones.vision_transformer import vit_b16_trunk
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
def test_the_map_is_torchvisions_tokens_of_patches_and_the_class_token_its_own(small):
    network, trunk = small.double(), build_backbone("vit_b16", weights="none").trunk.double().eval()
    load_trunk(trunk, network.state_dict(), "test", classifier=BACKBONES["vit_b16"].classifier)
    into, out_of, ours = [], [], []
    network.encoder.register_forward_pre_hook(lambda module, inputs: into.append(inputs[0]))
    network.encoder.register_forward_hook(lambda module, inputs, output: out_of.append(output))
    trunk.encoder.register_forward_hook(lambda module, inputs, output: ours.append(output))
    frames = torch.rand(1, 3, 24, 24, dtype=torch.float64)
    logits, maps = network(frames), trunk(frames)
    assert maps.shape == (1, 16, 3, 3)
    assert relative_error(network.heads(ours[0][:, 0]), logits) < 1e-12
    kernel, bias = network.conv_proj.weight, network.conv_proj.bias
    for row, column in product(range(3), range(3)):
        position = 1 + 3 * row + column
        # this token is this patch of the frame, and lies in this place of the map
        pixels = frames[0, :, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
        token = (kernel * pixels).sum(dim=(1, 2, 3)) + bias
        assert relative_error(into[0][0, position], token) < 1e-12
        assert relative_error(maps[0, :, row, column], out_of[0][0, position]) < 1e-12


def test_frames_of_224_pixels_have_maps_of_14_and_those_of_another_size_name_the_key_to_set():
    with torch.device("meta"):  # 330 MB are not filled
        trunk = vit_b16_trunk()
        assert trunk(torch.zeros(2, 3, 224, 224)).shape == (2, BACKBONES["vit_b16"].dim, 14, 14)
        for height, width in ((112, 112), (224, 240), (256, 224)):
            with pytest.raises(RecipeError, match=f"224×224 pixels .got {width}×{height}") as caught:
                trunk(torch.zeros(1, 3, height, width))
    assert caught.value.exit_code == ExitCode.RECIPE
    assert "`input.crop: 224`" in caught.value.hint


@pytest.mark.parametrize("names", [dict, names_of_2022])
def test_weights_from_a_file_with_torchvisions_names_of_today_and_of_2022(small, tmp_path, names):
    state = small.state_dict()
    torch.save(names(state), tmp_path / "vit.pth")
    trunk = build_backbone("vit_b16", weights=str(tmp_path / "vit.pth")).trunk.state_dict()
    assert trunk.keys() == {name for name in state if not name.startswith("heads.")}
    assert all(torch.equal(value, state[name]) for name, value in trunk.items())
