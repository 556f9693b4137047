"""Every number of the plan in docs/scale.md follows from its formula, and its commands are there."""

import math
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from strmctl.ablation.cost import cost_table
from strmctl.cli.main import main
from strmctl.recipe import load_recipe
from strmctl.threads import MOST_LOADERS

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
COST = cost_table(way=5, shot=5, queries=4)["methods"]["STRM {2}"]
FORWARD = COST["flops"]["episode"]["total"]
KEPT = 45 * 677 * 2**20  # bytes
GRADIENT = 4 * COST["parameters"]["total"]  # bytes
PASSES = {"plain": 3, "checkpoint": 4, "clips": 4, "sides": (20 * 4 + 25 * 5) / 45}


def rows(columns):
    """The rows of all tables with so many columns, without their heads."""
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in TEXT.splitlines() if line.startswith("|")
    ]
    return [row for row in cells if len(row) == columns and not set("".join(row)) <= set("-: ") and row[0]]


def commands():
    blocks = re.findall(r"```\n(.*?)```", TEXT, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


def test_the_recipe_is_the_one_that_is_planned():
    recipe = load_recipe("ssv2_r50")
    train = recipe.train
    assert (train.episodes, train.way, train.shot, train.queries, train.accumulate) == (75_000, 5, 5, 4, 16)
    assert (recipe.input.frames, recipe.input.crop, recipe.validation.every) == (8, 224, 1000)
    assert train.way * (train.shot + train.queries) * recipe.input.frames == 360


def test_an_episode_costs_what_is_said():
    said = {name: value for name, _, value in rows(3)}
    share = 100 * COST["flops"]["episode"]["backbone"] / FORWARD
    assert (
        said["operations forward, F"] == f"{FORWARD / 1e12:.3f} TFLOP"
        and f"{share:.0f} % of it is the backbone" in TEXT
    )
    assert said["kept for the gradient in float32, A"] == f"{KEPT / 2**30:.1f} GiB"
    assert said["pixels to the card"] == f"{360 * 3 * 224**2 / 1e6:.1f} MB"
    assert said["gradient of all weights, G"] == f"{GRADIENT / 1e6:.0f} MB" and f"{GRADIENT // 4:,} · 4 bytes" in TEXT
    assert {name: said[name] for name in PASSES} == {name: f"{passes:.3g}" for name, passes in PASSES.items()}


CARDS = rows(12)[1:]


@pytest.mark.parametrize("row", CARDS, ids=lambda row: f"{row[0]}, {row[2]}")
def test_times_follow_from_the_formulas(row):
    _, memory, dtype, *numbers = row
    peak, bandwidth, link, *found = (float(number.replace(",", "")) for number in numbers)
    passes, size = PASSES[memory], {"float32": 1, "bfloat16": 0.5}[dtype]
    seconds = passes * FORWARD / (0.4 * peak * 1e12) + passes / 3 * 5 * size * KEPT / (0.7 * bandwidth * 1e9)
    steps, summing = math.ceil(75_000 / 16), 2 * 7 / 8 * GRADIENT / (link * 1e9)
    rates = [360 / seconds, 8 * 360 / seconds]
    assert steps == 4688 and found == [
        pytest.approx(seconds, abs=5e-4),
        pytest.approx(75_000 * seconds / 3600, abs=0.05),
        pytest.approx(steps * (2 * seconds + summing) / 3600, abs=0.005),
        *[pytest.approx(rate, abs=0.5) for rate in rates],
        math.ceil(rates[1] / 1000),
    ]


def test_the_limits_of_loading_are_those_of_the_table():
    most = 360 / (1000 * MOST_LOADERS)
    waiting = {limit: {(row[0], row[2]) for row in CARDS if float(row[6]) < limit} for limit in (360 / 2000, most)}
    h100 = {("H100, 80 GB", "float32"), ("H100, 80 GB", "bfloat16")}
    assert waiting == {0.18: {("A100, 80 GB", "bfloat16"), *h100}, most: set()}
    assert f"at most {MOST_LOADERS} " in TEXT and f"{1000 * MOST_LOADERS:,} frames" in TEXT and f"{most:.4g} s" in TEXT


@pytest.mark.parametrize("line", commands())
def test_every_command_is_there(line):
    words = shlex.split(line)
    if words[0] == "python":
        ran = subprocess.run([sys.executable, *words[1:]], capture_output=True, text=True, check=True, cwd=ROOT)
        assert str(FORWARD) in ran.stdout
        return
    name, *rest = words[words.index("strmctl") + 1 :]
    command = main.get_command(click.Context(main), name)
    while isinstance(command, click.Group):
        command, rest = command.get_command(click.Context(command), rest[0]), rest[1:]
    values, left, _ = command.make_parser(click.Context(command)).parse_args(args=rest)
    assert left == []
    if values.get("recipe"):
        load_recipe(values["recipe"], values.get("assignments", ()))
