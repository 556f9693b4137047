"""All ways to the gradient give that of `plain`, and leave the same weights and running averages."""

import itertools
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from strmctl.errors import RecipeError
from strmctl.model.methods.table import METHODS
from strmctl.recipe import load_recipe
from strmctl.runs.build import build_model
from strmctl.training.gradients import WAYS, blocks_of
from strmctl.training.step import OPTIMIZERS, backward, clip_gradient, prepare, take_step
from tests.small_world import small_recipe

SHAPE = ("train.way=2", "train.shot=2", "train.queries=1", "trm.dropout=0.3", "train.episodes=10", "input.frames=4")
NAMES = ("hop", "run")  # of the classes of each episode
EPISODE = SimpleNamespace(index=0, classes=NAMES)
BATCH, FROZEN = [way for way in WAYS if way not in ("plain", "clips")], list(WAYS)[1:]


def recipe_of(*changes):
    return small_recipe(*SHAPE, *changes)


def episode_clips(index, recipe, side=32):
    generator = torch.Generator().manual_seed(index)
    counts = (recipe.train.way * recipe.train.shot, recipe.train.way * recipe.train.queries)
    shape = (recipe.input.frames, 3, side, side)
    return tuple(torch.randint(256, (count, *shape), dtype=torch.uint8, generator=generator) for count in counts)


def with_random_averages(model):
    """Running averages that do something, in a model in float64."""
    generator = torch.Generator().manual_seed(3)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.track_running_stats:
            module.running_mean.normal_(generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    return model


def made(recipe):
    """A model with all that its losses need, for as many training classes as an episode has."""
    model = build_model(recipe, pretrained=False)
    prepare(recipe, model, torch.device("cpu"), recipe.train.way)
    return model


def trained(recipe, steps):
    """The gradient of each optimizer step and what the model holds in the end, all in float64."""
    model = with_random_averages(made(recipe)).double().train()
    optimizer = OPTIMIZERS[recipe.train.optimizer](model.parameters(), lr=recipe.train.learning_rate)
    gradients, numbers = [], []
    for index in range(steps * recipe.train.accumulate):
        episode = SimpleNamespace(index=index, classes=NAMES)
        numbers.append(backward(recipe, model, episode, episode_clips(index, recipe), NAMES)[:2])
        if (index + 1) % recipe.train.accumulate == 0:
            gradients.append({n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None})
            clip_gradient(model, recipe.train.gradient_clip)
            take_step(recipe, optimizer, index + 1)
    return gradients, numbers, model.state_dict()


def check_same(one, other):
    """Equal to 1e-6 of the largest number of each tensor; but for those that are zero, whatever rounding leaves."""
    torch.testing.assert_close(torch.tensor(one[1]), torch.tensor(other[1]), rtol=1e-9, atol=0)
    for mine, its in zip([*one[0], one[2]], [*other[0], other[2]], strict=True):
        assert mine.keys() == its.keys() and mine
        for name in mine:
            torch.testing.assert_close(mine[name], its[name], rtol=0, atol=1e-6 * float(its[name].abs().max()) + 1e-14)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "norm", "backbone"),
    [
        *itertools.product(METHODS, ["batch", "frozen"], ["conv3"]),
        ("strm", "batch", "resnet18"),
        ("otam", "frozen", "resnet18"),
        ("strm", "batch", "timm:test_efficientnet"),
    ],
)
def test_every_way_gives_the_gradient_of_plain(method, norm, backbone):
    timm = backbone.startswith("timm")
    if timm:
        pytest.importorskip("timm")
    changes = (f"method={method}", f"backbone.batch_norm={norm}", f"backbone.name={backbone}")
    if method == "arn":  # its batch norm over few pairs makes rounding 10 to 100 times as large in each step of Adam
        changes += ("train.optimizer=sgd",)
    steps = 4 if backbone == "conv3" else 2
    outcomes = {
        way: trained(recipe_of(*changes, f"train.memory={way}"), steps)
        for way in ["plain", *(BATCH if norm == "batch" else FROZEN)]
    }
    for outcome in outcomes.values():
        check_same(outcome, outcomes["plain"])
    before = build_model(recipe_of(*changes), pretrained=False).state_dict()
    counted = {name: value for name, value in outcomes["plain"][2].items() if name.endswith("num_batches_tracked")}
    assert any(name.startswith("backbone.") for name in counted)
    for name, value in counted.items():  # support and query once each, or an episode's pairs of both
        expected = {0 if norm == "frozen" else 2} if name.startswith("backbone.") else {1, 2}
        assert int(value - before[name]) in {steps * sides for sides in expected}, name


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["batch", "frozen"])
def test_resnet50(norm):
    changes = ("backbone.name=resnet50", f"backbone.batch_norm={norm}", "train.shot=1", "input.frames=2")
    ways = BATCH if norm == "batch" else FROZEN
    plain = trained(recipe_of(*changes), 1)
    for way in ways:
        check_same(trained(recipe_of(*changes, f"train.memory={way}"), 1), plain)


