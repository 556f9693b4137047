"""Grids of folds: their cells, what their results say together (by hand), and what a kill leaves."""

import math
from dataclasses import replace
from itertools import chain
from statistics import fmean, stdev

import pytest

from strmctl.ablation.cells import Base, of_methods
from strmctl.ablation.custom_cells import named_changes
from strmctl.ablation.entries import found_results
from strmctl.ablation.folds import folds, series
from strmctl.ablation.grid_file import Grid, read_grid, result_path
from strmctl.ablation.report_document import collect
from strmctl.ablation.run_grid import open_tasks, run_tasks
from strmctl.errors import UsageError
from strmctl.evaluation.match import Protocol
from strmctl.evaluation.statistics.paired import sign_flip_p
from strmctl.provenance import provenance
from strmctl.recipe import load_recipe
from strmctl.results import QueryRow, read_result
from strmctl.runs.notes import read_notes
from strmctl.runs.train_log import TrainLog, learning_curve
from tests.ablation.test_cells import changes
from tests.saved import grid_of, result_of, write_run
from tests.small_world import CLASSES, SMALL, evaluate, snapshot

ALL = sorted(chain.from_iterable(CLASSES.values()))
TEST = Protocol(way=2, shots=(1, 2), episodes=30)
BASE = Base("sprites", (*SMALL, "data.dataset=mine"), name="f")
T_95 = {2: 12.706204736, 5: 2.776445105}  # Student's t of a 95 % interval, by n


def test_the_cells_are_methods_folds_and_seeds():
    cells = folds(Base("sprites", seeds=(0, 4)), of_methods(["trm", "strm"]), 3, 0)
    shown = [(cell.label, cell.run, cell.recipe.train.seed) for cell in cells]
    assert shown == [
        (label, f"sprites-{method}-fold{number}of3-s{seed}", seed)
        for label, method in (("TRM", "trm"), ("STRM", "strm"))
        for number in (1, 2, 3)
        for seed in (0, 4)
    ]
    found = changes(cells[-2])
    assert found == {"data.fold.number": 3, "data.fold.folds": 3, "data.fold.seed": 0}
    other = folds(Base("sprites"), of_methods(["strm"]), 3, 7)
    assert other[0].run == "sprites-strm-fold1of3-draw7-s0" and other[0].recipe.data.fold.seed == 7


