"""Tables of a report, traced back to the document."""

from dataclasses import replace

import pytest

from strmctl.report.published_numbers import Table1Ours
from strmctl.report.tables.cost import against_trx
from strmctl.report.tables.findings import findings
from strmctl.report.tables.grids import tables
from tests.saved import entry, folded, grid_info, sample, trials

KINDS = ["components", "cardinality", "tuples", "shots", "training", "folds", "custom"]

FOLDS = ["folds_differences", "folds_classes"]
LISTS = ("published", "runs", "confusion")
COST = ["cost_flops", "cost_cached", "cost_parameters"]


def named(document):
    return {table.name: table for table in tables(document)}


def column(table, name):
    return {tuple(row[: table.words]): row[table.columns.index(name)] for row in table.rows}


def test_every_kind_has_its_tables_and_every_row_its_cells():
    found = named(sample())
    own = [*KINDS[:-1], *FOLDS, "custom", "runs", "confusion", *COST]
    assert list(found) == ["findings", *own, "table1", "published"]
    for table in found.values():
        assert {len(row) for row in table.rows} == {len(table.columns)}, table.name
        assert {len(row) for row in table.csv_rows} == {len(table.csv_columns)}, table.name
        published = [table.kind(position) == "published" for position in range(len(table.columns))]
        assert published == ["paper" in name for name in table.columns]


@pytest.mark.parametrize("kind", [*KINDS, "published", "runs", "confusion", "cost"])
def test_a_kind_that_was_not_run_is_left_out(kind):
    grids = {name: grid for name, grid in sample().grids.items() if name != kind}
    document = sample(**{kind: None if kind == "cost" else [] if kind in LISTS else {}}, grids=grids)
    assert list(named(document)) == [name for name in named(sample()) if name.partition("_")[0] != kind]


def test_nothing_at_all_is_no_error():
    empty = {kind: {} for kind in [*KINDS, "grids"]}
    assert tables(sample(**empty, **{name: [] for name in LISTS}, table1=None, cost=None)) == []


def test_components_show_mean_interval_seeds_and_the_paper_apart():
    document = sample()
    document.components["STRM"][5] = replace(entry(0.8, seeds=(0, 2), run="strm"), accuracy=0.81234, ci95=0.0039)
    table = named(document)["components"]
    assert column(table, "5-shot, %")["STRM",] == "81.2 ± 0.4"
    assert column(table, "5-shot, each seed (sd), %")["STRM",] == "79.0, 80.0 (0.7)"
    assert column(table, "n seeds")["STRM",] == "3 / 2" and column(table, "n seeds")["TRM",] == "3"
    shown = column(table, "paper, SSv2, 5-shot, %")
    assert {label: float(value) for (label,), value in shown.items()} == document.paper.figure6_left
    last = dict(zip(table.csv_columns, table.csv_rows[-1], strict=True))
    assert last["accuracy"] == 0.81234 and last["ci95"] == 0.0039 and last["n_seeds"] == 2
    assert (last["accuracy_seed_0"], last["accuracy_seed_1"], last["accuracy_seed_2"]) == (0.79, None, 0.8)
    assert last["runs"] == "strm-s0;strm-s2" and last["episodes"] == 10000


def test_the_paper_stands_beside_what_was_run_alone():
    table = named(sample(components={"STRM": {5: entry(0.8, seeds=(0,))}}))["components"]
    assert table.columns == ["model", "5-shot, %", "n seeds", "paper, SSv2, 5-shot, %"]  # one seed is the mean
    assert table.rows == [["STRM", "80.0 ± 0.4", "1", "68.1"]]
    assert len(named(sample(cardinality={"3": {5: entry(0.8)}}))["cardinality"].rows) == 1
    assert len(named(sample(tuples={"TRX {2,3}": {1.0: {5: trials(0.5)}}}))["tuples"].rows) == 1


@pytest.mark.parametrize("kind", ["components", "cardinality", "tuples"])
@pytest.mark.parametrize("test", [{"store": "sprites"}, {"split": "val"}, {"way": 3}, {"folds": 3}, {}])
def test_the_paper_does_not_stand_beside_another_test(kind, test):
    grids = sample().grids | {kind: replace(sample().grids[kind], **test)}
    shown = (
        {"STRM {2}": {1.0: {1: trials(0.5)}}} if kind == "tuples" else {"2": {1: entry(0.5)}, "STRM": {1: entry(0.5)}}
    )
    document = sample(grids=grids) if test else sample(**{kind: shown})  # 1-shot alone
    table = named(document)[kind]
    assert table.published == () and "paper" not in table.caption.lower()
    assert not any("paper" in name for name in table.columns)
    assert not any(
        "published" in name and any(row[at] for row in table.csv_rows) for at, name in enumerate(table.csv_columns)
    )


