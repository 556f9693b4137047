"""The document of a report: partial grids, runs grouped by recipe, and the places of Table 1."""

from dataclasses import replace

import pytest

from strmctl import yaml
from strmctl.ablation.cells import COMPONENTS, PARTS
from strmctl.ablation.cost import cost_table
from strmctl.ablation.entries import entries, found_results, trials
from strmctl.ablation.report_document import collect
from strmctl.datasets.splits import known_splits, load_split
from strmctl.errors import DataError, UsageError
from strmctl.model.methods.table import METHODS
from strmctl.paths import shipped
from strmctl.recipe import load_recipe
from strmctl.report.document import Cost, build, from_json
from strmctl.report.published_numbers import Paper
from strmctl.report.wording import measured_on
from strmctl.results import read_document, read_result
from strmctl.runs.train_log import TrainLog
from tests.saved import CLIPS, grid_of, recipe_of, result_of, rows_of, write_cell, write_run

pytestmark = pytest.mark.slow


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
    shape = {name: more.pop(name) for name in ("way", "split", "episodes", "queries") if name in more}
    weights = write_run(runs, run, recipe)
    source = {"store": recipe.data.dataset, "weights_sha256": weights, **more}
    rows = rows_of(accuracy, shots=shots, answers=answers, **shape)
    result = replace(result_of(run, rows, **shape, **source), dataset="Sprites")
    result.provenance["recipe"] = recipe.model_dump()
    result.write(runs / run / "eval" / stem)


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


def test_learning_curves_of_the_runs_that_have_a_whole_log(tmp_path):
    grid = saved(tmp_path, components(seeds=(0, 1)))  # their logs are one line
    assert read(tmp_path).curves == {}
    logged = {cell.run: cell for cell in grid.cells if cell.label in ("TRM", "STRM") and cell.run != "strm-s1"}
    for run, cell in logged.items():
        line = {"loss": 2.0, "accuracy": 0.5, "learning_rate": 1e-3}
        lines = [{"episode": number + 1, **line} for number in range(cell.recipe.train.episodes)]
        TrainLog(tmp_path / run, after=0).add(lines)
    document = read(tmp_path)
    found = {curve.run: label for label, curves in document.curves.items() for curve in curves}
    assert found == {run: cell.label for run, cell in logged.items()} and len(found) == 3
    curves = [curve for curves in document.curves.values() for curve in curves]
    assert all(set(curve.loss) == {2.0} and len(curve.episodes) <= 50 for curve in curves)
    assert from_json(document.to_json()) == document


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


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_a_damaged_result_is_named_and_not_left_out(tmp_path, kind):
    saved(tmp_path, components((0,)))
    file = tmp_path / f"strm-s0/eval/test_5way_1q_s0_n40.{kind}"
    file.write_text(file.read_text()[:100])
    with pytest.raises(DataError, match=str(file)):
        read(tmp_path)


@pytest.mark.parametrize("damage", ["json", "weights", "log"])
def test_a_cell_whose_files_do_not_fit_is_missing(tmp_path, damage):
    saved(tmp_path, components((0,)))
    run = tmp_path / "strm-s0"
    result = run / "eval/test_5way_1q_s0_n40.json"
    if damage == "json":
        result.unlink()
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


def save_ssv2(runs, run, *changes, recipe="ssv2_r50", seed=0, accuracy=0.6, **more):
    """A run of a shipped recipe with these changes, tested on all test classes of its data set."""
    made = load_recipe(recipe, (*changes, f"train.seed={seed}"))
    store = more.pop("store", made.data.dataset)
    classes = load_split(store).classes("test") if store in known_splits() else sorted(CLIPS)
    save_run(runs, run, made, accuracy, **{"classes": classes, "store": store, **more})


def table1_of(document):
    """(method, backbone, data set) -> ours, of the places that are filled."""
    return {
        (row.method, row.backbone, name): ours
        for row in (document.table1.rows if document.table1 else ())
        for name, ours in zip(document.table1.columns, row.ours, strict=True)
        if ours
    }


