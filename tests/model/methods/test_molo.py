"""MoLo and its losses against loops over queries, classes, frames and places, and what must not matter."""

import itertools
import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from strmctl.errors import RecipeError
from strmctl.model.backbones.build import Backbone
from strmctl.model.backbones.table import BACKBONES
from strmctl.model.enrichment import Maps, backbone_maps
from strmctl.model.episode import Truth
from strmctl.model.methods.molo import build_molo
from strmctl.recipe import load_recipe
from tests.model.reference import relative_error
from tests.model.small import CHANNELS, FRAMES, by_label, clips, convolution, maps_as_clips

SIDE = 3  # patches along each side, of a 5×4 map
DROPS = dict.fromkeys(("position_dropout", "clip_dropout", "hidden_dropout"), 0.0)


def model_of(backbone=None, **changes):
    """In float64 and evaluation mode, with norms that scale and shift."""
    changes = {"patches": SIDE, **changes}
    model = build_molo(backbone=backbone or convolution(), frames=FRAMES, heads=2, hidden=5, **changes)
    torch.manual_seed(1)
    for branch in model.branches.values():
        nn.init.normal_(branch.layer.norm.weight)
        nn.init.normal_(branch.layer.norm.bias)
    return model.double().eval()


def convolved(maps, layer):
    """A convolution with padding 1 of a list of maps, `(L, d, h, w)`, or of a single one, place by place."""
    padded = F.pad(maps, (1, 1, 1, 1) + ((0, 0, 1, 1) if layer.weight.dim() == 5 else ()))
    weight = layer.weight if layer.weight.dim() == 5 else layer.weight[:, :, None]  # (d', d, t, 3, 3)
    made = torch.zeros(len(maps), len(weight), *maps.shape[2:], dtype=maps.dtype)
    for step, row, column in itertools.product(*(range(made.shape[axis]) for axis in (0, 2, 3))):
        window = padded[step : step + weight.shape[2], :, row : row + 3, column : column + 3].transpose(0, 1)
        for channel, kernel in enumerate(weight):
            made[step, channel, row, column] = (window * kernel).sum() + layer.bias[channel]
    return made


def branch_of(branch, sequence):
    """A token, positions, a layer whose parts have tests of their own, and relu."""
    elements = [branch.token[0, 0], *sequence]
    channels = len(elements[0])
    for position, element in enumerate(elements):
        angles = [position / 10000 ** (2 * channel / channels) for channel in range(channels)]
        waves = [math.cos(angle) if channel % 2 else math.sin(angle) for channel, angle in enumerate(angles)]
        elements[position] = element * math.sqrt(channels / 10) + torch.tensor(waves, dtype=torch.float64)
    return F.relu(branch.layer(torch.stack(elements)))


def parts_of(model, clip):
    """x `(1 + L, D)`, y `(L, D)` and m `(L - 1, D / 8, P, P)` of a clip."""
    maps = model.backbone(clip[None])[0]  # (L, D, h, w)
    x = branch_of(model.branches["frames"], list(maps.mean(dim=(2, 3))))
    patches = F.adaptive_max_pool2d(maps, SIDE)
    reduced = convolved(patches, model.motion.reduce)
    m = torch.stack(
        [convolved(later[None], model.motion.next)[0] - former for former, later in itertools.pairwise(reduced)]
    )
    weight, bias = model.motion.widen.weight[:, :, 0, 0], model.motion.widen.bias
    moves = []
    for difference in m:
        places = difference.flatten(1).T  # (P², D / 8)
        moves.append(sum(F.relu(weight @ place + bias) for place in places) / len(places))
    return x, branch_of(model.branches["motion"], moves), m


def distance(x, y):
    return 1 - x @ y / (x.norm() * y.norm() + 0.01)


def hausdorff(query, other):
    there = sum(min(distance(x, y) for y in other) for x in query)
    return there + sum(min(distance(x, y) for x in query) for y in other)


def mean(tensors):
    return sum(tensors) / len(tensors)


def logits(query, shots):
    """Of a query's x and y, and those of each clip of each class."""
    means = [[mean(side) for side in zip(*own, strict=True)] for own in shots]
    return [-sum(w * hausdorff(q[1:], c[1:]) for w, q, c in zip((1, 0.3), query, own, strict=True)) for own in means]


@torch.no_grad()
@pytest.mark.parametrize("labels", [[5, 1, 5, 3, 3, 5], [0, 1, 2, 3], [1, 0]])
def test_an_episode_from_clips_equals_the_loops(labels):
    model = model_of()
    support, queries = clips(len(labels)), clips(2, seed=2)
    of_support, of_queries = ([parts_of(model, clip)[:2] for clip in some] for some in (support, queries))
    shots = [own for _, own in sorted(by_label(of_support, labels).items())]
    expected = [logits(clip, shots) for clip in of_queries]
    assert relative_error(model(support, torch.tensor(labels), queries).total, expected) < 1e-10


