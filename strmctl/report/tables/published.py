"""Tables that hold runs against the paper: expected orders seed by seed, Table 1, and the runs themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from strmctl.report.tables.table import (
    DATASETS,
    NONE,
    OVER_EPISODES,
    Entry,
    ReportTable,
    accuracy_csv,
    listed,
    measured_on,
    percent,
    plural,
    points,
    published,
    shots_of,
)


def claims(document: Mapping[str, Any]) -> ReportTable:
    """A row per order that the paper's figures show and number of shots: the difference of each seed."""
    found = document["claims"]
    seeds = sorted({seed for claim in found for seed in claim["seeds"]})
    rows, numbers = [], []
    for claim in found:
        count = len(claim["seeds"])
        by_seed = dict(zip(claim["seeds"], claim["differences"], strict=True))
        rows.append(
            [
                claim["source"],
                claim["claim"],
                str(claim["shot"]),
                ", ".join(f"seed {seed}: {points(difference)}" for seed, difference in by_seed.items()),
                points(claim["mean"], claim["ci95"]),
                f"{claim['holds_in']} of {seeds_of(count)}",
            ]
        )
        values = [claim[name] for name in ("source", "claim", "shot", "mean", "ci95", "holds_in")]
        numbers.append([*values, count, *map(by_seed.get, seeds)])
    grids = dict.fromkeys(
        measured_on(grid, shots_of(document[kind].values()))
        for kind, grid in document["grids"].items()
        if document.get(kind) and kind in ("components", "shots")
    )
    sentences = [
        *grids,
        "Difference: right minus left, in percentage points, of runs with the same training seed. ± is the half-width "
        "of the 95 % interval by Student's t over training seeds, of which a single one has none. An order holds in a "
        "seed whose difference is above 0",
    ]
    return ReportTable(
        name="claims",
        title="Orders that the paper shows",
        caption=" ".join(f"{sentence}." for sentence in sentences),
        columns=["source", "expected order", "shots", "differences, points", "mean difference, points", "holds in"],
        rows=rows,
        csv_columns=[
            *("source", "claim", "shot", "mean_difference", "ci95_seeds", "holds_in", "n_seeds"),
            *(f"difference_seed_{seed}" for seed in seeds),
        ],
        csv_rows=numbers,
        words=2,
    )


def table1(document: Mapping[str, Any]) -> ReportTable:
    """A row per method and backbone; for each data set what is published and what was run here."""
    table = document["table1"]
    names = table["columns"]
    run_on = [any(entries) for entries in zip(*(row["ours"] for row in table["rows"]), strict=True)]
    columns, rows, found, in_paper = ["method", "backbone"], [], [], []
    for name, ran in zip(names, run_on, strict=True):
        columns += [f"{DATASETS.get(name, name)}, paper, %", f"{DATASETS.get(name, name)}, ours, %"][: 1 + ran]
    for row in table["rows"]:
        cells = [row["method"], row["backbone"]]
        for name, ran, value, entry in zip(names, run_on, row["published"], row["ours"], strict=True):
            cells += [published(value), full(entry)][: 1 + ran]
            if value is not None or entry is not None:
                found.append(([row["method"], row["backbone"], name], entry or _NOT_RUN))
                in_paper.append(value)
        rows.append(cells)
    keys, numbers = accuracy_csv(["method", "backbone", "dataset"], found)
    absent = [DATASETS.get(name, name) for name, ran in zip(names, run_on, strict=True) if not ran]
    sentences = [
        f"5-way 5-shot. Paper: {table['source']}, Table 1, mean over 10,000 random test tasks",
        f"Ours: {OVER_EPISODES}; n counts training seeds" if any(run_on) else "",
        f"No run here on {listed(absent)}" if absent else "",
        *table["notes"],
    ]
    return ReportTable(
        name="table1",
        title="Table 1, published and ours",
        caption=" ".join(f"{sentence.rstrip('.')}." for sentence in sentences if sentence),
        columns=columns,
        rows=rows,
        csv_columns=[*keys, "published_percent"],
        csv_rows=[[*row, value] for row, value in zip(numbers, in_paper, strict=True)],
        published=tuple(place for place, name in enumerate(columns) if ", paper," in name),
        words=2,
    )


_NOT_RUN: Entry = {
    **dict.fromkeys(("accuracy", "ci95", "sd", "ci95_seeds", "episodes")),
    **{"seeds": (), "per_seed": (), "runs": ()},
}


def runs(document: Mapping[str, Any]) -> ReportTable:
    """A row per run that was evaluated; the training seeds of one recipe are one row."""
    ours = document["runs"]
    shown = shots_of(run["shots"] for run in ours)
    keys = ["run", "method", "backbone", "dataset", "split", "way", "recipe"]
    found = [([*(run[key] for key in keys), int(shot)], entry) for run in ours for shot, entry in run["shots"].items()]
    names, numbers = accuracy_csv([*keys, "shot"], found)
    episodes = sorted({entry["episodes"] for _, entry in found})
    return ReportTable(
        name="runs",
        title="Runs",
        caption=(
            f"{listed(shown)} {plural('shot', shown)}, {listed([f'{count:,}' for count in episodes])} test episodes. "
            f"Runs that are training seeds of one recipe are one row. {OVER_EPISODES}."
        ),
        columns=["run", "recipe", "method", "backbone", "tested on", *(f"{shot}-shot, %" for shot in shown), "n seeds"],
        rows=[
            [
                *(run[key] for key in ("run", "recipe", "method", "backbone")),
                f"{run['dataset']} ({run['split']}), {run['way']}-way",
                *(percent(run["shots"].get(shot)) for shot in shown),
                str(max((len(entry["seeds"]) for entry in run["shots"].values()), default=0)),
            ]
            for run in ours
        ],
        csv_columns=names,
        csv_rows=numbers,
        words=5,
    )


def full(entry: Entry | None) -> str:
    """`68.0 ± 0.2 (10,000 episodes, n = 3 seeds)`."""
    if entry is None:
        return NONE
    return f"{percent(entry)} ({entry['episodes']:,} episodes, n = {seeds_of(len(entry['seeds']))})"


def seeds_of(count: int) -> str:
    """`1 seed` or `3 seeds`."""
    return f"{count} seed{'' if count == 1 else 's'}"