STRM = ("STRM", "ResNet-50", "ssv2")
FEW = "40 test episodes"  # results of tests are small


def test_table_1_is_filled_by_runs_of_the_shipped_recipes(tmp_path):
    for seed, accuracy in ((0, 0.6), (1, 0.7)):
        save_ssv2(tmp_path, f"strm_s{seed}", seed=seed, accuracy=accuracy, answers=seed)
    save_ssv2(tmp_path, "trx", "method=trx")
    save_ssv2(tmp_path, "vit", recipe="ucf101_vit")
    document = read(tmp_path, "strm_s0", "strm_s1", "trx", "vit")
    filled = table1_of(document)
    assert set(filled) == {STRM, ("TRX", "ResNet-50", "ssv2"), ("STRM", "ViT", "ucf101")}
    assert [(one.entry, one.differs) for one in filled[STRM]] == [(document.runs[0].shots[5], [FEW])]
    assert document.runs[0].shots[5].seeds == [0, 1] and document.table1.remarks == []


@pytest.mark.parametrize(
    ("changes", "test", "differs"),
    [
        (("input.crop=112",), {}, ["input.crop 112"]),
        (("input.frames=4", "train.shot=1"), {}, ["input.frames 4", "train.shot 1"]),
        (("backbone.weights=none",), {}, ["random weights"]),
        (("backbone.weights=mine.pt", "input.flip=true"), {}, ["input.flip true", "backbone.weights mine.pt"]),
        (("train.gradient_clip=1.0", "validation.every=9"), {}, ["train.gradient_clip 1", "validation.every 9"]),
        (("validation.every=9",), {"weights_file": "last.pt"}, []),
        (("name=mine", "trm.tuple_trial=3", "patch_enrichment.hidden=null", "query_class.dim=null"), {}, []),
        (("method=trx", "query_class.weight=0", "prediction=trm", "patch_enrichment.patches=2"), {}, []),
        (("method=otam", "trm.dim=8", "train.way=4"), {}, ["train.way 4"]),
        (("backbone.batch_norm=frozen",), {}, ["backbone.batch_norm frozen"]),
        (("backbone.batch_norm=frozen", "query_class.dim=384"), {"recipe": "ssv2_vit"}, []),
        (("data.dataset=kinetics100",), {"store": "ssv2"}, ["data.dataset kinetics100"]),
        ((), {"dtype": "bfloat16"}, ["features in bfloat16"]),
        ((), {"weights_file": "old.pt"}, ["weights of old.pt"]),
        ((), {"distinct_groups": True}, ["support and query of different source videos"]),
        ((), {"episodes_file_sha256": "0" * 64, "episodes_from": "e.csv"}, ["episodes of e.csv"]),
        ((), {"cached": False, "chosen_classes": True}, []),
    ],
)
def test_what_differs_in_training_or_test_stands_in_the_row(tmp_path, changes, test, differs):
    save_ssv2(tmp_path, "mine", *changes, **test)
    document = read(tmp_path, "mine")
    ((place, (ours,)),) = table1_of(document).items()
    assert place[2] == "ssv2" and sorted(ours.differs) == sorted([*differs, FEW])
    claim = next((one for one in document.claims if one.source == "Table 1"), None)
    assert claim is None or claim.claim.endswith(f"on SSv2 ({', '.join(ours.differs)})")


def test_every_row_of_table_1_has_a_method_here():
    rows = {row["method"] for row in yaml.load(shipped("reports", "paper.yaml"))["table1"]["rows"]}
    assert rows == {method.table1 for method in METHODS.values() if method.table1}
    near = {name for name, method in METHODS.items() if method.approximate}
    assert near and all("approximat" in METHODS[name].label for name in near)


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if method.table1])
def test_runs_of_every_method_of_table_1_stand_in_its_row(tmp_path, method):
    save_ssv2(tmp_path, "mine", f"method={method}")
    ((place, (ours,)),) = table1_of(read(tmp_path, "mine")).items()
    assert place == (METHODS[method].table1, "ResNet-50", "ssv2")
    assert ("approximate" in ours.differs) == METHODS[method].approximate


