"""How runs learn: the picture of a run while it trains, and the figure of all runs of a report."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from strmctl.report.accuracies import Curve
from strmctl.report.charts import style as look
from strmctl.report.charts.hues import DEEP, GRID, INK, styles_of
from strmctl.report.charts.marks import name_ends
from strmctl.report.document import Document
from strmctl.report.drawing import Axes, Figure, Line2D, MaxNLocator, own_settings

TRAINED = {"color": DEEP, "linewidth": 1.6}
THIN = {"linewidth": 0.8, "alpha": 0.4}
VALIDATED = {"color": INK, "marker": "o", "markersize": 6, "linewidth": 1.4, "elinewidth": 1.2, "capsize": 3}


@own_settings()
def draw_run(curve: Curve, *, way: int) -> Figure:
    """Loss and accuracy of a run over its training episodes.

    Args:
        curve: what its log says.
        way: number of classes of an episode, for chance.
    """
    figure, (losses, accuracies) = _panels(look.FILE)
    losses.plot(curve.episodes, curve.loss, **TRAINED)
    own = [100 * one for one in curve.accuracy]
    accuracies.plot(curve.episodes, own, **TRAINED)
    validation, half = ([100 * one for one in column] for column in (curve.validation, curve.ci95))
    legend = {f"training, mean of {curve.window:,} episodes": Line2D([], [], **TRAINED)}
    if validation:
        accuracies.errorbar(curve.validated, validation, yerr=half, zorder=4, **VALIDATED)
        legend["validation"] = Line2D([], [], color=INK, marker="o", markersize=6)
    ends = [mean + sign * arm for mean, arm in zip(validation, half, strict=True) for sign in (-1, 1)]
    look.limits(accuracies, [*own, *ends], chance=100 / way)
    _from_0((losses, accuracies), curve.episodes[-1])
    words = "; error bars: 95 % intervals over validation episodes" if validation else ""
    return look.finish(look.FILE, figure, f"{curve.run}, {curve.episodes[-1]:,} training episodes{words}", legend)


def draw_curves(document: Document, form: look.Form) -> Figure:
    """Loss, and accuracy in validation: each run, thin, and the mean of the runs of a label, in its style."""
    figure, (losses, accuracies) = _panels(form)
    legend, drawn, ends, shown = {}, [], {}, styles_of(document)
    for place, (label, curves) in enumerate(document.curves.items()):
        style = shown[label] | {"linewidth": 1.6, "markersize": 6.5}
        legend[label] = Line2D([], [], **style)
        for runs in _alike(curves):
            for curve in runs if len(runs) > 1 else ():
                losses.plot(curve.episodes, curve.loss, color=style["color"], **THIN)
                accuracies.plot(curve.validated, [100 * one for one in curve.validation], color=style["color"], **THIN)
            drawn += [100 * one for curve in runs for one in curve.validation]
            apart = max(1, len(runs[0].episodes) // 5)  # between marks, which lie elsewhere on the next line
            every = (place * apart // len(document.curves), apart)
            losses.plot(runs[0].episodes, np.mean([curve.loss for curve in runs], axis=0), **style, markevery=every)
            validation = 100 * np.mean([curve.validation for curve in runs], axis=0)
            accuracies.plot(runs[0].validated, validation, **style)
            if len(validation):
                ends[label] = (runs[0].validated[-1], validation[-1])
    _from_0((losses, accuracies), max(curve.episodes[-1] for curves in document.curves.values() for curve in curves))
    if drawn:
        look.limits(accuracies, drawn)
        name_ends(accuracies, ends, shown, inches=3.2)
    windows = _span([curve.window for curves in document.curves.values() for curve in curves])
    caption = (
        f"Means of the training seeds; thin: single runs. Loss: mean of {windows} episodes. Accuracy: in validation, "
        "on classes that are neither trained nor tested on; without error bars."
    )
    return look.finish(form, figure, caption, legend)


def _panels(form: look.Form) -> tuple[Figure, list[Axes]]:
    figure, axes = look.panels(form, 2, width=6.6, height=4.2)
    for panel, words in zip(axes, ("loss of training episodes", "accuracy"), strict=True):
        look.title(panel, words)
        panel.set_xlabel("training episodes", fontsize=look.TEXT)
        panel.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        panel.xaxis.set_major_formatter("{x:,.0f}")
        panel.grid(True, axis="y", color=GRID, linewidth=0.8)
    return figure, axes


def _alike(curves: Sequence[Curve]) -> list[list[Curve]]:
    """Curves with the same training episodes and validations, together."""
    groups: dict[tuple[tuple[int, ...], ...], list[Curve]] = {}
    for curve in curves:
        groups.setdefault((tuple(curve.episodes), tuple(curve.validated)), []).append(curve)
    return list(groups.values())


def _from_0(axes: Sequence[Axes], last: int) -> None:
    """All episodes, up to the last one; called when all is drawn, for limits stay as they are set."""
    for panel in axes:
        panel.set_xlim(0, 1.03 * last)


def _span(numbers: Sequence[int]) -> str:
    return " to ".join(f"{number:,}" for number in sorted({min(numbers), max(numbers)}))
