"""Tables and sentences of a report, traced back to the document."""

import pytest

from strmctl.report.pages.findings import findings, orders, unsettled
from strmctl.report.tables.cost import more_than_trx
from strmctl.report.tables.grids import tables
from tests.report.sample_report import claim, entry, sample


def named(document):
    return {table.name: table for table in tables(document)}


def column(table, name):
    return {tuple(row[: table.words]): row[table.columns.index(name)] for row in table.rows}


def test_every_kind_has_its_tables_and_every_row_its_cells():
    found = named(sample())
    names = ["components", "claims", "cardinality", "tuples", "shots", "training", "custom", "table1", "runs"]
    assert list(found) == [*names, "cost_flops", "cost_cached", "cost_parameters"]
    for table in found.values():
        assert {len(row) for row in table.rows} == {len(table.columns)}, table.name
        assert {len(row) for row in table.csv_rows} == {len(table.csv_columns)}, table.name
        assert all("paper" in table.columns[position] for position in table.published)
        assert not any("paper" in name for at, name in enumerate(table.columns) if at not in table.published)


@pytest.mark.parametrize("kind", ["components", "cardinality", "tuples", "shots", "training", "custom", "runs", "cost"])
def test_a_kind_that_was_not_run_is_left_out(kind):
    document = sample()
    del document[kind]
    document["grids"].pop(kind, None)
    assert list(named(document)) == [name for name in named(sample()) if name.partition("_")[0] != kind]
    assert not [line for line in findings(document) if line.lower().startswith(kind)]


def test_nothing_at_all_is_no_error():
    document = {name: sample()[name] for name in ("schema", "title", "paper", "provenance")}
    assert tables(document) == [] and findings(document) == []


def test_components_show_mean_interval_seeds_and_the_paper_apart():
    document = sample()
    document["components"]["STRM"]["5"] = entry(0.8, seeds=(0, 2), run="strm") | {"accuracy": 0.81234, "ci95": 0.0039}
    table = named(document)["components"]
    assert column(table, "5-shot, %")["STRM",] == "81.2 ± 0.4"
    assert column(table, "5-shot, each seed (sd), %")["STRM",] == "79.0, 80.0 (0.7)"
    assert column(table, "n seeds")["STRM",] == "3 / 2" and column(table, "n seeds")["TRM",] == "3"
    shown = column(table, "paper, SSv2, 5-shot, %")
    assert {label: float(value) for (label,), value in shown.items()} == document["paper"]["figure6_left"]
    last = dict(zip(table.csv_columns, table.csv_rows[-1], strict=True))
    assert last["accuracy"] == 0.81234 and last["ci95"] == 0.0039 and last["n_seeds"] == 2
    assert (last["accuracy_seed_0"], last["accuracy_seed_1"], last["accuracy_seed_2"]) == (0.79, None, 0.8)
    assert last["runs"] == "strm-s0;strm-s2" and last["episodes"] == 10000


def test_a_label_without_a_run_has_dashes_beside_the_paper():
    document = sample()
    del document["components"]["STRM"]
    row = next(row for row in named(document)["components"].rows if row[0] == "STRM")
    assert row == ["STRM", "–", "–", "–", "–", "0", "68.1"]
    document["components"] = {"STRM": {"5": entry(0.8, seeds=(0,))}}
    table = named(document)["components"]
    assert table.columns == ["model", "5-shot, %", "n seeds", "paper, SSv2, 5-shot, %"]  # one seed is the mean
    assert table.rows == [
        ["TRM", "–", "0", "62.1"],
        ["TRM+PLE", "–", "0", "63.7"],
        ["TRM+FLE", "–", "0", "65.3"],
        ["TRM+PLE+FLE", "–", "0", "66.8"],
        ["STRM", "80.0 ± 0.4", "1", "68.1"],
    ]


@pytest.mark.parametrize("kind", ["components", "cardinality", "tuples", "shots", "training", "custom"])
def test_labels_without_any_result_are_no_error(kind):
    document = sample()
    labels = document[kind]
    for label in [*labels][1:]:
        labels[label] = {count: {} for count in labels[label]} if kind in ("tuples", "training") else {}
    assert named(document)[kind].rows and findings(document)
    labels[next(iter(labels))] = {}
    assert named(document)[kind].csv_rows == [] and findings(document)


def test_captions_say_what_was_measured_and_what_is_missing():
    document = sample()
    caption = named(document)["training"].caption
    for words in ("Sample (test)", "5-way", "1 and 5 shots", "1 query per class", "10,000 test episodes", "seeds 0, 1"):
        assert words in caption
    assert "± is the half-width of the 95 % interval" in caption and "No result yet of sample-4000-s2." in caption
    assert "order of close values is open" not in caption
    document["grids"]["training"]["seeds"] = [0]
    assert "With n = 1 training seed the order of close values is open." in named(document)["training"].caption