def test_an_approximation_says_so_wherever_it_is_reported(tmp_path, monkeypatch):
    monkeypatch.setitem(METHODS, "otam", replace(METHODS["otam"], label="OTAM (approximate)"))
    save_ssv2(tmp_path, "mine", "method=otam")
    document = read(tmp_path, "mine")
    ((place, (ours,)),) = table1_of(document).items()
    assert place == ("OTAM", "ResNet-50", "ssv2") and ours.differs == ["approximate", FEW]
    assert document.runs[0].method == "otam (approximate)"


def test_models_that_are_given_class_names_are_known_to_the_document(tmp_path):
    cells = [(METHODS[name].label, recipe_of(f"method={name}")) for name in ("otam", "clip_fsar")]
    saved(tmp_path, grid_of(cells, kind="shots"))
    save_run(tmp_path, "mine", recipe_of("method=clip_fsar"))
    document = read(tmp_path, "sprites-shots", "mine")
    assert document.grids["shots"].told == ["CLIP-FSAR (given class names)"]
    assert [run.told for run in document.runs] == [True]
    assert from_json(document.to_json()) == document


def test_what_other_papers_print_is_there_for_the_data_sets_of_the_runs(tmp_path):
    save_ssv2(tmp_path, "mine", "backbone.name=resnet34")  # has no place in Table 1
    document = read(tmp_path, "mine")
    assert {(row.dataset, *row.accuracy) for row in document.published} == {("ssv2", 1, 5), ("ssv2", 5)}
    save_ssv2(tmp_path, "strm")
    wider = read(tmp_path, "strm").published
    assert {row.dataset for row in wider} == {"ssv2"}, "only data sets that runs are of"
    saved(tmp_path, components((0,)))
    assert read(tmp_path, "sprites-components").published == []
    assert from_json(document.to_json()).published == document.published


def test_the_paper_tests_10000_episodes_of_one_query_after_the_whole_training(tmp_path):
    save_ssv2(tmp_path, "mine", shots=(5,), episodes=10_000)
    document = read(tmp_path, "mine")
    assert [one.differs for one in table1_of(document)[STRM]] == [[]]
    save_ssv2(tmp_path, "cut", queries=2)
    (tmp_path / "cut/train.csv").write_text("episode,loss\n10,1.0\n")
    ((ours,),) = table1_of(read(tmp_path, "cut")).values()
    assert ours.differs == [FEW, "2 queries per class", "10 of 75,000 training episodes"]


@pytest.mark.parametrize(
    ("changes", "test", "reason"),
    [
        (("model.preset=released",), {}, "model.preset released"),
        (("model.deviations=[gate]",), {}, 'model.deviations ["gate"]'),
        (("query_class.weight=0",), {}, "query_class.weight 0"),
        (("query_class.trained=false",), {}, "query_class.trained false"),
        (("prediction=trm",), {}, "prediction trm"),
        (("trm.distance=norm", "trm.dim=8"), {}, "trm.dim 8 and trm.distance norm"),
        (("patch_enrichment.enabled=false",), {}, "patch_enrichment.enabled false"),
        (("query_class.enabled=false",), {}, "query_class.enabled false"),
        (("trm.cardinalities=[2,3]",), {}, "trm.cardinalities [2, 3]"),
        (("trm.tuple_fraction=0.5",), {}, "trm.tuple_fraction 0.5"),
        (("method=trx", "model.preset=released"), {}, "model.preset released"),
        (("method=otam", "otam.smoothing=0.5"), {}, "otam.smoothing 0.5"),
        ((), {"way": 4}, "4-way episodes"),
        ((), {"split": "val"}, "the val split"),
        ((), {"shots": (1, 3)}, "no 5-shot test"),
        ((), {"classes": ["run", "sit"]}, "classes that are not the 24 of its test split"),
        ((), {"frame_order": "shuffled"}, "shuffled frames"),
        ((), {"tuples": {"fraction": 0.2}}, "a share of the tuples"),
    ],
)
def test_another_model_or_task_is_not_in_table_1_which_says_why(tmp_path, changes, test, reason):
    save_ssv2(tmp_path, "mine", *changes, **test)
    document = read(tmp_path, "mine")
    assert table1_of(document) == {} and document.runs[0].run == "mine"
    (remark,) = document.table1.remarks
    assert remark.startswith("mine cannot stand beside ") and remark.endswith(f"on SSv2, because of {reason}")


