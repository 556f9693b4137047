"""The document of a report: its schema, partial grids, runs grouped by recipe, and the places of Table 1."""

import json
from dataclasses import replace

import pytest
import yaml

from strmctl.ablation.cells import COMPONENTS, PARTS
from strmctl.ablation.cost import cost_table
from strmctl.ablation.entries import entries, found_results, trials
from strmctl.ablation.report_document import collect
from strmctl.errors import DataError, UsageError
from strmctl.paths import shipped, write_json
from tests.report.saved_grid import grid_of, recipe_of, write_cell, write_run
from tests.saved import result_of, rows_of

ENTRY = {"accuracy", "ci95", "seeds", "per_seed", "episodes", "sd", "ci95_seeds", "runs"}
SSV2 = ("backbone.weights=none",)


def components(seeds=(0, 1, 2), **more):
    changes = {
        label: [f"{part}.enabled={str(on).lower()}" for part, on in zip(PARTS, present, strict=True)]
        for label, present in COMPONENTS.items()
    }
    cells = [(label, recipe_of(*words, seed=seed)) for label, words in changes.items() for seed in seeds]
    return grid_of(cells, shots=(1, 5), **more)


def saved(runs, grid, skip=()):
    """Writes a grid with the results of all cells but these runs."""
    grid.write(runs)
    for place, cell in enumerate(grid.cells):
        if cell.run not in skip:
            write_cell(runs, cell, grid, 0.5 + 0.02 * place, answers=place)
    return grid


def read(runs, *names):
    return collect(runs, names, cost=False)


def save_run(runs, run, recipe, accuracy=0.6, *, stem="test_5way_1q_s0_n40", shots=(1, 5), answers=0, **more):
    """A tested run; `more` are settings of the test or provenance."""
    shape = {name: more.pop(name) for name in ("way", "split", "episodes") if name in more}
    weights = write_run(runs, run, recipe)
    source = {"store": recipe.data.dataset, "weights_sha256": weights, **more}
    rows = rows_of(accuracy, shots=shots, answers=answers, **shape)
    replace(result_of(run, rows, **shape, **source), dataset="Sprites").write(runs / run / "eval" / stem)


def test_components_have_the_schema_that_the_issue_asks_for(tmp_path):
    grid = saved(tmp_path, components())
    document = json.loads(json.dumps(read(tmp_path)))
    assert document["schema"] == 1 and document["title"] == "Sprites"
    assert list(document["components"]) == ["TRM", "TRM+PLE", "TRM+FLE", "TRM+PLE+FLE", "STRM"]
    for label, by_shot in document["components"].items():
        assert list(by_shot) == ["1", "5"]
        own = [one for one in found_results(grid, tmp_path) if one[0].label == label]
        for entry in by_shot.values():
            assert set(entry) == ENTRY and entry["seeds"] == [0, 1, 2] and entry["episodes"] == 40
            assert 0 < entry["accuracy"] < 1
        assert by_shot == entries(own, (1, 5))
    about = document["grids"]["components"]
    assert (about["seeds"], about["missing"], about["split"], about["way"]) == ([0, 1, 2], [], "test", 5)
    assert "cardinality" not in document and list(document["grids"]) == ["components"] and "cost" not in document


def test_claims_are_differences_of_the_document_by_seed(tmp_path):
    saved(tmp_path, components())
    document = read(tmp_path)
    made = document["claims"]
    assert [(one["claim"], one["shot"]) for one in made] == [
        (claim, shot)
        for claim in (
            *("TRM < TRM+PLE", "TRM < TRM+FLE", "TRM+PLE < TRM+PLE+FLE", "TRM+FLE < TRM+PLE+FLE"),
            *("TRM+PLE+FLE < STRM", "TRM < STRM"),
        )
        for shot in (1, 5)
    ]
    for one in made:
        lower, upper = (document["components"][label][str(one["shot"])] for label in one["claim"].split(" < "))
        each = [b - a for a, b in zip(lower["per_seed"], upper["per_seed"], strict=True)]
        assert one["differences"] == pytest.approx(each) and one["mean"] == pytest.approx(sum(each) / 3)
        assert one["holds_in"] == len([value for value in each if value > 0]) and one["seeds"] == [0, 1, 2]
        assert one["source"] == "Figure 6, left"