def test_kinetics_has_its_own_column_of_table_2():
    grids = sample().grids | {"cardinality": replace(sample().grids["cardinality"], store="kinetics100")}
    table = named(sample(grids=grids))["cardinality"]
    assert table.columns[-2:] == ["paper, tuples", "paper, Kinetics-100, 5-shot, %"]
    assert [row[-1] for row in table.rows] == list(map(str, sample().paper.table2.kinetics100))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "folds"])
def test_labels_without_any_result_are_no_error(kind):
    labels = getattr(sample(), kind)
    first, *rest = labels
    deep = kind in ("tuples", "training")
    nothing = {label: {key: {} for key in labels[label] if deep} for label in rest}
    assert named(sample(**{kind: {first: labels[first], **nothing}}))[kind].rows
    assert named(sample(**{kind: {first: {}, **nothing}}))[kind].csv_rows == []


def test_captions_say_what_was_measured_and_what_is_missing():
    caption = named(sample())["training"].caption
    assert caption.startswith(
        "Sample (test): 5-way, 1- and 5-shot, 1 query per class, 10,000 episodes, seed 0; recipe sample, backbone "
        "conv3, trained on 1-shot episodes, training seeds 0, 1 and 2 (n = 3, fewer where runs are missing). "
    )
    assert caption.endswith(" No result yet of sample-4000-s2.") and "n = 1" not in caption
    many = grid_info("custom", queries=2, seeds=[0], missing=[f"run{n}" for n in range(9)])
    caption = named(sample(grids=sample().grids | {"custom": many}))["custom"].caption
    assert "2 queries per class" in caption and "trained on 1,000 1-shot episodes, training seed 0 (n = 1" in caption
    assert "With n = 1 training seed the order of close values is open." in caption
    assert caption.endswith("No result yet of run0, run1, run2, run3, run4, run5 and 3 more.")


def test_captions_say_whether_support_and_query_share_their_source_videos():
    def caption(**more):
        return named(sample(grids=sample().grids | {"custom": grid_info("custom", **more)}))["custom"].caption

    assert "source video" not in caption()
    assert "(n = 3). Support and query of an episode never come from the same source video. ±" in caption(
        distinct_groups=True
    )
    assert "In 19.5 % (1-shot) and 65.4 % (5-shot) of the episodes a query and a support clip come from" in caption(
        shared_sources={1: 0.195, 5: 0.654}
    )


def test_cardinalities_beside_table_2():
    table = named(sample())["cardinality"]
    assert column(table, "tuples")["{1}",] == "8" and column(table, "paper, tuples")["{1}",] == "–"
    assert table.rows[-1] == [
        *("{2,3,4}", "154", "53.0 ± 0.4", "52.0, 53.0, 54.0 (1.0)", "73.0 ± 0.4", "72.0, 73.0, 74.0 (1.0)"),
        *("3", "154", "68.1"),
    ]
    assert "For {1} the paper prints a dash in place of 8 tuples." in table.caption


def test_shares_of_tuples_with_the_range_of_trials():
    table = named(sample())["tuples"]
    first, *_, last = table.rows
    assert first == ["STRM {2}", "20", "6", "56.0 ± 2.5", "55.0 to 57.0", "76.0 ± 2.5", "75.0 to 77.0", "3", "65.4"]
    assert last == ["TRX {2,3}", "100", "28 + 56", "50.0 ± 0.4", "–", "70.0 ± 0.4", "–", "1", "64.6"]
    row = dict(zip(table.csv_columns, table.csv_rows[1], strict=True))
    assert (row["share"], row["tuples"], row["shot"]) == (0.2, 6, 5)
    assert [row[f"accuracy_trial_{trial}"] for trial in (1, 2, 3)] == trials(0.76, count=3).trials


def test_shots_show_the_mean_and_every_seed():
    table = named(sample())["shots"]
    assert table.columns[2:] == [f"{shot}-shot, %" for shot in (1, 2, 3, 4, 5, 10)]
    assert table.rows[0] == ["TRM", "mean, n = 3", *(f"{value}.0 ± 0.4" for value in (52, 54, 56, 58, 60, 70))]
    assert table.rows[1] == ["", "seed 0", *(f"{value}.0" for value in (51, 53, 55, 57, 59, 69))]
    mixed = sample(shots={"TRM": {1: entry(0.5), 5: entry(0.6, seeds=(1,))}})
    assert [row[1:] for row in named(mixed)["shots"].rows[:2]] == [
        ["mean, n = 1 to 3", "50.0 ± 0.4", "60.0 ± 0.4"],
        ["seed 0", "49.0", "–"],
    ]


