"""`grid.json`, and when a cell counts as finished."""

import json
import re
from dataclasses import replace

import pytest

from strmctl.ablation.cells import Base, Cell, cardinality, components, of_methods, shots, training, tuples
from strmctl.ablation.custom_cells import custom
from strmctl.ablation.folds import folds
from strmctl.ablation.grid_file import Grid, finished_result, grid_names, read_grid, result_path
from strmctl.errors import DataError, UsageError
from strmctl.evaluation.match import Protocol
from strmctl.paths import write_text
from strmctl.provenance import sha256_of
from strmctl.results import EvalResult, QueryRow
from strmctl.runs.train_log import trained_episodes
from tests.saved import forget_hashes

TEST = Protocol(way=2, shots=(1, 5), episodes=4, seed=3)
BASE = Base("sprites", ("train.episodes=10",))
CELL = components(BASE)[-1]
FRAMES = "f" * 64


def grid(cells, kind="components", name="g", protocol=TEST, **notes):
    notes = {"recipe": "sprites", "threads": 1, "commands": ["strmctl ablate"], **notes}
    return Grid(kind, name, cells, protocol, notes, {"commit": "abc"})


def written(runs):
    return json.loads((runs / "g" / "grid.json").read_text())


def test_grids_of_every_kind_come_back_as_they_were(tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text("cells: {gentle: {trm.dropout: 0.0}, as it is: {}}")
    planned = {
        "components": components(BASE),
        "cardinality": cardinality(BASE),
        "tuples": tuples(BASE, (0.2, 1.0), 2, retrain=True),
        "shots": shots(BASE, ("trm", "otam")),
        "training": training(BASE, (1, 4), ("strm",)),
        "folds": folds(BASE, of_methods(["trm"]), 2, 3),
        "custom": custom(BASE, file),
    }
    for kind, cells in planned.items():
        made = grid(cells, kind, f"sprites-{kind}", note=[1, "x"])
        assert made.write(tmp_path) == tmp_path / f"sprites-{kind}" / "grid.json"
        assert read_grid(tmp_path, made.name) == made
    assert grid_names(tmp_path) == sorted(f"sprites-{kind}" for kind in planned)


def test_a_grid_grows_by_seeds_and_methods(tmp_path):
    first = shots(Base("sprites"), ("trm", "strm"))
    grid(first, "shots").write(tmp_path)
    more = shots(Base("sprites", seeds=(0, 1)), ("strm", "otam"))
    grid(more, "shots").write(tmp_path)
    cells = read_grid(tmp_path, "g").cells
    assert [(cell.label, cell.recipe.train.seed) for cell in cells] == [
        *(("TRM", 0), ("STRM", 0)),
        *(("STRM", 1), ("OTAM", 0), ("OTAM", 1)),
    ]
    before = (tmp_path / "g" / "grid.json").read_bytes()
    grid(first, "shots").write(tmp_path)
    assert (tmp_path / "g" / "grid.json").read_bytes() == before, "fewer cells take none away"


@pytest.mark.parametrize(
    "other",
    [
        *(
            grid([CELL], protocol=replace(TEST, **change))
            for change in (
                {"way": 3},
                {"shots": (1,)},
                {"queries": 2},
                {"episodes": 5},
                {"seed": 4},
                {"split": "val"},
                {"distinct_groups": True},
            )
        ),
    ],
)
def test_another_test_under_the_same_name_takes_its_place(tmp_path, other):
    grid([CELL]).write(tmp_path)
    other.write(tmp_path)
    found = read_grid(tmp_path, "g")
    assert (found.kind, found.protocol, found.cells) == (other.kind, other.protocol, list(other.cells))


def test_another_kind_under_the_same_name_is_refused(tmp_path):
    path = grid([CELL]).write(tmp_path)
    before = path.read_bytes()
    with pytest.raises(UsageError, match="another kind") as caught:
        grid([CELL], kind="custom").write(tmp_path)
    assert "--name" in caught.value.hint and path.read_bytes() == before


def test_a_grid_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="no grid named 'x'") as caught:
        read_grid(tmp_path, "x")
    assert "none yet" in caught.value.hint
    grid([CELL]).write(tmp_path)
    with pytest.raises(DataError) as caught:
        read_grid(tmp_path, "x")
    assert caught.value.hint == "grids here: g"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", "null", "\udcff", "[" * 100_000, "{}", '{"schema": 99}', '{"schema": 1}']
)
def test_a_damaged_grid(tmp_path, text):
    path = grid([CELL]).write(tmp_path)
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(DataError, match=r"grid\.json is damaged"):
        read_grid(tmp_path, "g")


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("cells", 0, "label"), 5),
        (("cells", 0, "run"), "../../elsewhere"),
        (("cells", 0, "recipe"), []),
        (("cells", 0, "recipe", "trm", "dim"), "eight"),
        (("cells", 0, "fraction"), "half"),
        (("cells", 0, "trial"), None),
        (("cells", 0, "more"), 1),
        (("cells",), []),
        (("cells",), {}),
        (("protocol", "shots"), []),
        (("protocol", "shots"), ["1"]),
        (("protocol", "shots"), 1),
        (("protocol", "way"), 1),
        (("protocol", "queries"), 0),
        (("protocol", "episodes"), "many"),
        (("notes",), []),
        (("notes", "commands"), "strmctl"),
        (("provenance",), None),
        (("schema",), True),
    ],
)
def test_a_grid_with_something_else_in_the_place_of_an_entry(tmp_path, where, value):
    path = grid([CELL]).write(tmp_path)
    document = inner = written(tmp_path)
    for key in where[:-1]:
        inner = inner[key]
    inner[where[-1]] = value
    path.write_text(json.dumps(document))
    with pytest.raises(DataError, match=r"grid\.json is damaged") as caught:
        read_grid(tmp_path, "g")
    assert "strmctl ablate" in caught.value.hint


