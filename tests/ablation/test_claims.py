"""What is expected of a report's grids, against differences by hand."""

import math
from dataclasses import replace
from statistics import fmean, stdev

import pytest

from strmctl.ablation.claims import claim_on, claims
from tests.saved import T_95, entry, sample, trials


def found(document):
    """(source, order, shot) -> claim."""
    return {(one.source, one.claim, one.shot): one for one in claims(document)}


@pytest.mark.parametrize(
    ("gaps", "holds_in", "verdict"),
    [
        ([0.01, 0.02, 0.03], 3, "not settled"),  # ± 0.025
        ([0.02, 0.021, 0.022], 3, "yes"),
        ([-0.02, -0.021, -0.022], 0, "no"),
        ([0.01, 0.09, -0.02], 2, "not settled"),
        ([0.2], 1, "not settled"),
        ([0.0, 0.0], 0, "not settled"),
    ],
)
def test_a_claim_holds_where_its_interval_is_above_0(gaps, holds_in, verdict):
    made = claim_on("a < b", 5, dict(enumerate(gaps)), "Figure 0", "1 < 2")
    assert (made.holds_in, made.verdict, made.differences) == (holds_in, verdict, gaps)
    assert made.mean == pytest.approx(fmean(gaps))
    half = T_95[len(gaps)] * stdev(gaps) / math.sqrt(len(gaps)) if len(gaps) > 1 else None
    assert made.ci95 == (half and pytest.approx(half, rel=1e-8))
    assert claim_on("a ≤ b", 1, {0: 0.0}).holds_in == 1


def test_differences_are_paired_by_seed():
    document = sample()
    document.components["TRM"][5] = entry(seeds=(0, 1, 3), each=[0.5, 0.6, 0.9])
    document.components["STRM"][5] = entry(seeds=(1, 0, 2), each=[0.65, 0.58, 0.1])
    made = found(document)["Figure 6, left", "TRM < STRM", 5]
    assert made.seeds == [0, 1] and made.differences == pytest.approx([0.08, 0.05])
    document.components["STRM"][5] = entry(0.8, seeds=(4,))
    assert ("Figure 6, left", "TRM < STRM", 5) not in found(document)
    assert ("Figure 6, left", "TRM < STRM", 1) in found(document)


def test_components_have_the_orders_and_numbers_of_figure_6():
    made = {key: one for key, one in found(sample()).items() if key[0] == "Figure 6, left"}
    orders = ["TRM < TRM+PLE", "TRM < TRM+FLE", "TRM+PLE < TRM+PLE+FLE", "TRM+FLE < TRM+PLE+FLE"]
    assert [key[1] for key in made][::2] == [*orders, "TRM+PLE+FLE < STRM", "TRM < STRM"]
    assert made["Figure 6, left", "TRM < STRM", 1].paper == "62.1 < 68.1"


def test_the_papers_cardinality_against_the_best_other_set():
    made = {key[1]: one for key, one in found(sample()).items() if key[0] == "Table 2" and key[2] == 5}
    assert made["{1} (best other set) ≤ {2}"].mean == pytest.approx(-0.01)
    assert made["{2,3,4} ≤ {2}"].mean == pytest.approx(0.06)
    assert made["{2,3,4} ≤ {2}"].paper == "86.1 ≤ 86.5 (Kinetics-100), 68.1 ≤ 68.1 (SSv2)"
    document = sample()
    document.cardinality["2,3,4"][5] = entry(0.95)
    made = {key[1]: one for key, one in found(document).items() if key[0] == "Table 2" and key[2] == 5}
    assert list(made) == ["{2,3,4} (best other set) ≤ {2}"] and made.popitem()[1].verdict == "no"
    assert not [one for one in claims(replace(document, cardinality={"2": {5: entry(0.8)}})) if one.source == "Table 2"]


def test_a_share_of_the_tuples_against_all_and_against_trx():
    document = sample()
    document.tuples["STRM {2}"][0.2][5] = trials(0.76, kept=(6,), count=3)
    few = "STRM {2} with 20 % of the tuples"
    made = found(document)
    assert made["Figure 6, right", f"{few} < with all", 5].differences == pytest.approx([0.04])
    beside = made["Figure 6, right", f"TRX {{2,3}} with all tuples < {few}", 5]
    assert beside.differences == pytest.approx([0.06]) and beside.paper == "64.6 < 65.4"
    del document.tuples["STRM {2}"][1.0], document.tuples["STRM {2}"][0.6]
    assert not [one for one in claims(document) if one.source == "Figure 6, right"]


def test_strm_against_every_other_method_at_every_number_of_shots():
    document = sample()
    document.shots["OTAM"] = {5: entry(0.9)}
    made = [
        (one.source, one.claim, one.paper) for one in claims(document) if one.shot == 5 and one.claim[-6:] == "< STRM"
    ]
    assert made[-3:] == [
        ("Figure 7", "TRM < STRM", "at every K"),
        ("Figure 7", "TRX < STRM", "at every K"),
        ("", "OTAM < STRM", ""),
    ]
    assert len([one for one in claims(document) if one.source == "Figure 7"]) == 12


def test_the_lead_after_longer_training_is_taken_seed_by_seed():
    document = sample()
    document.training["STRM"][4000][5] = entry(seeds=(0, 1), each=[0.8, 0.9])  # TRM: 0.77, 0.78, 0.79
    made = found(document)
    assert made["", "TRM < STRM after 4,000 training episodes", 5].differences == pytest.approx([0.03, 0.12])
    change = made["", "STRM - TRM after 1,000 ≤ after 4,000 training episodes", 5]
    assert change.differences == pytest.approx([-0.07, 0.02]) and change.verdict == "not settled"
    del document.training["TRM"][1000]
    assert not [one for one in claims(document) if "training" in one.claim]


def test_a_run_beside_table_1_reaches_it_or_not():
    made = found(sample())["Table 1", "Table 1 ≤ STRM (ResNet-50) on SSv2", 5]
    assert made.differences == pytest.approx([0.59 - 0.681, 0.6 - 0.681, 0.61 - 0.681])
    assert (made.paper, made.verdict) == ("68.1", "no")