def test_the_gap_in_training_is_taken_seed_by_seed():
    document = sample()
    document.training["STRM"][4000][5] = entry(seeds=(0, 1), each=[0.8, 0.9])  # TRM: 0.77, 0.78, 0.79
    row = named(document)["training"].rows[-1]
    assert row[:2] == ["4,000", "STRM - TRM, points"] and row[4:] == ["+7.50", "+3.00, +12.00", "2"]


def test_folds_show_models_their_differences_and_every_class():
    found = named(sample())
    assert found["folds"].rows == [
        ["TRM", *["50.5 ± 8.0", "50.0, 51.0 (0.7)"] * 2, "2"],
        ["STRM", *["52.5 ± 8.0", "52.0, 53.0 (0.7)"] * 2, "2"],
    ]
    assert "Of 3 folds, dealt with seed 0: 9 classes, each in the test split" in found["folds"].caption
    assert "over classes" in found["folds"].caption and "over test episodes" not in found["folds"].caption
    assert found["folds_differences"].rows == [["STRM - TRM", *["+2.00 ± 3.00", "0.1250", "6 of 9"] * 2]]
    assert found["folds_differences"].csv_rows[1] == ["STRM - TRM", 5, 9, 0.02, 0.03, 0.125, 6, "0;1"]
    classes = found["folds_classes"]
    assert classes.columns == ["class", *(f"{label}, {shot}-shot, %" for label in ("TRM", "STRM") for shot in (1, 5))]
    assert [row[0] for row in classes.rows] == [f"class {n}" for n in range(9)], "the hardest first"
    assert classes.rows[0] == ["class 0", "34.5", "34.5", "36.5", "36.5"] and len(classes.csv_rows) == 36
    alone = named(sample(folds={"TRM": folded(0.5)}))
    assert "folds_differences" not in alone and alone["folds"].rows == found["folds"].rows[:1]


def test_table_1_keeps_published_and_ours_apart():
    table = named(sample())["table1"]
    assert column(table, "SSv2, ours, %")["STRM", "ResNet-50"] == "60.0 ± 0.4 (10,000 episodes, n = 3 seeds)"
    assert column(table, "SSv2, paper, %")["STRM", "ResNet-50"] == "68.1"
    assert column(table, "UCF101, paper, %")["STRM", "ResNet-50"] == "96.9"
    assert "UCF101, ours, %" not in table.columns  # no run there is one of its rows
    assert column(table, "SSv2, paper, %")["ARN", "ResNet-50"] == "–"
    assert ["STRM", "ViT", "ucf101", *[None] * 4, 0, *[None] * 4, "", 98.1, ""] in table.csv_rows


def test_every_run_beside_table_1_is_named_with_what_differs():
    made = sample()
    small = Table1Ours(entry=entry(0.7, seeds=(0,), run="small"), differs=["input.crop 112", "random weights"])
    made.table1.rows[6].ours[1].append(small)
    document = sample(table1=replace(made.table1, remarks=["mine cannot stand beside STRM"]))
    table = named(document)["table1"]
    assert column(table, "SSv2, ours, %")["STRM", "ResNet-50"] == (
        "sample-s0, sample-s1, sample-s2: 60.0 ± 0.4 (10,000 episodes, n = 3 seeds); "
        "small-s0: 70.0 ± 0.4 (10,000 episodes, n = 1 seed; input.crop 112, random weights)"
    )
    assert "mine cannot stand beside STRM." in table.caption
    assert [row[-1] for row in table.csv_rows if row[:3] == ["STRM", "ResNet-50", "ssv2"]] == [
        "",
        "input.crop 112, random weights",
    ]
    words = [row[0] for row in findings(document).rows if row[0].startswith("Table 1")]
    assert words[1] == "Table 1 ≤ STRM (ResNet-50) on SSv2, run small-s0 (input.crop 112, random weights)"
    assert words[0] == "Table 1 ≤ STRM (ResNet-50) on SSv2, run sample-s0, sample-s1, sample-s2"