def test_cardinalities_beside_table_2():
    table = named(sample())["cardinality"]
    assert column(table, "tuples")["{1}",] == "8" and column(table, "paper, tuples")["{1}",] == "–"
    assert table.rows[-1] == [
        *("{2,3,4}", "154", "53.0 ± 0.4", "52.0, 53.0, 54.0 (1.0)", "73.0 ± 0.4", "72.0, 73.0, 74.0 (1.0)"),
        *("3", "154", "86.1", "68.1"),
    ]
    assert "For {1} the paper prints a dash in place of 8 tuples." in table.caption


def test_shares_of_tuples_with_the_range_of_trials():
    table = named(sample())["tuples"]
    first, *_, last = table.rows
    assert first == ["STRM {2}", "20", "6", "56.0 ± 2.5", "55.0 to 57.0", "76.0 ± 2.5", "75.0 to 77.0", "3", "65.4"]
    assert last == ["TRX {2,3}", "100", "28 + 56", "50.0 ± 0.4", "–", "70.0 ± 0.4", "–", "1", "64.6"]
    row = dict(zip(table.csv_columns, table.csv_rows[1], strict=True))
    assert (row["share"], row["tuples"], row["shot"]) == (0.2, 6, 5)
    assert [row[f"accuracy_trial_{trial}"] for trial in (1, 2, 3)] == sample()["tuples"]["STRM {2}"]["0.2"]["5"][
        "trials"
    ]


def test_shots_show_the_mean_and_every_seed():
    table = named(sample())["shots"]
    assert table.columns[2:] == [f"{shot}-shot, %" for shot in (1, 2, 3, 4, 5, 10)]
    assert table.rows[0] == ["TRM", "mean, n = 3", *(f"{value}.0 ± 0.4" for value in (52, 54, 56, 58, 60, 70))]
    assert table.rows[1] == ["", "seed 0", *(f"{value}.0" for value in (51, 53, 55, 57, 59, 69))]


def test_the_gap_in_training_is_taken_seed_by_seed():
    document = sample()
    document["training"]["STRM"]["4000"]["5"]["per_seed"] = [0.8, 0.9]  # TRM: 0.77, 0.78, 0.79
    row = named(document)["training"].rows[-1]
    assert row[:2] == ["4,000", "STRM - TRM, points"] and row[4:] == ["+7.50", "+3.00, +12.00", "2"]


def test_table_1_keeps_published_and_ours_apart():
    table = named(sample())["table1"]
    assert column(table, "SSv2, ours, %")["STRM", "ResNet-50"] == "60.0 ± 0.4 (10,000 episodes, n = 3 seeds)"
    assert column(table, "SSv2, paper, %")["STRM", "ResNet-50"] == "68.1"
    assert column(table, "UCF101, paper, %")["STRM", "ResNet-50"] == "96.9"
    assert "UCF101, ours, %" not in table.columns  # nothing was run on it
    assert "No run here on Kinetics-100, HMDB51 and UCF101." in table.caption
    assert column(table, "SSv2, paper, %")["ARN", "ResNet-50"] == "–"


def test_claims_and_cost_as_they_are():
    found = named(sample())
    assert found["claims"].rows[1][2:] == [
        "5",
        "seed 0: +2.00, seed 1: -1.00, seed 2: +5.00",
        "+2.00 ± 7.45",
        "2 of 3 seeds",
    ]
    assert found["cost_parameters"].rows[-1] == ["STRM {2}", "20.00", "4.00", "5.00", "10.00", "1.00", "40.00"]
    assert found["cost_flops"].csv_rows[0][-1] == sample()["cost"]["methods"]["TRM {2}"]["flops"]["frame"]
    assert found["cost_cached"].rows[-1] == ["STRM {2}", "365.70", "4.10", "369.80"]


def test_what_strm_costs_more_than_trx():
    document = sample()
    document["cost"]["methods"]["TRX {2,3}"]["flops"]["frame"] = 10.0
    document["cost"]["methods"]["STRM {2}"]["flops"]["frame"] = 11.5
    assert "+15.0 % per frame" in more_than_trx(document) and "about 4 % more" in more_than_trx(document)
    del document["cost"]["methods"]["TRX {2,3}"]
    assert more_than_trx(document) == ""


@pytest.mark.parametrize(
    ("differences", "words"),
    [
        (
            [0.01, 0.02, 0.03],
            "points, in every training seed, as in the paper: b - a +2.00 at 5-shot (+1.00 to +3.00).",
        ),
        (
            [-0.01, 0.02, 0.02],
            "points, not in every training seed, unlike the paper: b - a +1.00 at 5-shot (above 0 in 2 of 3 seeds, ",
        ),
        ([-0.01, -0.02, 0.0], "unlike the paper: b - a -1.00 at 5-shot (above 0 in 0 of 3 seeds, -2.00 to +0.00)."),
        ([0.01], "n = 1 training seed, which settles no order between close values: b - a +1.00 at 5-shot."),
        ([-0.01], "close values: b - a -1.00 at 5-shot."),
    ],
)
def test_sentences_on_orders_flip_with_the_numbers(differences, words):
    (sentence,) = orders([claim("Figure 6, left", "a < b", 5, differences)])
    assert words in sentence and sentence.startswith("Figure 6, left, differences in points, ")


