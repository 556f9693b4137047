"""Plain sentences on single grids: cardinalities, shares of tuples, numbers of shots, length of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from strmctl.report.published_tables import seeds_of
from strmctl.report.report_table import listed, paired, percent, points, shots_of

Document = Mapping[str, Any]


def cardinality(document: Document) -> list[str]:
    """{2} against {2,3,4}."""
    ours, tuples_of = document["cardinality"], document["grids"]["cardinality"]["tuple_counts"]
    sentences = []
    for shot in shots_of(ours.values()):
        pair, most = ours.get("2", {}).get(shot), ours.get("2,3,4", {}).get(shot)
        gaps = list(paired(most, pair).values())
        if not gaps:
            continue
        sentences.append(
            f"Cardinalities, {shot}-shot: {{2}} with {tuples_of['2']} tuples reaches {percent(pair)} %, {{2,3,4}} with "
            f"{tuples_of['2,3,4']} tuples {percent(most)} %; {{2}} - {{2,3,4}} is {points(fmean(gaps))} points, "
            f"{_sides(gaps, '{2}')}."
        )
    return sentences


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
            number = f"n = {len(few['trials'])} {'trial' if len(few['trials']) == 1 else 'trials'}"
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
            + f". The difference lies between {points(min(means))} and {points(max(means))} points."
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
    text = (
        f"Training, {shot}-shot: the gap STRM - TRM {'shrinks' if shrinks else 'grows' if after > before else 'stays'} "
        f"from {points(before)} to {points(after)} points between {int(least):,} and {int(most):,} training episodes "
        f"({int(most) / int(least):g} times as many), in {agreeing} of {seeds_of(count)}. "
    )
    if count == 1:
        return text + "With n = 1 this does not settle whether the gap is one of speed or of benefit."
    if agreeing < count or max(map(abs, moves)) == 0:
        return text + "The seeds do not agree on a change, so speed and benefit cannot be told apart."
    if before <= 0:
        return text + "STRM was not ahead after the shorter training, so there was no lead to explain."
    if not shrinks:
        return text + "Longer training does not close it, as it would close a gap of speed alone."
    if after <= 0:
        return text + "Nothing of STRM's lead is left, as of a gap of speed alone."
    part = f"{100 * (before - after) / before:.0f} %"
    left = "remains in every seed" if min(last) > 0 else "does not remain in every seed"
    return (
        text + f"Longer training closes {part} of it, as it would a gap of speed; the rest, the benefit so far, {left}."
    )


def _sides(gaps: Sequence[float], name: str) -> str:
    """`higher in 2 of 3 seeds`, or what a single seed can say."""
    higher = sum(gap > 0 for gap in gaps)
    if len(gaps) == 1:
        return "n = 1 seed, which settles no order between close values"
    return f"{name} higher in {higher} of {len(gaps)} seeds"