def test_cost_as_it_is_counted():
    found = named(sample())
    assert found["cost_parameters"].rows[-1] == ["STRM {2}", "20.00", "4.00", "5.00", "10.00", "1.00", "40.00"]
    assert found["cost_flops"].csv_rows[0][-1] == sample().cost.methods["TRM {2}"].flops.frame
    assert found["cost_cached"].rows[-1] == ["STRM {2}", "365.70", "4.10", "369.80"]
    assert 'The paper says: "STRM needs about 4 % more FLOPs than TRX".' in found["cost_flops"].caption


def test_what_strm_costs_more_than_trx():
    cost = sample().cost
    for label, frame in (("STRM {2}", 11.5), ("TRX {2,3}", 10.0)):
        cost.methods[label] = replace(cost.methods[label], flops=replace(cost.methods[label].flops, frame=frame))
    shares = against_trx(cost)
    assert shares["per frame"] == pytest.approx(0.15)
    assert list(shares) == ["per frame", "per episode", "in a cached evaluation"]
    assert "+15.0 % per frame" in named(sample(cost=cost))["cost_flops"].caption
    del cost.methods["TRX {2,3}"]
    assert against_trx(cost) == {} and "The paper says" not in named(sample(cost=cost))["cost_flops"].caption
    assert not [row for row in findings(sample(cost=cost)).rows if "FLOPs" in row[0]]


def test_a_finding_says_claim_paper_here_holds_and_n():
    document = sample()
    document.components["STRM"][5] = entry(seeds=(0, 1, 2), each=[0.79, 0.8, 0.79])  # TRM+PLE+FLE: 0.75, 0.76, 0.77
    document.components["STRM"][1] = entry(seeds=(0, 1), each=[0.57, 0.4])  # TRM+PLE+FLE: 0.55, 0.56
    document.shots["STRM"] = {5: entry(0.55, seeds=(0,))}
    table = findings(sample(components=document.components, shots=document.shots))
    assert table.columns == ["claim", "paper", "here", "holds", "n"]
    rows = {row[0]: row[1:] for row in table.rows if "Figure 7" not in row[1]}
    assert rows["TRM+PLE+FLE < STRM"] == [
        "Figure 6, left: 66.8 < 68.1",
        "+3.33 ± 2.87 (5-shot), -7.00 ± 114.36 (1-shot)",
        *("yes (5-shot), not settled (1-shot)", "3 / 2"),
    ]
    assert ["TRM < STRM", "Figure 7: at every K", "-4.00 (5-shot)", "not settled", "1"] in table.rows
    assert rows["TRM < STRM after 4,000 training episodes"][0] == "–"
    assert rows["Table 1 ≤ STRM (ResNet-50) on SSv2"] == [
        *("Table 1: 68.1", "-8.10 ± 2.48 (5-shot)", "no", "3"),
    ]
    line = next(row for row in table.csv_rows if row[1:3] == ["TRM+PLE+FLE < STRM", 5])
    numbers = dict(zip(table.csv_columns, line, strict=True))
    assert (numbers["source"], numbers["holds"]) == ("Figure 6, left", "yes")
    assert (numbers["holds_in"], numbers["n_seeds"]) == (3, 3)
    assert numbers["mean_difference"] == pytest.approx(0.1 / 3) and numbers["difference_seed_0"] == pytest.approx(0.04)


def test_a_finding_on_many_numbers_of_shots_has_the_least_and_the_greatest():
    ours = {"TRM": {k: entry(0.5) for k in (1, 2, 5, 10)}, "STRM": {k: entry(0.5 + 0.01 * k) for k in (1, 2, 5, 10)}}
    ours["STRM"][1] = entry(0.45)
    table = findings(sample(shots=ours))
    (row,) = [row for row in table.rows if row[1] == "Figure 7: at every K"]
    assert row[2:] == [
        "-5.00 ± 0.00 (1-shot) to +10.00 ± 0.00 (10-shot), K = 1, 2, 5 and 10",
        *("yes (2, 5 and 10-shot), no (1-shot)", "3"),
    ]
    assert len([line for line in table.csv_rows if line[3] == "at every K"]) == 4
    assert "the least and the greatest" in table.caption
    few = sample(**{kind: {} for kind in KINDS if kind != "components"}, table1=None)
    assert "the least and the greatest" not in findings(few).caption


def test_nothing_that_no_run_could_settle_is_a_finding():
    empty = {kind: {} for kind in KINDS}
    assert findings(sample(**empty, table1=None)).rows == []
    rows = [replace(row, ours=[[]] * 4) for row in sample().table1.rows]
    words = [row[0] for row in findings(sample(table1=replace(sample().table1, rows=rows))).rows]
    assert not [word for word in words if word.startswith(("Table 1", "Grid"))]