def test_cardinalities_say_how_many_tuples_they_have(tmp_path):
    sets = {"1": 8, "2": 28, "2,3": 84, "2,3,4": 154}
    cells = [(ways, recipe_of(f"trm.cardinalities=[{ways}]")) for ways in sets]
    saved(tmp_path, grid_of(cells, kind="cardinality"), skip=["2-3-4-s0"])
    document = read(tmp_path)
    assert list(document["cardinality"]) == ["1", "2", "2,3"]
    assert document["grids"]["cardinality"]["tuple_counts"] == sets
    assert document["grids"]["cardinality"]["missing"] == ["2-3-4-s0"]


def test_shares_of_tuples_are_sorted_and_shots_and_training_are_by_number(tmp_path):
    shares = [("STRM {2}", recipe_of(), share, trial) for share, n in ((1.0, 1), (0.2, 2)) for trial in range(n)]
    trx = ("TRX {2,3}", recipe_of("method=trx"), 1.0, 0)
    tuples = saved(tmp_path, grid_of([*shares, trx], kind="tuples"))
    methods = [("STRM", recipe_of()), ("TRX", recipe_of("method=trx")), ("TRM", recipe_of("method=trm"))]
    saved(tmp_path, grid_of(methods, kind="shots", shots=(1, 2, 10)))
    longer = [
        (f"{label}", recipe.model_copy(update={"train": recipe.train.model_copy(update={"episodes": n})}))
        for label, recipe in methods[::2]
        for n in (20, 10)
    ]
    training = grid_of(longer, kind="training")
    training = replace(
        training, cells=[replace(cell, run=f"{cell.run}-x{cell.recipe.train.episodes}") for cell in training.cells]
    )
    saved(tmp_path, training)
    document = read(tmp_path)
    own = [one for one in found_results(tuples, tmp_path) if one[0].fraction == 0.2]
    assert document["tuples"]["STRM {2}"]["0.2"] == trials(own, (1, 5))
    assert {label: list(of) for label, of in document["tuples"].items()} == {
        "STRM {2}": ["0.2", "1.0"],
        "TRX {2,3}": ["1.0"],
    }
    assert document["tuples"]["TRX {2,3}"]["1.0"]["1"]["ci95_over"] == "episodes"
    assert list(document["shots"]) == ["TRM", "TRX", "STRM"] and list(document["shots"]["TRM"]) == ["1", "2", "10"]
    assert {label: list(of) for label, of in document["training"].items()} == {
        "STRM": ["10", "20"],
        "TRM": ["10", "20"],
    }
    assert document["grids"]["tuples"]["retrained"] is False
    assert {one["claim"] for one in document["claims"]} == {"TRM < STRM", "TRX < STRM"}
    assert list(document["grids"]) == ["tuples", "shots", "training"]


def test_a_grid_with_nothing_finished_is_reported(tmp_path):
    grid = components()
    grid.write(tmp_path)
    document = read(tmp_path)
    assert document["components"] == {} and document["claims"] == []
    assert document["grids"]["components"]["missing"] == [cell.run for cell in grid.cells]
    assert document["title"] == "nothing finished yet"


