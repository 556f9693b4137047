"""The table of findings: what is claimed, what the paper has, what was found here, and whether that settles it."""

from __future__ import annotations

from collections.abc import Iterator

from strmctl.report.accuracies import Claim
from strmctl.report.document import Document
from strmctl.report.tables.cost import against_trx
from strmctl.report.tables.table import NONE, ReportTable, points
from strmctl.report.wording import joined, listed

COLUMNS = ["claim", "paper", "here", "holds", "n"]
RULES = (
    "Here: right side minus left, in percentage points, of runs with the same training seed: mean ± the half-width of "
    "the 95 % interval by Student's t over seeds (lowest to highest seed)",
    "n: training seeds. A claim holds if the interval lies above 0, and does not if it lies below; otherwise, and "
    "always with n = 1, it is not settled",
    "The paper's numbers: accuracies in percent, 5-way 5-shot, ResNet-50 on SSv2 unless another data set is named",
)


def findings(document: Document) -> ReportTable:
    """A row per claim and number of shots; then the cost, Table 1 without runs, and grids that leave something open."""
    claims, others = document.claims, [*_cost(document), *_open(document)]
    seeds = sorted({seed for claim in claims for seed in claim.seeds})
    rows, numbers = [], []
    for claim in claims:
        rows.append(
            [f"{claim.claim}, {claim.shot}-shot", _paper(claim), _here(claim), claim.verdict, str(len(claim.seeds))]
        )
        by_seed = dict(zip(claim.seeds, claim.differences, strict=True))
        values = [claim.source, claim.claim, claim.shot, claim.paper, claim.verdict]
        values += [claim.mean, claim.ci95, claim.holds_in, len(claim.seeds)]
        numbers.append([*values, *map(by_seed.get, seeds), _here(claim)])
    for claim, paper, here, holds, n in others:
        rows.append([claim, paper, here, holds, n])
        numbers.append([None, claim, None, paper, holds, *[None] * (4 + len(seeds)), here])
    sources = dict.fromkeys(claim.source for claim in claims if claim.source)
    return ReportTable(
        name="findings",
        title="Findings",
        caption=joined(*RULES, f"Claims of the paper are those of {listed(list(sources))}" if sources else ""),
        columns=COLUMNS,
        rows=rows,
        csv_columns=[
            *("source", "claim", "shot", "paper", "holds", "mean_difference", "ci95_seeds", "holds_in", "n_seeds"),
            *(f"difference_seed_{seed}" for seed in seeds),
            "here",
        ],
        csv_rows=numbers,
        published=(1,),
    )


def _paper(claim: Claim) -> str:
    return f"{claim.source}: {claim.paper}" if claim.paper else claim.source or NONE


def _here(claim: Claim) -> str:
    """`+1.49 ± 5.76 (-0.97 to +3.64)`."""
    mean, each = points(claim.mean, claim.ci95), claim.differences
    return mean if len(each) == 1 else f"{mean} ({points(min(each))} to {points(max(each))})"


def _cost(document: Document) -> Iterator[list[str]]:
    """The paper's word on the cost of STRM against what is counted."""
    if document.cost and (shares := against_trx(document.cost)):
        here = ", ".join(f"{100 * share:+.1f} % {words}" for words, share in shares.items())
        holds = "yes" if all(round(100 * share) == 4 for share in shares.values()) else "no"
        yield [document.paper.compute.rstrip("."), "about 4 %", f"{here}, as counted", holds, NONE]


def _open(document: Document) -> Iterator[list[str]]:
    """What nothing was run for, what is not finished, and what rests on a single seed."""
    if document.table1 and not any(entry for row in document.table1.rows for entry in row.ours):
        yield ["Table 1 is reached", "Table 1", "no run here on its data sets", "not settled", "0"]
    for kind, grid in document.grids.items():
        if grid.missing or len(grid.seeds) == 1:
            done = f"{grid.runs - len(grid.missing)} of {grid.runs} runs have a result"
            holds, count = "no" if grid.missing else "not settled", len(grid.seeds)
            yield [f"Grid {kind} is finished, with several seeds", NONE, done, holds, str(count)]
