from dataclasses import replace
from pathlib import Path

import pytest

from strmctl.ablation import estimate as grid_time
from strmctl.ablation.cells import Cell
from strmctl.ablation.run_grid import Task
from strmctl.evaluation.match import Protocol
from strmctl.model.methods.table import METHODS
from strmctl.recipe import Recipe, load_recipe
from tests.small_world import small


@pytest.fixture(scope="module")
def task(data):
    """The training of a small recipe, as a task."""
    recipe = load_recipe("sprites", small("data.dataset=mine", "train.episodes=100", "validation.every=50")[1::2])
    return Task("r", recipe, (), Protocol(), Path("runs"), data, "cpu")


def test_time_follows_from_what_one_clip_and_one_episode_take(task, monkeypatch):
    monkeypatch.setattr(grid_time, "_seconds", lambda function: (function(), 0.4)[1])  # each thing that is timed
    test = Protocol(way=2, shots=(1, 2), episodes=30)
    cell = Cell("x", "r", task.recipe)
    training, tests = grid_time.task_seconds([task, replace(task, cells=(cell,), protocol=test)], threads=1)
    clips = 4  # of an episode: 2-way, 1 shot, 1 query per class
    load = clip = 0.4 / clips  # reading one; forward, or forward and backward
    match = 0.4 / 16  # a block has that many episodes at most, and these are small
    pair = 0.4 / 4**2  # of the tables
    validation = 6 * (load + clip) + 6**2 * pair + 4 * match  # 2 classes of 3 clips
    assert training == pytest.approx(100 * clips * (load + clip) + 2 * validation)
    assert tests == pytest.approx(9 * (load + clip) + 9**2 * pair + 30 * 2 * match)


def test_more_work_takes_longer(task):
    train = task.recipe.train.model_copy(update={"episodes": 1000})
    long = replace(task, recipe=task.recipe.model_copy(update={"train": train}))
    test = Protocol(way=2, shots=(1,), episodes=100)
    trials = tuple(Cell("x", "r", task.recipe, 0.5, trial) for trial in range(10))
    short, longer, one, ten = grid_time.task_seconds(
        [task, long, replace(task, cells=trials[:1], protocol=test), replace(task, cells=trials, protocol=test)],
        threads=1,
    )
    assert 0 < short < longer and 0 < one < ten


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("trained", ["true", "false"])
def test_every_method_has_an_estimate(task, monkeypatch, method, trained):
    monkeypatch.setattr(grid_time, "_seconds", lambda function: (function(), 0.1)[1])
    values = load_recipe("sprites", [*small("data.dataset=mine")[1::2], f"backbone.trained={trained}"]).model_dump()
    recipe = Recipe.model_validate(Recipe.model_validate(values | {"method": method}).settled())
    test = Protocol(way=2, shots=(1, 2), episodes=30)
    cell = Cell("x", "r", recipe)
    own = replace(task, recipe=recipe)
    assert min(grid_time.task_seconds([own, replace(own, cells=(cell,), protocol=test)], threads=1)) >= 0