def test_one_label_and_one_seed_of_three(tmp_path):
    grid = components()
    saved(tmp_path, grid, skip=[cell.run for cell in grid.cells if cell.run not in ("trm-s1", "strm-s1", "strm-s2")])
    document = read(tmp_path)
    assert list(document["components"]) == ["TRM", "STRM"]
    assert document["components"]["TRM"]["5"]["seeds"] == [1]
    assert document["components"]["TRM"]["5"]["sd"] is None is document["components"]["TRM"]["5"]["ci95_seeds"]
    assert document["components"]["STRM"]["5"]["seeds"] == [1, 2]
    assert [(one["claim"], one["seeds"], one["ci95"]) for one in document["claims"]] == [("TRM < STRM", [1], None)] * 2
    assert len(document["grids"]["components"]["missing"]) == 12


@pytest.mark.parametrize("damage", ["json", "csv", "weights", "log"])
def test_a_cell_whose_files_do_not_fit_is_missing(tmp_path, damage):
    grid = saved(tmp_path, components((0,)))
    run = tmp_path / "strm-s0"
    result = run / "eval/test_5way_1q_s0_n40.json"
    if damage == "json":
        result.write_text(result.read_text()[:100])
    elif damage == "csv":
        result.with_suffix(".csv").unlink()
    elif damage == "weights":
        (run / "weights.pt").write_text("of another training")
    else:
        (run / "train.csv").write_text("episode,loss\n9,1.0\n")
    document = read(tmp_path)
    assert document["grids"]["components"]["missing"] == ["strm-s0"] and len(grid.cells) == 5
    assert list(document["components"])[-1] == "TRM+PLE+FLE"


def test_a_damaged_grid_is_an_error(tmp_path):
    saved(tmp_path, components((0,)))
    (tmp_path / "sprites-components/grid.json").write_text("{")
    with pytest.raises(DataError, match="damaged"):
        read(tmp_path)


def test_two_grids_of_one_kind_must_be_named(tmp_path):
    saved(tmp_path, components((0,)))
    saved(tmp_path, components((1,), name="mine"))
    with pytest.raises(UsageError, match=r"mine and sprites-components are both grids of components"):
        read(tmp_path)
    assert read(tmp_path, "mine")["components"]["TRM"]["1"]["seeds"] == [1]


def test_unknown_names_and_no_grid_at_all(tmp_path):
    with pytest.raises(DataError, match="no grid yet") as error:
        read(tmp_path)
    assert "strmctl ablate" in error.value.hint
    saved(tmp_path, components((0,)))
    with pytest.raises(DataError, match="no grid and no run named 'other'") as error:
        read(tmp_path, "other")
    assert "grids here: sprites-components" in error.value.hint and "strm-s0" in error.value.hint
    write_run(tmp_path, "untested", recipe_of())
    with pytest.raises(DataError, match="run untested has no result") as error:
        read(tmp_path, "untested")
    assert "strmctl eval --run untested" in error.value.hint


def test_runs_that_are_seeds_of_one_recipe_count_together(tmp_path):
    for seed, accuracy in ((1, 0.7), (0, 0.6)):
        save_run(tmp_path, f"mine_s{seed}", recipe_of(seed=seed), accuracy, answers=seed)
    save_run(tmp_path, "again", recipe_of(seed=1), 0.5)
    save_run(tmp_path, "other", recipe_of("trm.dropout=0.5"), 0.5)
    (tmp_path / "latest").symlink_to("other", target_is_directory=True)
    saved(tmp_path, components((0,)))
    document = read(tmp_path, "mine_s1", "sprites-components", "mine_s0", "again", "latest", "other", "mine_s0")
    assert [run["run"] for run in document["runs"]] == ["mine_s0, mine_s1", "again", "other"]
    first, second, _ = document["runs"]
    assert first["shots"]["1"]["seeds"] == [0, 1] and first["shots"]["1"]["runs"] == ["mine_s0", "mine_s1"]
    assert (second["shots"]["5"]["seeds"], first["method"], first["backbone"]) == ([1], "strm", "conv3")
    assert next(iter(document["components"])) == "TRM"