@torch.no_grad()
def test_absent_shots_and_the_order_of_classes_shots_and_queries_do_not_matter():
    model = model_of(maps_as_clips(CHANNELS), patches=2)
    sides = []
    for axes in ((2, 3, 2), (2, 5)):
        maps = torch.randn(math.prod(axes), FRAMES, CHANNELS, 2, 2, generator=torch.Generator().manual_seed(0))
        sides.append({name: value.unflatten(0, axes) for name, value in model.embed(maps.double()).items()})
    support, query = sides
    mask = torch.tensor([[[1, 1], [1, 0], [0, 1]], [[0, 1], [1, 1], [1, 0]]]) > 0
    expected = model.match(support, query, mask).total
    spoilt = {name: value.where(mask[..., None, None], 1e9) for name, value in support.items()}
    assert torch.equal(model.match(spoilt, query, mask).total, expected)
    turned_support = {name: value.flip(1, 2) for name, value in support.items()}
    turned_query = {name: value.flip(1) for name, value in query.items()}
    turned = model.match(turned_support, turned_query, mask.flip(1, 2)).total
    assert relative_error(turned.flip(1, 2), expected) < 1e-12
    for b in range(2):  # episodes on their own
        own = [{name: value[b : b + 1] for name, value in side.items()} for side in (support, query)]
        assert relative_error(model.match(*own, mask[b : b + 1]).total[0], expected[b]) < 1e-12


