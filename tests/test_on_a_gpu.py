"""What only a GPU can show: it trains, tests and labels as the processor does, to rounding.

Where there is none, the processor stands in for it, so that these tests are seen to run; what needs a real one is
skipped.
"""

from types import SimpleNamespace

import pytest
import torch

from strmctl.classify.classifier import Classifier
from strmctl.errors import UsageError
from strmctl.evaluation import embed
from strmctl.evaluation.embed import embed_clips
from strmctl.evaluation.map_cache import keep_maps
from strmctl.evaluation.match import Protocol, all_clips, match_episodes
from strmctl.model.backbones.compiling import compiled
from strmctl.model.methods.table import METHODS
from strmctl.model.weight_files import read_tensors
from strmctl.paths import write_text
from strmctl.runs.build import build_model, clip_loader
from strmctl.runs.checkpoint import choose_device, load_run
from strmctl.training.gradients import WAYS
from strmctl.training.step import backward, prepare
from strmctl.training.train import TrainingData, train
from tests.classify.small import examples, recipe_file
from tests.small_world import read_rows, small, small_recipe
from tests.videos_for_tests import strmctl, write_video

GPU = "cuda" if torch.cuda.is_available() else "cpu"


pytestmark = pytest.mark.gpu
needs_a_gpu = pytest.mark.skipif(GPU == "cpu", reason="there is no GPU here")

NAMES = ("hop", "run", "sit")
SHAPE = ("train.shot=2", "train.queries=2", "input.frames=4", "backbone.batch_norm=frozen")


@pytest.fixture(autouse=True)
def in_full_precision():
    """As after any choice of a device."""
    choose_device(GPU)


def gradient(device, *changes, dtype=torch.float64, seed=0, batch_norm="frozen", index=0):
    """Loss, gradient and running averages of one episode."""
    recipe = small_recipe(*SHAPE, f"train.seed={seed}", *changes, f"backbone.batch_norm={batch_norm}")
    for library in METHODS[recipe.method].libraries:
        pytest.importorskip(library)
    generator = torch.Generator().manual_seed(1)
    sides = [torch.randint(256, (4, 4, 3, 32, 32), dtype=torch.uint8, generator=generator) for _ in range(2)]
    model = build_model(recipe, pretrained=False)
    prepare(recipe, model, torch.device(device), len(NAMES))
    episode = SimpleNamespace(index=index, classes=NAMES[:2])
    loss = backward(recipe, model.to(dtype).train(), episode, sides, NAMES).loss
    found = {name: value.grad.cpu() for name, value in model.named_parameters() if value.grad is not None}
    return loss, found, {name: value.cpu().double() for name, value in model.named_buffers()}


def check_close(one, other, tolerance):
    assert one[0] == pytest.approx(other[0], rel=tolerance)
    for mine, its in zip(one[1:], other[1:], strict=True):
        assert mine.keys() == its.keys() and mine
        for name in mine:
            scale = float(its[name].abs().max())
            torch.testing.assert_close(mine[name], its[name], rtol=0, atol=tolerance * scale + 1e-12)


@pytest.mark.parametrize(
    ("memory", "batch_norm"),
    [*((memory, "frozen") for memory in WAYS), *((memory, "batch") for memory in list(WAYS)[:3])],
)
@pytest.mark.parametrize("method", ["strm", "otam"])
def test_a_step_is_that_of_the_processor(method, memory, batch_norm):
    how = {"batch_norm": batch_norm}
    here = gradient("cpu", f"method={method}", "trm.dropout=0", **how)
    check_close(gradient(GPU, f"method={method}", "trm.dropout=0", f"train.memory={memory}", **how), here, 1e-8)


@pytest.mark.parametrize("method", METHODS)
def test_a_step_of_every_method_is_that_of_the_processor(method, monkeypatch):
    monkeypatch.setattr(torch.nn.functional, "dropout", lambda values, *args, **kwargs: values)
    check_close(*(gradient(device, f"method={method}") for device in (GPU, "cpu")), 1e-8)


@pytest.mark.parametrize("memory", list(WAYS)[1:])
def test_every_way_draws_the_same_dropout(memory):
    changes = ("trm.dropout=0.5",)
    check_close(gradient(GPU, *changes, f"train.memory={memory}"), gradient(GPU, *changes), 1e-8)


def test_dropout_depends_on_seed_and_episode():
    def loss(**how):
        return gradient(GPU, "trm.dropout=0.5", **how)[0]

    assert loss() == pytest.approx(loss(), rel=1e-12)
    assert loss() != pytest.approx(loss(index=1), rel=1e-6) and loss() != pytest.approx(loss(seed=1), rel=1e-6)


