"""What the numbers of a report say, in plain sentences; none says more than the numbers do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from strmctl.report.cost_tables import more_than_trx
from strmctl.report.grid_findings import cardinality, shots, training, tuples
from strmctl.report.published_tables import seeds_of
from strmctl.report.report_table import DATASETS, listed, percent, points

GRIDS = {"cardinality": cardinality, "tuples": tuples, "shots": shots, "training": training}


def findings(document: Mapping[str, Any]) -> list[str]:
    """Sentences on expected orders, each kind of grid, Table 1, the cost, and what is missing."""
    sentences = orders(document.get("claims", []))
    for kind, of in GRIDS.items():
        sentences += of(document) if document.get(kind) else []
    sentences += against_paper(document.get("table1"))
    if document.get("cost") and (cost := more_than_trx(document)):
        sentences.append(cost)
    return sentences + unsettled(document.get("grids", {}))


def orders(claims: Sequence[Mapping[str, Any]]) -> list[str]:
    """How many expected orders hold, then each with its differences."""
    if not claims:
        return []
    several = [claim for claim in claims if len(claim["seeds"]) > 1]
    everywhere = sum(claim["holds_in"] == len(claim["seeds"]) for claim in several)
    nowhere = sum(claim["holds_in"] == 0 for claim in several)
    counts = {
        "in every training seed": everywhere,
        "in some seeds only": len(several) - everywhere - nowhere,
        "in none of several seeds": nowhere,
        "in the only seed (n = 1)": sum(claim["holds_in"] for claim in claims if claim not in several),
        "not in the only seed (n = 1)": sum(not claim["holds_in"] for claim in claims if claim not in several),
    }
    held = [f"{count} {where}" for where, count in counts.items() if count]
    sentences = [f"Of {len(claims)} expected orders, counted at each number of shots, so many hold: {listed(held)}."]
    grouped: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for claim in claims:
        grouped.setdefault((claim["source"], claim["claim"]), []).append(claim)
    for (source, words), found in grouped.items():
        sentences.append(f"{source}, {words}: {'; '.join(map(_verdict, found))}.")
    return sentences


def _verdict(claim: Mapping[str, Any]) -> str:
    """`at 1-shot it holds in 3 of 3 seeds, by +2.00 ± 2.48 points, an interval that includes 0`."""
    count, holds = len(claim["seeds"]), claim["holds_in"]
    at, by = f"at {claim['shot']}-shot", f"{points(claim['mean'], claim['ci95'])} points"
    if count == 1:
        verdict = "holds" if holds else "does not hold"
        return f"{at} it {verdict} in the one seed ({by}; n = 1, which settles no order between close values)"
    if holds == count:
        verdict = f"it holds in {holds} of {count} seeds"
    elif holds == 0:
        verdict = f"it does not hold in any of {count} seeds"
    else:
        verdict = f"it holds in {holds} of {count} seeds only, so it is not shown"
    half = claim["ci95"]
    open_ = ", an interval that includes 0" if half is not None and abs(claim["mean"]) <= half else ""
    return f"{at} {verdict} ({by}{open_})"


def against_paper(table: Mapping[str, Any] | None) -> list[str]:
    """Each run that stands beside a number of Table 1."""
    sentences = []
    for row in table["rows"] if table else []:
        for name, value, entry in zip(table["columns"], row["published"], row["ours"], strict=True):
            if entry is None or value is None:
                continue
            gap = 100 * entry["accuracy"] - value
            side = "below" if gap < 0 else "above"
            sentences.append(
                f"Table 1, {row['method']} ({row['backbone']}) on {DATASETS.get(name, name)}: {percent(entry)} % here "
                f"({entry['episodes']:,} episodes, n = {seeds_of(len(entry['seeds']))}), {abs(gap):.1f} points {side} "
                f"the published {value}."
            )
    if table and not any(entry for row in table["rows"] for entry in row["ours"]):
        sentences.append("No run here stands beside Table 1: the report holds no result on its data sets.")
    return sentences


def unsettled(grids: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Single seeds, and runs without a result."""
    single = [kind for kind in grids if len(grids[kind]["seeds"]) == 1]
    sentences = []
    if single:
        grid_words, each = ("Grid", "") if len(single) == 1 else ("Grids", " each")
        sentences.append(
            f"{grid_words} {listed(single)}: n = 1 training seed{each}, so nothing can be said about the order of "
            "close values."
        )
    for kind, grid in grids.items():
        if grid["missing"]:
            count = len(grid["missing"])
            sentences.append(
                f"Missing in {kind}: {count} {'run has' if count == 1 else 'runs have'} no result yet "
                f"({', '.join(grid['missing'])}), so means of different rows may rest on different seeds."
            )
    return sentences
