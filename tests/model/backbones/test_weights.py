from urllib.error import URLError

import pytest
import torch
from torchvision import models

from strmctl.errors import CheckpointError, DataError, ExitCode
from strmctl.model.backbones.build import build_backbone
from strmctl.model.backbones.weights import load_trunk
from strmctl.model.methods.strm import build_strm
from tests.model.backbones.test_build import random_batch_norm


def same_weights(backbone, state):
    trunk = backbone.trunk.state_dict()
    return all(torch.equal(value, state[name]) for name, value in trunk.items() if "num_batches" not in name)


@pytest.fixture(scope="module")
def resnet18():
    torch.manual_seed(0)
    network = models.resnet18()
    random_batch_norm(network)
    return network


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    return tmp_path / "checkpoints"


def test_weights_from_a_file_with_torchvisions_names(resnet18, tmp_path):
    state = resnet18.state_dict()
    torch.save(state, tmp_path / "resnet18.pth")
    assert same_weights(build_backbone("resnet18", weights=str(tmp_path / "resnet18.pth")), state)


def test_weights_from_files_of_this_project_and_from_before_batch_counters(tmp_path):
    model = build_strm(backbone=build_backbone("conv3", weights="none"), dim=8, seed=3)
    random_batch_norm(model)
    trunk = model.backbone.trunk.state_dict()
    old = {name: value for name, value in trunk.items() if not name.endswith("num_batches_tracked")}
    for state in (model.state_dict(), model.backbone.state_dict(), trunk, old):
        torch.save(state, tmp_path / "weights.pt")
        assert same_weights(build_backbone("conv3", weights=str(tmp_path / "weights.pt")), trunk)


def test_weights_of_another_network_name_the_first_three_problems(resnet18):
    state = dict(resnet18.state_dict())
    trunk = build_backbone("resnet18", weights="none").trunk
    before = {name: value.clone() for name, value in trunk.state_dict().items()}
    for name in ("bn1.bias", "layer1.1.conv2.weight", "layer3.0.bn1.running_mean"):
        del state[name]
    state["conv1.weight"] = torch.zeros(64, 3, 5, 5)
    with pytest.raises(CheckpointError) as caught:
        load_trunk(trunk, state, "file.pth")
    message = caught.value.message
    assert caught.value.exit_code == ExitCode.CHECKPOINT
    assert "file.pth" in message and "conv1.weight is (64, 3, 5, 5), not (64, 3, 7, 7)" in message
    assert "bn1.bias is missing; layer1.1.conv2.weight is missing (and 1 more)" in message
    assert "running_mean" not in message
    assert all(torch.equal(value, before[name]) for name, value in trunk.state_dict().items())
    # A deeper network holds every name and shape of a shallower one, and more.
    deeper = build_backbone("resnet34", weights="none").trunk.state_dict()
    with pytest.raises(CheckpointError, match=r"layer1\.2\.conv1\.weight is not part of it"):
        load_trunk(trunk, deeper, "resnet34.pth")


@pytest.mark.parametrize("content", [b"not weights\n", b"", b"PK\x03\x04 nor this", [1, 2], {}, {"epoch": 3}])
def test_a_file_that_holds_no_weights(tmp_path, content):
    path = tmp_path / "weights.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(CheckpointError, match=r"weights\.pt") as caught:
        build_backbone("conv3", weights=str(path))
    assert caught.value.exit_code == ExitCode.CHECKPOINT
    assert "--set backbone.weights=none" in caught.value.hint


@pytest.mark.parametrize("name", ["absent.pt", "."])
def test_a_missing_file_or_a_folder(tmp_path, name):
    with pytest.raises(DataError, match=str(tmp_path)) as caught:
        build_backbone("conv3", weights=str(tmp_path / name))
    assert caught.value.exit_code == ExitCode.DATA
    assert "--set backbone.weights=PATH" in caught.value.hint


def test_imagenet_weights_are_announced_before_they_are_fetched(resnet18, cache, monkeypatch):
    events = []

    def fetch(url, **options):
        assert options["check_hash"] and options["weights_only"]
        events.append(url)
        return resnet18.state_dict()

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", fetch)
    backbone = build_backbone("resnet18", weights="imagenet", announce=events.append)
    url = "https://download.pytorch.org/models/resnet18-f37072fd.pth"
    assert len(events) == 2 and events[1] == url
    assert "45 MB" in events[0] and url in events[0] and str(cache) in events[0]
    assert same_weights(backbone, resnet18.state_dict())


def test_imagenet_weights_in_the_cache_need_no_net(resnet18, cache, monkeypatch):
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda *_, **__: pytest.fail("went to the net"))
    cache.mkdir()
    torch.save(resnet18.state_dict(), cache / "resnet18-f37072fd.pth")
    messages = []
    assert same_weights(build_backbone("resnet18", announce=messages.append), resnet18.state_dict())
    assert messages == []
    (cache / "resnet18-f37072fd.pth").write_text("half a file")
    with pytest.raises(DataError, match="cannot be read") as caught:
        build_backbone("resnet18")
    assert "delete it" in caught.value.hint


@pytest.mark.parametrize("error", [URLError("no route"), TimeoutError("slow"), RuntimeError("invalid hash value")])
def test_imagenet_weights_offline_say_the_ways_out(cache, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(DataError, match=r"cannot be fetched from https://\S+resnet50\S+") as caught:
        build_backbone("resnet50")
    assert caught.value.exit_code == ExitCode.DATA
    words = ("download https://", "--set backbone.weights=PATH", "--set backbone.weights=none")
    assert all(word in caught.value.hint for word in words)


def test_conv3_has_no_imagenet_weights():
    with pytest.raises(DataError, match="conv3 has no ImageNet weights") as caught:
        build_backbone("conv3", weights="imagenet")
    assert "--set backbone.weights=none" in caught.value.hint
