import math
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import torch

from strmctl.evaluation.map_cache import keep_maps
from strmctl.model import seeding
from strmctl.model.episode import Logits, Truth
from strmctl.model.methods.table import METHODS
from strmctl.runs.build import build_model, clip_loader
from strmctl.training.step import accumulated, backward, learning_rate, prepare
from tests.small_world import small_recipe


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_the_loss_is_the_sum_of_both(reduction):
    generator = torch.Generator().manual_seed(0)
    trm, query_class = (torch.randn(1, 6, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    targets = [0, 0, 1, 1, 2, 2]
    truth = Truth(torch.tensor([targets]), torch.arange(3)[None], reduction)
    expected = []
    for logits in (trm, query_class):
        rows = zip(logits[0].tolist(), targets, strict=True)
        expected.append(sum(math.log(sum(map(math.exp, row))) - row[target] for row, target in rows))
    count = 6 if reduction == "mean" else 1
    model = build_model(small_recipe("query_class.weight=0.3"), pretrained=False)
    found = model.losses(Logits(trm, trm, query_class), {}, {}, truth)
    assert tuple(found) == model.terms == ("trm", "query_class")
    assert found["trm"].item() == pytest.approx(expected[0] / count, rel=1e-12)
    assert found["query_class"].item() == pytest.approx(0.3 * expected[1] / count, rel=1e-12)
    alone = build_model(small_recipe("method=trm"), pretrained=False)
    assert list(alone.losses(Logits(trm, trm), {}, {}, truth)) == ["trm"] and alone.terms == ()


def test_class_cross_entropy_counts_every_clip_of_both_sides():
    generator = torch.Generator().manual_seed(0)
    support = torch.randn(2, 3, 2, 4, 7, generator=generator, dtype=torch.float64)  # (B, C, K, L, classes)
    query = torch.randn(2, 5, 4, 7, generator=generator, dtype=torch.float64)
    columns, classes = torch.tensor([[0, 0, 1, 2, 2], [2, 1, 0, 1, 2]]), torch.tensor([[6, 0, 3], [1, 5, 2]])
    rows = []
    for b in range(2):
        for c in range(3):
            rows += [(frame, classes[b, c]) for shot in support[b, c] for frame in shot]
        rows += [(frame, classes[b, columns[b, q]]) for q in range(5) for frame in query[b, q]]
    expected = sum(math.log(sum(map(math.exp, row.tolist()))) - row[number].item() for row, number in rows) / len(rows)
    found = Truth(columns, classes).class_cross_entropy(support, query)
    assert found.item() == pytest.approx(expected, rel=1e-12)
    means = Truth(columns, classes).class_cross_entropy(support.mean(dim=3), query.mean(dim=2))
    assert means.isfinite() and means < found  # Jensen


@pytest.mark.parametrize("method", METHODS)
def test_the_losses_of_a_method_keep_their_proportions_where_queries_are_summed(method):
    if METHODS[method].libraries:
        pytest.importorskip(*METHODS[method].libraries)
    shape = ("train.way=3", "train.queries=2", "input.frames=4", "trm.dropout=0.0")
    found = {}
    for reduction in ("mean", "sum"):
        recipe = small_recipe(f"method={method}", f"train.loss_reduction={reduction}", *shape)
        model = build_model(recipe, pretrained=False)
        prepare(recipe, model, torch.device("cpu"), 3)
        generator = torch.Generator().manual_seed(0)
        sides = (torch.randint(256, (n, 4, 3, 32, 32), dtype=torch.uint8, generator=generator) for n in (3, 6))
        names = ("hop", "run", "sit")
        found[reduction] = backward(recipe, model.train(), SimpleNamespace(index=0, classes=names), (*sides,), names)
    assert all(value > 0 for value in found["mean"].terms.values())
    assert found["sum"].terms == pytest.approx({name: 6 * loss for name, loss in found["mean"].terms.items()})


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("method", ["hyrsm", "molo", "hf_ar"])
def test_what_is_never_trained_has_no_part_for_losses(method):
    recipe = small_recipe(f"method={method}", "train.episodes=0")
    model = build_model(recipe, pretrained=False)
    prepare(recipe, model, torch.device("cpu"), 0)
    assert model.training_only is None


def test_the_last_step_divides_by_the_episodes_that_it_has():
    recipe = small_recipe("train.accumulate=5", "train.episodes=12")
    assert [accumulated(recipe, index) for index in range(12)] == [5] * 10 + [2, 2]


def test_learning_rates():
    constant, cosine = (small_recipe("train.episodes=12", f"train.schedule={name}") for name in ("constant", "cosine"))
    assert {learning_rate(constant, done) for done in range(1, 13)} == {1e-3}
    rates = [learning_rate(cosine, done) for done in range(1, 13)]
    assert rates == pytest.approx([0.5e-3 * (1 + math.cos(math.pi * step / 12)) for step in range(12)])


def test_dropout_depends_on_seed_and_episode_on_the_device_that_draws_it(monkeypatch):
    asked, generators = [], seeding._generators
    monkeypatch.setattr(seeding, "_generators", lambda device: asked.append(device) or generators(device))
    clips = torch.randint(256, (2, 8, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    recipe = small_recipe("trm.dropout=0.5")
    model = build_model(recipe, pretrained=False)

    def loss(episode, seed=0):
        del asked[:]
        own = recipe.model_copy(update={"train": recipe.train.model_copy(update={"seed": seed})})
        value, *_ = backward(own, model, SimpleNamespace(index=episode), (clips, clips))
        assert asked == [next(model.parameters()).device]
        return value

    first = loss(1)
    torch.rand(5)
    assert loss(1) == first and first not in (loss(0), loss(1, seed=1))


@pytest.mark.parametrize("method", ["strm", "trm", "trx"])
def test_a_step_on_maps_is_one_with_a_frozen_backbone_in_evaluation(tmp_path, store, method):
    changes = ("backbone.trained=false", "backbone.maps=float32", "trm.dropout=0", "train.queries=2")
    recipe = small_recipe(*changes, f"method={method}")
    frames, clips = clip_loader(recipe, store), store.clips("train")
    units, outcomes = [(tuple(ids), 0) for ids in clips.values()], []
    for on_maps in (True, False):
        model = build_model(recipe, pretrained=False).train()
        before = {name: value.clone() for name, value in model.backbone.state_dict().items()}
        loader = keep_maps(recipe, model, frames, units, tmp_path) if on_maps else frames
        with ThreadPoolExecutor(1) as pool:
            sides = [loader.load_many(ids, pool) for ids in (("hop/0", "run/1"), ("hop/1", "hop/2", "run/0", "run/2"))]
        numbers = backward(recipe, model, SimpleNamespace(index=0), sides)[:2]
        gradients = {name: value.grad for name, value in model.named_parameters() if value.grad is not None}
        assert gradients and not any(name.startswith("backbone.") for name in gradients)
        assert all(torch.equal(before[name], value) for name, value in model.backbone.state_dict().items())
        outcomes.append((torch.tensor(numbers), gradients))
    torch.testing.assert_close(*outcomes, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("trained", ["true", "false"])
def test_bfloat16_embeds_and_all_else_stays_in_float32(monkeypatch, trained):
    clips = torch.randint(256, (2, 8, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    seen, losses, gradients = [], [], []
    for dtype in ("float32", "bfloat16"):
        recipe = small_recipe(f"train.dtype={dtype}", "trm.dropout=0", f"backbone.trained={trained}")
        model, embedded = build_model(recipe, pretrained=False).train(), []
        embed, real = model.embed, model.losses
        monkeypatch.setattr(model, "losses", lambda found, *a, real=real: seen.extend(found) or real(found, *a))
        monkeypatch.setattr(model, "embed", lambda c, embed=embed, kept=embedded: kept.append(embed(c)) or kept[-1])
        losses.append(backward(recipe, model, SimpleNamespace(index=0), (clips, clips))[0])
        assert {str(value.dtype) for part in embedded for value in part.values()} == {f"torch.{dtype}"}
        parameters = [value for value in model.parameters() if value.requires_grad]
        assert all(value.dtype == value.grad.dtype == torch.float32 for value in parameters)
        gradients.append(torch.cat([value.grad.flatten() for value in parameters]))
    assert {value.dtype for value in seen if value is not None} == {torch.float32}
    assert losses[0] != losses[1] and losses[0] == pytest.approx(losses[1], rel=0.02)
    assert torch.cosine_similarity(*gradients, dim=0) > 0.95
