import csv
import hashlib
import math
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from strmctl.episodes.sampler import EpisodeSampler
from strmctl.evaluation.embed import embed_clips
from strmctl.evaluation.match import Protocol, all_clips, evaluate
from strmctl.model.episode import Logits, told
from strmctl.model.methods.table import METHODS
from strmctl.model.weight_files import read_tensors
from strmctl.paths import write_text
from strmctl.recipe import load_recipe
from strmctl.runs.build import build_model, clip_loader
from strmctl.runs.checkpoint import load_run
from strmctl.training.train import TrainingData, train
from tests.model.reference import relative_error

pytestmark = pytest.mark.slow

COLOURS = [(250, 20, 20), (20, 250, 20), (20, 20, 250), (240, 240, 20), (20, 240, 240), (240, 20, 240)]
TOY = (
    *("data.dataset=toy", "input.size=16", "input.crop=16", "trm.dim=8", "query_class.dim=8"),
    *("patch_enrichment.patches=1", "patch_enrichment.hidden=8"),
    *("train.way=2", "train.episodes=12", "train.queries=2", "validation.every=4", "validation.episodes=20"),
)
RELEASED = "model.preset=released"
OF_ONE_METHOD = [
    ("strm", ("trm.cardinalities=[1, 2, 4]", "trm.distance=norm", "prediction=trm")),
    ("strm", ("patch_enrichment.enabled=false", "query_class.trained=false", "model.deviations=[frame_encoding]")),
    ("trx", ("trm.distance=norm", "model.deviations=[mean_over_cardinalities]")),
    ("otam", ("otam.smoothing=1.5",)),
    ("chamfer", ("chamfer.directions=query", "chamfer.scale=4.0")),
    ("strm", ("backbone.name=resnet18", "input.frames=3")),
    ("prototype", ("prototype.distance=cosine", "prototype.scale=4.0")),
]
IN_A_PRESET = [(name, (RELEASED, "patch_enrichment.patches=2", "input.normalize=backbone")) for name in ("trx", "strm")]
CASES = [*((method, ()) for method in METHODS), *IN_A_PRESET, *OF_ONE_METHOD]


class ToyStore:
    """A frame store in memory: a class is a colour, a clip is a few noisy frames."""

    name = "toy"
    prepare_command = "strmctl prepare toy"
    display_name = "toy"
    manifest_sha256 = "0" * 64

    def __init__(self, each=8, side=16, contrast=1.0):
        self.each, self.side, self.contrast = each, side, contrast
        names = [clip for subset in ("train", "val", "test") for ids in self.clips(subset).values() for clip in ids]
        self.by_id = {clip: SimpleNamespace(frames=12, fps=12.0) for clip in names}
        self.groups = {clip: clip for clip in names}

    def clips(self, subset):
        numbers = {"train": (0, 1, 2), "val": (3, 4), "test": (3, 4, 5)}[subset]
        return {f"{subset}{n}": [f"{subset}{n}/{i:02d}" for i in range(self.each)] for n in numbers}

    def read(self, clip, positions):
        seed = int.from_bytes(hashlib.sha256(clip.encode()).digest()[:4], "big")
        generator = np.random.default_rng(seed)
        colour = 128 + self.contrast * (np.array(COLOURS[int(clip.split("/")[0][-1])]) - 128)
        frames = []
        for position in positions:
            noise = generator.integers(-60, 60, (self.side, self.side, 3))
            frame = np.clip(colour * (0.7 + 0.02 * position) + noise, 0, 255).astype(np.uint8)
            frames.append(cv2.imencode(".jpg", frame)[1].tobytes())
        return frames


def recipe_of(method, *assignments):
    return load_recipe("sprites", (*TOY, f"method={method}", *assignments))


def build(method, *assignments):
    return build_model(recipe_of(method, *assignments), pretrained=False)


@torch.no_grad()
def lively(model):
    """Weights that start at 0, such as a gate and biases of norms, and statistics of norms, all away from there."""
    generator = torch.Generator().manual_seed(0)
    for name, value in model.state_dict().items():
        if name.endswith("running_var"):
            value.add_(torch.rand(value.shape, generator=generator))
        elif value.is_floating_point() and not name.endswith("table"):
            value.add_(torch.randn(value.shape, generator=generator), alpha=0.05)
    return model.double().eval()


