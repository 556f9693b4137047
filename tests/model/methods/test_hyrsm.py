"""HyRSM and its losses against loops over queries, classes, heads and frames, and what must not matter."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from strmctl.model.episode import Truth
from strmctl.model.methods import hyrsm
from strmctl.model.methods.hyrsm import Coherence, build_hyrsm
from tests.model.reference import relative_error
from tests.model.small import CHANNELS, by_label, clips, convolution, maps_as_clips, maps_of


def model_of(backbone=None, **changes):
    """In float64 and evaluation mode, with norms that scale and shift."""
    model = build_hyrsm(backbone=backbone or convolution(), frames=4, heads=2, patches=2, **changes)
    torch.manual_seed(1)
    for norm in (model.within.norm, model.among.norm):
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    return model.double().eval()


def attention(layer, tokens):
    """Of each of T tokens, `(T, D)`, head by head."""
    query, key, value = layer.inputs(tokens).chunk(3, dim=-1)
    heads = [slice(first, first + layer.width) for first in range(0, layer.heads * layer.width, layer.width)]
    rows = []
    for token in query:
        parts = []
        for head in heads:
            shares = torch.stack([token[head] @ other[head] / math.sqrt(layer.width) for other in key]).softmax(dim=0)
            parts.append(sum(share * other[head] for share, other in zip(shares, value, strict=True)))
        rows.append(layer.output(torch.cat(parts)))
    return torch.stack(rows)


def refined(model, maps):
    """x of a clip, `(L, D)`, from its maps, `(L, D, h, w)`."""
    frames = torch.tensor(maps).mean(dim=(2, 3))
    channels = frames.shape[1]
    for position, channel in itertools.product(range(len(frames)), range(channels)):
        angle = position / 10000 ** (2 * channel / channels)
        frames[position, channel] *= math.sqrt(channels / 10)
        frames[position, channel] += math.cos(angle) if channel % 2 else math.sin(angle)
    return F.relu(frames + attention(model.within.attention, model.within.norm(frames)))


def told(model, query, shots):
    """z of the classes and of one query: lists of frames; `shots` are x of each clip of each class."""
    prototypes = [sum(own) / len(own) for own in shots]
    tokens = torch.stack([clip.mean(dim=0) for clip in (*prototypes, query)])
    tokens = F.relu(model.among.norm(tokens + attention(model.among.attention, tokens)))
    return [
        [model.among.fuse(torch.cat([frame, token])) for frame in clip]
        for clip, token in zip((*prototypes, query), tokens, strict=True)
    ]


def distance(x, y):
    return 1 - F.cosine_similarity(x, y, dim=0)


def logits(model, query, shots):
    *classes, own = told(model, query, shots)
    return [
        -sum(min(distance(x, y) for y in other) for x in own) - sum(min(distance(x, y) for x in own) for y in other)
        for other in classes
    ]


@torch.no_grad()
@pytest.mark.parametrize("labels", [[5, 1, 5, 3, 3, 5], [0, 1, 2, 3, 4, 5], [2, 2, 0, 0, 1, 1], [1, 0]])
def test_an_episode_from_clips_equals_the_loops(labels):
    model = model_of()
    support, queries = clips(len(labels)), clips(3, seed=2)
    of_support, of_queries = ([refined(model, maps) for maps in maps_of(model, some)] for some in (support, queries))
    shots = [own for _, own in sorted(by_label(of_support, labels).items())]
    expected = [logits(model, clip, shots) for clip in of_queries]
    assert relative_error(model(support, torch.tensor(labels), queries).total, expected) < 1e-10


def episodes(model, shape=(2, 3, 2), queries=5):
    """Features of B episodes, `(B, C, K, …)` and `(B, Q, …)`."""
    generator = torch.Generator().manual_seed(0)
    sides = []
    for axes in (shape, (shape[0], queries)):
        maps = torch.randn(math.prod(axes), 4, CHANNELS, 1, 1, dtype=torch.float64, generator=generator)
        sides.append({name: value.unflatten(0, axes) for name, value in model.embed(maps).items()})
    return sides


@torch.no_grad()
def test_absent_shots_and_the_order_of_classes_shots_and_queries_do_not_matter():
    model = model_of(maps_as_clips(CHANNELS))
    support, query = episodes(model)
    mask = torch.tensor([[[1, 1], [1, 0], [0, 1]], [[0, 1], [1, 1], [1, 0]]]) > 0
    expected = model.match(support, query, mask).total
    spoilt = {
        name: value.where(mask.reshape(*mask.shape, *(1,) * (value.dim() - 3)), 1e9) for name, value in support.items()
    }
    assert torch.equal(model.match(spoilt, query, mask).total, expected)
    turned_support = {name: value.flip(1, 2) for name, value in support.items()}
    turned_query = {name: value.flip(1) for name, value in query.items()}
    turned = model.match(turned_support, turned_query, mask.flip(1, 2)).total
    assert relative_error(turned.flip(1, 2), expected) < 1e-12
    for b in range(2):  # episodes on their own, and queries
        own = [{name: value[b : b + 1] for name, value in side.items()} for side in (support, query)]
        assert relative_error(model.match(*own, mask[b : b + 1]).total[0], expected[b]) < 1e-12
        first = {name: value[:, :1] for name, value in own[1].items()}
        assert relative_error(model.match(own[0], first, mask[b : b + 1]).total[0, 0], expected[b, 0]) < 1e-12


def test_the_losses_equal_the_loops():
    changes = {"coherence_weight": 0.3, "coherence_window": 1, "coherence_spread": 51.0, "coherence_balance": 10.0}
    drops = dict.fromkeys(("position_dropout", "clip_dropout", "task_dropout", "attention_dropout"), 0.0)
    model = model_of(maps_as_clips(CHANNELS), class_weight=0.7, **changes, **drops).train()
    model.prepare_training(7)
    model.double()
    assert model.terms == ("match", "class", "coherence")
    truth = Truth(torch.tensor([[0, 2, 1, 1, 0], [1, 1, 0, 2, 2]]), torch.tensor([[6, 0, 3], [1, 5, 2]]))
    maps = [torch.randn(n, 4, CHANNELS, 1, 1, generator=torch.Generator().manual_seed(n)).double() for n in (12, 10)]
    support, query = (
        {name: value.unflatten(0, axes) for name, value in model.embed(some).items()}
        for some, axes in zip(maps, [(2, 3, 2), (2, 5)], strict=True)
    )
    found = model.losses(model.match(support, query), support, query, truth)

    clips_of = [[refined(model, clip.numpy()) for clip in some] for some in maps]
    match, classes, of_classes, of_queries = [], [], [], []

    def surprise(scores, right):
        return torch.logsumexp(torch.stack(list(scores)), dim=0) - scores[right]

    def incoherence(clip):
        total = 0
        for i, one in enumerate(clip):
            for j, other in enumerate(clip):
                far, d = abs(i - j), distance(one, other)
                margin = 1 - math.exp(-((far - 1) ** 2) / 51)
                total += d / (far**2 + 1) if far <= 1 else 10 * max(0, margin - d)
        return total / len(clip) ** 2

    for b in range(2):
        own, queries = clips_of[0][6 * b :][:6], clips_of[1][5 * b :][:5]
        shots = [own[2 * c :][:2] for c in range(3)]
        numbers = truth.classes[b].tolist()
        for clip, number in zip(own, [numbers[0]] * 2 + [numbers[1]] * 2 + [numbers[2]] * 2, strict=True):
            classes += [surprise(model.training_only(frame), number) for frame in clip]
        for clip, column in zip(queries, truth.columns[b].tolist(), strict=True):
            classes += [surprise(model.training_only(frame), numbers[column]) for frame in clip]
            match.append(surprise(logits(model, clip, shots), column))
            *of_them, of_it = told(model, clip, shots)
            of_classes += [incoherence(z) for z in of_them]
            of_queries.append(incoherence(of_it))

    def mean(numbers):
        return (sum(numbers) / len(numbers)).item()

    expected = {
        "match": mean(match),
        "class": 0.7 * mean(classes),
        "coherence": 0.3 * (mean(of_classes) + mean(of_queries)),
    }
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert abs(found[name].item() - value) < 1e-10 * abs(value), name


def test_many_queries_are_compared_a_few_at_a_time(monkeypatch):
    model = model_of(maps_as_clips(CHANNELS), coherence_weight=0.3)
    sides = episodes(model)
    for training in (False, True):
        for dropout in model.train(training).modules():
            if isinstance(dropout, nn.Dropout):
                dropout.eval()
        monkeypatch.setattr(hyrsm, "LARGEST", 1 << 26)
        whole = model.match(*sides)
        monkeypatch.setattr(hyrsm, "LARGEST", 2 * sides[0]["frames"][:, :, 0].numel())  # two at a time
        parts = model.match(*sides)
        assert relative_error(parts.total, whole.total.detach()) < 1e-12
        assert [part.other is not None for part in (whole, parts)] == [training] * 2
    assert relative_error(parts.other, whole.other.detach()) < 1e-12


def test_a_loss_of_weight_0_has_no_part():
    model = model_of(class_weight=0.0).train()
    model.prepare_training(7)
    assert model.terms == () and model.coherence is None and model.training_only is None
    assert model.embed(clips(2)).keys() == {"frames", "token", "projected"}


def test_hyrsm_plus_plus_predicts_as_hyrsm_with_the_same_weights():
    plain, other = model_of(), model_of(coherence_weight=0.3)
    assert plain.state_dict().keys() == other.state_dict().keys()
    episode = clips(4), torch.tensor([0, 0, 1, 1]), clips(3, seed=2)
    assert torch.equal(plain(*episode).total, other(*episode).total)
    assert other(*episode).other is None, "incoherence is for training alone"


@pytest.mark.parametrize("scale", [0.0, 1e12])
def test_gradients_are_finite_where_frames_are_all_alike_or_large(scale):
    model = build_hyrsm(backbone=maps_as_clips(CHANNELS), frames=4, coherence_weight=0.3).train()
    model.prepare_training(3)
    maps = [scale * torch.ones(n, 4, CHANNELS, 1, 1) for n in (2, 3)]
    support = {name: value.reshape(1, 2, 1, *value.shape[1:]) for name, value in model.embed(maps[0]).items()}
    query = {name: value[None] for name, value in model.embed(maps[1]).items()}
    truth = Truth(torch.tensor([[0, 1, 1]]), torch.tensor([[2, 0]]))
    sum(model.losses(model.match(support, query), support, query, truth).values()).backward()
    for name, value in model.named_parameters():
        assert value.grad is not None and bool(value.grad.isfinite().all()), name


def test_coherence_falls_where_neighbours_are_alike_and_others_are_not():
    measure = Coherence(frames=6, window=1, spread=51.0, balance=10.0)
    turning = torch.stack([torch.tensor([math.cos(n / 3), math.sin(n / 3)]) for n in range(6)])
    shuffled = turning[[0, 3, 1, 4, 2, 5]]
    still = turning[:1].expand(6, -1)
    assert measure(turning) < measure(shuffled) and measure(turning) < measure(still)
