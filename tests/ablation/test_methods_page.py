"""`reports/methods.py` makes a page of a grid of methods and of the speeds that `bench methods` measured."""

import json
import runpy
from dataclasses import replace
from pathlib import Path

import pytest

from strmctl.ablation.entries import found_results
from strmctl.ablation.folds import series
from strmctl.results import read_result
from tests.saved import grid_of, recipe_of, write_cell

PAGE = Path(__file__).parents[2] / "reports" / "methods.py"
METHODS = {"STRM": "strm", "CMN (approximate)": "cmn", "ARN": "arn"}
SPEEDS = {
    "recipe": "sprites",
    "backbone": "conv3",
    "device": "cpu",
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
    runpy.run_path(str(PAGE))["main"](runs, "methods", runs / "page.md", [runs / "bench.json"])
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


def test_speeds_stand_beside_each_other_by_device(tmp_path):
    grid, _ = page(tmp_path)
    other = SPEEDS | {"device": "NVIDIA H200", "methods": {"arn": {"test_episodes_per_second": 7.0}}}
    (tmp_path / "gpu.json").write_text(json.dumps(other))
    made = runpy.run_path(str(PAGE))["main"]
    made(tmp_path, grid.name, tmp_path / "page.md", [tmp_path / "bench.json", tmp_path / "gpu.json"])
    lines = (tmp_path / "page.md").read_text(encoding="utf-8").splitlines()
    (heads,) = (line for line in lines if "ms per training episode" in line)
    assert "test episodes/s, CPU, 1 thread(s)" in heads and "test episodes/s, NVIDIA H200" in heads
    assert rows_of(lines, "STRM")[2][1:] == ["250", "123", "-", "- |"]
    assert rows_of(lines, "ARN")[2][1:] == ["-", "-", "-", "7 |"]


def test_folds_are_compared_with_the_first_method_class_by_class(tmp_path):
    page(tmp_path)
    methods = {"STRM": "strm", "CMN (approximate)": "cmn", "prototype": "prototype", "ARN": "arn"}
    cells = [
        (label, recipe_of(f"method={method}", f"data.fold={{number: {number}, folds: 2, seed: 0}}"))
        for label, method in methods.items()
        for number in (1, 2)
    ]
    grid = grid_of([(f"{label} {own.data.fold.number}", own) for label, own in cells], kind="folds", name="folds")
    named = [replace(cell, label=label) for cell, (label, _) in zip(grid.cells, cells, strict=True)]
    grid = replace(grid, cells=named)
    grid.write(tmp_path)
    for place, cell in enumerate(grid.cells[:-1]):
        write_cell(tmp_path, cell, grid, 0.9 - 0.1 * place, answers=place)
    runpy.run_path(str(PAGE))["main"](tmp_path, "methods", tmp_path / "page.md", folds="folds")
    lines = (tmp_path / "page.md").read_text(encoding="utf-8").splitlines()
    whole = series(found_results(grid, tmp_path), (1, 5))
    entry = whole["CMN (approximate)"].shots[5]
    own = rows_of(lines, "CMN (approximate)")[3]
    assert own[1] == f"{100 * entry.accuracy:.1f} ± {100 * entry.ci95:.1f}"
    lead, behind = whole["CMN (approximate)"].leads["STRM"][5], whole["prototype"].leads["CMN (approximate)"][5]
    assert own[2:4] == [f"{100 * lead.difference:+.1f} ± {100 * lead.ci95:.1f}", f"{lead.p:.4f}"]
    assert own[4:] == [f"{-100 * behind.difference:+.1f} ± {100 * behind.ci95:.1f}", f"{behind.p:.4f} |"]
    assert rows_of(lines, "STRM")[3][2:4] == ["", ""] and rows_of(lines, "prototype")[1][4:] == ["", " |"]
    assert "**Not finished, and left out:** ARN." in lines and len(rows_of(lines, "ARN")) == 3  # not in the folds
    assert "## Speed" not in lines