def test_cells_of_a_file(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("cells: {cosine: {method: prototype, prototype.distance: cosine}, TRM: {method: trm}}")
    cells = folds(Base("sprites"), named_changes(path), 2, 0)
    assert [cell.run for cell in cells] == [
        f"sprites-{slug}-fold{n}of2-s0" for slug in ("cosine", "trm") for n in (1, 2)
    ]
    assert cells[0].recipe.prototype.distance == "cosine"


def test_orders_of_frames_are_tests_of_the_same_runs():
    cells = folds(Base("sprites"), of_methods(["trm", "strm"]), 2, 0, ["natural", "shuffled", "repeated", "shuffled"])
    labels = ["TRM", "TRM, frames shuffled", "TRM, one frame repeated"]
    assert [cell.label for cell in cells[:6]] == [label for label in labels for _ in (1, 2)]
    assert [cell.order for cell in cells[:6:2]] == ["natural", "shuffled", "repeated"] and len(cells) == 12
    assert {cell.run for cell in cells[:6]} == {f"sprites-trm-fold{n}of2-s0" for n in (1, 2)}


@pytest.mark.parametrize("where", ["set", "file"])
def test_a_fold_is_not_chosen_twice(where):
    own = {"number": 1, "folds": 2, "seed": 0}
    base = Base("sprites", (f"data.fold={own}",)) if where == "set" else Base("sprites")
    named = {"a": {"data.fold": own}} if where == "file" else of_methods(["trm"])
    with pytest.raises(UsageError, match="chooses the folds"):
        folds(base, named, 3, 0)


# label -> seed -> class -> share of right answers, of 10 queries; classes a, b are tested in fold 1, c, d, e in fold 2
RIGHT = {
    "TRM": {0: {"a": 5, "b": 7, "c": 2, "d": 9, "e": 4}, 3: {"a": 6, "b": 6, "c": 3, "d": 10, "e": 4}},
    "STRM": {3: {"a": 8, "b": 7, "c": 3, "d": 9, "e": 7}},
}
FOLD_OF = {"a": 1, "b": 1, "c": 2, "d": 2, "e": 2}


def written(runs, leave_out=(), orders=("natural",)):
    """A grid with these results, the same in every order of frames."""
    base = Base("sprites", ("train.episodes=10",))
    cells = [
        cell
        for label, method in (("TRM", "trm"), ("STRM", "strm"))
        for cell in folds(replace(base, seeds=tuple(RIGHT[label])), of_methods([method]), 2, 0, orders)
    ]
    grid = grid_of(cells, kind="folds", name="sprites-2-folds", shots=(1,), episodes=10)
    for cell in cells:
        if cell.run in leave_out:
            continue
        number, weights = cell.recipe.data.fold.number, write_run(runs, cell.run, cell.recipe)
        own = {
            name: n
            for name, n in RIGHT[cell.label.split(",")[0]][cell.recipe.train.seed].items()
            if FOLD_OF[name] == number
        }
        rows = [
            QueryRow(1, i, f"{name}{i}", name, name if i < right else "x")
            for i in range(10)
            for name, right in own.items()
        ]
        shared = {"shared_sources": {"1": 0.2 * number, "5": 1.0}}
        result = result_of(cell.run, rows, episodes=10, weights_sha256=weights, **shared)
        result.provenance.update(recipe=cell.recipe.model_dump(), frame_order=cell.order)
        replace(result, dataset=f"Sprites, fold {number} of 2").write(
            result_path(runs, cell, grid.protocol).with_suffix("")
        )
    grid.write(runs)
    return grid


def half_width(values):
    return T_95[len(values)] * stdev(values) / math.sqrt(len(values))


def test_accuracy_interval_and_lead_over_classes_by_hand(tmp_path):
    written(tmp_path)
    document = collect(tmp_path, cost=False)
    trm, strm = (document.folds[label].shots[1] for label in ("TRM", "STRM"))
    means = [0.55, 0.65, 0.25, 0.95, 0.4]  # of both seeds
    assert trm.classes == {name: [RIGHT["TRM"][seed][name] / 10 for seed in (0, 3)] for name in "abcde"}
    assert trm.accuracy == pytest.approx(fmean(means)) and trm.ci95 == pytest.approx(half_width(means), rel=1e-8)
    assert trm.per_seed == pytest.approx([0.54, 0.58]) and trm.sd == pytest.approx(stdev([0.54, 0.58]))
    assert trm.ci95_seeds == pytest.approx(half_width([0.54, 0.58]), rel=1e-8)
    assert (trm.seeds, strm.seeds, strm.sd, strm.ci95_seeds) == ([0, 3], [3], None, None)
    assert trm.runs == [f"sprites-trm-fold{n}of2-s{seed}" for seed in (0, 3) for n in (1, 2)]

    lead = document.folds["STRM"].leads["TRM"][1]
    gaps = [0.2, 0.1, 0.0, -0.1, 0.3]  # of seed 3, which both have
    assert (lead.n, lead.ahead_in, lead.seeds) == (5, 3, [3])
    assert lead.difference == pytest.approx(0.1) and lead.ci95 == pytest.approx(half_width(gaps), rel=1e-8)
    assert lead.p == sign_flip_p(gaps)
    assert document.folds["TRM"].leads == {}

    info = document.grids["folds"]
    assert info.shared_sources == {1: pytest.approx(0.3)}
    assert (info.folds, info.fold_seed, info.dataset, document.title) == (2, 0, "Sprites", "Sprites")
    assert not any("fold" in words for words in info.changed) and info.missing == []


def test_a_control_is_compared_with_its_own_model_alone(tmp_path):
    written(tmp_path, orders=("natural", "shuffled", "repeated"))
    found = collect(tmp_path, cost=False).folds
    assert {label: list(one.leads) for label, one in found.items()} == {
        "TRM": [],
        "TRM, frames shuffled": ["TRM"],
        "TRM, one frame repeated": ["TRM"],
        "STRM": ["TRM"],
        "STRM, frames shuffled": ["STRM"],
        "STRM, one frame repeated": ["STRM"],
    }
    assert found["STRM, frames shuffled"].leads["STRM"][1].difference == 0


def test_a_seed_counts_once_all_its_folds_are_tested(tmp_path):
    grid = written(tmp_path, leave_out=("sprites-trm-fold2of2-s0", "sprites-strm-fold1of2-s3"))
    document = collect(tmp_path, cost=False)
    assert list(document.folds) == ["TRM"] and document.folds["TRM"].shots[1].seeds == [3]
    assert document.folds["TRM"].shots[1].accuracy == pytest.approx(0.58)
    assert document.grids["folds"].missing == ["sprites-trm-fold2of2-s0", "sprites-strm-fold1of2-s3"]
    assert series(found_results(replace(grid, cells=grid.cells[:1]), tmp_path), (1,)) == {}


def test_folds_have_no_learning_curves_for_each_validates_on_other_classes(tmp_path):
    for cell in written(tmp_path).cells:
        line = {"loss": 2.0, "accuracy": 0.5, "learning_rate": 1e-3}
        numbers = range(1, cell.recipe.train.episodes + 1)
        TrainLog(tmp_path / cell.run, after=0).add([{"episode": number, **line} for number in numbers])
        assert learning_curve(tmp_path / cell.run, points=9)
    assert collect(tmp_path, cost=False).curves == {}


def grid_on_mine(methods=("prototype", "trm")):
    made = {"recipe": "sprites", "threads": 1, "commands": ["strmctl ablate folds"]}
    return Grid("folds", "f-3-folds", folds(BASE, of_methods(methods), 3, 0), TEST, made, provenance())


def go(grid, data, runs, progress=lambda *report: None):
    grid.write(runs)
    run_tasks(open_tasks([grid], runs, data, "cpu"), progress=progress)


class Killed(BaseException):
    """Nothing catches it."""


@pytest.mark.slow
def test_a_control_is_the_test_that_eval_makes(data, tmp_path):
    made = {"recipe": "sprites", "threads": 1, "commands": []}
    cells = folds(BASE, of_methods(["trm"]), 2, 0, ["natural", "repeated"])
    grid = Grid("folds", "g", cells, TEST, made, provenance())
    tasks = open_tasks([grid], tmp_path, data, "cpu")
    assert [str(task).replace("f-trm-fold", "") for task in tasks[:3]] == [
        *("the training of 1of2-s0", "the test of 1of2-s0", "the test of 1of2-s0, one frame repeated"),
    ]
    go(grid, data, tmp_path)
    assert open_tasks([grid], tmp_path, data, "cpu") == [] and read_grid(tmp_path, "g").cells == cells
    path = result_path(tmp_path, cells[-1], TEST)
    control = read_result(path)
    assert control.provenance["frame_order"] == "repeated" and cells[-1].order == "repeated"
    path.unlink()
    words = ("--way", 2, "--shots", "1,2", "--episodes", 30, "--frame-order", "repeated", "--run", cells[-1].run)
    assert evaluate(data, tmp_path, *words).code == 0
    assert read_result(path).rows == control.rows, "the same file, and the same predictions"


@pytest.mark.slow
def test_each_run_keeps_its_classes_apart_and_a_killed_grid_goes_on(data, tmp_path):
    grid, runs = grid_on_mine(), tmp_path / "whole"
    go(grid, data, runs)
    tested = []
    for cell in grid.cells[:3]:
        notes = read_notes(runs / cell.run / "weights.pt")
        result = read_result(result_path(runs, cell, TEST))
        own = [notes["train_classes"], notes["val_classes"], result.provenance["classes"]]
        assert sorted(chain.from_iterable(own)) == ALL
        assert {row.true for row in result.rows} == {*own[2]} and result.dataset == notes["dataset"]
        assert load_recipe(runs / cell.run / "recipe.yaml") == cell.recipe
        tested += own[2]
    assert sorted(tested) == ALL

    killed, stop = tmp_path / "killed", 11  # of 6 trainings of 2 episodes with a test each

    def until(done, total, note):
        if done == stop:
            raise Killed

    with pytest.raises(Killed):
        go(grid, data, killed, until)
    before = snapshot(killed)
    go(grid, data, killed)
    assert before.items() <= snapshot(killed).items() | {("f-3-folds/grid.json", before["f-3-folds/grid.json"])}
    found = [collect(folder, cost=False).folds for folder in (runs, killed)]
    assert found[0] == found[1] and list(found[0]) == ["prototype", "TRM"]
    assert len(found[0]["TRM"].shots[2].classes) == found[0]["TRM"].leads["prototype"][1].n == 8
    assert read_grid(killed, "f-3-folds").cells == grid.cells