@pytest.mark.parametrize(
    ("changes", "test"),
    [(("method=trm",), {}), (("backbone.name=resnet34",), {}), (("data.dataset=sprites",), {}), ((), {"store": "own"})],
)
def test_runs_that_table_1_has_no_row_or_column_for_are_not_spoken_of(tmp_path, changes, test):
    save_ssv2(tmp_path, "mine", *changes, **test)
    table = read(tmp_path, "mine").table1
    if test or "data" in changes[0]:  # of no data set of Table 1
        assert table is None
    else:
        assert table.columns == ["ssv2"] and table.remarks == [] and not any(any(row.ours) for row in table.rows)


def test_what_was_tested_counts_and_not_a_recipe_that_was_edited_later(tmp_path):
    save_ssv2(tmp_path, "mine", "input.crop=112")
    write_run(tmp_path, "mine", load_recipe("ssv2_r50"))
    ((ours,),) = table1_of(read(tmp_path, "mine")).values()
    assert "input.crop 112" in ours.differs


def test_two_runs_for_one_place_are_both_there(tmp_path):
    save_ssv2(tmp_path, "first", accuracy=0.9)
    save_ssv2(tmp_path, "second", "input.crop=112", accuracy=0.7, answers=1)
    ((first, second),) = table1_of(read(tmp_path, "first", "second")).values()
    assert (first.runs, second.runs) == ("first", "second") and first.entry.accuracy > second.entry.accuracy
    assert first.differs == [FEW] and second.differs == ["input.crop 112", FEW]


def test_table_1_is_filled_from_grids_but_not_by_a_part_of_strm(tmp_path):
    whole, part = (load_recipe("ssv2_r50", words) for words in ((), ("query_class.enabled=false",)))
    grid = saved(tmp_path, grid_of([("TRM+PLE+FLE", part), ("STRM", whole)]), skip=["strm-s0"])
    document = read(tmp_path)
    assert table1_of(document) == {} and document.table1 is None
    write_cell(tmp_path, grid.cells[1], grid, 0.9, classes=load_split("ssv2").classes("test"))
    document = read(tmp_path, grid.name, "strm-s0")
    ((ours,),) = table1_of(document).values()
    assert ours.entry == document.components["STRM"][5]


def test_a_grid_says_what_all_of_its_cells_have_otherwise_than_the_shipped_recipe(tmp_path):
    changes = ("query_class.weight=0", "input.crop=112", "train.episodes=10")
    cells = [(name.upper(), load_recipe("ssv2_r50", (*changes, f"method={name}"))) for name in ("trm", "strm")]
    saved(tmp_path, grid_of(cells, kind="shots"))
    document = read(tmp_path)
    assert document.grids["shots"].changed == ["input.crop 112", "query_class.weight 0"]
    words = "recipe sprites with input.crop 112, query_class.weight 0, backbone resnet50"
    assert words in measured_on(document.grids["shots"], (1, 5))
    assert table1_of(document) == {} and "because of query_class.weight 0" in document.table1.remarks[0]


def test_published_values_are_those_of_the_file(tmp_path):
    content = yaml.load(shipped("reports", "paper.yaml"))
    save_ssv2(tmp_path, "trx", "method=trx")
    document = read(tmp_path, "trx")
    assert document.paper == build(Paper, content) and document.to_json()["paper"] == content
    printed = {(row["method"], row["backbone"]): row["values"] for row in content["table1"]["rows"]}
    shown = {(row.method, row.backbone): row.published for row in document.table1.rows}
    assert shown == {key: [values[1]] for key, values in printed.items() if values[1] is not None}
    assert document.table1.columns == ["ssv2"] and next(iter(shown)) == ("TRX", "ResNet-50"), "ours come first"


