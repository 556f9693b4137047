"""The figure of a grid of folds: means over all classes with their interval, and a dot for every class."""

from __future__ import annotations

from statistics import fmean

from strmctl.report.charts import style as look
from strmctl.report.charts.hues import styles_of
from strmctl.report.document import Document
from strmctl.report.drawing import Figure
from strmctl.report.tables.table import shots_of
from strmctl.report.wording import caption, joined

WORDS = (
    "Filled marks: mean over all classes, each tested in one of {} folds; error bars: 95 % intervals over classes by "
    "Student's t; small dots: one per class, averaged over training seeds"
)


def draw_folds(document: Document, form: look.Form) -> Figure:
    """A row for each model, which may have a long name; a panel for each number of shots."""
    grid, series = document.grids["folds"], {label: one.shots for label, one in document.folds.items()}
    shots, shown = shots_of(series.values()), styles_of(document)
    figure, axes = look.panels(form, len(shots), width=6.8, height=1.7 + 0.7 * len(series), columns=2)
    for panel, shot in zip(axes, shots, strict=True):
        look.title(panel, f"{shot}-shot, {grid.dataset}", pad=22, room=form.names + 60)
        drawn = []
        for position, (label, entries) in enumerate(series.items()):
            entry = entries[shot]
            mean, half = 100 * entry.accuracy, 100 * entry.ci95
            arms = [[min(half, mean)], [min(half, 100 - mean)]]
            classes = [100 * fmean(values) for values in entry.classes.values()]
            panel.errorbar(
                [mean],
                [position],
                xerr=arms,
                **look.INTERVAL,
                **shown[label] | {"linestyle": "none", "fillstyle": "full"},
            )
            dots = look.SEED | {"markeredgecolor": shown[label]["color"]}
            panel.plot(classes, [position + 0.32] * len(classes), **dots)
            look.number(panel, (mean, position - 0.28), f"{mean:.1f} ± {half:.1f}", gap=0)
            drawn += [mean - arms[0][0], mean + arms[1][0], *classes]
        look.rows(form, panel, series)
        look.limits(panel, drawn, chance=100 / grid.way, flat=True)
    words = WORDS.format(grid.folds)
    return look.finish(form, figure, caption(grid, shots, words), marks=joined(words))
