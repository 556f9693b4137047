"""Networks of timm with random weights: their maps, held against timm itself and against convolutions by hand."""

import json
import sys
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from strmctl.ablation.cost import cost_table
from strmctl.errors import CheckpointError, DataError, ExitCode, RecipeError, UsageError
from strmctl.model.backbones.build import build_backbone
from strmctl.model.backbones.timm_network import look_at
from strmctl.model.seeding import seeded
from strmctl.recipe import load_recipe
from strmctl.runs.build import build_model
from tests.model.reference import relative_error
from tests.small_world import evaluate, refused, small_recipe, train
from tests.videos_for_tests import strmctl

timm = pytest.importorskip("timm", reason="timm is not installed; pip install --editable '.[test]' brings it")

pytestmark = pytest.mark.slow

CNN, VIT, REGISTERS = "test_resnet", "test_vit", "vit_small_patch14_reg4_dinov2"
SWIN = "swin_tiny_patch4_window7_224"


def built(model, crop=None, **changes):
    return build_backbone(f"timm:{model}", crop=crop, **{"weights": "none", **changes}).double().eval()


def saved(model, path, **options):
    """A network of timm with random weights, also where it starts with constants, and its file."""
    network = timm.create_model(model, **options)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.1)
    if path.suffix == ".safetensors":
        from safetensors.torch import save_file

        save_file(network.state_dict(), path)
    else:
        torch.save(network.state_dict(), path)
    return network.double().eval()


def without_blocks(trunk):
    """A network whose tokens are those of its patches alone; prefix tokens are random numbers."""
    network = trunk.network
    for name in ("blocks", "layers"):
        if hasattr(network, name):
            setattr(network, name, nn.Sequential())
    network.norm = nn.Identity()
    with torch.no_grad():
        for name in ("cls_token", "reg_token"):
            if getattr(network, name, None) is not None:
                getattr(network, name).normal_()
        if getattr(network, "pos_embed", None) is not None:
            network.pos_embed.zero_()
    return network.patch_embed.proj


@torch.no_grad()
@pytest.mark.parametrize(
    ("model", "crop", "dim", "side"),
    [
        (CNN, 64, None, 2),
        (VIT, None, 64, 10),
        (VIT, 64, 64, 4),
        (REGISTERS, 56, 384, 4),
        (SWIN, None, 768, 7),
        (SWIN, 96, 768, 3),
        ("test_mambaout", 64, None, 2),
        ("test_convnext", 70, None, 2),
    ],
)
def test_channels_and_size_of_the_map_at_the_networks_own_size_and_others(model, crop, dim, side):
    backbone = built(model, crop)
    pixels = crop or backbone.trunk.network.pretrained_cfg["input_size"][-1]
    maps = backbone(torch.rand(1, 2, 3, pixels, pixels, dtype=torch.float64))[0]
    assert backbone.dim == backbone.trunk.network.num_features == (dim or backbone.dim)
    assert maps.shape == (2, backbone.dim, side, side)
    assert maps.isfinite().all()


