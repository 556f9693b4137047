"""CLIP-FSAR and its losses against loops over queries, classes and frames, and what must not matter."""

import hashlib

import pytest
import torch
from torch import nn

from strmctl.model.episode import Truth, judge_sides, told
from strmctl.model.methods.clip_fsar import build_clip_fsar
from tests.model.methods.test_otam import aligned, distance_of_frames
from tests.model.reference import relative_error
from tests.model.small import maps_as_clips

FRAMES, CHANNELS, WIDTH = 4, 6, 8
NAMES = ("hop", "run", "sit", "swim")


class Words(nn.Module):
    """A vector for each name, which depends on nothing else; counts the names it was asked for."""

    dim = WIDTH

    def __init__(self):
        super().__init__()
        self.asked = []

    def forward(self, names):
        self.asked += names
        seeds = [int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big") for name in names]
        drawn = [torch.randn(WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(s)) for s in seeds]
        return torch.stack(drawn)


def model_of(channels=CHANNELS, **changes):
    """In float64 and evaluation mode, with a norm that scales and shifts, on maps in the place of frames."""
    model = build_clip_fsar(backbone=maps_as_clips(channels), text_tower=Words(), **changes)
    torch.manual_seed(1)
    nn.init.normal_(model.layer.norm.weight)
    nn.init.normal_(model.layer.norm.bias)
    nn.init.constant_(model.scale, 3.0)
    return model.double().eval()


def drawn(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def embedded(model, *shape, seed=0):
    """Features of clips, `(*shape, …)`."""
    maps = drawn(*shape, FRAMES, model.backbone.dim, 1, 1, seed=seed)
    features = model.embed(maps.flatten(0, len(shape) - 1))
    return {name: value.unflatten(0, shape) for name, value in features.items()}


def cosine(x, y):
    return 1 - distance_of_frames(x, y)


def mean(vectors):
    return [sum(values) / len(vectors) for values in zip(*vectors, strict=True)]


def expected(model, support, query, mask, *, names, weight=0.0):
    """Logits of one episode from lists: `support` (C, K, L, d), `query` (Q, L, d); the layer has tests of its own."""
    rows = []
    for clip in query.tolist():
        context = model.layer(torch.tensor(clip, dtype=torch.float64)).tolist()
        row = []
        for shots, present, name in zip(support.tolist(), mask.tolist(), names, strict=True):
            chosen = [shot for shot, there in zip(shots, present, strict=True) if there]
            frames = [mean([shot[frame] for shot in chosen]) for frame in range(FRAMES)]
            text = model.text_tower([name])[0].tolist()
            refined = model.layer(torch.tensor([*frames, text], dtype=torch.float64)).tolist()[:FRAMES]
            table = [[distance_of_frames(x, y) for y in refined] for x in context]
            distance = aligned(table, model.smoothing) + aligned(list(zip(*table, strict=True)), model.smoothing)
            of_text = model.scale.item() * cosine(mean(clip), text)
            row.append(weight * of_text + (1 - weight) * -distance / FRAMES if weight else -distance)
        rows.append(row)
    return rows


@torch.no_grad()
@pytest.mark.parametrize("weight", [0.0, 0.9, 1.0])
@pytest.mark.parametrize(
    ("batch", "queries", "classes", "shots"), [(1, 2, 2, 1), (3, 2, 3, 2), (2, 1, 4, 3), (1, 3, 5, 5)]
)
def test_logits_equal_the_loops_with_unequal_shots(batch, queries, classes, shots, weight):
    model = model_of(text_weight=weight)
    support, query = embedded(model, batch, classes, shots), embedded(model, batch, queries, seed=1)
    mask = torch.rand(batch, classes, shots, generator=torch.Generator().manual_seed(2)) < 0.6
    mask[..., 0] = True
    names = [[f"class {episode} {column}" for column in range(classes)] for episode in range(batch)]
    found = model.match(told(model, support, names), query, mask).total
    for episode in range(batch):
        sides = support["frames"][episode], query["frames"][episode], mask[episode]
        assert relative_error(found[episode], expected(model, *sides, names=names[episode], weight=weight)) < 1e-10


@torch.no_grad()
def test_what_the_text_weight_mixes_is_the_product_of_probabilities_to_these_powers():
    plain, mixed = model_of(), model_of(text_weight=0.9)
    support, query = told(plain, embedded(plain, 1, 3, 2), [NAMES[:3]]), embedded(plain, 1, 2, seed=1)
    alone, found = plain.match(support, query), mixed.match(support, query)
    few = ((8 + alone.total * 8 / FRAMES) / 8).softmax(dim=-1)  # as the authors write it, for their 8 frames
    product = alone.other.softmax(dim=-1) ** 0.9 * few**0.1
    torch.testing.assert_close(found.total.softmax(dim=-1), product / product.sum(dim=-1, keepdim=True))
    mixed.train()
    mixed.layer.eval()
    assert torch.equal(mixed.match(support, query).total, alone.total), "training has no mixture"


@torch.no_grad()
@pytest.mark.parametrize("weight", [0.0, 0.9])
def test_neither_the_order_of_classes_and_shots_nor_padding_or_other_episodes_matter(weight):
    model = model_of(text_weight=weight)
    support, query = embedded(model, 2, 3, 3), embedded(model, 2, 2, seed=1)
    names = [NAMES[:3], NAMES[1:]]
    mask = torch.tensor([[[True, True, False], [True, True, True], [True, False, False]]] * 2)
    found = model.match(told(model, support, names), query, mask).total
    order = [2, 0, 1]
    turned = {name: value[:, order] for name, value in support.items()}
    called = [[own[place] for place in order] for own in names]
    again = model.match(told(model, turned, called), query, mask[:, order]).total
    torch.testing.assert_close(again, found[..., order])
    swapped = {name: value[:, :, [1, 0, 2]] for name, value in support.items()}
    both = mask[..., :2].all(dim=-1)  # where both of them exist
    torch.testing.assert_close(model.match(told(model, swapped, names), query, mask).total[..., :2], found[..., :2])
    assert both[:, :2].all()
    wild = {name: value.where(mask.reshape(*mask.shape, 1, 1), -1e30) for name, value in support.items()}
    torch.testing.assert_close(model.match(told(model, wild, names), query, mask).total, found)
    single = [{name: value[1:] for name, value in side.items()} for side in (support, query)]
    alone = model.match(told(model, single[0], names[1:]), single[1], mask[1:]).total
    torch.testing.assert_close(alone[0], found[1])
    column = {name: value[:, 1:2] for name, value in support.items()}  # a class does not depend on the others
    alone = model.match(told(model, column, [own[1:2] for own in names]), query, mask[:, 1:2]).total
    torch.testing.assert_close(alone, found[..., 1:2])


@torch.no_grad()
def test_names_matter_and_are_asked_for_in_words():
    model = model_of()
    support, query = embedded(model, 1, 2, 1), embedded(model, 1, 1, seed=1)
    one, other = (model.match(told(model, support, [names]), query).total for names in (NAMES[:2], NAMES[2:]))
    assert relative_error(one, other) > 1e-3
    with pytest.raises(ValueError, match=r"clip_fsar compares clips with the names of their classes: .*names=\[…\]"):
        model.match(support, query)
    for wrong in ([NAMES], [NAMES[:1]], [NAMES[:2]] * 2):
        with pytest.raises(ValueError, match="need as many names"):
            told(model, support, wrong)


@torch.no_grad()
def test_the_python_interface_takes_names_in_the_order_of_labels():
    model = model_of()
    clips, asked = drawn(4, FRAMES, CHANNELS, 1, 1), drawn(2, FRAMES, CHANNELS, 1, 1, seed=1)
    labels = torch.tensor([7, 3, 7, 3])
    found = model(clips, labels, asked, names=NAMES[:2])
    frames = model.embed(clips)["frames"]
    support = torch.stack([frames[[1, 3]], frames[[0, 2]]])
    wanted = expected(model, support, model.embed(asked)["frames"], torch.ones(2, 2, dtype=bool), names=NAMES[:2])
    assert found.total.shape == (2, 2) and relative_error(found.total, wanted) < 1e-10
    with pytest.raises(ValueError, match=r"names=\[…\]"):
        model(clips, labels, asked)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_losses_equal_the_loops(reduction):
    model = model_of(text_loss_weight=2.5)
    shape, queries = (1, 2, 2), 3
    support, query = embedded(model, *shape), embedded(model, 1, queries, seed=1)
    support, query = ({name: value[0] for name, value in side.items()} for side in (support, query))
    support = {name: value.flatten(0, 1) for name, value in support.items()}  # (N, …)
    columns, classes = torch.tensor([[0, 1, 1]]), torch.tensor([[3, 1]])
    truth = Truth(columns, classes, reduction, NAMES)
    _, losses = judge_sides(model, support, torch.tensor([0, 0, 1, 1]), query, truth)
    wanted = torch.tensor(
        expected(
            model,
            support["frames"].detach().unflatten(0, (2, 2)),
            query["frames"].detach(),
            torch.ones(2, 2, dtype=bool),
            names=[NAMES[3], NAMES[1]],
        ),
        dtype=torch.float64,
    )
    each = [-float(row.log_softmax(dim=0)[column]) for row, column in zip(wanted, columns[0], strict=True)]
    count = 1 if reduction == "mean" else queries
    match = count * sum(each) / queries
    clips = [*support["frames"].tolist(), *query["frames"].tolist()]
    numbers = [3, 3, 1, 1, *[int(classes[0, column]) for column in columns[0]]]
    texts, each = model.text_tower(NAMES).tolist(), []
    for clip, number in zip(clips, numbers, strict=True):
        row = torch.tensor([model.scale.item() * cosine(mean(clip), text) for text in texts], dtype=torch.float64)
        each.append(-float(row.log_softmax(dim=0)[number]))
    assert tuple(losses) == model.terms == ("match", "text")
    assert float(losses["match"].detach()) == pytest.approx(match, rel=1e-10)
    assert float(losses["text"].detach()) == pytest.approx(count * 2.5 * sum(each) / len(each), rel=1e-10)
    sum(losses.values()).backward()
    trained = {name for name, own in model.named_parameters() if own.grad is not None and own.grad.abs().sum() > 0}
    assert trained >= {"scale", "projection.weight", "layer.network.3.weight"}


@pytest.mark.parametrize("size", [0.0, 1e6])
def test_gradients_are_finite_for_empty_and_for_large_frames(size):
    model = model_of().train()
    maps = (size * drawn(4, FRAMES, CHANNELS, 1, 1)).requires_grad_()
    features = model.embed(maps)
    support, query = ({name: value[part] for name, value in features.items()} for part in (slice(2), slice(2, 4)))
    truth = Truth(torch.tensor([[0, 1]]), torch.tensor([[0, 1]]), names=NAMES)
    _, losses = judge_sides(model, support, torch.tensor([0, 1]), query, truth)
    sum(losses.values()).backward()
    assert maps.grad.isfinite().all()
    assert all(own.grad.isfinite().all() for own in model.parameters() if own.grad is not None)


@torch.no_grad()
def test_frames_are_projected_only_where_their_width_is_not_that_of_the_texts():
    assert isinstance(model_of(WIDTH).projection, nn.Identity)
    model = model_of()
    maps = drawn(2, FRAMES, CHANNELS, 3, 2)
    wanted = [[model.projection.weight @ place.mean(dim=(1, 2)) for place in clip] for clip in maps]
    found = model.embed(maps)
    assert relative_error(found["frames"], torch.stack([torch.stack(clip) for clip in wanted])) < 1e-12
    assert relative_error(found["context"], model.layer(found["frames"])) < 1e-12
    one, other = (build_clip_fsar(backbone=maps_as_clips(6), text_tower=Words(), seed=seed) for seed in (0, 1))
    pairs = zip(one.projection.parameters(), other.projection.parameters(), strict=True)
    assert all(not torch.equal(*pair) for pair in pairs)
    again = build_clip_fsar(backbone=maps_as_clips(6), text_tower=Words(), seed=0)
    assert all(torch.equal(*pair) for pair in zip(one.parameters(), again.parameters(), strict=True))


def test_methods_that_are_not_given_names_never_see_them():
    support = {"frames": drawn(1, 2, 1, FRAMES, CHANNELS)}
    assert told(nn.Identity(), support, [NAMES[:2]]) is support
    assert told(model_of(), support, []) is support
    model = model_of()
    assert told(model, embedded(model, 2, 2, 3), [NAMES[:2], NAMES[1:3]])["text"].shape == (2, 2, 3, WIDTH)
    assert sorted(model.text_tower.asked) == sorted(NAMES[:3]), "each name once"