@pytest.mark.parametrize(("method", "settings"), CASES, ids=lambda value: value if isinstance(value, str) else None)
def test_cached_features_give_what_the_models_forward_gives(method, settings):
    recipe, store = recipe_of(method, *settings), ToyStore(each=4)
    model, loader, clips = lively(build(method, *settings)), clip_loader(recipe, store), store.clips("test")
    way, shot, queries, count = 3, 2, 2, 3
    sampler = EpisodeSampler(clips, split="test", way=way, shot=shot, queries=queries, seed=4)
    episodes = [sampler.episode(index) for index in range(count)]
    features = embed_clips(model, loader, all_clips(clips))
    support = features.gather([clip for e in episodes for clip in e.support_clips], (count, way, shot))
    query = features.gather([clip for e in episodes for clip in e.query_clips], (count, way * queries))
    with torch.inference_mode():
        cached = model.match(told(model, support, [episode.classes for episode in episodes]), query)
    pixels = {clip: loader.load(clip).double() / 255 for clip in all_clips(clips)}
    rows = iter(evaluate(model, loader, clips, Protocol("test", way, (shot,), queries, count, seed=4)).rows)
    for number, episode in enumerate(episodes):
        supports, query_clips = (
            torch.stack([pixels[clip] for clip in part]) for part in (episode.support_clips, episode.query_clips)
        )
        with torch.inference_mode():
            names = {"names": episode.classes} if METHODS[method].names else {}
            alone = model(supports, torch.arange(way).repeat_interleave(shot), query_clips, **names)
        for name in Logits._fields:
            one, many = getattr(alone, name), getattr(cached, name)
            assert (one is None) == (many is None)
            if one is not None:
                assert one.std() > 0
                assert relative_error(many[number], one) < 1e-9
        predicted = [episode.classes[column] for column in alone.total.argmax(-1).tolist()]
        assert [next(rows).predicted for _ in predicted] == predicted
    for part in ("trm", "query_class"):
        assert (getattr(cached, part) is None) == (part not in METHODS[method].parts)


def trained(folder, recipe, store):
    data = TrainingData(store.clips("train"), store.clips("val"), clip_loader(recipe, store), {})
    write_text(folder / "recipe.yaml", recipe.to_yaml())
    train(recipe, folder, data, device="cpu")
    return [float(line["loss"]) for line in csv.DictReader((folder / "train.csv").open())]


WEIGHTS = ("weight", "bias")
# Softmax takes out a key bias of PLE, and the bias that all of TARN's scores have; a value bias of TRM is the same in a
# query and in its prototype.
WITHOUT_EFFECT = {
    "patch_enrichment.key.bias",
    "score.bias",
    *(f"temporal_relations.relations.{w}.value.bias" for w in (2, 3)),
}
STEP = [*((method, ()) for method in METHODS), ("strm", (RELEASED, "trm.cardinalities=[2, 3]")), OF_ONE_METHOD[-1]]


@pytest.mark.parametrize(("method", "settings"), STEP)
def test_one_training_step_changes_every_parameter_and_the_run_is_read_back(tmp_path, method, settings):
    one_step = ("train.episodes=1", "validation.episodes=2", "train.optimizer=sgd", "train.learning_rate=0.05")
    four_patches = ("input.size=32", "input.crop=32", "patch_enrichment.patches=2")
    recipe = recipe_of(method, *one_step, *four_patches, *settings)
    (loss,) = trained(tmp_path, recipe, ToyStore(side=32, contrast=0.02))
    assert math.isfinite(loss)
    weights = read_tensors(tmp_path / "weights.pt")
    assert all(value.isfinite().all() for value in weights.values())
    before, silent = build_model(recipe, pretrained=False), WITHOUT_EFFECT
    if RELEASED in settings:  # behind a gate that starts at 0 nothing is attended to yet
        silent = silent | {f"patch_enrichment.{part}.{kind}" for part in ("query", "key", "value") for kind in WEIGHTS}
    for name, parameter in before.named_parameters():
        changed = not torch.equal(parameter, weights[name])
        assert changed if parameter.requires_grad and name not in silent else name in silent or not changed, name
    loaded = load_run(tmp_path, device="cpu")
    assert type(loaded.model) is type(before)
    assert loaded.recipe == recipe
    assert all(torch.equal(weights[name], value) for name, value in loaded.model.state_dict().items())


