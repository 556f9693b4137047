"""The table of findings: what is claimed, what the paper has, what was found here, and whether that settles it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from strmctl.report.accuracies import Claim
from strmctl.report.document import Document
from strmctl.report.tables.beside import SHOT
from strmctl.report.tables.cost import against_trx, as_in_the_paper
from strmctl.report.tables.table import NONE, ReportTable, counts, points
from strmctl.report.wording import joined, listed

RULES = (
    "Here: right side minus left, in percentage points, of runs with the same training seed: mean ± the half-width of "
    "the 95 % interval by Student's t over seeds",
    "n: training seeds. A claim holds if the interval lies above 0, and does not if it lies below; otherwise, and "
    "always with n = 1, it is not settled",
    "The paper's numbers: accuracies in percent, 5-way 5-shot, ResNet-50 on SSv2 unless another data set is named",
)
MANY = "Of more than two numbers of shots, the least and the greatest difference; the CSV file has all"


def findings(document: Document) -> ReportTable:
    """A row per claim, with all its numbers of shots; then the cost, where it is counted in the paper's sizes."""
    groups: dict[tuple[str, str, str], list[Claim]] = {}
    for claim in document.claims:
        groups.setdefault((claim.source, claim.claim, claim.paper), []).append(claim)
    cost = list(_cost(document)) if groups else []  # beside other claims: no run settles it
    seeds = sorted({seed for claim in document.claims for seed in claim.seeds})
    numbers = []
    for claim in document.claims:
        by_seed = dict(zip(claim.seeds, claim.differences, strict=True))
        values = [claim.source, claim.claim, claim.shot, claim.paper, claim.verdict]
        values += [claim.mean, claim.ci95, claim.holds_in, len(claim.seeds)]
        numbers.append([*values, *map(by_seed.get, seeds), points(claim.mean, claim.ci95)])
    for claim, paper, here, holds, _ in cost:
        numbers.append([None, claim, None, paper, holds, *[None] * (4 + len(seeds)), here])
    return ReportTable(
        name="findings",
        title="Findings",
        caption=joined(*RULES, MANY if any(len(own) > 2 for own in groups.values()) else ""),
        columns=["claim", "paper", "here", "holds", "n"],
        rows=[*(_row(own) for own in groups.values()), *cost],
        csv_columns=[
            *("source", "claim", "shot", "paper", "holds", "mean_difference", "ci95_seeds", "holds_in", "n_seeds"),
            *(f"difference_seed_{seed}" for seed in seeds),
            "here",
        ],
        csv_rows=numbers,
        published=(1,),
        words=4,
    )


def _row(own: Sequence[Claim]) -> list[str]:
    """The cells of one claim, from one claim per number of shots."""
    first, own = own[0], sorted(own, key=lambda claim: (claim.shot != SHOT, claim.shot))
    paper = f"{first.source}: {first.paper}" if first.paper else first.source or NONE
    shots = sorted(claim.shot for claim in own)
    if len(own) > 2:
        least, most = (choose(own, key=lambda claim: claim.mean) for choose in (min, max))
        here = f"{_here(least)} to {_here(most)}, K = {listed(shots)}"
    else:
        here = ", ".join(map(_here, own))
    verdicts: dict[str, list[int]] = {}
    for claim in own:
        verdicts.setdefault(claim.verdict, []).append(claim.shot)
    each = [f"{verdict} ({listed(sorted(where))}-shot)" for verdict, where in verdicts.items()]
    holds = ", ".join(each) if len(verdicts) > 1 else own[0].verdict
    return [first.claim, paper, here, holds, counts([len(claim.seeds) for claim in own])]


def _here(claim: Claim) -> str:
    """`+1.49 ± 5.76 (5-shot)`."""
    return f"{points(claim.mean, claim.ci95)} ({claim.shot}-shot)"


def _cost(document: Document) -> Iterator[list[str]]:
    """The paper's word on the cost of STRM against what is counted."""
    cost = document.cost
    if cost and as_in_the_paper(cost) and (shares := against_trx(cost)):
        here = ", ".join(f"{100 * share:+.1f} % {words}" for words, share in shares.items())
        holds = "yes" if all(round(100 * share) == 4 for share in shares.values()) else "no"
        yield [document.paper.compute.rstrip("."), "about 4 %", f"{here}, as counted", holds, NONE]
