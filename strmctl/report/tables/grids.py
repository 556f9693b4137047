"""The grids of ablations as tables; `tables` gives all that a report document has, in the order to show."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean
from typing import Any

from strmctl.report.accuracies import Entries, Entry, differences
from strmctl.report.document import Document
from strmctl.report.tables.beside import paper_cardinality, paper_components
from strmctl.report.tables.confusion import confusion
from strmctl.report.tables.cost import cost_cached, cost_flops, cost_parameters
from strmctl.report.tables.findings import findings
from strmctl.report.tables.folds import folds
from strmctl.report.tables.other_papers import published_elsewhere
from strmctl.report.tables.published import runs, table1
from strmctl.report.tables.table import (
    DATASETS,
    GIVEN_NAMES,
    NONE,
    OVER_EPISODES,
    TOLD,
    ReportTable,
    accuracy_cells,
    accuracy_columns,
    accuracy_csv,
    counts,
    each,
    percent,
    points,
    published,
    several_seeds,
    shots_of,
)
from strmctl.report.tables.tuples import tuples
from strmctl.report.wording import caption


def tables(document: Document) -> list[ReportTable]:
    """Every table of a report; what was not run is left out."""
    found = findings(document)
    made = [found] if found.rows else []
    for make in (components, cardinality, tuples):
        made += [make(document)] if getattr(document, make.__name__) else []
    made += [shots(document, **block) for block in _blocks(document, "shots")]
    made += [training(document)] if document.training else []
    made += folds(document) if document.folds else []
    made += [custom(document, **block) for block in _blocks(document, "custom")]
    for told in (False, True):
        own = [run for run in document.runs if run.told == told]
        made += [runs(own, told=told)] if own else []
    made += [confusion(document)] if document.confusion else []
    made += [make(document) for make in (cost_flops, cost_cached, cost_parameters) if document.cost]
    made += [table1(document.table1)] if document.table1 else []
    return made + ([published_elsewhere(document.published)] if document.published else [])


def components(document: Document) -> ReportTable:
    """A row per set of parts, from TRM to STRM; the paper's values in a column of their own where they fit."""
    ours, grid = document.components, document.grids["components"]
    shown, several = shots_of(ours.values()), several_seeds(ours.values())
    paper = paper_components(document)
    columns = ["model", *accuracy_columns(shown, several=several), *["paper, SSv2, 5-shot, %"] * bool(paper)]
    names, numbers = accuracy_csv(["label", "shot"], _by_label(ours))
    return ReportTable(
        name="components",
        title="Parts of STRM, one after the other (as Figure 6, left)",
        caption=caption(
            grid,
            shown,
            OVER_EPISODES,
            "The last column is the paper's Figure 6, left: SSv2, ResNet-50, 5-way 5-shot" if paper else "",
        ),
        columns=columns,
        rows=[
            [label, *accuracy_cells(entries, shown, several=several), *[published(paper.get(label))] * bool(paper)]
            for label, entries in ours.items()
        ],
        csv_columns=[*names, *["published_ssv2_5shot_percent"] * bool(paper)],
        csv_rows=[[*row, *[paper.get(row[0])] * bool(paper)] for row in numbers],
        published=(len(columns) - 1,) if paper else (),
    )


def cardinality(document: Document) -> ReportTable:
    """A row per set of cardinalities; the paper's Table 2 in columns of its own where it fits."""
    ours, grid, (store, paper) = document.cardinality, document.grids["cardinality"], paper_cardinality(document)
    shown, several, tuples_of = shots_of(ours.values()), several_seeds(ours.values()), grid.tuple_counts
    columns = ["cardinalities", "tuples", *accuracy_columns(shown, several=several)]
    before = len(columns)
    columns += ["paper, tuples", f"paper, {DATASETS[store]}, 5-shot, %"] if paper else []
    dashes = [label for label, (kept, _) in paper.items() if kept is None and label in tuples_of]
    found = [([label, tuples_of.get(label), shot], entry) for (label, shot), entry in _by_label(ours)]
    names, numbers = accuracy_csv(["label", "tuples", "shot"], found)
    return ReportTable(
        name="cardinality",
        title="Sets of cardinalities (as Table 2)",
        caption=caption(
            grid,
            shown,
            OVER_EPISODES,
            "The last two columns are the paper's Table 2: STRM, ResNet-50, 5-way 5-shot" if paper else "",
            *(f"For {{{label}}} the paper prints a dash in place of {tuples_of[label]} tuples" for label in dashes),
        ),
        columns=columns,
        rows=[
            [
                f"{{{label}}}",
                str(tuples_of.get(label, NONE)),
                *accuracy_cells(entries, shown, several=several),
                *map(published, paper.get(label, (None, None)) if paper else ()),
            ]
            for label, entries in ours.items()
        ],
        csv_columns=[*names, *[f"published_{store}_5shot_percent"] * bool(paper)],
        csv_rows=[[*row, *[paper.get(row[0], (None, None))[1]] * bool(paper)] for row in numbers],
        published=tuple(range(before, len(columns))),
    )