def decoded(decoder, differences, size):
    """Differences of frames from all differences of maps of a side, `(n, D / 8, P, P)`; batch norm over all of them."""
    made = differences
    for share, layer, norm in zip((16, 4, 1), decoder.convolutions, decoder.norms, strict=True):
        made = bilinear(made, [-(-side // share) for side in size])
        made = F.conv2d(made, layer.weight, padding=1)
        average, variance = made.mean(dim=(0, 2, 3)), made.var(dim=(0, 2, 3), unbiased=False)
        made = (made - average[:, None, None]) / (variance + 1e-5).sqrt()[:, None, None]
        made = F.relu(made * norm.weight[:, None, None] + norm.bias[:, None, None])
    return torch.einsum("nchw,kc->nkhw", made, decoder.colours.weight[:, :, 0, 0]) + decoder.colours.bias[:, None, None]


def bilinear(maps, size):
    """Enlarged so that corners stay corners."""
    made = torch.empty(*maps.shape[:2], *size, dtype=maps.dtype)
    for row, column in itertools.product(*map(range, size)):
        y, x = (
            place * (before - 1) / (side - 1) if side > 1 else 0.0
            for place, before, side in zip((row, column), maps.shape[2:], size, strict=True)
        )
        top, left = min(int(y), maps.shape[2] - 1), min(int(x), maps.shape[3] - 1)
        bottom, right = min(top + 1, maps.shape[2] - 1), min(left + 1, maps.shape[3] - 1)
        upper = maps[:, :, top, left] * (1 - (x - left)) + maps[:, :, top, right] * (x - left)
        lower = maps[:, :, bottom, left] * (1 - (x - left)) + maps[:, :, bottom, right] * (x - left)
        made[:, :, row, column] = upper * (1 - (y - top)) + lower * (y - top)
    return made


def test_the_losses_equal_the_loops():
    trunk = convolution().trunk
    colours = {"mean": (0.4, 0.5, 0.6), "std": (0.2, 0.25, 0.5)}
    model = model_of(Backbone(trunk=trunk, dim=CHANNELS, **colours), **DROPS).train()
    model.prepare_training(7)
    model.double()
    assert model.terms == ("match", "class", "contrast", "reconstruction")
    with torch.no_grad():
        for value, scale in zip((1.5, 0.5), model.training_only.scales.values(), strict=True):
            scale.fill_(value)
    truth = Truth(torch.tensor([[0, 1, 1]]), torch.tensor([[6, 2]]))
    pixels = [clips(4), clips(3, seed=2)]
    support, query = (
        {name: value.reshape(axes + value.shape[1:]) for name, value in model.embed(some).items()}
        for some, axes in zip(pixels, [(1, 2, 2), (1, 3)], strict=True)
    )
    found = model.losses(model.match(support, query), support, query, truth)

    def surprise(scores, right):
        return torch.logsumexp(torch.stack(list(scores)), dim=0) - scores[right]

    def contrasts(query, shots, right, which, scale):
        """Of the tokens of the class and of the query, for x (which = 0) or y."""
        own, means = query[which], [mean([clip[which] for clip in clip_pairs]) for clip_pairs in shots]
        of_class = [-scale * sum(distance(token, own[0]) for token in other[1:]) for other in means]
        of_query = [-scale * sum(distance(token, other[0]) for token in own[1:]) for other in means]
        return surprise(of_class, right) + surprise(of_query, right)

    of_support, of_queries = ([parts_of(model, clip) for clip in some] for some in pixels)
    shots = [[clip[:2] for clip in own] for own in (of_support[:2], of_support[2:])]
    columns, numbers = truth.columns[0].tolist(), [6, 6, 2, 2, 6, 2, 2]
    heads = [model.training_only.classify(mean(x) + mean(y)) for x, y, _ in (*of_support, *of_queries)]
    errors = []
    for some, parts in zip(pixels, (of_support, of_queries), strict=True):
        made = decoded(model.training_only.decoder, torch.cat([m for *_, m in parts]), some.shape[-2:])
        std = torch.tensor(colours["std"], dtype=torch.float64)[:, None, None]
        targets = [(later - former) / std for clip in some for former, later in itertools.pairwise(clip)]
        errors += [(one - other).square().mean() for one, other in zip(made, targets, strict=True)]
    expected = {
        "match": mean([surprise(logits(own[:2], shots), c) for own, c in zip(of_queries, columns, strict=True)]),
        "class": 0.8 * mean([surprise(head, number) for head, number in zip(heads, numbers, strict=True)]),
        "contrast": 0.05
        * mean(
            [
                contrasts(own, shots, c, 0, 1.5) + contrasts(own, shots, c, 1, 0.5)
                for own, c in zip(of_queries, columns, strict=True)
            ]
        ),
        "reconstruction": 0.1 * mean(errors),
    }
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert relative_error(found[name], value.detach()) < 1e-10, name


def test_a_frozen_backbone_has_nothing_to_reconstruct():
    trunk = convolution().trunk
    model = model_of(Backbone(trunk=trunk, dim=CHANNELS, trained=False)).train()
    model.prepare_training(7)
    maps = backbone_maps(clips(2), backbone=model.backbone, patches=SIDE)
    assert model.double().embed(maps).keys() == {"frames", "motion", "classes"}
    assert model.terms == ("match", "class", "contrast") and not model.reads_pixels


def test_pixels_beside_maps_give_the_same_error():
    model = model_of(**DROPS).train()
    model.prepare_training(7)
    model.double()
    maps = backbone_maps(clips(2), backbone=model.backbone, patches=SIDE)
    found = model.embed(Maps(maps.patches, maps.mean, clips(2)))["reconstruction"]
    assert torch.equal(found, model.embed(clips(2))["reconstruction"]) and found.shape == (2,)


def test_fewer_maps_than_frames_are_compared_with_frames_evenly_spread():
    model = model_of(**DROPS).train()
    model.prepare_training(7)
    model.double()
    pixels, seen = torch.rand(1, 8, 3, 9, 7, dtype=torch.float64), []
    model.training_only.decoder.forward = lambda differences, size: (
        seen.append(differences) or torch.zeros(1, 3, 3, 9, 7)
    )
    error = model._error(torch.zeros(1, 3, 1, SIDE, SIDE), pixels)
    chosen = pixels[:, [0, 2, 4, 6]]
    assert seen and relative_error(error, (chosen[:, 1:] - chosen[:, :-1]).square().mean()[None]) < 1e-12


@pytest.mark.parametrize("scale", [0.0, 1e10])
def test_gradients_are_finite_where_clips_are_all_alike_or_large(scale):
    model = build_molo(backbone=maps_as_clips(CHANNELS), frames=FRAMES, patches=2, reconstruction_weight=0.0).train()
    model.prepare_training(3)
    maps = [scale * torch.ones(n, FRAMES, CHANNELS, 2, 2) for n in (2, 3)]
    support = {name: value.reshape(1, 2, 1, *value.shape[1:]) for name, value in model.embed(maps[0]).items()}
    query = {name: value[None] for name, value in model.embed(maps[1]).items()}
    truth = Truth(torch.tensor([[0, 1, 1]]), torch.tensor([[2, 0]]))
    sum(model.losses(model.match(support, query), support, query, truth).values()).backward()
    for name, value in model.named_parameters():
        assert value.grad is not None and bool(value.grad.isfinite().all()), name


def test_a_single_map_of_a_clip_has_no_motion(monkeypatch):
    one_of_eight = SimpleNamespace(steps=lambda frames: frames // 8)
    monkeypatch.setitem(BACKBONES, "conv3", replace(BACKBONES["conv3"], video=one_of_eight))
    words = r"method molo needs 2 time steps, more than the 1 .* input\.frames 16 would do"
    with pytest.raises(RecipeError, match=words):
        load_recipe("sprites", ["method=molo", "input.frames=8"])
    assert load_recipe("sprites", ["method=molo", "input.frames=16"]).steps == 2
