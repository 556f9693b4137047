"""Plain sentences on single grids: cardinalities, shares of tuples, numbers of shots, length of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from strmctl.report.tables.published import seeds_of
from strmctl.report.tables.table import listed, paired, percent, points, shots_of

Document = Mapping[str, Any]


def cardinality(document: Document) -> list[str]:
    """The best set, and {2} against {2,3,4}."""
    ours, tuples_of = document["cardinality"], document["grids"]["cardinality"]["tuple_counts"]
    sentences = []
    for shot in shots_of(ours.values()):
        found = {label: entries[shot] for label, entries in ours.items() if shot in entries}
        best = max(found, key=lambda label: found[label]["accuracy"])
        text = f"Cardinalities, {shot}-shot: the highest of {len(found)} sets is {_set(found, tuples_of, best)}"
        if "2" in found and best != "2":
            text += f", the paper's {_set(found, tuples_of, '2')}"
        if gaps := list(paired(found.get("2,3,4"), found.get("2")).values()):
            whole = "" if best == "2,3,4" else f", {_set(found, tuples_of, '2,3,4')}"
            text += f"{whole}; {{2}} - {{2,3,4}} is {points(fmean(gaps))} points, {_sides(gaps, '{2}')}"
            if _clearly_above(found["2,3,4"], found["2"]) and _not_below(document["paper"]["table2"]):
                text += "; in the paper {2} is not below {2,3,4} (5-shot, both data sets)"
        elif all(len(entry["seeds"]) == 1 for entry in found.values()):
            text += " (n = 1 seed)"
        sentences.append(f"{text}.")
    return sentences


def _set(found: Mapping[str, Any], tuples_of: Mapping[str, int], label: str) -> str:
    """`{2} (28 tuples) with 82.4 ± 0.7 %`."""
    return f"{{{label}}} ({tuples_of[label]} tuples) with {percent(found[label])} %"


def _clearly_above(upper: Mapping[str, Any], lower: Mapping[str, Any]) -> bool:
    """Whether the intervals over test episodes lie apart."""
    return upper["accuracy"] - lower["accuracy"] > upper["ci95"] + lower["ci95"]


def _not_below(table2: Mapping[str, Any]) -> bool:
    """Whether {2} is nowhere below {2,3,4} in the paper."""
    pair, most = (table2["cardinalities"].index(ways) for ways in ([2], [2, 3, 4]))
    return all(table2[name][pair] >= table2[name][most] for name in ("kinetics100", "ssv2"))


def tuples(document: Document) -> list[str]:
    """What the smallest share of tuples costs, and how it stands against TRX with all of its tuples."""
    sentences = []
    for label, shares in document["tuples"].items():
        if len(shares) < 2 or float(max(shares, key=float)) != 1:
            continue
        least, full = min(shares, key=float), max(shares, key=float)
        for shot in shots_of([shares[least], shares[full]]):
            few, every = shares[least].get(shot), shares[full].get(shot)
            if few is None or every is None:
                continue
            lost = every["accuracy"] - few["accuracy"]
            change = f"costs {100 * lost:.2f} points" if lost > 0 else f"costs nothing here ({points(-lost)} points)"
            number = f"n = {len(few['trials'])} trial{'' if len(few['trials']) == 1 else 's'}"
            kept, of = (sum(entry["tuples"].values()) for entry in (few, every))
            sentences.append(
                f"Tuples, {label}, {shot}-shot: keeping {100 * float(least):g} % of the tuples ({kept} of {of}) "
                f"{change}: {percent(few)} % ({number}, training n = {seeds_of(len(few['seeds']))}) against "
                f"{percent(every)} % with all{_beside_trx(document, label, shot, few)}."
            )
    return sentences


def _beside_trx(document: Document, label: str, shot: str, few: Mapping[str, Any]) -> str:
    trx = next((name for name in document["tuples"] if name.split()[0] == "TRX" and name != label), None)
    every = next((of.get(shot) for share, of in document["tuples"].get(trx, {}).items() if float(share) == 1), None)
    if every is None:
        return ""
    gap = few["accuracy"] - every["accuracy"]
    side = "above" if gap > 0 else "not above"
    return f"; that is {side} {trx} with all its tuples, {percent(every)} % ({points(gap)} points)"


def shots(document: Document) -> list[str]:
    """At which numbers of shots STRM is above each other method."""
    ours = document["shots"]
    sentences = []
    for other in ours:
        if other == "STRM" or "STRM" not in ours:
            continue
        gaps = {
            shot: list(found.values())
            for shot in shots_of([ours["STRM"], ours[other]])
            if (found := paired(ours[other].get(shot), ours["STRM"].get(shot)))
        }
        if not gaps:
            continue
        above = [shot for shot, values in gaps.items() if fmean(values) > 0]
        always = [shot for shot, values in gaps.items() if min(values) > 0]
        below = [shot for shot in gaps if shot not in above]
        means = [fmean(values) for values in gaps.values()]
        counts = {len(values) for values in gaps.values()}
        number = f"n = {seeds_of(min(counts))}" if len(counts) == 1 else f"n = {min(counts)} to {max(counts)} seeds"
        every = f"; in every seed at {len(always)} of {len(gaps)} ({number})"
        sentences.append(
            f"Shots: the mean of STRM is above that of {other} at {len(above)} of {len(gaps)} numbers of shots"
            + (f", and not at K = {listed(below)}" if below else "")
            + (" (n = 1 seed, which settles no order between close values)" if counts == {1} else every)
            + f"; the difference lies between {points(min(means))} and {points(max(means))} points."
        )
    return sentences


def training(document: Document) -> list[str]:
    """Whether the gap between TRM and STRM grows or shrinks from the least to the most training."""
    ours = document["training"]
    if not {"TRM", "STRM"} <= set(ours):
        return []
    counts = sorted(set(ours["TRM"]) & set(ours["STRM"]), key=int)
    if len(counts) < 2:
        return []
    least, most = counts[0], counts[-1]
    sentences = []
    for shot in shots_of(of[count] for of in ours.values() for count in (least, most) if count in of):
        first, last = (paired(*(ours[name][count].get(shot) for name in ("TRM", "STRM"))) for count in (least, most))
        if common := [seed for seed in first if seed in last]:
            sentences.append(
                _change([first[seed] for seed in common], [last[seed] for seed in common], shot, least, most)
            )
    return sentences


def _change(first: Sequence[float], last: Sequence[float], shot: str, least: str, most: str) -> str:
    """The gaps STRM - TRM of each seed after the least and after the most training episodes, put into words."""
    before, after, count = fmean(first), fmean(last), len(first)
    moves = [end - start for start, end in zip(first, last, strict=True)]
    shrinks = after < before
    agreeing = sum((move < 0) == shrinks for move in moves)
    where = f"in {agreeing} of {seeds_of(count)}" if count > 1 else "n = 1 seed"
    return (
        f"Training, {shot}-shot: the gap STRM - TRM {'shrinks' if shrinks else 'grows' if after > before else 'stays'} "
        f"from {points(before)} to {points(after)} points between {int(least):,} and {int(most):,} training episodes "
        f"({int(most) / int(least):g} times as many), {where}{_speed_or_benefit(first, last)}"
        + ("; a single seed does not settle this." if count == 1 else ".")
    )


def _speed_or_benefit(first: Sequence[float], last: Sequence[float]) -> str:
    """What the gaps of each seed say of STRM: that it learns faster, or more."""
    before, after = fmean(first), fmean(last)
    moves = [end - start for start, end in zip(first, last, strict=True)]
    if len({move < 0 for move in moves}) > 1 or 0 in moves:
        return "; the seeds do not agree on a change, so speed and benefit cannot be told apart"
    if before <= 0:
        return "; STRM was not ahead after the shorter training, so there was no lead to explain"
    if after >= before:
        return ": longer training does not close it, as it would a gap of speed alone"
    if after <= 0:
        return ": nothing of STRM's lead is left, as of a gap of speed alone"
    part = f"{100 * (before - after) / before:.0f} %"
    left = "" if len(last) == 1 else " in every seed" if min(last) > 0 else ", but not in every seed"
    closed = f": longer training closes {part} of it, as it would a gap of speed"
    return f"{closed}; the rest, the benefit so far, remains{left}"


def _sides(gaps: Sequence[float], name: str) -> str:
    """`{2} higher in 2 of 3 seeds`, or that there is a single one."""
    higher = sum(gap > 0 for gap in gaps)
    return "n = 1 seed" if len(gaps) == 1 else f"{name} higher in {higher} of {len(gaps)} seeds"
