"""`strmctl import`: checkpoints as the released code saves them become runs, tested and drawn like any other."""

import json

import pytest
import torch

from strmctl.errors import ExitCode
from strmctl.model.released import read_released
from strmctl.model.weight_files import read_tensors
from strmctl.recipe import load_recipe
from strmctl.runs.build import build_model
from strmctl.runs.checkpoint import load_run
from tests.model import released_files
from tests.small_world import evaluate, prepare, refused, refused_in_json, snapshot, write_split, write_videos
from tests.videos_for_tests import strmctl, write_video

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """ResNet-18 with {2, 3}, from several GPUs."""
    path = tmp_path_factory.mktemp("released") / "checkpoint75000.pt"
    torch.save(released_files.checkpoint(released_files.state_dict(module="module.", dim=64)), path)
    return path


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A data folder with the store `tiny`: two test classes, two clips of each."""
    folder = tmp_path_factory.mktemp("tiny")
    write_videos(folder / "videos", [f"{name}/{number}.mp4" for name in ("crawl", "swim") for number in (0, 1)])
    split = write_split(folder / "tiny.yaml", {"train": ["hop"], "val": [], "test": ["crawl", "swim"]})
    prepare(folder / "videos", "--name", "tiny", "--split", split, "--data", folder / "data")
    return folder / "data"


def imported(path, runs, *words):
    return strmctl("import", path, "--name", "authors", "--runs", runs, *words)


def test_a_released_checkpoint_becomes_a_run_that_is_tested_and_drawn(checkpoint, tiny, tmp_path):
    ran = imported(checkpoint, tmp_path)
    assert ran.code == 0, ran.err
    assert "STRM with resnet18, cardinalities {2, 3}, 8 frames per clip, 4×4 patches, D' = 64" in ran.out
    assert all(words in ran.err for words in ("no W_cls", "4 tensors that nothing uses", "transformers.1.norm_v.bias"))
    run = tmp_path / "authors"
    assert sorted(path.name for path in run.iterdir()) == ["recipe.yaml", "weights.json", "weights.pt"]
    assert (tmp_path / "latest").resolve() == run
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    recipe = load_recipe(run / "recipe.yaml")
    assert (recipe.method, recipe.model.preset, recipe.query_class.enabled) == ("strm", "released", False)
    model = build_model(recipe, pretrained=False).double().eval()
    model.load_state_dict(read_tensors(run / "weights.pt"))
    own = read_released(checkpoint).model.double().state_dict()
    assert own.keys() == model.state_dict().keys()
    assert all(torch.equal(value, own[name]) for name, value in model.state_dict().items())
    tested = evaluate(tiny, tmp_path, "--dataset", "tiny", "--episodes", 3, "--json")
    assert tested.code == 0, tested.err
    assert "these classes may not be new to it" in tested.err
    document = tested.json()
    assert document["provenance"]["classes_known_to_be_new"] is False
    assert document["provenance"]["training_episodes"] == 75000
    write_video(tmp_path / "clip.mp4", frames=10, size=(48, 36), seed=0)
    drawn = strmctl("viz", "--video", tmp_path / "clip.mp4", "--runs", tmp_path, "--json")
    assert drawn.code == 0
    assert set(drawn.json()["maps"]) == {"backbone", "PLE", "H", "E"}


def test_whatever_the_shapes_say_is_in_the_recipe(tmp_path):
    state = released_files.state_dict(cardinalities=(3,), frames=5, patches=9, dim=32, w_cls=48)
    torch.save({"state_dict": state}, tmp_path / "other.pt")
    ran = imported(tmp_path / "other.pt", tmp_path, "--dataset", "hmdb51")
    assert ran.code == 0 and "5 frames per clip, 3×3 patches, D' = 32" in ran.out and "no W_cls" not in ran.err
    run = load_run(tmp_path / "authors", device="cpu")
    recipe = run.recipe
    assert (recipe.input.frames, recipe.patch_enrichment.patches, recipe.patch_enrichment.hidden) == (5, 3, 256)
    assert (recipe.trm.dim, recipe.query_class.dim, recipe.query_class.enabled) == (32, 48, True)
    assert recipe.data.dataset == "hmdb51"
    episode = torch.rand(2, 5, 3, 40, 40), torch.tensor([1, 0]), torch.rand(1, 5, 3, 40, 40)
    with torch.no_grad():
        expected = read_released(tmp_path / "other.pt").model(*episode)
        found = run.model(*episode)
    for name in ("total", "trm", "query_class"):
        assert torch.equal(getattr(found, name), getattr(expected, name))


@pytest.mark.parametrize(("cardinalities", "method"), [((2, 3), "trx"), ((2,), "trm"), ((2, 4), "strm")])
def test_a_trx_file_becomes_a_run_of_the_method_that_it_is(tmp_path, cardinalities, method):
    torch.save(released_files.state_dict("resnet18", cardinalities, enrichment=False, dim=64), tmp_path / "trx.pt")
    ran = imported(tmp_path / "trx.pt", tmp_path, "--json")
    assert ran.code == 0, ran.err
    recipe = load_recipe(tmp_path / "authors" / "recipe.yaml")
    assert (recipe.method, recipe.trm.cardinalities) == (method, list(cardinalities))
    assert not recipe.patch_enrichment.enabled and not recipe.frame_enrichment.enabled
    model = build_model(recipe, pretrained=False)
    model.load_state_dict(read_tensors(tmp_path / "authors" / "weights.pt"))
    assert ran.json()["training_episodes"] is None


def test_classes_that_a_checkpoint_was_trained_on_are_not_tested_on(checkpoint, tiny, tmp_path):
    assert imported(checkpoint, tmp_path / "runs", "--dataset", "ssv2").code == 0
    info = json.loads((tmp_path / "runs" / "authors" / "weights.json").read_text())
    assert "Folding something" in info["train_classes"] and len(info["train_classes"]) == 64
    write_videos(tmp_path / "videos", [f"{name}/{clip}.mp4" for name in ("Folding something", "swim") for clip in "01"])
    split = write_split(tmp_path / "s.yaml", {"train": [], "val": [], "test": ["Folding something", "swim"]})
    prepare(tmp_path / "videos", "--name", "other", "--split", split, "--data", tmp_path / "data")
    ran = evaluate(tmp_path / "data", tmp_path / "runs", "--dataset", "other")
    refused(ran, ExitCode.USAGE, "was trained on Folding something")


def test_what_cannot_be_imported(checkpoint, tiny, tmp_path):
    assert imported(checkpoint, tmp_path).code == 0
    before = snapshot(tmp_path)
    refused(imported(checkpoint, tmp_path), ExitCode.USAGE, "a run authors")
    refused(imported(checkpoint, tmp_path, "--dataset", "ssv3"), ExitCode.USAGE, "authors")
    new = ("--name", "new", "--runs", tmp_path)
    refused(strmctl("import", checkpoint, *new, "--dataset", "ssv3"), ExitCode.USAGE, "ssv3", "ssv2")
    refused(strmctl("import", tmp_path / "none.pt", *new), ExitCode.DATA, "none.pt")
    refused(strmctl("import", checkpoint, "--name", "../x", "--runs", tmp_path), ExitCode.USAGE, "cannot name a run")
    state = released_files.state_dict(dim=64)
    for key in ("resnet.0.weight", "attn_pat.gamma", "transformers.0.k_linear.bias"):
        del state[key]
    other = tmp_path.parent / "misfit.pt"
    torch.save(state, other)
    missing = [f"{key} is missing" for key in ("resnet.0.weight", "attn_pat.gamma", "transformers.0.k_linear.bias")]
    refused(strmctl("import", other, *new), ExitCode.CHECKPOINT, *missing)
    refused_in_json(strmctl("import", other, *new, "--json"), ExitCode.CHECKPOINT, "does not fit the released code")
    refused(evaluate(tiny, tmp_path), ExitCode.USAGE, "which data set", "`--dataset`", "tiny")
    resumed = strmctl("train", "--resume", "--name", "authors", "--runs", tmp_path)
    refused(resumed, ExitCode.USAGE, "was imported")
    assert snapshot(tmp_path) == before
