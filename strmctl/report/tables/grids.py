"""The grids of ablations as tables; `tables` gives all that a report document has, in the order to show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from strmctl.report.tables.cost import cost_cached, cost_flops, cost_parameters
from strmctl.report.tables.published import claims, runs, table1
from strmctl.report.tables.table import (
    NONE,
    OVER_EPISODES,
    ReportTable,
    accuracy_cells,
    accuracy_columns,
    accuracy_csv,
    caption,
    each,
    paired,
    percent,
    points,
    published,
    several_seeds,
    shots_of,
)
from strmctl.report.tables.tuples import cardinality, tuples

Document = Mapping[str, Any]
PAPER_COMPONENTS = "paper, SSv2, 5-shot, %"


def tables(document: Document) -> list[ReportTable]:
    """Every table of a report; what was not run is left out."""
    makers = {
        "components": [components],
        "claims": [claims],
        "cardinality": [cardinality],
        "tuples": [tuples],
        "shots": [shots],
        "training": [training],
        "custom": [custom],
        "table1": [table1],
        "runs": [runs],
        "cost": [cost_flops, cost_cached, cost_parameters],
    }
    return [make(document) for key, makes in makers.items() if document.get(key) for make in makes]


def components(document: Document) -> ReportTable:
    """A row per set of parts, from TRM to STRM; the paper's values on SSv2 in a column of their own."""
    ours, paper = document["components"], document["paper"]["figure6_left"]
    shown, several = shots_of(ours.values()), several_seeds(ours.values())
    columns = ["model", *accuracy_columns(shown, several=several), PAPER_COMPONENTS]
    rows = [
        [label, *accuracy_cells(ours.get(label, {}), shown, several=several), published(paper.get(label))]
        for label in dict.fromkeys([*paper, *ours])
    ]
    found = [([label, int(shot)], entry) for label, entries in ours.items() for shot, entry in entries.items()]
    names, numbers = accuracy_csv(["label", "shot"], found)
    return ReportTable(
        name="components",
        title="Parts of STRM, one after the other (as Figure 6, left)",
        caption=caption(
            document["grids"]["components"],
            shown,
            OVER_EPISODES,
            "The last column is the paper's Figure 6, left: SSv2, ResNet-50, 5-way 5-shot",
        ),
        columns=columns,
        rows=rows,
        csv_columns=[*names, "published_ssv2_5shot_percent"],
        csv_rows=[[*row, paper.get(row[0])] for row in numbers],
        published=(len(columns) - 1,),
    )


def shots(document: Document) -> ReportTable:
    """Rows of a method: the mean and every seed; a column for each number of shots K."""
    ours = document["shots"]
    shown = shots_of(ours.values())
    rows = []
    for label, entries in ours.items():
        counts = {len(entry["seeds"]) for entry in entries.values()}
        of = f"n = {min(counts)} to {max(counts)}" if len(counts) > 1 else f"n = {max(counts, default=0)}"
        rows.append([label, f"mean, {of}", *(percent(entries.get(shot)) for shot in shown)])
        for seed in sorted({seed for entry in entries.values() for seed in entry["seeds"]}):
            by_shot = {
                shot: dict(zip(entry["seeds"], entry["per_seed"], strict=True)) for shot, entry in entries.items()
            }
            cells = [each([by_shot[shot][seed]]) if seed in by_shot.get(shot, {}) else NONE for shot in shown]
            rows.append(["", f"seed {seed}", *cells])
    found = [([label, int(shot)], entry) for label, entries in ours.items() for shot, entry in entries.items()]
    names, numbers = accuracy_csv(["label", "shot"], found)
    return ReportTable(
        name="shots",
        title="Number of shots K (as Figure 7)",
        caption=caption(document["grids"]["shots"], shown, OVER_EPISODES, "n counts training seeds"),
        columns=["method", "training seeds", *(f"{shot}-shot, %" for shot in shown)],
        rows=rows,
        csv_columns=names,
        csv_rows=numbers,
        words=2,
    )


def training(document: Document) -> ReportTable:
    """TRM, STRM and their difference, seed by seed, after each number of training episodes."""
    ours = document["training"]
    found = [entries for counts in ours.values() for entries in counts.values()]
    shown, several = shots_of(found), several_seeds(found)
    rows = []
    for count in sorted({count for counts in ours.values() for count in counts}, key=int):
        for label, counts in ours.items():
            rows.append([f"{int(count):,}", label, *accuracy_cells(counts.get(count, {}), shown, several=several)])
        if {"TRM", "STRM"} <= set(ours):
            rows.append([f"{int(count):,}", "STRM - TRM, points", *_gap_cells(ours, count, shown, several)])
    found = [
        ([label, int(count), int(shot)], entry)
        for label, counts in ours.items()
        for count, entries in counts.items()
        for shot, entry in entries.items()
    ]
    names, numbers = accuracy_csv(["label", "training_episodes", "shot"], found)
    difference = "STRM - TRM: percentage points, mean and each of the seeds that both have"
    return ReportTable(
        name="training",
        title="Number of training episodes",
        caption=caption(document["grids"]["training"], shown, OVER_EPISODES, difference),
        columns=["training episodes", "model", *accuracy_columns(shown, several=several)],
        rows=rows,
        csv_columns=names,
        csv_rows=numbers,
        words=2,
    )


def _gap_cells(ours: Mapping[str, Any], count: str, shown: list[str], several: bool) -> list[str]:
    """STRM - TRM after so many training episodes, in the columns of `accuracy_cells`."""
    cells, numbers = [], []
    for shot in shown:
        gaps = paired(*(ours[label].get(count, {}).get(shot) for label in ("TRM", "STRM"))).values()
        mean_and_each = [points(sum(gaps) / len(gaps)), ", ".join(map(points, gaps))] if gaps else [NONE, NONE]
        cells += mean_and_each[: 1 + several]
        numbers.append(str(len(gaps)))
    return [*cells, numbers[0] if len(set(numbers)) == 1 else " / ".join(numbers)]


def custom(document: Document) -> ReportTable:
    """A row per label of a grid that the reader wrote."""
    ours = document["custom"]
    shown, several = shots_of(ours.values()), several_seeds(ours.values())
    found = [([label, int(shot)], entry) for label, entries in ours.items() for shot, entry in entries.items()]
    names, numbers = accuracy_csv(["label", "shot"], found)
    return ReportTable(
        name="custom",
        title="Own grid",
        caption=caption(document["grids"]["custom"], shown, OVER_EPISODES),
        columns=["label", *accuracy_columns(shown, several=several)],
        rows=[[label, *accuracy_cells(entries, shown, several=several)] for label, entries in ours.items()],
        csv_columns=names,
        csv_rows=numbers,
    )
