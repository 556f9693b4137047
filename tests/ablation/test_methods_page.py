"""`reports/methods.py` makes a page of a grid of methods and of the speeds that `bench methods` measured."""

import json
import runpy
from pathlib import Path

import pytest

from strmctl.results import read_result
from tests.saved import grid_of, recipe_of, write_cell

PAGE = Path(__file__).parents[2] / "reports" / "methods.py"
METHODS = {"STRM": "strm", "CMN (approximate)": "cmn", "ARN": "arn"}
SPEEDS = {
    "recipe": "sprites",
    "backbone": "conv3",
    "threads": 1,
    "episodes": 64,
    "repeats": 3,
    "methods": {
        "strm": {"training_seconds_per_episode": 0.25, "test_episodes_per_second": 123.4},
        "cmn": {"training_seconds_per_episode": None, "test_episodes_per_second": 40.0},
    },
}


def page(runs, *, skip=()):
    """The lines of the page of a grid of three methods and two seeds, without the results of some runs."""
    cells = [(label, recipe_of(f"method={method}", seed=seed)) for label, method in METHODS.items() for seed in (0, 1)]
    grid = grid_of(cells, kind="custom", name="methods", recipe="sprites", commands=["strmctl ablate custom …"])
    grid.write(runs)
    for place, cell in enumerate(grid.cells):
        if cell.run not in skip:
            write_cell(runs, cell, grid, 0.9 - 0.1 * place, answers=place)
    (runs / "bench.json").write_text(json.dumps(SPEEDS))
    runpy.run_path(str(PAGE))["main"](runs, "methods", runs / "bench.json", runs / "page.md")
    return grid, (runs / "page.md").read_text(encoding="utf-8").splitlines()


def rows_of(lines, label):
    return [line.split(" | ") for line in lines if line.startswith(f"| {label} |")]


def test_what_is_finished_is_compared_with_the_first_method_seed_by_seed(tmp_path):
    grid, lines = page(tmp_path, skip=["arn-s1"])
    right = {}
    for cell in grid.cells[:4]:
        (path,) = (tmp_path / cell.run / "eval").glob("*.json")
        right[cell.label, cell.recipe.train.seed] = [100 * figures["accuracy"] for figures in read_result(path).results]
    own = rows_of(lines, "CMN (approximate)")
    for place in (0, 1):
        each = [right["CMN (approximate)", seed][place] for seed in (0, 1)]
        gaps = [one - right["STRM", seed][place] for seed, one in enumerate(each)]
        assert own[place][1] == ", ".join(f"{one:.1f}" for one in each)
        assert own[place][4] == ", ".join(f"{gap:+.1f}" for gap in gaps)
        assert float(own[place][5].split(" ± ")[0]) == pytest.approx(sum(gaps) / 2, abs=0.051)
    assert own[2][1:] == ["-", "40 |"] and rows_of(lines, "STRM")[2][1:] == ["250", "123 |"]
    assert "**Not finished, and left out:** ARN." in lines and not rows_of(lines, "ARN")
    assert "strmctl ablate custom …" in lines