@pytest.mark.parametrize("memory", ["plain", "checkpoint", "sides"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_fast_products_keep_the_direction_of_the_gradient(dtype, memory):
    exact = gradient("cpu", "trm.dropout=0", batch_norm="batch")
    changes = ("trm.dropout=0", f"train.dtype={dtype}", f"train.memory={memory}")
    found = gradient(GPU, *changes, dtype=torch.float32, batch_norm="batch")
    flat = [torch.cat([value.flatten().double() for value in part[1].values()]) for part in (found, exact)]
    assert torch.cosine_similarity(*flat, dim=0) > (0.999 if dtype == "float32" else 0.95)


class KilledError(Exception):
    """Stands for a kill."""


def test_a_killed_run_goes_on_where_it_was(tmp_path, store):
    changes = ("train.episodes=8", "train.queries=2", "validation.every=4", "train.optimizer=sgd", "train.memory=sides")
    recipe = small_recipe(*changes)

    def run(name, **options):
        write_text(tmp_path / name / "recipe.yaml", recipe.to_yaml())
        data = TrainingData(store.clips("train"), store.clips("val"), clip_loader(recipe, store), {})
        train(recipe, tmp_path / name, data, device=GPU, **options)

    def kill(done, total, note):
        if done == 6:
            raise KilledError

    run("whole")
    with pytest.raises(KilledError):
        run("killed", progress=kill)
    run("killed")
    whole, killed = (read_tensors(tmp_path / name / "last.pt") for name in ("whole", "killed"))
    torch.testing.assert_close(killed, whole, rtol=1e-3, atol=1e-5)  # sums on a GPU have no fixed order


@needs_a_gpu
def test_pixels_are_copied_from_pinned_memory(store, monkeypatch):
    seen, real = [], embed.to_model
    monkeypatch.setattr(embed, "to_model", lambda clips, model: seen.append(clips.is_pinned()) or real(clips, model))
    recipe, clips = small_recipe(), all_clips(store.clips("test"))
    for device in (GPU, "cpu"):
        embed_clips(build_model(recipe, pretrained=False).to(device), clip_loader(recipe, store), clips)
    assert seen == [True, True, True, False, False, False]


@pytest.mark.parametrize("method", METHODS)
def test_predictions_are_those_of_the_processor_but_for_narrow_ones(store, method):
    for library in METHODS[method].libraries:
        pytest.importorskip(library)
    model = build_model(small_recipe(f"method={method}"), pretrained=False)
    loader, clips = clip_loader(small_recipe(), store), store.clips("test")
    protocol, found = Protocol(way=3, shots=(1, 2), episodes=60), []
    for device in ("cpu", GPU):
        features = embed_clips(model.to(device), loader, all_clips(clips))
        found.append(match_episodes(model, features, protocol.draw(clips), protocol.shots))
    for shot in protocol.shots:
        mine, its = ([row.predicted for row in part.rows if row.shot == shot] for part in found)
        assert sum(a != b for a, b in zip(mine, its, strict=True)) <= sum(part.narrow[shot] for part in found)


def test_a_run_is_tested_and_says_how(data, runs):
    """Features of the processor do not serve the GPU."""
    rows = read_rows(next((runs / "sprites" / "eval").glob("*.csv")))
    usual = ("--way", 2, "--shots", 1, "--episodes", 20, "--no-pictures", "--data", data, "--runs", runs)
    ran = strmctl("eval", *usual, "--device", GPU, "--json")
    assert ran.code == 0, ran.err
    provenance = ran.json()["provenance"]
    assert provenance["device"].startswith(GPU) and provenance["tf32"] is False
    again = read_rows(next((runs / "sprites" / "eval").glob("*.csv")))
    different = sum(a != b for a, b in zip(rows, again, strict=True))
    assert different <= provenance["narrow"]["1"]


@needs_a_gpu
def test_training_says_that_it_uses_tf32(data, tmp_path):
    words = ("--recipe", "sprites", *small("data.dataset=mine"), "--data", data, "--runs", tmp_path)
    ran = strmctl("train", *words, "--device", GPU, "--json")
    assert ran.code == 0, ran.err
    assert ran.json()["provenance"]["tf32"] is (torch.cuda.get_device_capability() >= (8, 0))
    assert load_run(tmp_path / "sprites", device="cpu").model


def test_maps_are_those_of_the_processor(tmp_path, store):
    recipe = small_recipe("backbone.trained=false", "backbone.maps=float32")
    clips, found = store.clips("train"), []
    for device in ("cpu", GPU):
        model = build_model(recipe, pretrained=False).to(device)
        units = [(tuple(ids), 0) for ids in clips.values()]
        loader = keep_maps(recipe, model, clip_loader(recipe, store), units, tmp_path / device)
        maps = loader.load_many(all_clips(clips), None)
        found.append({"patches": maps.patches, "mean": maps.mean})
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", ["prototype", "strm"])
def test_videos_get_the_labels_of_the_processor(tmp_path, method):
    folder = examples(tmp_path / "examples", hop=3, run=3)
    video = write_video(tmp_path / "new.mp4", frames=12, size=(48, 36), seed=77)
    recipe, found = recipe_file(tmp_path / "small.yaml", f"method={method}"), []
    for device in ("cpu", GPU):
        how = {"recipe": recipe, "runs": tmp_path / device, "device": device}
        for _ in range(2):  # the second time from kept features
            found.append(Classifier.from_examples(folder, **how).predict(video))
    for label in found[1:]:
        assert label.best == found[0].best
        assert label.probabilities == pytest.approx(found[0].probabilities, abs=1e-3)


@needs_a_gpu
def test_an_episode_is_measured(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ("bench", "train", "--recipe", "sprites", *small("backbone.batch_norm=frozen"), "--repeats", 1)
    ran = strmctl(*words, "--device", GPU, "--json")
    assert ran.code == 0, ran.err
    ways = ran.json()["ways"]
    assert len(ways) == 9 and all(way["problem"] is None and way["seconds_per_episode"] > 0 for way in ways)
    assert all(0 < way["peak_bytes"] <= way["reserved_bytes"] for way in ways)


@needs_a_gpu
def test_a_network_is_compiled_or_the_machine_says_what_it_misses():
    layer = torch.nn.Conv2d(3, 4, 3).cuda()
    frames = torch.rand(2, 3, 8, 8, device=GPU)
    try:
        function = compiled(layer.forward, frames.device)
    except UsageError as error:
        assert "does not work here" in error.message
        return
    torch.testing.assert_close(function(frames), layer(frames))