def test_orders_are_grouped_by_how_they_hold():
    kept, mixed = [0.02, 0.021, 0.022], [0.01, 0.09, -0.02]
    first, second = orders(
        [
            *(claim("f", "a < b", shot, kept) for shot in (1, 5)),
            claim("f", "b < c", 1, kept),
            *(claim("f", "c < d", shot, each) for shot, each in ((1, kept), (5, mixed))),
        ]
    )
    assert "in every training seed, as in the paper: b - a +2.10 at 1-shot" in first and "c - b" in first
    assert "d - c" not in first and "unlike the paper: d - c +2.10 at 1-shot (+2.00 to +2.20) and" in second
    assert "(above 0 in 2 of 3 seeds, -2.00 to +9.00)" in second


def test_the_findings_are_few():
    assert len(findings(sample())) <= 14 and not any(line.startswith("Figure 7") for line in findings(sample()))


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        (0.1, 0.12, ("grows from +10.00 to +12.00", "does not close it")),
        (0.1, 0.025, ("shrinks from +10.00 to +2.50", "closes 75 % of it", "remains in every seed")),
        (0.1, -0.02, ("shrinks from +10.00 to -2.00", "a gap of speed", "nothing of STRM's lead is left")),
        (-0.01, 0.02, ("grows from -1.00 to +2.00", "no lead to explain")),
        (0.1, 0.1, ("stays", "do not agree")),
    ],
)
def test_speed_or_benefit(first, last, words):
    document = sample()
    document["training"] = {
        "TRM": {"1000": {"5": entry(0.6)}, "4000": {"5": entry(0.6)}},
        "STRM": {"1000": {"5": entry(0.6 + first)}, "4000": {"5": entry(0.6 + last)}},
    }
    (sentence,) = [line for line in findings(document) if line.startswith("Training")]
    assert all(part in sentence for part in words), sentence


def test_speed_or_benefit_needs_seeds_that_agree():
    document = sample()
    document["training"]["STRM"]["4000"]["5"]["per_seed"] = [0.78, 0.99]  # gaps 0.01, 0.21 after 0.1, 0.1
    assert [line for line in findings(document) if line.startswith("Training, 5") and "do not agree" in line]
    for counts in document["training"].values():
        for entries in counts.values():
            entries["5"] = entry(entries["5"]["accuracy"], seeds=(0,))
    (sentence,) = [line for line in findings(document) if line.startswith("Training, 5")]
    assert (
        "n = 1 seed: longer training closes 65 % of it" in sentence and "a single seed does not settle this" in sentence
    )


def test_sentences_on_tuples_cardinalities_and_shots_flip():
    document = sample()
    lines = " ".join(findings(document))
    assert "keeping 20 % of the tuples (6 of 28) costs 4.00 points" in lines and "that is above TRX {2,3}" in lines
    assert "{2} higher in 3 of 3 seeds" in lines and "STRM is above that of TRX at 6 of 6" in lines
    document["tuples"]["STRM {2}"]["0.2"]["5"]["accuracy"] = 0.81
    document["tuples"]["TRX {2,3}"]["1.0"]["5"]["accuracy"] = 0.9
    document["cardinality"]["2,3,4"]["5"] = entry(0.95)
    document["shots"]["TRX"]["10"] = entry(0.95)
    lines = " ".join(findings(document))
    assert "5-shot: keeping 20 % of the tuples (6 of 28) costs nothing here (+1.00 points)" in lines
    assert "that is not above TRX {2,3} with all its tuples, 90.0 ± 0.4 % (-9.00 points)" in lines
    assert "5-shot: the highest of 8 sets is {2,3,4} (154 tuples) with 95.0 ± 0.4 %" in lines
    assert "is -16.00 points, {2} higher in 0 of 3 seeds; in the paper {2} is not below {2,3,4}" in lines
    assert lines.count("in the paper {2} is not below") == 1
    assert "at 5 of 6 numbers of shots, and not at K = 10; in every seed at 5 of 6" in lines


def test_a_single_seed_settles_no_order():
    document = sample()
    for kind in ("cardinality", "shots"):
        for entries in document[kind].values():
            entries |= {shot: entry(found["accuracy"], seeds=(0,)) for shot, found in entries.items()}
    lines = [line for line in findings(document) if line.startswith(("Cardinalities", "Shots"))]
    assert len(lines) == 4 and all("n = 1 seed" in line for line in lines)
    assert not any("in every seed" in line or "of 1 seed" in line for line in lines)


def test_table_1_and_what_is_missing_are_said():
    lines = findings(sample())
    assert any(
        "60.0 ± 0.4 % here (10,000 episodes, n = 3 seeds), 8.1 points below the published 68.1." in x for x in lines
    )
    single, missing = unsettled(sample()["grids"])
    assert single.startswith("Grid tuples: n = 1 training seed, so nothing can be said")
    assert missing == (
        "Not finished, runs without a result: training: 1 of 15, so means of one table may rest on different seeds."
    )
    document = sample()
    for row in document["table1"]["rows"]:
        row["ours"] = [None] * 4
    assert any(line.startswith("No run here stands beside Table 1") for line in findings(document))
