"""Tables of runs: beside Table 1 of the paper, and on their own."""

from __future__ import annotations

from collections.abc import Sequence

from strmctl.report.document import Run
from strmctl.report.published_numbers import Table1, Table1Ours
from strmctl.report.tables.table import (
    DATASETS,
    GIVEN_NAMES,
    NONE,
    OVER_EPISODES,
    TOLD,
    ReportTable,
    accuracy_csv,
    percent,
    published,
    shots_of,
)
from strmctl.report.wording import joined, listed, seeds_of


def table1(table: Table1) -> ReportTable:
    """A row per method and backbone; for each data set what is published, and every run here with what differs."""
    run_on = [any(found) for found in zip(*(row.ours for row in table.rows), strict=True)]
    titles = [DATASETS.get(name, name) for name in table.columns]
    columns, rows, found, more = ["method", "backbone"], [], [], []
    for name, ran in zip(titles, run_on, strict=True):
        columns += [f"{name}, paper, %", f"{name}, ours, %"][: 1 + ran]
    for row in table.rows:
        cells = [row.method, row.backbone]
        for name, ran, value, ours in zip(table.columns, run_on, row.published, row.ours, strict=True):
            cells += [published(value), "; ".join(_number(one, named=len(ours) > 1) for one in ours) or NONE][: 1 + ran]
            for one in ours or [None] * (value is not None):
                found.append(([row.method, row.backbone, name], one and one.entry))
                more.append([value, ", ".join(one.differs) if one else ""])
        rows.append(cells)
    names, numbers = accuracy_csv(["method", "backbone", "dataset"], found)
    return ReportTable(
        name="table1",
        title="Table 1, published and ours",
        caption=joined(
            f"5-way 5-shot. Paper: {table.source}, Table 1, mean over 10,000 random test tasks",
            f"Ours: {OVER_EPISODES}; n counts training seeds" if any(run_on) else "",
            "In brackets: all that is not as in the shipped recipe and the paper's test" if any(run_on) else "",
            *table.remarks,
            *table.notes,
        ),
        columns=columns,
        rows=rows,
        csv_columns=[*names, "published_percent", "differs"],
        csv_rows=[[*row, *last] for row, last in zip(numbers, more, strict=True)],
        published=tuple(place for place, name in enumerate(columns) if ", paper," in name),
        words=2,
    )


def _number(one: Table1Ours, *, named: bool) -> str:
    """`66.2 ± 0.4 (10,000 episodes, n = 3 seeds; input.crop 112)`; named where it is not alone."""
    about = f"{one.entry.episodes:,} episodes, n = {seeds_of(len(one.entry.seeds))}"
    differs = f"; {', '.join(one.differs)}" if one.differs else ""
    return f"{one.runs}: " * named + f"{percent(one.entry)} ({about}{differs})"


def runs(ours: Sequence[Run], *, told: bool) -> ReportTable:
    """A row per run that was tested; the training seeds of one recipe are one row."""
    shown = shots_of(run.shots for run in ours)
    keys = ["run", "method", "backbone", "dataset", "split", "way", "recipe"]
    found = [([*(getattr(run, key) for key in keys), shot], one) for run in ours for shot, one in run.shots.items()]
    names, numbers = accuracy_csv([*keys, "shot"], found)
    episodes = sorted({entry.episodes for _, entry in found})
    return ReportTable(
        name=f"runs{TOLD * told}",
        title=f"Runs{GIVEN_NAMES * told}",
        caption=joined(
            f"{listed([f'{shot}-' for shot in shown])}shot, {listed([f'{n:,}' for n in episodes])} test episodes",
            "Runs that are training seeds of one recipe are one row",
            OVER_EPISODES,
            *dict.fromkeys(run.pretraining for run in ours),
        ),
        columns=["run", "recipe", "method", "backbone", "tested on", *(f"{shot}-shot, %" for shot in shown), "n seeds"],
        rows=[
            [
                *(run.run, run.recipe, run.method, run.backbone, f"{run.dataset} ({run.split}), {run.way}-way"),
                *(percent(run.shots.get(shot)) for shot in shown),
                str(max((len(entry.seeds) for entry in run.shots.values()), default=0)),
            ]
            for run in ours
        ],
        csv_columns=names,
        csv_rows=numbers,
        words=5,
    )
