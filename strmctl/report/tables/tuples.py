"""Tables on tuples of frames: sets of cardinalities, and the share of tuples that is kept when matching."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from strmctl.report.tables.table import (
    DATASETS,
    NONE,
    OVER_EPISODES,
    Entry,
    ReportTable,
    accuracy_cells,
    accuracy_columns,
    accuracy_csv,
    caption,
    percent,
    published,
    several_seeds,
    shots_of,
)

PAPER_TUPLES = {  # of Figure 6, right
    ("STRM {2}", 0.2): "STRM_20_percent",
    ("STRM {2}", 1.0): "STRM_100_percent",
    ("TRX {2,3}", 1.0): "TRX_100_percent_cardinalities_2_3",
}


def cardinality(document: Mapping[str, Any]) -> ReportTable:
    """A row per set of cardinalities; the paper's Table 2 in columns of its own."""
    ours, grid, table2 = document["cardinality"], document["grids"]["cardinality"], document["paper"]["table2"]
    shown, several, tuples_of = shots_of(ours.values()), several_seeds(ours.values()), grid["tuple_counts"]
    paper = {
        ",".join(map(str, numbers)): values
        for numbers, *values in zip(*(table2[name] for name in _TABLE2), strict=True)
    }
    absent = [None] * (len(_TABLE2) - 1)
    columns = ["cardinalities", "tuples", *accuracy_columns(shown, several=several), "paper, tuples"]
    columns += [f"paper, {DATASETS[name]}, 5-shot, %" for name in _TABLE2[2:]]
    rows = [
        [
            f"{{{label}}}",
            str(tuples_of.get(label, NONE)),
            *accuracy_cells(ours.get(label, {}), shown, several=several),
            *map(published, paper.get(label, absent)),
        ]
        for label in dict.fromkeys([*paper, *ours])
    ]
    dashes = [label for label, values in paper.items() if values[0] is None and label in tuples_of]
    found = [
        ([label, tuples_of.get(label), int(shot)], entry)
        for label, entries in ours.items()
        for shot, entry in entries.items()
    ]
    names, numbers = accuracy_csv(["label", "tuples", "shot"], found)
    return ReportTable(
        name="cardinality",
        title="Sets of cardinalities (as Table 2)",
        caption=caption(
            grid,
            shown,
            OVER_EPISODES,
            "The last three columns are the paper's Table 2: STRM, ResNet-50, 5-way 5-shot",
            *(f"For {{{label}}} the paper prints a dash in place of {tuples_of[label]} tuples" for label in dashes),
        ),
        columns=columns,
        rows=rows,
        csv_columns=[*names, *(f"published_{name}_5shot_percent" for name in _TABLE2[2:])],
        csv_rows=[[*row, *paper.get(row[0], absent)[1:]] for row in numbers],
        published=tuple(range(len(columns) - 3, len(columns))),
    )


_TABLE2 = ("cardinalities", "tuples", "kinetics100", "ssv2")


def tuples(document: Mapping[str, Any]) -> ReportTable:
    """A row per model and share of its tuples; the paper's three values on SSv2 in a column of their own."""
    grid, paper = document["grids"]["tuples"], document["paper"]["figure6_right"]
    ours = {
        (label, float(share)): entries
        for label, shares in document["tuples"].items()
        for share, entries in shares.items()
    }
    shown = shots_of(ours.values())
    columns = ["model", "share of tuples, %", "tuples kept"]
    columns += [words for shot in shown for words in (f"{shot}-shot, %", f"{shot}-shot, lowest to highest trial, %")]
    columns += ["n trials", "paper, SSv2, 5-shot, %"]
    rows, numbers = [], []
    most = max((len(entry["trials"]) for entries in ours.values() for entry in entries.values()), default=0)
    for key in dict.fromkeys([*ours, *PAPER_TUPLES]):
        (label, share), entries = key, ours.get(key, {})
        in_paper = paper.get(PAPER_TUPLES.get(key, ""))
        rows.append([label, f"{100 * share:g}", _kept(entries), *_trial_cells(entries, shown), published(in_paper)])
        for shot, entry in entries.items():
            values = [entry["accuracy"], entry["ci95"], entry["ci95_over"], entry["sd"], len(entry["trials"])]
            trials = [*entry["trials"], *[None] * (most - len(entry["trials"]))]
            rest = [";".join(map(str, entry["seeds"])), entry["episodes"], ";".join(entry["runs"]), in_paper]
            numbers.append([label, share, sum(entry["tuples"].values()), int(shot), *values, *trials, *rest])
    return ReportTable(
        name="tuples",
        title="Share of tuples kept when matching (as Figure 6, right)",
        caption=caption(
            grid,
            shown,
            "A trial is one drawing of the tuples that are kept"
            + (", in training too" if grid.get("retrained") else "; the weights were trained with all tuples"),
            "± is the half-width of the 95 % interval by Student's t over trials; of a single trial, over test "
            "episodes, 1.96 · standard deviation / sqrt(episodes)",
            "The last column is the paper's Figure 6, right: SSv2, ResNet-50, 5-way 5-shot",
        ),
        columns=columns,
        rows=rows,
        csv_columns=[
            *("label", "share", "tuples", "shot", "accuracy", "ci95", "ci95_over", "sd", "n_trials"),
            *(f"accuracy_trial_{trial}" for trial in range(1, most + 1)),
            *("seeds", "episodes", "runs", "published_ssv2_5shot_percent"),
        ],
        csv_rows=numbers,
        published=(len(columns) - 1,),
    )


def _kept(entries: Mapping[str, Entry]) -> str:
    """`28 + 56`, tuples by cardinality."""
    kept = next(iter(entries.values()), {}).get("tuples", {})
    return " + ".join(map(str, kept.values())) or NONE


def _trial_cells(entries: Mapping[str, Entry], shown: list[str]) -> list[str]:
    """For each number of shots the mean ± and the range of trials; last the number of trials."""
    cells, counts = [], []
    for shot in shown:
        entry = entries.get(shot)
        trials = entry["trials"] if entry else []
        extent = f"{100 * min(trials):.1f} to {100 * max(trials):.1f}" if len(trials) > 1 else NONE
        cells += [percent(entry), extent]
        counts.append(str(len(trials)))
    return [*cells, counts[0] if len(set(counts)) == 1 else " / ".join(counts)]