def table1_of(document):
    """(method, backbone, data set) -> ours, of the places that are filled."""
    table = document["table1"]
    return {
        (row["method"], row["backbone"], name): entry
        for row in table["rows"]
        for name, entry in zip(table["columns"], row["ours"], strict=True)
        if entry
    }


def test_table_1_is_filled_by_a_run_of_the_same_kind(tmp_path):
    for seed, accuracy in ((0, 0.6), (1, 0.7)):
        save_run(tmp_path, f"strm_s{seed}", recipe_of(*SSV2, recipe="ssv2_r50", seed=seed), accuracy, answers=seed)
    save_run(tmp_path, "trx", recipe_of(*SSV2, "method=trx", recipe="ssv2_r50"), 0.5)
    save_run(tmp_path, "vit", recipe_of(*SSV2, recipe="ucf101_vit"), 0.8)
    document = read(tmp_path, "strm_s0", "strm_s1", "trx", "vit")
    filled = table1_of(document)
    assert set(filled) == {("STRM", "ResNet-50", "ssv2"), ("TRX", "ResNet-50", "ssv2"), ("STRM", "ViT", "ucf101")}
    assert filled["STRM", "ResNet-50", "ssv2"] == document["runs"][0]["shots"]["5"]
    assert filled["STRM", "ResNet-50", "ssv2"]["seeds"] == [0, 1]


@pytest.mark.parametrize(
    ("changes", "test"),
    [
        (("patch_enrichment.enabled=false",), {}),
        (("query_class.enabled=false",), {}),
        (("trm.cardinalities=[2,3]",), {}),
        (("trm.tuple_fraction=0.5",), {}),
        (("method=trm",), {}),
        (("backbone.name=resnet34",), {}),
        (("data.dataset=sprites",), {}),
        ((), {"way": 4}),
        ((), {"split": "val"}),
        ((), {"shots": (1, 3)}),
        ((), {"chosen_classes": True}),
        ((), {"dropped_classes": ["run"]}),
        ((), {"frame_order": "reversed"}),
        ((), {"store": "ssv2_small"}),
    ],
)
def test_table_1_is_not_filled_by_anything_else(tmp_path, changes, test):
    save_run(tmp_path, "mine", recipe_of(*SSV2, *changes, recipe="ssv2_r50"), **test)
    document = read(tmp_path, "mine")
    assert table1_of(document) == {} and document["runs"][0]["run"] == "mine"


def test_table_1_is_filled_from_grids_but_not_by_a_part_of_strm(tmp_path):
    changes = (*SSV2, "query_class.enabled=false")
    whole, part = (recipe_of(*words, recipe="ssv2_r50") for words in (SSV2, changes))
    grid = saved(tmp_path, grid_of([("TRM+PLE+FLE", part), ("STRM", whole)]), skip=["strm-s0"])
    assert table1_of(read(tmp_path)) == {}
    write_cell(tmp_path, grid.cells[1], grid, 0.9)
    document = read(tmp_path)
    assert table1_of(document) == {("STRM", "ResNet-50", "ssv2"): document["components"]["STRM"]["5"]}


def test_published_values_are_those_of_the_file(tmp_path):
    saved(tmp_path, components((0,)))
    document = read(tmp_path)
    paper = yaml.safe_load(shipped("reports", "paper.yaml").read_text(encoding="utf-8"))
    assert document["paper"] == paper
    rows = document["table1"]["rows"]
    assert [(row["method"], row["backbone"], row["published"]) for row in rows] == [
        (row["method"], row["backbone"], row["values"]) for row in paper["table1"]["rows"]
    ]
    assert rows[6]["published"] == [86.7, 68.1, 77.3, 96.9] and document["table1"]["columns"][1] == "ssv2"


def test_costs_are_those_that_are_counted(tmp_path):
    saved(tmp_path, components((0,)))
    document = collect(tmp_path)
    assert document["cost"] == cost_table()
    write_json(tmp_path / "report.json", document)
    assert json.loads((tmp_path / "report.json").read_text()) == document
