"""What one expects of the grids and runs of a report, from the paper where it speaks of it, seed by training seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from strmctl.evaluation.statistics.intervals import t_interval
from strmctl.report.accuracies import Claim, differences
from strmctl.report.document import Document
from strmctl.report.tables.beside import PAPER_TUPLES
from strmctl.report.tables.table import DATASETS

FIGURE6_LEFT = (  # lower, upper
    ("TRM", "TRM+PLE"),
    ("TRM", "TRM+FLE"),
    ("TRM+PLE", "TRM+PLE+FLE"),
    ("TRM+FLE", "TRM+PLE+FLE"),
    ("TRM+PLE+FLE", "STRM"),
    ("TRM", "STRM"),
)


def claims(document: Document) -> list[Claim]:
    """The claims on all that a document holds; where two sides have no training seed in common, there is none."""
    makers = (_components, _cardinality, _tuples, _shots, _training, _table1)
    return [claim for make in makers for claim in make(document) if claim.seeds]


def claim_on(words: str, shot: int, gaps: Mapping[int, float], source: str = "", paper: str = "") -> Claim:
    """A claim by its differences.

    Args:
        words: the order, `a < b` or `a ≤ b`.
        shot: support clips per class.
        gaps: training seed -> b - a.
        source: table or figure of the paper.
        paper: numbers of the paper.
    """
    each = list(gaps.values())
    return Claim(
        source=source,
        claim=words,
        paper=paper,
        shot=shot,
        seeds=list(gaps),
        differences=each,
        mean=float(np.mean(each)) if each else 0.0,
        ci95=t_interval(each)[1] if len(each) > 1 else None,
        holds_in=sum(gap > 0 or (gap == 0 and "≤" in words) for gap in each),
    )


def _components(document: Document) -> Iterator[Claim]:
    ours, paper = document.components, document.paper.figure6_left
    for lower, upper in FIGURE6_LEFT:
        for shot, entry in ours.get(lower, {}).items():
            gaps = differences(entry, ours.get(upper, {}).get(shot))
            yield claim_on(f"{lower} < {upper}", shot, gaps, "Figure 6, left", f"{paper[lower]} < {paper[upper]}")


def _cardinality(document: Document) -> Iterator[Claim]:
    """{2}, the paper's choice, against the best other set and against {2,3,4}."""
    paper = document.paper.table2.by_set()
    for shot, chosen in document.cardinality.get("2", {}).items():
        others = {
            label: entries[shot] for label, entries in document.cardinality.items() if label != "2" and shot in entries
        }
        best = max(others, key=lambda label: others[label].accuracy, default="")
        for label in dict.fromkeys([best, "2,3,4"]):
            words = f"{{{label}}}{' (best other set)' if label == best else ''} ≤ {{2}}"
            sides = zip(paper.get(label, ())[1:], paper["2"][1:], ("Kinetics-100", "SSv2"), strict=False)
            numbers = ", ".join(f"{other} ≤ {two} ({name})" for other, two, name in sides)
            yield claim_on(words, shot, differences(others.get(label), chosen), "Table 2", numbers)


def _tuples(document: Document) -> Iterator[Claim]:
    """The smallest share of a model's tuples against all of them, and against TRX with all of its own."""
    paper = {key: document.paper.figure6_right[name] for key, name in PAPER_TUPLES.items()}
    trx = next((label for label in document.tuples if label.split()[0] == "TRX"), "TRX {2,3}")
    for label, shares in document.tuples.items():
        least, most = min(shares, default=1.0), max(shares, default=0.0)
        if least == most or most != 1:
            continue
        few = f"{label} with {100 * least:g} % of the tuples"
        for words, lower, upper in (
            (f"{few} < with all", (label, least), (label, 1.0)),
            (f"{trx} with all tuples < {few}", (trx, 1.0), (label, least)),
        ):
            numbers = f"{paper[lower]} < {paper[upper]}" if lower in paper and upper in paper else ""
            sides = [document.tuples.get(name, {}).get(share, {}) for name, share in (lower, upper)]
            for shot, trials in sides[0].items():
                yield claim_on(words, shot, differences(trials, sides[1].get(shot)), "Figure 6, right", numbers)


def _shots(document: Document) -> Iterator[Claim]:
    ours = document.shots
    for label, entries in ours.items():
        known = label in ("TRM", "TRX")
        for shot, entry in entries.items() if label != "STRM" else ():
            gaps = differences(entry, ours.get("STRM", {}).get(shot))
            yield claim_on(f"{label} < STRM", shot, gaps, "Figure 7" if known else "", "at every K" if known else "")


def _training(document: Document) -> Iterator[Claim]:
    """Whether STRM is ahead of TRM after the longest training, and as far as after the shortest."""
    ours = document.training
    lengths = sorted(ours.get("TRM", {}).keys() & ours.get("STRM", {}).keys())
    if len(lengths) < 2:
        return
    least, most = lengths[0], lengths[-1]
    for shot in ours["TRM"][most]:
        first, last = (differences(*(ours[name][n].get(shot) for name in ("TRM", "STRM"))) for n in (least, most))
        yield claim_on(f"TRM < STRM after {most:,} training episodes", shot, last)
        change = {seed: last[seed] - first[seed] for seed in first if seed in last}
        yield claim_on(f"STRM - TRM after {least:,} ≤ after {most:,} training episodes", shot, change)


def _table1(document: Document) -> Iterator[Claim]:
    """Whether a run reaches the number that is published."""
    for row in document.table1.rows if document.table1 else ():
        for name, published, found in zip(document.table1.columns, row.published, row.ours, strict=True):
            for one in found if published is not None else ():
                each = zip(one.entry.seeds, one.entry.per_seed, strict=True)
                words = f"Table 1 ≤ {row.method} ({row.backbone}) on {DATASETS.get(name, name)}"
                words += f", run {one.runs}" if len(found) > 1 else ""
                words += f" ({', '.join(one.differs)})" if one.differs else ""
                gaps = {seed: own - published / 100 for seed, own in each}
                yield claim_on(words, 5, gaps, "Table 1", str(published))
