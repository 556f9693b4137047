"""Grids of a YAML file: cells by name, combinations of values, and what is refused."""

import json
from pathlib import Path

import pytest

from strmctl.ablation.cells import Base, shots
from strmctl.ablation.custom_cells import custom
from strmctl.errors import RecipeError
from tests.ablation.test_cells import BASE, changes


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "grid.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_custom_vary_is_every_combination(tmp_path):
    path = written(tmp_path, "vary: {query_class.weight: [0.1, 0.2], trm.dropout: [0.0, 0.1]}")
    cells = custom(BASE, path)
    assert [(cell.label, changes(cell)) for cell in cells] == [
        ("query_class.weight=0.1, trm.dropout=0.0", {"trm.dropout": 0.0}),
        ("query_class.weight=0.1, trm.dropout=0.1", {}),
        ("query_class.weight=0.2, trm.dropout=0.0", {"query_class.weight": 0.2, "trm.dropout": 0.0}),
        ("query_class.weight=0.2, trm.dropout=0.1", {"query_class.weight": 0.2}),
    ]
    assert cells[1].run == "sprites-strm-s0", "a cell that changes nothing is the run of the other grids"
    assert len({cell.run for cell in cells}) == 4
    for cell in cells:
        assert Path(cell.run).name == cell.run and cell.run.isascii() and " " not in cell.run


def test_custom_cells_have_their_own_labels(tmp_path):
    path = written(tmp_path, 'cells: {no dropout: {trm.dropout: 0}, Euclidean: {trm.distance: norm}, "7": {}}')
    cells = custom(Base("sprites", name="x"), path)
    assert [(cell.label, changes(cell)) for cell in cells] == [
        ("no dropout", {"trm.dropout": 0}),
        ("Euclidean", {"trm.distance": "norm"}),
        ("7", {}),
    ]
    assert cells[0].run.startswith("x-no-dropout-") and cells[1].run == "x-Euclidean-s0"


def test_a_cell_that_is_a_method_is_its_run_of_the_other_grids(tmp_path):
    cells = custom(
        BASE, written(tmp_path, "cells: {Relations: {method: trm}, TRM: {method: trm}, OTAM: {method: otam}}")
    )
    assert [cell.run for cell in cells] == ["sprites-trm-s0", "sprites-trm-s0", "sprites-otam-s0"]
    assert cells[1:2] == shots(BASE, ["trm"])


def test_labels_that_only_differ_in_signs_are_different_runs(tmp_path):
    long = "a" * 80
    labels = ["a b", "a/b", "a-b", "a+b", "../b", "ä", "ö", f"{long}1", f"{long}2"]
    text = "cells:\n" + "".join(f"  {json.dumps(label)}: {{trm.dropout: 0.{n}}}\n" for n, label in enumerate(labels))
    cells = custom(BASE, written(tmp_path, text))
    assert [cell.label for cell in cells] == labels
    assert len({cell.run for cell in cells}) == len(labels)
    assert all(Path(cell.run).name == cell.run and len(cell.run) < 100 for cell in cells)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "one key, `vary` or `cells`"),
        ("- vary", "one key"),
        ("vary: {trm.dropout: [0]}\ncells: {a: {}}", "one key"),
        ("vary: {trm.dropout: [0]}\nseeds: [1]", "one key"),
        ("vary: {}", "list of values"),
        ("vary: {trm.dropout: []}", "list of values"),
        ("vary: {trm.dropout: 0.1}", "list of values"),
        ("vary: [trm.dropout]", "list of values"),
        ("cells: {}", "keys and values"),
        ("cells: {a: 3}", "keys and values"),
        ("cells: [a]", "keys and values"),
        ("cells: {a: {}, a: {}}", "stands twice"),
        ("cells: {a: {train.seed: 1}}", "neither name nor train.seed"),
        ("vary: {name: [x, y]}", "neither name nor train.seed"),
        ("cells: {a: {trm.dropuot: 1}}", "did you mean trm.dropout"),
        ("vary: {trm.dropout: [0.1, much]}", "trm.dropout"),
        ("cells: {a: {1: 2}}", "1: unknown key"),
        ("cells: {a: {'': 2}}", "must look like"),
        ("cells: {a: [", "line 1"),
    ],
)
def test_custom_files_that_make_no_sense(tmp_path, text, part):
    with pytest.raises(RecipeError) as caught:
        custom(BASE, written(tmp_path, text))
    assert part in caught.value.message, caught.value.message


def test_custom_file_that_is_none(tmp_path):
    for path in (tmp_path / "missing.yaml", tmp_path):
        with pytest.raises(RecipeError, match=path.name):
            custom(BASE, path)
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="not a text file"):
        custom(BASE, binary)


@pytest.mark.parametrize(
    "cells",
    [
        "{1: {trm.dropout: 0.3}, '1': {}}",
        "{'': {trm.dropout: 0.3}}",
        "{a: {trm.dropout: !!timestamp 2020-01-01}}",
        "{a: {trm.dropout: !!set {x}}}",
        "{a: {'train.seed ': 3}}",
    ],
)
def test_cells_that_no_recipe_can_be_are_refused(tmp_path, cells):
    with pytest.raises(RecipeError):
        custom(BASE, written(tmp_path, f"cells: {cells}"))


def test_a_cell_of_a_method_that_is_only_near_to_the_published_one_says_so(tmp_path):
    path = written(tmp_path, 'cells: {memory: {method: cmn}, "CMN (approximate)": {method: cmn}, OTAM: {method: otam}}')
    assert [cell.label for cell in custom(BASE, path)] == ["memory (approximate)", "CMN (approximate)", "OTAM"]
    path = written(tmp_path, "vary: {cmn.variables: [2, 3]}")
    labels = [cell.label for cell in custom(Base("sprites", ("method=cmn",)), path)]
    assert labels == ["cmn.variables=2 (approximate)", "cmn.variables=3 (approximate)"]
    assert [cell.label for cell in shots(BASE, ["cmn", "trm"])] == ["CMN (approximate)", "TRM"]
