"""What the numbers of a report say, in plain sentences; none says more than the numbers do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from strmctl.report.pages.grid_findings import cardinality, shots, training, tuples
from strmctl.report.tables.cost import more_than_trx
from strmctl.report.tables.published import seeds_of
from strmctl.report.tables.table import DATASETS, listed, percent, points

GRIDS = {"cardinality": cardinality, "tuples": tuples, "shots": shots, "training": training}


def findings(document: Mapping[str, Any]) -> list[str]:
    """Sentences on expected orders, each kind of grid, Table 1, the cost, and what is missing."""
    told = "Figure 7" if document.get("shots") else None  # its orders are those that the grid of shots is about
    sentences = orders([claim for claim in document.get("claims", []) if claim["source"] != told])
    for kind, of in GRIDS.items():
        sentences += of(document) if document.get(kind) else []
    sentences += against_paper(document.get("table1"))
    if document.get("cost") and (cost := more_than_trx(document)):
        sentences.append(cost)
    return sentences + unsettled(document.get("grids", {}))


def orders(claims: Sequence[Mapping[str, Any]]) -> list[str]:
    """For each figure of the paper: the orders that hold in every seed, those that do not, those of a single seed."""
    grouped: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for claim in claims:
        grouped.setdefault(claim["source"], {}).setdefault(claim["claim"], []).append(claim)
    sentences = []
    for source, found in grouped.items():
        single = {order: of for order, of in found.items() if all(len(claim["seeds"]) == 1 for claim in of)}
        several = {order: of for order, of in found.items() if order not in single}
        kept = {order: of for order, of in several.items() if all(_in_every_seed(claim) for claim in of)}
        for words, chosen in (
            ("in every training seed, as in the paper", kept),
            ("not in every training seed, unlike the paper", {o: of for o, of in several.items() if o not in kept}),
            ("of n = 1 training seed, which settles no order between close values", single),
        ):
            if chosen:
                told = "; ".join(f"{_named(order)} {listed(map(_verdict, of))}" for order, of in chosen.items())
                sentences.append(f"{source}, differences in points, {words}: {told}.")
    return sentences


def _in_every_seed(claim: Mapping[str, Any]) -> bool:
    return claim["holds_in"] == len(claim["seeds"])


def _named(order: str) -> str:
    """`STRM - TRM`, of the order `TRM < STRM`."""
    lower, upper = order.split(" < ")
    return f"{upper} - {lower}"


def _verdict(claim: Mapping[str, Any]) -> str:
    """`+2.00 at 1-shot (above 0 in 2 of 3 seeds, -0.10 to +3.00)`; seeds only where they differ in sign."""
    verdict = f"{points(claim['mean'])} at {claim['shot']}-shot"
    if len(claim["seeds"]) == 1:
        return verdict
    each = claim["differences"]
    reach = f"{points(min(each))} to {points(max(each))}"
    if _in_every_seed(claim):
        return f"{verdict} ({reach})"
    return f"{verdict} (above 0 in {claim['holds_in']} of {seeds_of(len(each))}, {reach})"


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
    """Grids of a single seed, and grids that lack results."""
    single = [kind for kind in grids if len(grids[kind]["seeds"]) == 1]
    sentences = []
    if single:
        grid_words, each = ("Grid", "") if len(single) == 1 else ("Grids", " each")
        sentences.append(
            f"{grid_words} {listed(single)}: n = 1 training seed{each}, so nothing can be said about the order of "
            "close values."
        )
    open_ = {kind: grid for kind, grid in grids.items() if grid["missing"]}
    if open_:
        counts = [f"{kind}: {len(grid['missing'])} of {grid['runs']}" for kind, grid in open_.items()]
        mixed = any(len(grid["seeds"]) > 1 for grid in open_.values())
        rest = ", so means of one table may rest on different seeds" if mixed else ""
        sentences.append(f"Not finished, runs without a result: {', '.join(counts)}{rest}.")
    return sentences