@pytest.mark.parametrize("key", ["kind", "cells", "protocol", "notes", "provenance"])
def test_a_grid_without_one_of_its_keys(tmp_path, key):
    path = grid([CELL]).write(tmp_path)
    document = written(tmp_path)
    del document[key]
    path.write_text(json.dumps(document))
    with pytest.raises(DataError, match="damaged"):
        read_grid(tmp_path, "g")


def test_tests_that_differ_lie_in_different_files(tmp_path):
    cells = [CELL, *(replace(CELL, fraction=f, trial=t) for f, t in ((0.2, 0), (0.2, 1), (1.0, 0)))]
    tests = [TEST, *(replace(TEST, **one) for one in ({"way": 3}, {"queries": 2}, {"episodes": 5}, {"seed": 4}))]
    tests += [replace(TEST, split="val"), replace(TEST, distinct_groups=True)]
    paths = [result_path(tmp_path, cell, test) for cell in cells for test in tests]
    assert len(set(paths)) == len(paths) == 28
    assert paths[0] == tmp_path / "sprites-strm-s0" / "eval" / "test_2way_1q_s3_n4.json"
    usual = result_path(tmp_path, replace(CELL, fraction=0.2, trial=3), Protocol())
    assert usual == tmp_path / "sprites-strm-s0" / "eval" / "tuples" / "test_5way_1q_s0_0.2_t3.json"


ANSWERS = {"r1": "run", "r2": "sit"}


def finished(runs, cell=CELL, test=TEST, log=10):
    """A run folder as a finished cell leaves it."""
    folder = runs / cell.run
    write_text(folder / "weights.pt", "weights")
    write_text(folder / "train.csv", "episode,loss\n" + "".join(f"{n},1.0\n" for n in range(1, log + 1)))
    source = {"weights_sha256": sha256_of(folder / "weights.pt"), "manifest_sha256": FRAMES}
    source["recipe"] = cell.recipe.model_dump()
    rows = [QueryRow(shot, 0, clip, "run", predicted) for shot in test.shots for clip, predicted in ANSWERS.items()]
    result = EvalResult(
        run=cell.run,
        dataset="toy",
        results=[{"shot": shot, "accuracy": 0.5, "ci95": 0.1, "queries": 2} for shot in test.shots],
        provenance=source,
        rows=rows,
        **{name: getattr(test, name) for name in ("split", "way", "queries", "episodes", "seed")},
    )
    result.write(result_path(runs, cell, test).with_suffix(""))
    return folder


