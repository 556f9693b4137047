"""Networks over whole clips with random weights, held against convolutions frame by frame and against torchvision."""

import pkgutil

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision import models

from strmctl.errors import CheckpointError, DataError, RecipeError
from strmctl.model.backbones.build import build_backbone
from strmctl.model.backbones.table import BACKBONES, KINETICS
from strmctl.model.backbones.video_networks import ClipTokens, ClipWindows, without_chance
from strmctl.recipe import load_recipe
from tests.model.reference import relative_error
from tests.tiny_video import mvit, swin

VIDEO = {name: entry for name, entry in BACKBONES.items() if entry.video}
BLOCKS = {1: 3, 2: 4, 3: 6, 4: 3}  # bottlenecks in each stage of ResNet-50


def slow_shapes():
    """Names and shapes in the published file of the 3D ResNet-50."""
    shapes, inputs = {}, 64

    def layer(convolution, norm, *shape):
        shapes[f"{convolution}.weight"] = shape
        for tensor in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{norm}.{tensor}"] = shape[:1]
        shapes[f"{norm}.num_batches_tracked"] = ()

    layer("blocks.0.conv", "blocks.0.norm", 64, 3, 1, 7, 7)
    for stage, count in BLOCKS.items():
        width, depth = 32 * 2**stage, 3 if stage > 2 else 1
        for block in range(count):
            place = f"blocks.{stage}.res_blocks.{block}"
            if block == 0:
                layer(f"{place}.branch1_conv", f"{place}.branch1_norm", 4 * width, inputs, 1, 1, 1)
            layer(f"{place}.branch2.conv_a", f"{place}.branch2.norm_a", width, inputs, depth, 1, 1)
            layer(f"{place}.branch2.conv_b", f"{place}.branch2.norm_b", width, width, 1, 3, 3)
            layer(f"{place}.branch2.conv_c", f"{place}.branch2.norm_c", 4 * width, width, 1, 1, 1)
            inputs = 4 * width
    return shapes | {"blocks.5.proj.weight": (400, 2048), "blocks.5.proj.bias": (400,)}


@pytest.fixture(scope="module")
def slow_state():
    """Random numbers under the names of the published file."""
    generator, state = torch.Generator().manual_seed(0), {}
    for name, shape in slow_shapes().items():
        state[name] = torch.zeros((), dtype=torch.long)
        if shape:
            spread = (2 / max(1, torch.Size(shape)[1:].numel())) ** 0.5 if len(shape) > 1 else 0.2
            state[name] = spread * torch.randn(shape, generator=generator)
        if name.endswith(("norm.weight", "running_var")) or ("norm" in name and name.endswith(".weight")):
            state[name] = 1 + state[name].abs()
    return state


@pytest.fixture(scope="module")
def slow_file(slow_state, tmp_path_factory):
    path = tmp_path_factory.mktemp("slow") / "SLOW_8x8_R50.pyth"
    torch.save({"model_state": slow_state, "epoch": 196}, path)
    return path


def slow_by_hand(state, frames):
    """The maps of a clip's frames `(L, 3, H, W)`, from convolutions of single frames."""

    def convolved(x, convolution, norm, stride=1):
        kernel = state[f"{convolution}.weight"].double()  # (out, in, t, k, k)
        padding, moments = kernel.shape[-1] // 2, kernel.shape[2]
        made = []
        for place in range(len(x)):
            total = 0
            for moment in range(moments):
                other = place + moment - moments // 2
                if 0 <= other < len(x):
                    total = total + F.conv2d(x[other][None], kernel[:, :, moment], stride=stride, padding=padding)
            made.append(total[0])
        scale, shift, mean, variance = (
            state[f"{norm}.{tensor}"].double()[:, None, None]
            for tensor in ("weight", "bias", "running_mean", "running_var")
        )
        return (torch.stack(made) - mean) / (variance + 1e-5).sqrt() * scale + shift

    x = F.max_pool2d(convolved(frames, "blocks.0.conv", "blocks.0.norm", 2).relu(), 3, stride=2, padding=1)
    for stage, count in BLOCKS.items():
        for block in range(count):
            place, stride = f"blocks.{stage}.res_blocks.{block}", 2 if stage > 1 and block == 0 else 1
            own = convolved(x, f"{place}.branch2.conv_a", f"{place}.branch2.norm_a").relu()
            own = convolved(own, f"{place}.branch2.conv_b", f"{place}.branch2.norm_b", stride).relu()
            own = convolved(own, f"{place}.branch2.conv_c", f"{place}.branch2.norm_c")
            if block == 0:
                x = convolved(x, f"{place}.branch1_conv", f"{place}.branch1_norm", stride)
            x = (x + own).relu()
    return x


