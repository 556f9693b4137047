"""The table of the share of tuples that is kept when matching."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from strmctl.report.accuracies import Trials
from strmctl.report.document import Document
from strmctl.report.tables.beside import paper_tuples
from strmctl.report.tables.table import NONE, ReportTable, counts, percent, published, shots_of
from strmctl.report.wording import caption


def tuples(document: Document) -> ReportTable:
    """A row per model and share of its tuples; the paper's values in a column of their own where they fit."""
    grid = document.grids["tuples"]
    ours = {(label, share): by_shot for label, shares in document.tuples.items() for share, by_shot in shares.items()}
    shown = shots_of(ours.values())
    paper = paper_tuples(document)
    columns = ["model", "share of tuples, %", "tuples kept"]
    columns += [words for shot in shown for words in (f"{shot}-shot, %", f"{shot}-shot, lowest to highest trial, %")]
    columns += ["n trials", "paper, SSv2, 5-shot, %"][: 1 + bool(paper)]
    rows, numbers = [], []
    most = max((len(found.trials) for by_shot in ours.values() for found in by_shot.values()), default=0)
    for (label, share), by_shot in ours.items():
        in_paper = paper.get((label, share))
        kept = " + ".join(map(str, next(iter(by_shot.values())).tuples.values())) if by_shot else NONE
        cells = [*_trial_cells(by_shot, shown), published(in_paper)]
        rows.append([label, f"{100 * share:g}", kept, *cells[: len(cells) - (not paper)]])
        for shot, found in by_shot.items():
            values = [found.accuracy, found.ci95, found.ci95_over, found.sd, len(found.trials)]
            trials = [*found.trials, *[None] * (most - len(found.trials))]
            rest = [";".join(map(str, found.seeds)), found.episodes, ";".join(found.runs), in_paper]
            numbers.append([label, share, sum(found.tuples.values()), shot, *values, *trials, *rest])
    return ReportTable(
        name="tuples",
        title="Share of tuples kept when matching (as Figure 6, right)",
        caption=caption(
            grid,
            shown,
            "A trial is one drawing of the tuples that are kept"
            + (", in training too" if grid.retrained else "; the weights were trained with all tuples"),
            "± is the half-width of the 95 % interval by Student's t over trials; of a single trial, over test "
            "episodes, 1.96 · standard deviation / sqrt(episodes)",
            "The last column is the paper's Figure 6, right: SSv2, ResNet-50, 5-way 5-shot" if paper else "",
        ),
        columns=columns,
        rows=rows,
        csv_columns=[
            *("label", "share", "tuples", "shot", "accuracy", "ci95", "ci95_over", "sd", "n_trials"),
            *(f"accuracy_trial_{trial}" for trial in range(1, most + 1)),
            *("seeds", "episodes", "runs", "published_ssv2_5shot_percent"),
        ],
        csv_rows=numbers,
        published=(len(columns) - 1,) if paper else (),
    )


def _trial_cells(by_shot: Mapping[int, Trials], shown: Sequence[int]) -> list[str]:
    """For each number of shots the mean ± and the range of trials; last the number of trials."""
    cells = []
    for shot in shown:
        trials = by_shot[shot].trials if shot in by_shot else []
        extent = f"{100 * min(trials):.1f} to {100 * max(trials):.1f}" if len(trials) > 1 else NONE
        cells += [percent(by_shot.get(shot)), extent]
    return [*cells, counts([len(by_shot[shot].trials) if shot in by_shot else 0 for shot in shown])]
