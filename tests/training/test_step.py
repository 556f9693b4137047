import math
from types import SimpleNamespace

import pytest
import torch

from strmctl.model import seeding
from strmctl.model.episode import Logits
from strmctl.runs.build import build_model
from strmctl.training.step import accumulated, backward, episode_loss, learning_rate
from tests.small_world import small_recipe


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_the_loss_is_the_sum_of_both(reduction):
    generator = torch.Generator().manual_seed(0)
    trm, query_class = (torch.randn(6, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    targets = [0, 0, 1, 1, 2, 2]
    expected = []
    for logits in (trm, query_class):
        rows = zip(logits.tolist(), targets, strict=True)
        expected.append(sum(math.log(sum(map(math.exp, row))) - row[target] for row, target in rows))
    count = 6 if reduction == "mean" else 1
    loss = episode_loss(Logits(trm, trm, query_class), torch.tensor(targets), weight=0.1, reduction=reduction)
    assert loss.item() == pytest.approx((expected[0] + 0.1 * expected[1]) / count, rel=1e-12)
    alone = episode_loss(Logits(trm), torch.tensor(targets), weight=0.1, reduction=reduction)
    assert alone.item() == pytest.approx(expected[0] / count, rel=1e-12)


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
        value, _ = backward(own, model, SimpleNamespace(index=episode), (clips, clips))
        assert asked == [next(model.parameters()).device]
        return value

    first = loss(1)
    torch.rand(5)
    assert loss(1) == first and first not in (loss(0), loss(1, seed=1))