@torch.no_grad()
def test_the_3d_resnet50_from_its_file_is_its_convolutions_frame_by_frame(slow_state, slow_file):
    backbone = build_backbone("resnet50_3d", weights=str(slow_file), normalize=True).double().eval()
    clips = torch.rand(2, 3, 3, 40, 36, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    maps = backbone(clips)
    assert maps.shape == (2, 3, 2048, 2, 2)
    for found, frames in zip(maps, clips, strict=True):
        assert relative_error(found, slow_by_hand(slow_state, (frames - 0.45) / 0.225)) < 1e-12


def test_published_weights_of_the_3d_resnet50_are_announced_and_taken_out_of_their_file(
    slow_state, slow_file, tmp_path, monkeypatch
):
    told, address = [], BACKBONES["resnet50_3d"].weights[KINETICS]
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(
        torch.hub, "load_state_dict_from_url", lambda url, **_: told.append(url) or torch.load(slow_file)
    )
    backbone = build_backbone("resnet50_3d", weights=KINETICS, announce=told.append)
    assert told[1] == address and "Kinetics-400 weights of resnet50_3d" in told[0] and address in told[0]
    found = backbone.trunk.state_dict()
    assert torch.equal(found["layer4.2.conv1.weight"], slow_state["blocks.4.res_blocks.2.branch2.conv_a.weight"])
    part = {name: value for name, value in slow_state.items() if "3.res_blocks.1.branch2.norm_a.bias" not in name}
    torch.save({"model_state": part}, tmp_path / "part.pyth")
    with pytest.raises(CheckpointError, match=r"layer3\.1\.bn1\.bias is missing"):
        build_backbone("resnet50_3d", weights=str(tmp_path / "part.pyth"))


@pytest.mark.parametrize("name", VIDEO)
def test_every_tensor_of_the_published_file_has_its_place_and_shape(name):
    entry = VIDEO[name]
    with torch.device("meta"):
        trunk = pkgutil.resolve_name(entry.trunk)()
        theirs = slow_shapes() if name == "resnet50_3d" else shapes_of(getattr(models.video, name)(weights=None))
    rename = pkgutil.resolve_name(entry.rename) if entry.rename else str
    renamed = {rename(key): tuple(shape) for key, shape in theirs.items()}
    without = {key: shape for key, shape in renamed.items() if not key.startswith(entry.classifier)}
    assert len(renamed) == len(theirs) and len(without) < len(renamed)
    assert without == shapes_of(trunk)
    published = (
        32_454_096 if name == "resnet50_3d" else pkgutil.resolve_name(entry.weights[KINETICS]).meta["num_params"]
    )
    head = sum(torch.Size(shape).numel() for key, shape in renamed.items() if key not in without)
    assert sum(parameter.numel() for parameter in trunk.parameters()) + head == published


def shapes_of(network):
    return {key: tuple(value.shape) for key, value in network.state_dict().items()}


@pytest.mark.parametrize("name", VIDEO)
def test_the_entry_says_how_many_time_steps_come_out_of_so_many_frames(name):
    entry = VIDEO[name]
    with torch.device("meta"):
        backbone = build_backbone(name, weights="none").eval()
        for frames in (4, 5, 9, 15, 16):
            side = entry.crop or 64
            clips = torch.empty(2, frames, 3, side, side)
            if entry.steps(frames):
                assert backbone(clips).shape[:3] == (2, entry.steps(frames), entry.dim)
            else:
                with pytest.raises((RecipeError, RuntimeError)):
                    backbone(clips)
    assert entry.steps(16) == {"resnet50_3d": 16, "mc3_18": 16, "mvit_v1_b": 8, "mvit_v2_s": 8, "swin3d_t": 8}.get(
        name, 2
    )


@torch.no_grad()
@pytest.mark.parametrize("name", ["mc3_18", "s3d", "swin3d_t"])
def test_maps_are_torchvisions_before_its_pooling(name, tmp_path):
    torch.manual_seed(0)
    network = getattr(models.video, name)(weights=None).eval()
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm3d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 1.5)
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    backbone = build_backbone(name, weights=str(tmp_path / "weights.pth"), normalize=True).double().eval()
    seen = []
    network.avgpool = Seen(seen)
    clips = torch.rand(2, 8, 3, 32, 32, dtype=torch.float64)
    mean, std = (torch.tensor(colours).view(3, 1, 1) for colours in (BACKBONES[name].mean, BACKBONES[name].std))
    with pytest.raises(StopIteration):
        network.double()(((clips - mean) / std).transpose(1, 2))
    maps = backbone(clips)
    assert relative_error(maps, seen[0].transpose(1, 2)) < 1e-6  # colours are kept in float32 above
    alone = torch.cat([backbone(clip[None]) for clip in clips])
    assert relative_error(alone, maps) < 1e-12


