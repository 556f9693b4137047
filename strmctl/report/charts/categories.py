"""Charts of models side by side: the parts of STRM, sets of cardinalities, and the models of an own grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from strmctl.report.charts import style as look
from strmctl.report.charts.hues import styles_of
from strmctl.report.charts.marks import draw_bar, extent, marks, no_result
from strmctl.report.charts.words import Series, entries_of, errors, extents, head, source
from strmctl.report.document import Document
from strmctl.report.drawing import Axes, Figure
from strmctl.report.tables.beside import paper_cardinality, paper_components
from strmctl.report.tables.table import DATASETS, shots_of
from strmctl.report.wording import caption, joined, listed

ROW = 0.62  # height of a row, inches


def draw_components(document: Document, form: look.Form) -> Figure:
    """Bars from 0 as in Figure 6, left."""
    series, grid, shown = document.components, document.grids["components"], styles_of(document)
    shots, paper = shots_of(series.values()), paper_components(document)
    width = max(5.0, 0.85 * len(series) + 0.7)
    figure, axes = look.panels(form, len(shots) + bool(paper), width=width, height=4.6)
    top = max([*paper.values(), *(max(extent(entry)) for entry in entries_of(series))])
    for panel, shot in zip(axes, shots, strict=False):
        look.title(panel, head(document, shot))
        _entries(panel, series, shot, shown, bar=True)
        look.categories(panel, _stacked(series))
        look.bar_limits(panel, top, chance=100 / grid.way)
    if paper:
        look.title(axes[-1], "published: SSv2, ResNet-50, 5-shot", published=True)
        for position, (label, value) in enumerate(paper.items()):
            draw_bar(axes[-1], position, value, shown[label], published=True)
            look.number(axes[-1], (position, value), f"{value:.1f}")
        look.categories(axes[-1], _stacked(paper))
        look.bar_limits(axes[-1], top)
    words = f"Bars: mean over training seeds, from 0; {errors(entries_of(series))}"
    marks_are = words, source(document, "Figure 6, left (hatched)", paper)
    return look.finish(form, figure, caption(grid, shots, *marks_are), marks=joined(*marks_are))


def draw_cardinality(document: Document, form: look.Form) -> Figure:
    """A row for each set of cardinalities of Table 2, with its number of tuples."""
    series, grid, shown = document.cardinality, document.grids["cardinality"], styles_of(document)
    shots, (store, paper) = shots_of(series.values()), paper_cardinality(document)
    height = 1.7 + ROW * max(len(series), len(paper))
    figure, axes = look.panels(form, len(shots) + bool(paper), width=6.8, height=height, columns=2)
    for panel, shot in zip(axes, shots, strict=False):
        look.title(panel, head(document, shot), pad=22, room=form.names + 60)
        _entries(panel, series, shot, shown, flat=True)
        look.rows(form, panel, [_set(label, grid.tuple_counts.get(label)) for label in series])
        look.limits(panel, extents(series, shot), chance=100 / grid.way, flat=True)
    if paper:
        values = {label: value for label, (_, value) in paper.items()}
        title = f"published: {DATASETS[store]}, ResNet-50, 5-shot"
        look.title(axes[-1], title, published=True, pad=22, room=form.names + 60)
        for position, (label, value) in enumerate(values.items()):
            axes[-1].plot(value, position, **shown[label] | look.HOLLOW)
            look.number(axes[-1], (value, position), f"{value:.1f}", flat=True)
        look.rows(form, axes[-1], [_set(label, tuples) for label, (tuples, _) in paper.items()])
        look.limits(axes[-1], list(values.values()), flat=True)
    words = f"Filled marks: mean over training seeds; {errors(entries_of(series))}. Each panel has its own scale"
    marks_are = words, source(document, "Table 2 (hollow)", paper)
    return look.finish(form, figure, caption(grid, shots, *marks_are), marks=joined(*marks_are))


def draw_custom(document: Document, form: look.Form) -> Figure:
    """A row for each label of an own grid."""
    series, grid = document.custom, document.grids["custom"]
    words = f"Filled marks: mean over training seeds; {errors(entries_of(series))}"
    whole = caption(grid, shots_of(series.values()), words)
    return _in_rows(document, form, series, whole, marks_are=joined(words), ways=[grid.way])


def draw_runs(document: Document, form: look.Form) -> Figure:
    """A row for each named run, or for the training seeds of one recipe."""
    tests = {run.label: f"{run.dataset} ({run.split}), {run.way}-way" for run in document.runs}
    several = len(set(tests.values())) > 1
    series = {run.label: run.shots for run in document.runs}
    names = {label: f"{label}: {tests[label]}" if several else label for label in series}
    episodes = sorted({entry.episodes for entry in entries_of(series)})
    words = joined(
        "" if several else tests[next(iter(tests))],
        f"{listed([f'{count:,}' for count in episodes])} test episodes",
        f"Filled marks: mean over training seeds; {errors(entries_of(series))}",
    )
    return _in_rows(document, form, series, words, ways=[run.way for run in document.runs], names=names)


def _in_rows(
    document: Document,
    form: look.Form,
    series: Series,
    words: str,
    *,
    ways: Sequence[int],
    marks_are: str = "",
    names: Mapping[str, str] | None = None,
) -> Figure:
    """A panel for each number of shots, with a row for each label, which may be long."""
    shots, shown = shots_of(series.values()), styles_of(document)
    figure, axes = look.panels(form, len(shots), width=6.8, height=1.7 + ROW * len(series), columns=2)
    for panel, shot in zip(axes, shots, strict=True):
        look.title(panel, head(document, shot), pad=22, room=form.names + 60)
        _entries(panel, series, shot, shown, flat=True)
        look.rows(form, panel, [(names or {}).get(label, label) for label in series])
        chance = 100 / ways[0] if len(set(ways)) == 1 else None
        look.limits(panel, extents(series, shot), chance=chance, flat=True)
    return look.finish(form, figure, words, marks=marks_are)


def _entries(panel: Axes, series: Series, shot: int, shown: Mapping[str, Mapping[str, Any]], **how: bool) -> None:
    """The entries of one number of shots, each at the place of its label."""
    for position, (label, by_shot) in enumerate(series.items()):
        if shot in by_shot:
            marks(panel, position, by_shot[shot], shown[label], **how)
        else:
            no_result(panel, position, flat=how.get("flat", False))


def _stacked(labels: Sequence[str] | Mapping[str, Any]) -> list[str]:
    """One contribution a line: `TRM`, `+PLE`, `+FLE`."""
    return [label.replace("+", "\n+") for label in labels]


def _set(cardinalities: str, tuples: int | None) -> str:
    """`{2,3}: 84 tuples`, where their number is known."""
    return f"{{{cardinalities}}}" + ("" if tuples is None else f": {tuples} tuples")