@pytest.mark.parametrize(
    ("named", "columns"), [(["ssv2"], ["ssv2"]), (["ucf", "ssv2"], ["ssv2", "ucf101"]), (["own"], [])]
)
def test_table_1_has_the_data_sets_of_the_runs(tmp_path, named, columns):
    save_ssv2(tmp_path, "ssv2")
    save_ssv2(tmp_path, "ucf", recipe="ucf101_r50")
    save_ssv2(tmp_path, "own", store="own")
    table = read(tmp_path, *named).table1
    assert (table.columns if table else []) == columns


def test_costs_are_counted_in_the_sizes_of_most_runs_and_of_their_test(tmp_path):
    grid = saved(tmp_path, components((0,)))
    save_run(tmp_path, "wide", recipe_of("trm.dim=16"))
    recipe = grid.cells[0].recipe
    asked = {row.query for row in read_result(tmp_path / "strm-s0/eval/test_5way_1q_s0_n40.json").rows}
    counted = cost_table(recipe, way=5, shot=5, queries=1, clips=len(asked), episodes=40)
    assert collect(tmp_path, [grid.name, "wide"]).cost == build(Cost, counted)
    assert collect(tmp_path, ["wide"]).cost.dim == 16 and counted["backbone"] == "conv3"


@pytest.mark.parametrize("changes", [("method=otam",), ("method=trm", "input.frames=2")])
def test_runs_whose_cost_is_not_counted_have_none(tmp_path, changes):
    save_run(tmp_path, "mine", recipe_of(*changes))
    assert collect(tmp_path, ["mine"]).cost is None


def test_confusion_is_of_the_best_model_and_the_first_with_all_seeds_together(tmp_path):
    grid = saved(tmp_path, components((0, 1)))
    document = read(tmp_path)
    best, first = document.confusion
    assert best.accuracy == max(by_shot[5].accuracy for by_shot in document.components.values())
    assert first.label == "TRM" and best.label == "STRM" and best.shot == 5
    assert best.runs == [cell.run for cell in grid.cells if cell.label == "STRM"]
    right = sum(best.counts[place][place] for place in range(len(best.classes)))
    assert right / sum(map(sum, best.counts)) == pytest.approx(best.accuracy)
    one = read_document(tmp_path / "strm-s0/eval/test_5way_1q_s0_n40.json").results[1]["confusion"]
    assert sum(map(sum, best.counts)) == 2 * sum(map(sum, one["counts"]))
    assert from_json(document.to_json()) == document


def test_a_run_counts_once_and_other_data_sets_have_confusions_of_their_own(tmp_path):
    saved(tmp_path, components((0,)))
    save_run(tmp_path, "mine", recipe_of("trm.dropout=0.5"), 0.99, shots=(1, 3))
    found = read(tmp_path, "sprites-components", "strm-s0", "mine").confusion
    assert [(one.label, one.shot) for one in found] == [("STRM, mine", 3), ("TRM", 5)]
    assert [one.label for one in read(tmp_path, "strm-s0", "mine").confusion] == ["STRM, mine", "STRM, strm-s0"]
    assert [one.label for one in read(tmp_path, "mine").confusion] == ["STRM"]


def test_named_runs_have_learning_curves(tmp_path):
    save_run(tmp_path, "mine", recipe_of())
    line = {"loss": 2.0, "accuracy": 0.5, "learning_rate": 1e-3}
    (tmp_path / "mine/train.csv").unlink()
    TrainLog(tmp_path / "mine", after=0).add([{"episode": number + 1, **line} for number in range(20)])
    ((label, (curve,)),) = read(tmp_path, "mine").curves.items()
    assert (label, curve.run) == ("STRM", "mine")
