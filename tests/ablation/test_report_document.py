"""The document of a report: partial grids, runs grouped by recipe, and the places of Table 1."""

from dataclasses import replace

import pytest

from strmctl import yaml
from strmctl.ablation.cells import COMPONENTS, PARTS
from strmctl.ablation.cost import cost_table
from strmctl.ablation.entries import entries, found_results, trials
from strmctl.ablation.report_document import collect
from strmctl.errors import UsageError
from strmctl.paths import shipped
from strmctl.report.document import Cost, Paper, build, from_json
from tests.saved import grid_of, recipe_of, result_of, rows_of, write_cell, write_run

pytestmark = pytest.mark.slow

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


def test_components_in_the_order_of_the_paper(tmp_path):
    grid = saved(tmp_path, components())
    document = read(tmp_path)
    assert document.title == "Sprites" and document.cost is None and list(document.grids) == ["components"]
    assert list(document.components) == ["TRM", "TRM+PLE", "TRM+FLE", "TRM+PLE+FLE", "STRM"]
    for label, by_shot in document.components.items():
        assert by_shot == entries([one for one in found_results(grid, tmp_path) if one.cell.label == label], (1, 5))
        assert [entry.seeds for entry in by_shot.values()] == [[0, 1, 2]] * 2
    about = document.grids["components"]
    assert (about.seeds, about.missing, about.split, about.way) == ([0, 1, 2], [], "test", 5)
    assert len(document.claims) == 12 and from_json(document.to_json()) == document


def test_cardinalities_say_how_many_tuples_they_have(tmp_path):
    sets = {"1": 8, "2": 28, "2,3": 84, "2,3,4": 154}
    cells = [(ways, recipe_of(f"trm.cardinalities=[{ways}]")) for ways in sets]
    saved(tmp_path, grid_of(cells, kind="cardinality"), skip=["2-3-4-s0"])
    document = read(tmp_path)
    assert list(document.cardinality) == ["1", "2", "2,3"]
    about = document.grids["cardinality"]
    assert about.tuple_counts == sets and about.missing == ["2-3-4-s0"]


def test_shares_of_tuples_are_sorted_and_shots_and_training_are_by_number(tmp_path):
    shares = [("STRM {2}", recipe_of(), share, trial) for share, n in ((1.0, 1), (0.2, 2)) for trial in range(n)]
    tuples = saved(tmp_path, grid_of([*shares, ("TRX {2,3}", recipe_of("method=trx"), 1.0, 0)], kind="tuples"))
    methods = [("STRM", recipe_of()), ("TRX", recipe_of("method=trx")), ("TRM", recipe_of("method=trm"))]
    saved(tmp_path, grid_of(methods, kind="shots", shots=(1, 2, 10)))
    longer = [
        (label, recipe.model_copy(update={"train": recipe.train.model_copy(update={"episodes": n})}))
        for label, recipe in methods[::2]
        for n in (20, 10)
    ]
    grid = grid_of(longer, kind="training")
    cells = [replace(cell, run=f"{cell.run}-x{cell.recipe.train.episodes}") for cell in grid.cells]
    saved(tmp_path, replace(grid, cells=cells))
    document = read(tmp_path)
    own = [one for one in found_results(tuples, tmp_path) if one.cell.fraction == 0.2]
    assert document.tuples["STRM {2}"][0.2] == trials(own, (1, 5))
    order = {label: list(by_share) for label, by_share in document.tuples.items()}
    assert order == {"STRM {2}": [0.2, 1.0], "TRX {2,3}": [1.0]}
    assert list(document.shots) == ["TRM", "TRX", "STRM"] and list(document.shots["TRM"]) == [1, 2, 10]
    assert {label: list(by_length) for label, by_length in document.training.items()} == {
        "STRM": [10, 20],
        "TRM": [10, 20],
    }
    assert document.grids["tuples"].retrained is False
    assert list(document.grids) == ["tuples", "shots", "training"]