@pytest.mark.parametrize(("sizes", "there"), [({}, True), ({"backbone": "conv3"}, False), ({"pixels": 112}, False)])
def test_the_papers_word_on_cost_is_about_its_own_sizes(sizes, there):
    found = {row[0]: row[1:] for row in findings(sample(cost=replace(sample().cost, **sizes))).rows}
    assert ("STRM needs about 4 % more FLOPs than TRX" in found) == there
    assert ('The paper says: "' in named(sample(cost=replace(sample().cost, **sizes)))["cost_flops"].caption) == there


def test_confusion_lists_every_class_the_hardest_first():
    table = named(sample())["confusion"]
    assert table.columns == ["class", "STRM, 5-shot, %", "n", "TRM, 5-shot, %", "n"]
    assert table.rows == [["b", "60.0", "10", "50.0", "10"], ["a", "80.0", "10", "70.0", "10"]]
    assert table.csv_rows[0] == ["b", "Sample", "STRM", 5, 0.6, 10] and len(table.csv_rows) == 4
    assert "STRM: strm-s0, strm-s1" in table.caption
    first, second = sample().confusion
    other = replace(second, dataset="Other", classes=["b", "c"], counts=[[0, 0], [1, 3]])
    table = named(sample(confusion=[first, other]))["confusion"]
    assert table.columns[1::2] == ["Sample: STRM, 5-shot, %", "Other: TRM, 5-shot, %"]
    assert table.rows[-1] == ["c", "–", "0", "75.0", "4"] and table.rows[0][3:] == ["–", "0"]


def test_what_other_papers_print_stands_apart_with_its_source_and_what_speaks_against_it():
    row = sample().published[0]
    rows = [
        replace(row, method="A", by="authors", on="val", names=True, outlier="", note="a note", accuracy={1: 50.25}),
        replace(row, method="B", by="again", on="test", names=False, outlier="too good", note="", accuracy={5: 99}),
        replace(row, method="C", by="quoted", on="unknown", read_in="X 2020", paper="X, Y", place="Table 9", note=""),
    ]
    table = named(sample(published=rows))["published"]
    assert table.columns == [
        *("data set", "method", "backbone", "read in", "whose", "chosen on", "marks"),
        *("1-shot, paper, %", "5-shot, paper, %"),
    ]
    first, second, third = (cells[3:] for cells in table.rows)
    assert first == [row.read_in, "authors", "validation", "class names", "50.25", "–"]
    assert second == [row.read_in, "again", "test", "outlier", "–", "99"]
    assert third[:4] == ["X 2020", "quoted", "unknown", ""]
    for words in (f"A, {row.backbone}, {row.read_in}: a note.", ": an outlier: too good.", "X 2020: X, Y; Table 9."):
        assert words in table.caption
    alone = named(sample(published=rows[2:]))["published"].caption
    assert "outlier" not in alone and "class names" not in alone
    cells = dict(zip(table.csv_columns, table.csv_rows[1], strict=True))
    assert (cells["method"], cells["shot"], cells["published_percent"], cells["outlier"]) == ("B", 5, 99, "too good")
    assert cells["place"] == row.place and cells["class_names"] == 0 and len(table.csv_rows) == 4


def test_methods_that_are_given_class_names_have_tables_of_their_own():
    grids = sample().grids
    grids |= {kind: replace(grids[kind], told=["TRX", "sample 2"]) for kind in ("shots", "custom", "training")}
    first = sample().runs[0]
    document = sample(grids=grids, runs=[first, replace(first, run="told", told=True)])
    found = named(document)
    apart = [name for name in found if name.endswith("_names")]
    assert apart == ["shots_names", "custom_names", "runs_names"]
    labels = [{row[0] for row in found[name].rows} - {""} for name in ("shots", "shots_names")]
    assert labels == [{"TRM", "STRM"}, {"TRX"}]
    assert [row[0] for row in found["custom_names"].rows] == ["sample 2"]
    assert [row[0] for row in found["runs_names"].rows] == ["told"] and len(found["runs"].rows) == 1
    for name in apart:
        assert found[name].title.endswith(": models that are given the names of the classes")
    words = "TRX and sample 2 are given the names of the classes, which other models are not."
    assert words in found["shots"].caption and words in found["training"].caption
    assert "names of the classes" not in found["components"].caption
    only = sample(shots={"TRX": sample().shots["TRX"]}, grids=grids)
    assert [name for name in named(only) if name.startswith("shots")] == ["shots_names"]