@torch.no_grad()
@pytest.mark.parametrize(("model", "crop"), [(VIT, None), (VIT, 64), (REGISTERS, 56), (SWIN, None), (SWIN, 96)])
def test_a_place_in_the_map_is_that_of_its_patch(model, crop):
    backbone = built(model, crop)
    patches = without_blocks(backbone.trunk)
    pixels = crop or backbone.trunk.network.pretrained_cfg["input_size"][-1]
    frames = torch.rand(2, 3, pixels, pixels, dtype=torch.float64)
    expected = F.conv2d(frames, patches.weight, patches.bias, stride=patches.stride)
    if model == SWIN:  # whose patches are normalised
        norm = backbone.trunk.network.patch_embed.norm
        expected = norm(expected.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    assert relative_error(backbone(frames[None])[0], expected) < 1e-12


@torch.no_grad()
def test_rows_and_columns_of_frames_that_are_no_squares():
    backbone = built(VIT, 64)
    patches = without_blocks(backbone.trunk)
    for height, width in ((64, 128), (128, 64), (48, 160)):
        frames = torch.rand(1, 3, height, width, dtype=torch.float64)
        expected = F.conv2d(frames, patches.weight, patches.bias, stride=16)
        assert relative_error(backbone(frames[None])[0], expected) < 1e-12


@torch.no_grad()
@pytest.mark.parametrize("model", [CNN, VIT, "test_efficientnet", "test_convnext"])
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_weights_from_a_file_give_the_features_of_timm(tmp_path, model, suffix):
    path = tmp_path / f"weights.{suffix}"
    network = saved(model, path, num_classes=7)  # as after a training of the user's own
    backbone = built(model, weights=str(path))
    frames = torch.rand(1, 3, 160, 160, dtype=torch.float64)
    theirs = network.forward_features(frames)
    tokens = theirs[:, 1:].transpose(1, 2).unflatten(2, (10, 10)) if model == VIT else theirs
    assert relative_error(backbone(frames[None])[0], tokens) < 1e-12
    again = tmp_path / "ours.pt"
    for state in (backbone.state_dict(), {f"backbone.{name}": value for name, value in backbone.state_dict().items()}):
        torch.save(state, again)
        assert torch.equal(built(model, weights=str(again))(frames[None]), backbone(frames[None]))
    assert "state_dict" not in backbone.trunk.network.pretrained_cfg


def test_a_file_without_a_classifier_and_files_that_do_not_fit(tmp_path):
    path = tmp_path / "weights.pth"
    saved(VIT, path, num_classes=0)
    built(VIT, weights=str(path))
    with pytest.raises(CheckpointError, match="does not fit timm:test_resnet") as caught:
        built(CNN, weights=str(path))
    assert caught.value.exit_code == ExitCode.CHECKPOINT and "backbone.name" in caught.value.hint
    state = torch.load(path)
    torch.save({name: value for name, value in state.items() if name != "blocks.1.norm1.bias"}, path)
    with pytest.raises(CheckpointError, match=r"blocks\.1\.norm1\.bias"):
        built(VIT, weights=str(path))
    state["blocks.0.attn.qkv.weight"][0, 0] = float("nan")
    torch.save(state, path)
    with pytest.raises(CheckpointError, match="not finite"):
        built(VIT, weights=str(path))
    (tmp_path / "half.safetensors").write_bytes(b"half a file")
    with pytest.raises(CheckpointError, match=r"half\.safetensors is not a file of weights"):
        built(VIT, weights=str(tmp_path / "half.safetensors"))
    with pytest.raises(DataError, match="no weights at"):
        built(VIT, weights=str(tmp_path / "none.safetensors"))


@pytest.mark.parametrize("model", [CNN, VIT])
def test_the_same_seed_gives_the_same_network(model):
    def state(seed):
        with seeded(seed, "backbone"):
            return built(model).state_dict()

    one, other = state(0), state(1)
    assert all(torch.equal(value, one[name]) for name, value in state(0).items())
    assert any(not torch.equal(value, one[name]) for name, value in other.items())


@torch.no_grad()
def test_normalisation_is_that_of_timms_data_config():
    clip = timm.get_pretrained_cfg("vit_base_patch16_clip_224")
    known = look_at("timm:vit_base_patch16_clip_224", 64)
    assert (known.mean, known.std) == (clip.mean, clip.std) and clip.mean[0] == pytest.approx(0.48145466)
    plain, normalizing = built(CNN), built(CNN, normalize=True)
    normalizing.load_state_dict(plain.state_dict())
    frames, config = torch.rand(1, 3, 64, 64, dtype=torch.float64), timm.get_pretrained_cfg(CNN)
    colours = [(frames[:, i] - config.mean[i]) / config.std[i] for i in range(3)]
    assert relative_error(normalizing(frames[None]), plain(torch.stack(colours, dim=1)[None])) < 1e-12


@pytest.mark.parametrize(
    ("model", "crop", "first", "others"),
    [
        (VIT, 70, 64, (80, 160)),
        (VIT, 15, 16, (160,)),
        (REGISTERS, 256, 252, (266, 518)),
        ("beit_base_patch16_224", 256, 224, ()),
        ("vit_relpos_small_patch16_224", 200, 224, ()),
    ],
)
def test_a_crop_that_does_not_fit_names_sizes_that_do(model, crop, first, others):
    with pytest.raises(RecipeError, match=f"timm:{model} takes no frames of {crop}×{crop} pixels") as caught:
        look_at(f"timm:{model}", crop)
    assert caught.value.exit_code == ExitCode.RECIPE
    assert first is None or f"--set input.crop={first}`" in caught.value.hint
    assert all(str(size) in caught.value.hint for size in others)
    for size in filter(None, (first, *others)):
        look_at(f"timm:{model}", size)


@pytest.mark.parametrize("model", ["crossvit_9_240", "pit_ti_224", "coat_lite_tiny"])
def test_a_network_without_a_single_map_is_refused(model):
    with pytest.raises(RecipeError, match="gives no single map of features"):
        look_at(f"timm:{model}")


@pytest.mark.parametrize(
    ("model", "guess"),
    [
        ("vit_tiny_patch16_223", "did you mean vit_tiny_patch16_224?"),
        ("vit_tiny_patch16_224.augreg_in21", "did you mean vit_tiny_patch16_224.augreg_in21k?"),
        ("VIT_TINY_PATCH16_224", "did you mean vit_tiny_patch16_224?"),
        ("hf-hub:timm/resnet18.a1_in1k", ""),
        ("../resnet18", ""),
        ("resnet18.", ""),
    ],
)
def test_an_unknown_name_is_a_recipe_error(model, guess):
    with pytest.raises(RecipeError, match=r"timm .*has no (model|weights) named") as caught:
        built(model)
    assert guess in caught.value.hint


def test_without_timm_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UsageError, match=r"backbone timm:resnet18 needs the package timm") as caught:
        built("resnet18")
    assert "pip install 'strmctl[timm]'" in caught.value.hint


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The hub with an empty cache; `hub.at(file)` lets it hold this file, and it can be fetched."""
    import huggingface_hub
    from huggingface_hub.errors import EntryNotFoundError

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    told = []

    def metadata(url):
        if not url.endswith(".bin"):
            raise EntryNotFoundError("404")
        return SimpleNamespace(size=(tmp_path / "weights.bin").stat().st_size)

    def download(repository, file):
        told.append((repository, file))
        return str(tmp_path / "weights.bin")

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", metadata)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    return SimpleNamespace(cache=tmp_path / "cache", told=told, folder=tmp_path)


def test_weights_of_the_hub_are_announced_with_their_size_and_fetched(hub):
    network = saved(CNN, hub.folder / "weights.bin")
    backbone = built(CNN, weights="imagenet", announce=hub.told.append)
    announced, fetched = hub.told
    assert fetched == ("timm/test_resnet.r160_in1k", "pytorch_model.bin")
    size = (hub.folder / "weights.bin").stat().st_size / 2**20
    assert all(word in announced for word in (f"{size:.0f} MB", "timm:test_resnet", fetched[0], str(hub.cache)))
    assert torch.equal(backbone.trunk.network.conv1[0].weight, network.conv1[0].weight)


def test_weights_in_the_cache_of_the_hub_need_no_net(hub):
    folder = hub.cache / "models--timm--test_vit.r160_in1k"
    for part in ("refs", "snapshots/0123"):
        (folder / part).mkdir(parents=True)
    (folder / "refs" / "main").write_text("0123")
    network = saved(VIT, folder / "snapshots" / "0123" / "model.safetensors")
    for name in (VIT, f"{VIT}.r160_in1k"):
        backbone = built(name, weights="imagenet", announce=hub.told.append)
        assert torch.equal(backbone.trunk.network.norm.weight, network.norm.weight)
    assert hub.told == []
    (folder / "snapshots" / "0123" / "model.safetensors").write_bytes(b"half")
    with pytest.raises(CheckpointError, match="is not a file of weights") as caught:
        built(VIT, weights="imagenet")
    assert "delete it" in caught.value.hint


def test_offline_the_error_says_the_ways_out(hub, monkeypatch):
    import huggingface_hub

    def fail(url):
        raise huggingface_hub.errors.OfflineModeIsEnabled("offline\nmode")

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", fail)
    with pytest.raises(DataError, match=r"cannot be fetched from https://huggingface\.co/timm/test_vit") as caught:
        built(VIT, weights="imagenet")
    assert caught.value.exit_code == ExitCode.DATA and "\n" not in caught.value.message
    words = ("HF_HOME", str(hub.cache), "hf download timm/test_vit.r160_in1k", "--set backbone.weights=PATH")
    assert all(word in caught.value.hint for word in words)


def test_a_model_without_weights_says_so():
    with pytest.raises(DataError, match="timm has no weights for timm:coatnet_0_224") as caught:
        built("coatnet_0_224", weights="imagenet")
    assert "--set backbone.weights=none" in caught.value.hint


def test_weights_at_a_plain_address_are_fetched_by_torch(tmp_path, monkeypatch):
    network, told = saved("gcvit_xxtiny", tmp_path / "weights.pth"), []
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda url, **_: torch.load(tmp_path / "weights.pth"))
    backbone = built("gcvit_xxtiny", weights="imagenet", announce=told.append)
    assert len(told) == 1 and "timm:gcvit_xxtiny" in told[0] and "https://" in told[0]
    theirs = network.state_dict()
    assert all(torch.equal(value, theirs[key]) for key, value in backbone.trunk.network.state_dict().items())


@pytest.mark.parametrize("model", [VIT, CNN])
def test_a_run_is_trained_and_tested_and_its_features_know_the_version_of_timm(tmp_path, data, model):
    changes = (f"backbone.name=timm:{model}", "input.normalize=backbone")
    ran = train(data, tmp_path, "--recipe", "sprites", changes=changes)
    assert ran.code == 0, ran.err
    ran = evaluate(data, tmp_path)
    assert ran.code == 0, ran.err
    (result,) = (tmp_path / "sprites" / "eval").glob("*.json")
    notes = [result, tmp_path / "sprites" / "weights.json", *(tmp_path / "sprites" / "cache").glob("*/features.json")]
    assert len(notes) == 3
    for path in notes:
        content = json.loads(path.read_text())
        about = content.get("made_of", content.get("provenance"))
        assert about["libraries"]["timm"] == timm.__version__


def test_kept_maps_of_a_frozen_network_know_the_version_of_timm(tmp_path, data):
    changes = (f"backbone.name=timm:{VIT}", "backbone.trained=false", "train.views=2")
    for ran in (train(data, tmp_path, "--recipe", "sprites", changes=changes), evaluate(data, tmp_path)):
        assert ran.code == 0, ran.err
    kept = [json.loads(path.read_text()) for path in (tmp_path / ".maps").rglob("*.json")]
    versions = [about["made_of"]["libraries"]["timm"] for about in kept if "made_of" in about]
    assert set(versions) == {timm.__version__}


@pytest.mark.parametrize("name", ["ucf101_dinov2", "ssv2_dinov2"])
def test_the_crop_of_shipped_recipes_fits_and_the_mean_is_that_of_dinov2(name):
    recipe = load_recipe(name)
    known = look_at(recipe.backbone.name, recipe.input.crop)
    assert known.dim == 384 and known.mean == timm.get_pretrained_cfg("vit_small_patch14_dinov2").mean


@torch.no_grad()
@pytest.mark.parametrize("model", [VIT, CNN, SWIN])
def test_strm_with_patches_of_all_layouts(model):
    words = [f"backbone.name=timm:{model}", "patch_enrichment.patches=4", "input.frames=3", "trm.cardinalities=[2]"]
    recipe = small_recipe(*words, "input.size=80", "input.crop=64")
    strm = build_model(recipe, pretrained=True).double().eval()
    clips = torch.rand(3, 3, 3, 64, 64, dtype=torch.float64)
    features, alone = strm.embed(clips), strm.embed(clips[1:2])
    assert all(relative_error(value[1:2], alone[name]) < 1e-12 for name, value in features.items())
    assert strm(clips[:2], torch.tensor([0, 1]), clips).total.shape == (3, 2)


def test_what_a_transformer_costs():
    words = (f"backbone.name=timm:{VIT}", "input.size=160", "input.crop=160")
    parts = cost_table(small_recipe(*words))["methods"]["STRM {2}"]
    network = timm.create_model(VIT, num_classes=0)
    assert parts["parameters"]["backbone"] == sum(parameter.numel() for parameter in network.parameters())
    plain_attention = sdpa_kernel(SDPBackend.MATH)  # the kernel for CPUs is not counted
    with plain_attention, FlopCounterMode(display=False) as counter:
        network.forward_features(torch.rand(8, 3, 160, 160))
    assert parts["flops"]["embed_clip"]["backbone"] == counter.get_total_flops()


def test_recipe_validate_knows_models_of_timm_and_their_crops():
    words = ("recipe", "validate", "sprites", "--set", f"backbone.name=timm:{VIT}")
    assert strmctl(*words).code == 0
    refused(strmctl(*words, "--set", "input.crop=63"), ExitCode.RECIPE, "63×63", "input.crop=48")
    refused(strmctl(*words[:-1], "backbone.name=timm:test_vot"), ExitCode.RECIPE, "did you mean test_vit?")


def test_a_training_that_cannot_begin_leaves_no_run(tmp_path, data):
    for model, words in (("test_vot", "did you mean test_vit?"), ("beit_base_patch16_224", "--set input.crop=224")):
        ran = train(data, tmp_path, "--recipe", "sprites", changes=(f"backbone.name=timm:{model}",))
        refused(ran, ExitCode.RECIPE, words)
    assert not (tmp_path / "sprites").exists()
