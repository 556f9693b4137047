"""Charts over a number: share of tuples, support clips per class, training episodes; each point at its true place."""

from __future__ import annotations

from collections.abc import Iterable

from strmctl.report.charts import style as look
from strmctl.report.charts.hues import GROUND, INK, styles_of
from strmctl.report.charts.marks import extent, line, name_ends
from strmctl.report.charts.words import entries_of, errors, extents, head, legend_of, source
from strmctl.report.document import Document
from strmctl.report.drawing import Figure, Line2D
from strmctl.report.tables.beside import paper_tuples
from strmctl.report.tables.table import shots_of
from strmctl.report.wording import caption, joined

GAP = {"ha": "center", "va": "top", "fontsize": look.SMALL, "bbox": {"color": GROUND, "pad": 1}, "zorder": 6}
LINES = "Lines: mean over training seeds"
SEEDS = "short bars"


def draw_tuples(document: Document, form: look.Form) -> Figure:
    """Accuracy over the share of tuples as in Figure 6, right."""
    series, grid, shown = document.tuples, document.grids["tuples"], styles_of(document)
    by_shots = [by_shot for by_share in series.values() for by_shot in by_share.values()]
    shots, paper = shots_of(by_shots), paper_tuples(document)
    figure, axes = look.panels(form, len(shots) + bool(paper), width=5.0, height=4.3)
    legend, counts = {}, {len(found.trials) for by_shot in by_shots for found in by_shot.values()}
    for panel, shot in zip(axes, shots, strict=False):
        look.title(panel, head(document, shot))
        drawn = []
        for label, by_share in series.items():
            found = [(100 * share, by_shot[shot]) for share, by_shot in by_share.items() if shot in by_shot]
            style = shown[label] | ({"linestyle": "none"} if len(by_share) == 1 else {})
            panel.plot([at for at, _ in found], [100 * one.accuracy for _, one in found], zorder=4, **style)
            legend[_tuples(label, by_share)] = Line2D([], [], **style)
            trials = [(at, 100 * trial) for at, one in found for trial in one.trials if len(one.trials) > 1]
            panel.plot([at for at, _ in trials], [one for _, one in trials], **look.TICK, color=style["color"])
            drawn += [100 * one.accuracy for _, one in found] + [one for _, one in trials]
        look.share_axis(panel)
        look.limits(panel, drawn, chance=100 / grid.way)
    legend["one trial"] = Line2D([], [], **look.TICK, color=INK)
    for label in dict.fromkeys(label for label, _ in paper):
        found = [(100 * share, value) for (one, share), value in paper.items() if one == label]
        style = shown[label] | look.HOLLOW | {"linestyle": "none"}
        axes[-1].plot(*zip(*found, strict=True), **style)
        legend[f"published {_tuples(label, [share for one, share in paper if one == label])}"] = Line2D([], [], **style)
        for place in found:
            look.number(axes[-1], place, f"{place[1]:.1f}", gap=13)
    if paper:
        look.title(axes[-1], "published: SSv2, ResNet-50, 5-shot", published=True)
        look.share_axis(axes[-1])
        look.limits(axes[-1], list(paper.values()))
    number = " to ".join(map(str, sorted({min(counts), max(counts)})))
    words = f"Trials per share: {number}; lines: mean over trials; short bars: one trial each; no error bars. "
    words += "Each panel has its own scale. Models were trained "
    words += "anew for each share" if grid.retrained else "once, with all tuples"
    marks_are = words, source(document, "Figure 6, right (hollow)", paper)
    return look.finish(form, figure, caption(grid, shots, *marks_are), legend, marks=joined(*marks_are))


def draw_shots(document: Document, form: look.Form) -> Figure:
    """Accuracy over the number of support clips per class, as in Figure 7, a line for each method."""
    series, grid, shown = document.shots, document.grids["shots"], styles_of(document)
    shots = shots_of(series.values())
    width = min(9.5, form.most)
    height = max(5.2, 1.6 + 0.22 * len(series))  # so that the name of each line may stand at its end
    figure, (panel,) = look.panels(form, 1, width=width, height=height)
    look.title(panel, document.title)
    for label, by_shot in series.items():
        line(panel, [(shot, by_shot[shot]) for shot in shots if shot in by_shot], shown[label])
    edge = 0.06 * max(shots[-1] - shots[0], 1)
    panel.set_xlim(shots[0] - edge, shots[-1] + edge)
    look.ticks(panel, shots, list(map(str, shots)), inches=width - 1.6)
    panel.set_xlabel("shots (support clips per class)", fontsize=look.TEXT)
    look.limits(panel, [value for shot in shots for value in extents(series, shot)], chance=100 / grid.way)
    last = {label: max(by_shot.items()) for label, by_shot in series.items() if by_shot}
    ends = {label: (shot, 100 * one.accuracy) for label, (shot, one) in last.items()}
    name_ends(panel, ends, shown, inches=height - 1.2)
    words = f"{LINES}; {errors(entries_of(series), mark=SEEDS)}"
    return look.finish(form, figure, caption(grid, shots, words), legend_of(series, shown), marks=joined(words))


def draw_training(document: Document, form: look.Form) -> Figure:
    """Accuracy over the number of training episodes; of two methods the gap is written above each number."""
    series, grid, shown = document.training, document.grids["training"], styles_of(document)
    by_shots = [by_shot for by_length in series.values() for by_shot in by_length.values()]
    shots = shots_of(by_shots)
    lengths = sorted({length for by_length in series.values() for length in by_length})
    edge = 1.08 * (lengths[-1] / lengths[0]) ** 0.14
    width = min(max(5.0, 1.1 * len(lengths) + 1.2), form.most)
    figure, axes = look.panels(form, len(shots), width=width, height=4.6)
    for panel, shot in zip(axes, shots, strict=True):
        at = {
            label: {n: by_length[n][shot] for n in sorted(by_length) if shot in by_length[n]}
            for label, by_length in series.items()
        }
        for label, by_length in at.items():
            line(panel, list(by_length.items()), shown[label])
        look.title(panel, head(document, shot))
        panel.set_xscale("log")
        panel.set_xlim(lengths[0] / edge, lengths[-1] * edge)
        look.ticks(panel, lengths, [f"{n:,}" for n in lengths], inches=width - 1.6)
        panel.set_xlabel("training episodes", fontsize=look.TEXT)
        drawn = [value for by_length in at.values() for entry in by_length.values() for value in extent(entry)]
        look.limits(panel, drawn, chance=100 / grid.way)
        if len(series) == 2:
            first, last = at.values()
            for n in sorted(first.keys() & last.keys()):
                gap = 100 * (last[n].accuracy - first[n].accuracy)
                panel.text(n, 0.985, f"{gap:+.1f}", transform=panel.get_xaxis_transform(), **GAP)
    words = f"{LINES}; {errors((entry for by_shot in by_shots for entry in by_shot.values()), mark=SEEDS)}"
    if len(series) == 2:
        words += f". Numbers at the top: {' − '.join(reversed(series))}, of the means drawn, in percentage points"
    return look.finish(form, figure, caption(grid, shots, words), legend_of(series, shown), marks=joined(words))


def _tuples(label: str, shares: Iterable[float]) -> str:
    """`TRX {2,3}, all tuples` where there is no other share."""
    return f"{label}, all tuples" if set(shares) == {1.0} else label