class Seen(nn.Module):
    """Keeps what it is given, and ends the forward pass."""

    def __init__(self, seen):
        super().__init__()
        self.seen = seen

    def forward(self, maps):
        self.seen.append(maps)
        raise StopIteration


@torch.no_grad()
def test_tokens_of_an_mvit_are_laid_out_as_its_patches_lie():
    torch.manual_seed(0)
    network = mvit((32, 24), 4).double().eval()
    for parameter in network.pos_encoding.parameters():
        parameter.normal_()
    trunk, tokens = ClipTokens(network=network).eval(), []
    network.norm.register_forward_hook(lambda module, given, output: tokens.append(output))
    clips = torch.rand(2, 3, 4, 32, 24, dtype=torch.float64)
    network(clips)
    maps = trunk(clips)
    assert maps.shape == (2, 16, 2, 4, 3)
    for place in torch.cartesian_prod(*map(torch.arange, (2, 4, 3))).tolist():
        step, row, column = place
        assert torch.equal(maps[:, :, step, row, column], tokens[0][:, 1 + 12 * step + 3 * row + column])
    with pytest.raises(RecipeError, match=r"clips of 4 frames of 32×24 pixels \(got 5 frames of 32×24\)"):
        trunk(torch.rand(1, 3, 5, 32, 24, dtype=torch.float64))


@torch.no_grad()
@pytest.mark.parametrize("make", [lambda: ClipTokens(network=mvit((32, 24), 4)), lambda: ClipWindows(network=swin())])
def test_nothing_is_left_to_chance_in_training(make):
    clips = torch.rand(4, 3, 4, 32, 24)
    trunk = make().train()
    assert not torch.equal(trunk(clips), trunk(clips))
    without_chance(trunk)
    assert torch.equal(trunk(clips), trunk(clips))


@pytest.mark.parametrize(
    ("name", "weights", "words", "hint"),
    [
        ("r2plus1d_18", "imagenet", "r2plus1d_18 has no ImageNet weights", "`--set backbone.weights=kinetics400`"),
        ("resnet18", KINETICS, "resnet18 has no Kinetics-400 weights", "`--set backbone.weights=imagenet`"),
        ("conv3", KINETICS, "conv3 has no Kinetics-400 weights", "`--set backbone.weights=none`"),
        ("timm:resnet18", KINETICS, "timm:resnet18 has no Kinetics-400 weights", "`--set backbone.weights=imagenet`"),
    ],
)
def test_weights_that_a_backbone_does_not_have(name, weights, words, hint):
    with pytest.raises(DataError, match=words) as caught:
        build_backbone(name, weights=weights)
    assert caught.value.hint.startswith(hint)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (("name=mvit_v2_s", "frames=15", "crop=224"), r"input\.frames must be 16 with backbone mvit_v2_s \(got 15\)"),
        (("name=mvit_v1_b", "frames=16", "crop=112"), r"input\.crop must be 224 with backbone mvit_v1_b"),
        (("name=s3d", "frames=4", "crop=32"), r"input\.frames must be 5 or more with backbone s3d"),
        (
            ("name=r3d_18", "frames=8", "crop=32"),
            r"exceed the 1 time step that .* of 8 frames; input\.frames 9 would do",
        ),
        (
            ("name=s3d", "frames=16", "crop=32", "trx"),
            r"\[2, 3\] must .* the 2 time steps .*; input\.frames 21 would do",
        ),
    ],
)
def test_frames_that_a_backbone_does_not_take_or_that_make_too_few_steps(changes, words):
    name, frames, crop, *method = changes
    assignments = [f"backbone.{name}", f"input.{frames}", "input.size=256", f"input.{crop}"]
    with pytest.raises(RecipeError, match=words):
        load_recipe("sprites", [*assignments, *(f"method={own}" for own in method)])


def test_a_method_without_tuples_takes_a_single_time_step():
    recipe = load_recipe("sprites", ["backbone.name=r3d_18", "input.frames=8", "method=prototype"])
    assert recipe.steps == 1