@pytest.mark.parametrize("cell", [CELL, replace(CELL, fraction=0.2, trial=3)])
def test_a_finished_cell(tmp_path, cell):
    assert finished_result(tmp_path, cell, TEST) is None
    finished(tmp_path, cell)
    assert finished_result(tmp_path, cell, TEST, FRAMES).results[0]["accuracy"] == 0.5
    assert finished_result(tmp_path, cell, TEST) is not None, "a report does not ask for the frames"
    assert finished_result(tmp_path, cell, TEST, "0" * 64) is None, "other frames"


def test_fewer_shots_are_taken_from_more(tmp_path):
    finished(tmp_path)
    for numbers, there in (((1,), True), ((5,), True), ((1, 5), True), ((1, 2), False), ((10,), False)):
        found = finished_result(tmp_path, CELL, replace(TEST, shots=numbers))
        assert (found is not None) is there, numbers


def test_what_makes_a_result_count_no_more(tmp_path):
    def no_result(folder):
        result_path(tmp_path, CELL, TEST).unlink()

    def other_weights(folder):
        (folder / "weights.pt").write_text("others")

    def shorter_training(folder):
        write_text(folder / "train.csv", "episode,loss\n9,1.0\n")

    def no_log(folder):
        (folder / "train.csv").unlink()

    def other_test(folder):
        change('"seed": 3', '"seed": 4')

    def other_recipe(folder):
        change('"dropout": 0.1', '"dropout": 0.2')

    def change(old, new):
        path = result_path(tmp_path, CELL, TEST)
        forget_hashes(path)
        path.write_text(path.read_text().replace(old, new))

    damages = (no_result, other_weights, shorter_training, no_log, other_test, other_recipe)
    for damage in damages:
        folder = finished(tmp_path)
        assert finished_result(tmp_path, CELL, TEST) is not None
        damage(folder)
        assert finished_result(tmp_path, CELL, TEST) is None, damage.__name__


def test_a_result_counts_where_the_weights_stayed_on_another_machine(tmp_path):
    folder = finished(tmp_path)
    (folder / "weights.pt").unlink()
    assert finished_result(tmp_path, CELL, TEST).results[0]["accuracy"] == 0.5


def test_a_damaged_result_is_named(tmp_path):
    finished(tmp_path)
    path = result_path(tmp_path, CELL, TEST)
    for damaged in (path, path.with_suffix(".csv")):
        content = damaged.read_text()
        damaged.write_text(content.replace("0", "7", 1))
        with pytest.raises(DataError, match=re.escape(str(damaged))):
            finished_result(tmp_path, CELL, TEST)
        damaged.write_text(content)
    assert finished_result(tmp_path, CELL, TEST) is not None


@pytest.mark.parametrize(
    ("log", "episodes"),
    [
        ("", 0),
        ("episode,loss\n", 0),
        ("episode,loss\n1,0.5\n2,0.4\n", 2),
        ("episode,loss\n99,0.5\n100,0.4", 100),
        ("episode,loss\n99,0.5\n10", 99),  # a line that a kill cut does not count
    ],
)
def test_trained_episodes(tmp_path, log, episodes):
    assert trained_episodes(tmp_path) == 0
    (tmp_path / "train.csv").write_text(log)
    assert trained_episodes(tmp_path) == episodes


def test_cells_are_compared_by_all_that_they_are():
    assert replace(CELL, trial=1) != CELL and replace(CELL, fraction=1.0) != CELL
    assert Cell(CELL.label, CELL.run, BASE.load()) == CELL
