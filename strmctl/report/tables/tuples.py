"""The table of the share of tuples that is kept when matching."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from strmctl.report.accuracies import Trials
from strmctl.report.document import Document
from strmctl.report.tables.table import NONE, ReportTable, counts, percent, published, shots_of
from strmctl.report.wording import caption

PAPER_TUPLES = {  # of Figure 6, right
    ("STRM {2}", 0.2): "STRM_20_percent",
    ("STRM {2}", 1.0): "STRM_100_percent",
    ("TRX {2,3}", 1.0): "TRX_100_percent_cardinalities_2_3",
}


def tuples(document: Document) -> ReportTable:
    """A row per model and share of its tuples; the paper's three values on SSv2 in a column of their own."""
    grid, paper = document.grids["tuples"], document.paper.figure6_right
    ours = {(label, share): by_shot for label, shares in document.tuples.items() for share, by_shot in shares.items()}
    shown = shots_of(ours.values())
    columns = ["model", "share of tuples, %", "tuples kept"]
    columns += [words for shot in shown for words in (f"{shot}-shot, %", f"{shot}-shot, lowest to highest trial, %")]
    columns += ["n trials", "paper, SSv2, 5-shot, %"]
    rows, numbers = [], []
    most = max((len(found.trials) for by_shot in ours.values() for found in by_shot.values()), default=0)
    for key in dict.fromkeys([*ours, *PAPER_TUPLES]):
        (label, share), by_shot = key, ours.get(key, {})
        in_paper = paper.get(PAPER_TUPLES.get(key, ""))
        kept = " + ".join(map(str, next(iter(by_shot.values())).tuples.values())) if by_shot else NONE
        rows.append([label, f"{100 * share:g}", kept, *_trial_cells(by_shot, shown), published(in_paper)])
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


def _trial_cells(by_shot: Mapping[int, Trials], shown: Sequence[int]) -> list[str]:
    """For each number of shots the mean ± and the range of trials; last the number of trials."""
    cells = []
    for shot in shown:
        trials = by_shot[shot].trials if shot in by_shot else []
        extent = f"{100 * min(trials):.1f} to {100 * max(trials):.1f}" if len(trials) > 1 else NONE
        cells += [percent(by_shot.get(shot)), extent]
    return [*cells, counts([len(by_shot[shot].trials) if shot in by_shot else 0 for shot in shown])]