@pytest.mark.parametrize("done", [(), ("trm-s1", "strm-s1", "strm-s2")])
def test_a_grid_is_reported_as_far_as_it_is_finished(tmp_path, done):
    grid = components()
    runs = [cell.run for cell in grid.cells]
    saved(tmp_path, grid, skip=set(runs) - set(done))
    document = read(tmp_path)
    assert document.grids["components"].missing == [run for run in runs if run not in done]
    assert {label: by_shot[5].seeds for label, by_shot in document.components.items()} == (
        {"TRM": [1], "STRM": [1, 2]} if done else {}
    )
    assert document.title == ("Sprites" if done else "nothing finished yet")
    assert [(one.claim, one.seeds, one.ci95) for one in document.claims] == [("TRM < STRM", [1], None)] * 2 * bool(done)


@pytest.mark.parametrize("damage", ["json", "csv", "weights", "log"])
def test_a_cell_whose_files_do_not_fit_is_missing(tmp_path, damage):
    saved(tmp_path, components((0,)))
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
    assert document.grids["components"].missing == ["strm-s0"] and list(document.components)[-1] == "TRM+PLE+FLE"


def test_two_grids_of_one_kind_must_be_named(tmp_path):
    saved(tmp_path, components((0,)))
    saved(tmp_path, components((1,), name="mine"))
    with pytest.raises(UsageError, match=r"mine and sprites-components are both grids of components"):
        read(tmp_path)
    assert read(tmp_path, "mine").components["TRM"][1].seeds == [1]


def test_runs_that_are_seeds_of_one_recipe_count_together(tmp_path):
    for seed, accuracy in ((1, 0.7), (0, 0.6)):
        save_run(tmp_path, f"mine_s{seed}", recipe_of(seed=seed), accuracy, answers=seed)
    save_run(tmp_path, "again", recipe_of(seed=1), 0.5)
    save_run(tmp_path, "other", recipe_of("trm.dropout=0.5"), 0.5)
    (tmp_path / "latest").symlink_to("other", target_is_directory=True)
    saved(tmp_path, components((0,)))
    document = read(tmp_path, "mine_s1", "sprites-components", "mine_s0", "again", "latest", "other", "mine_s0")
    assert [run.run for run in document.runs] == ["mine_s0, mine_s1", "again", "other"]
    first, second, _ = document.runs
    assert first.shots[1].seeds == [0, 1] and first.shots[1].runs == ["mine_s0", "mine_s1"]
    assert (second.shots[5].seeds, first.method, first.backbone) == ([1], "strm", "conv3")
    assert next(iter(document.components)) == "TRM"


def table1_of(document):
    """(method, backbone, data set) -> ours, of the places that are filled."""
    return {
        (row.method, row.backbone, name): entry
        for row in document.table1.rows
        for name, entry in zip(document.table1.columns, row.ours, strict=True)
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
    assert filled["STRM", "ResNet-50", "ssv2"] == document.runs[0].shots[5]
    assert document.runs[0].shots[5].seeds == [0, 1]


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
    assert table1_of(document) == {} and document.runs[0].run == "mine"


def test_table_1_is_filled_from_grids_but_not_by_a_part_of_strm(tmp_path):
    changes = (*SSV2, "query_class.enabled=false")
    whole, part = (recipe_of(*words, recipe="ssv2_r50") for words in (SSV2, changes))
    grid = saved(tmp_path, grid_of([("TRM+PLE+FLE", part), ("STRM", whole)]), skip=["strm-s0"])
    assert table1_of(read(tmp_path)) == {}
    write_cell(tmp_path, grid.cells[1], grid, 0.9)
    document = read(tmp_path)
    assert table1_of(document) == {("STRM", "ResNet-50", "ssv2"): document.components["STRM"][5]}


def test_published_values_are_those_of_the_file_and_costs_those_that_are_counted(tmp_path):
    saved(tmp_path, components((0,)))
    document, content = collect(tmp_path), yaml.load(shipped("reports", "paper.yaml"))
    assert document.paper == build(Paper, content) and document.to_json()["paper"] == content
    assert [(row.method, row.backbone, row.published) for row in document.table1.rows] == [
        (row["method"], row["backbone"], row["values"]) for row in content["table1"]["rows"]
    ]
    assert document.table1.rows[6].published == [86.7, 68.1, 77.3, 96.9] and document.table1.columns[1] == "ssv2"
    assert document.cost == build(Cost, cost_table())