def shots(document: Document, ours: dict[str, Entries], *, told: bool) -> ReportTable:
    """Rows of a method: the mean and every seed; a column for each number of shots K."""
    shown = shots_of(ours.values())
    rows = []
    for label, entries in ours.items():
        by_shot = {shot: dict(zip(entry.seeds, entry.per_seed, strict=True)) for shot, entry in entries.items()}
        ends = sorted({len(by_seed) for by_seed in by_shot.values()} or {0})
        n = " to ".join(map(str, [ends[0], ends[-1]][: len(ends)]))
        rows.append([label, f"mean, n = {n}", *(percent(entries.get(shot)) for shot in shown)])
        for seed in sorted({seed for by_seed in by_shot.values() for seed in by_seed}):
            cells = [each([by_shot[shot][seed]]) if seed in by_shot.get(shot, {}) else NONE for shot in shown]
            rows.append(["", f"seed {seed}", *cells])
    names, numbers = accuracy_csv(["label", "shot"], _by_label(ours))
    return ReportTable(
        name=f"shots{TOLD * told}",
        title=f"Number of shots K (as Figure 7){GIVEN_NAMES * told}",
        caption=caption(document.grids["shots"], shown, OVER_EPISODES, "n counts training seeds"),
        columns=["method", "training seeds", *(f"{shot}-shot, %" for shot in shown)],
        rows=rows,
        csv_columns=names,
        csv_rows=numbers,
        words=2,
    )


def training(document: Document) -> ReportTable:
    """TRM, STRM and their difference, seed by seed, after each number of training episodes."""
    ours = document.training
    all_entries = [entries for by_length in ours.values() for entries in by_length.values()]
    shown, several = shots_of(all_entries), several_seeds(all_entries)
    rows = []
    for length in sorted({length for by_length in ours.values() for length in by_length}):
        for label, by_length in ours.items():
            rows.append([f"{length:,}", label, *accuracy_cells(by_length.get(length, {}), shown, several=several)])
        if {"TRM", "STRM"} <= ours.keys():
            sides = [ours[label].get(length, {}) for label in ("TRM", "STRM")]
            gaps = [list(differences(*(side.get(shot) for side in sides)).values()) for shot in shown]
            pairs = [(points(fmean(gap)), ", ".join(map(points, gap))) if gap else (NONE, NONE) for gap in gaps]
            cells = [cell for pair in pairs for cell in pair[: 1 + several]]
            rows.append([f"{length:,}", "STRM - TRM, points", *cells, counts(list(map(len, gaps)))])
    found = [
        ([label, length, shot], entry)
        for label, by_length in ours.items()
        for length, entries in by_length.items()
        for shot, entry in entries.items()
    ]
    names, numbers = accuracy_csv(["label", "training_episodes", "shot"], found)
    difference = "STRM - TRM: percentage points, mean and each of the seeds that both have"
    return ReportTable(
        name="training",
        title="Number of training episodes",
        caption=caption(document.grids["training"], shown, OVER_EPISODES, difference),
        columns=["training episodes", "model", *accuracy_columns(shown, several=several)],
        rows=rows,
        csv_columns=names,
        csv_rows=numbers,
        words=2,
    )


def custom(document: Document, ours: dict[str, Entries], *, told: bool) -> ReportTable:
    """A row per label of a grid that the reader wrote."""
    shown, several = shots_of(ours.values()), several_seeds(ours.values())
    names, numbers = accuracy_csv(["label", "shot"], _by_label(ours))
    return ReportTable(
        name=f"custom{TOLD * told}",
        title=f"Own grid{GIVEN_NAMES * told}",
        caption=caption(document.grids["custom"], shown, OVER_EPISODES),
        columns=["label", *accuracy_columns(shown, several=several)],
        rows=[[label, *accuracy_cells(entries, shown, several=several)] for label, entries in ours.items()],
        csv_columns=names,
        csv_rows=numbers,
    )


def _blocks(document: Document, kind: str) -> Iterator[dict[str, Any]]:
    """The labels of a grid in blocks: of models that are not given the names of the classes, and of those that are."""
    labels, told = getattr(document, kind), document.grids[kind].told if kind in document.grids else []
    for given in (False, True):
        if own := {label: entries for label, entries in labels.items() if (label in told) == given}:
            yield {"ours": own, "told": given}


def _by_label(labels: dict[str, Entries]) -> Iterator[tuple[list[Any], Entry]]:
    """Label and number of shots, with the entry."""
    for label, entries in labels.items():
        yield from (([label, shot], entry) for shot, entry in entries.items())