# Similarities of nearest frames differ little, and the loss falls slowly.
SHARP = {"chamfer": ("chamfer.scale=40",), "bi_mhm": ("train.learning_rate=1e-2",)}
SHARP["clip_fsar"] = ("clip_fsar.text_loss_weight=0.1", "train.learning_rate=1e-3")  # at 3e-3 all frames become alike
SHARP["arn"] = ("train.episodes=36", "validation.every=36")  # a squared error of sigmoids falls slowly as well


@pytest.mark.parametrize(
    ("method", "settings"), [*((method, SHARP.get(method, ())) for method in METHODS), OF_ONE_METHOD[-1]]
)
def test_training_lowers_the_loss(tmp_path, method, settings):
    steps = ("train.episodes=24", "train.learning_rate=3e-3", "validation.every=24", "validation.episodes=10")
    losses = trained(tmp_path, recipe_of(method, *steps, *settings), ToyStore(contrast=0.02))
    assert all(math.isfinite(loss) for loss in losses)
    assert sum(losses[-8:]) < 0.6 * sum(losses[:8])


def test_an_untrained_w_cls_is_saved_and_the_same_after_training(tmp_path):
    recipe = recipe_of("strm", "query_class.trained=false", "train.episodes=4")
    trained(tmp_path, recipe, ToyStore())
    weights, before = read_tensors(tmp_path / "weights.pt"), build_model(recipe, pretrained=False).state_dict()
    assert weights.keys() == before.keys()
    projection = {name for name in weights if name.startswith("query_class.")}
    assert projection == {f"query_class.similarities.2.project.{kind}" for kind in WEIGHTS}
    assert all(torch.equal(weights[name], before[name]) for name in projection)
    assert not torch.equal(weights["patch_enrichment.psi.0.weight"], before["patch_enrichment.psi.0.weight"])


def test_methods_share_the_initial_weights_of_what_they_have_in_common():
    full = build("strm", "trm.cardinalities=[2, 3]").state_dict()
    backbone = {name for name in full if name.startswith("backbone.")}
    trm = {name for name in full if name.startswith("temporal_relations.")}
    pairs = {name for name in trm if not name.startswith("temporal_relations.relations.3.")}
    names = {"trm": backbone | pairs, "trx": backbone | trm}
    for method in METHODS.keys() - {"strm"}:
        expected, weights = names.get(method, backbone), build(method).state_dict()
        assert weights.keys() >= expected and (METHODS[method].learned or weights.keys() == expected)
        assert all(torch.equal(weights[name], full[name]) for name in expected)
    other = build("otam", "train.seed=1").state_dict()
    assert not torch.equal(other["backbone.trunk.0.0.weight"], full["backbone.trunk.0.0.weight"])


def test_a_recipe_reaches_the_layers():
    assert build("trx", RELEASED).temporal_relations.share == 0.5
    assert build("trx").temporal_relations.share == 1.0
    assert set(build("trm").temporal_relations.relations) == {"2"}
    assert set(build("trx").temporal_relations.relations) == {"2", "3"}
    assert build("otam", "otam.smoothing=0.7").smoothing == 0.7
    chamfer = build("chamfer", "chamfer.directions=query", "chamfer.scale=3")
    assert (chamfer.directions, chamfer.scale) == ("query", 3.0)
    prototype = build("prototype", "prototype.distance=cosine", "prototype.scale=3")
    assert (prototype.distance, prototype.scale) == ("cosine", 3.0)
    released = build("strm", RELEASED, "trm.dropout=0.3", "patch_enrichment.patches=2")
    assert released.patch_enrichment.gate is not None
    assert released.patch_enrichment.divisor == 1.0
    assert released.patch_enrichment.encoding.dropout.p == released.frame_enrichment.encoding.dropout.p == 0.3
    assert released.patch_enrichment.encoding.table.shape == (4, 128)
    one = build("strm", "model.deviations=[frame_encoding]")
    assert one.frame_enrichment.encoding.table.shape == (8, 128)
    assert one.patch_enrichment.encoding is one.patch_enrichment.gate is None
    assert released.temporal_relations.share == released.query_class.share == 1.0  # of one cardinality
    assert not any(p.requires_grad for p in build("strm", "query_class.trained=false").query_class.parameters())