@pytest.mark.parametrize("way", FROZEN)
def test_episodes_are_accumulated(way):
    changes = ("train.accumulate=3", "backbone.batch_norm=frozen", "train.gradient_clip=0.1", "train.optimizer=sgd")
    check_same(trained(recipe_of(*changes, f"train.memory={way}"), 2), trained(recipe_of(*changes), 2))


@pytest.mark.parametrize("way", FROZEN)
@pytest.mark.parametrize("method", METHODS)
def test_bfloat16_trains_the_same_weights_every_way(method, way):
    gradients = []
    for memory in ("plain", way):
        recipe = recipe_of(
            "train.dtype=bfloat16", "backbone.batch_norm=frozen", f"method={method}", f"train.memory={memory}"
        )
        model = made(recipe).train()
        backward(recipe, model, EPISODE, episode_clips(0, recipe), NAMES)
        gradients.append(
            {name: value.grad.flatten() for name, value in model.named_parameters() if value.grad is not None}
        )
    assert gradients[0].keys() == gradients[1].keys()
    assert torch.cosine_similarity(*(torch.cat(list(found.values())) for found in gradients), dim=0) > 0.999


class Watched(TorchDispatchMode):
    """The bytes of all tensors but a model's own that live at the same time within this context, at most."""

    def __init__(self, model):
        super().__init__()
        self.own = {StorageWeakRef(value.untyped_storage()) for value in model.state_dict().values()}
        self.storages, self.most = {}, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for value in pytree.tree_leaves(result):
            if isinstance(value, torch.Tensor):
                storage = value.untyped_storage()
                self.storages[StorageWeakRef(storage)] = storage.nbytes()
        living = {storage: size for storage, size in self.storages.items() if not storage.expired()}
        self.storages = {storage: size for storage, size in living.items() if storage not in self.own}
        self.most = max(self.most, sum(self.storages.values()))
        return result


@pytest.mark.slow
@pytest.mark.parametrize("method", ["strm", "otam"])
def test_each_way_keeps_less(method):
    most, own = {}, ("backbone.name=resnet18", "backbone.batch_norm=frozen", "train.queries=2", f"method={method}")
    for way in WAYS:
        recipe = recipe_of(*own, f"train.memory={way}")
        model = build_model(recipe, pretrained=False).train()
        weights = sum(value.numel() * value.element_size() for value in model.parameters())
        with Watched(model) as watched:
            backward(recipe, model, EPISODE, episode_clips(0, recipe, 112), NAMES)
        most[way] = watched.most - weights  # without their gradient
    assert most["checkpoint"] < 0.5 * most["plain"]
    assert most["sides"] < 0.85 * most["checkpoint"]
    assert most["clips"] < 0.5 * most["plain"]


def test_blocks_are_the_inner_parts_of_sequences_and_the_stem():
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.shortcut = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1))

    stem = [nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1), nn.ReLU()]
    blocks = [Residual(), Residual(), nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU())]
    network = nn.Sequential(*stem, nn.Sequential(*blocks[:2]), nn.ModuleList([blocks[2]]))
    assert blocks_of(network) == [*([block] for block in blocks), stem]
    assert blocks_of(nn.Conv2d(1, 1, 1)) == []
    overwriting = nn.Sequential(Residual(), nn.ReLU(inplace=True), nn.Conv2d(1, 1, 1), Residual(), nn.ReLU())
    assert blocks_of(overwriting) == [[overwriting[0]], [overwriting[3]], [overwriting[4]]]


def test_clips_needs_a_backbone_that_ties_no_clips_together():
    with pytest.raises(RecipeError, match=r"needs backbone\.batch_norm frozen, because"):
        load_recipe("sprites", ["train.memory=clips"])
    for name in ("timm:resnet18.a1_in1k", "timm:of_tomorrow", "efficientnet_lite0", "resnet50"):
        changes = [f"backbone.name={name}", "backbone.weights=none", "train.memory=clips"]
        with pytest.raises(RecipeError, match=r"needs backbone\.batch_norm frozen, .* \(got batch\)"):
            load_recipe("ssv2_r50", changes)
        assert load_recipe("ssv2_r50", [*changes, "backbone.batch_norm=frozen"]).train.memory == "clips"
    for changes in (["backbone.batch_norm=frozen"], ["backbone.trained=false"]):
        assert load_recipe("sprites", ["train.memory=clips", *changes]).train.memory == "clips"
    assert load_recipe("ssv2_vit", ["train.memory=clips"]).backbone.batch_norm == "batch", "it has no batch norm"
