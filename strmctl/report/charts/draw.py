"""The figures of a report: ours in panels of their own, the paper's values in tinted ones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from strmctl.report.accuracies import Entries, Entry
from strmctl.report.charts import style as look
from strmctl.report.charts.cost import draw_cost
from strmctl.report.charts.folds import draw_folds
from strmctl.report.charts.learning_curves import draw_curves
from strmctl.report.charts.marks import extent, interval, line, marks, no_result
from strmctl.report.document import Document
from strmctl.report.drawing import Axes, Figure, Line2D, own_settings
from strmctl.report.tables.beside import paper_cardinality, paper_components, paper_tuples
from strmctl.report.tables.table import DATASETS, shots_of
from strmctl.report.text import wrapped
from strmctl.report.wording import caption

Series = Mapping[str, Entries]  # by label

STAR = look.MEAN | {"marker": "*", "markersize": 17, "zorder": 3}
GAP = {"ha": "center", "va": "top", "fontsize": look.SMALL, "bbox": {"color": "white", "pad": 1}, "zorder": 6}


def charts(document: Document) -> dict[str, Callable[[], Figure]]:
    """What draws the figure of each kind of results that a document holds; accuracies are drawn in percent."""
    makers = (
        draw_components,
        draw_cardinality,
        draw_tuples,
        draw_shots,
        draw_training,
        draw_cost,
        draw_folds,
        draw_custom,
        draw_curves,
    )
    kinds = {make.__name__.removeprefix("draw_"): make for make in makers}
    return {
        kind: partial(own_settings()(make), document)
        for kind, make in kinds.items()
        if _holds_values(getattr(document, kind))
    }


def draw_components(document: Document) -> Figure:
    """Bars from 0 as in Figure 6, left."""
    series, grid = document.components, document.grids["components"]
    shots = shots_of(series.values())
    paper = paper_components(document)
    figure, axes = look.panels(len(shots) + bool(paper), width=max(5.0, 0.85 * len(series) + 0.7), height=4.6)
    top = max([*paper.values(), *(max(extent(entry)) for entry in _entries(series))])
    for panel, shot in zip(axes, shots, strict=False):
        look.title(panel, _head(document, shot))
        _categories(panel, series, shot, _stacked(series), bar=True)
        look.bar_limits(panel, top, chance=100 / grid.way)
    if paper:
        look.title(axes[-1], "published: SSv2, ResNet-50, 5-shot", published=True)
        for position, value in enumerate(paper.values()):
            axes[-1].bar(position, value, width=0.8, color="white", edgecolor="black", hatch="//", zorder=2)
            look.number(axes[-1], (position, value), f"{value:.1f}")
        look.categories(axes[-1], _stacked(paper))
        look.bar_limits(axes[-1], top)
    words = f"Bars: mean over training seeds, from 0; {_errors(_entries(series))}"
    return look.finish(figure, caption(grid, shots, words, _published(document, "Figure 6, left (hatched)", paper)))


def draw_cardinality(document: Document) -> Figure:
    """Dots for the sets of cardinalities of Table 2, each with its number of tuples."""
    series, grid = document.cardinality, document.grids["cardinality"]
    shots, (store, paper) = shots_of(series.values()), paper_cardinality(document)
    names = [_set(label, grid.tuple_counts.get(label)) for label in series]
    paper_names = [_set(label, tuples) for label, (tuples, _) in paper.items()]
    figure, axes = look.panels(len(shots) + bool(paper), width=1.05 * max(len(names), 4) + 1, height=3.1, columns=1)
    for panel, shot in zip(axes, shots, strict=False):
        look.title(panel, _head(document, shot))
        _categories(panel, series, shot, names, size=look.SMALL)
        look.limits(panel, _extents(series, shot), chance=100 / grid.way)
    if paper:
        values = [value for _, value in paper.values()]
        look.title(axes[-1], f"published: {DATASETS[store]}, ResNet-50, 5-shot", published=True)
        axes[-1].plot(range(len(values)), values, **look.HOLLOW)
        for position, value in enumerate(values):
            look.number(axes[-1], (position, value), f"{value:.1f}")
        look.categories(axes[-1], paper_names, size=look.SMALL)
        look.limits(axes[-1], values)
    words = f"Filled circles: mean over training seeds; {_errors(_entries(series))}. Each panel has its own scale"
    return look.finish(figure, caption(grid, shots, words, _published(document, "Table 2 (hollow)", paper)))


def draw_tuples(document: Document) -> Figure:
    """Accuracy over the share of tuples as in Figure 6, right."""
    series, grid = document.tuples, document.grids["tuples"]
    by_shots = [by_shot for by_share in series.values() for by_shot in by_share.values()]
    shots = shots_of(by_shots)
    paper = paper_tuples(document)
    figure, axes = look.panels(len(shots) + bool(paper), width=5.0, height=4.3)
    legend, counts = {}, {len(found.trials) for by_shot in by_shots for found in by_shot.values()}
    for panel, shot in zip(axes, shots, strict=False):
        look.title(panel, _head(document, shot))
        drawn = []
        for position, (label, by_share) in enumerate(series.items()):
            found = [(100 * share, by_shot[shot]) for share, by_shot in by_share.items() if shot in by_shot]
            star = label.startswith("TRX") and set(by_share) == {1.0}
            style = look.style(label if position else label.split(" ")[0], position)  # a method's own, once
            shown_as = STAR if star else style | {"markeredgecolor": "white", "zorder": 4}
            panel.plot([share for share, _ in found], [100 * one.accuracy for _, one in found], **shown_as)
            legend[f"{label}, {'all tuples' if star else 'mean over trials'}"] = Line2D([], [], **shown_as)
            for share, one in found:
                each = [100 * trial for trial in one.trials]
                drawn += [100 * one.accuracy, *each]
                if len(each) > 1:  # a single one is the mean
                    panel.plot([share + 3.5] * len(each), each, **look.SEED)
        look.share_axis(panel)
        look.limits(panel, drawn, chance=100 / grid.way)
    legend["one trial"] = Line2D([], [], **look.SEED)
    for label in dict.fromkeys(label for label, _ in paper):
        found = [(100 * share, value) for (one, share), value in paper.items() if one == label]
        star = label.startswith("TRX")
        shown_as = STAR | {"markerfacecolor": "white"} if star else look.HOLLOW | {"marker": "o"}
        axes[-1].plot(*zip(*found, strict=True), **shown_as)
        legend[f"published {label}{', all tuples' if star else ''}"] = Line2D([], [], **shown_as)
        for place in found:
            look.number(axes[-1], place, f"{place[1]:.1f}", gap=13)
    if paper:
        look.title(axes[-1], "published: SSv2, ResNet-50, 5-shot", published=True)
        look.share_axis(axes[-1])
        look.limits(axes[-1], list(paper.values()))
    number = " to ".join(map(str, sorted({min(counts), max(counts)})))
    words = f"Trials per share: {number}; small dots: one trial each, beside their mean; no error bars. "
    words += "Each panel has its own scale. Models were trained "
    words += "anew for each share" if grid.retrained else "once, with all tuples"
    about = caption(grid, shots, words, _published(document, "Figure 6, right (hollow)", paper))
    return look.finish(figure, about, legend)


def draw_shots(document: Document) -> Figure:
    """Accuracy over the number of support clips per class, as in Figure 7, a line for each method."""
    series, grid = document.shots, document.grids["shots"]
    shots = shots_of(series.values())
    figure, (panel,) = look.panels(1, width=9.5, height=5.2)
    look.title(panel, document.title)
    step = 0.11 * max((shots[-1] - shots[0]) / 9, 1)
    for place, (label, by_shot) in enumerate(series.items()):
        aside = (place - (len(series) - 1) / 2) * min(2.6, 7 / len(series)) * step
        found = [(shot + aside, by_shot[shot]) for shot in shots if shot in by_shot]
        line(panel, found, look.style(label, place), [at + step for at, _ in found])
    panel.set_xticks(shots, map(str, shots))
    panel.set_xlim(shots[0] - 6 * step, shots[-1] + 6 * step)
    panel.set_xlabel("shots (support clips per class)", fontsize=look.TEXT)
    look.limits(panel, [value for shot in shots for value in _extents(series, shot)], chance=100 / grid.way)
    return look.finish(figure, caption(grid, shots, _lines(_entries(series))), _legend(series))


def draw_training(document: Document) -> Figure:
    """Accuracy over the number of training episodes; of two methods the gap is written above each number."""
    series, grid = document.training, document.grids["training"]
    by_shots = [by_shot for by_length in series.values() for by_shot in by_length.values()]
    shots = shots_of(by_shots)
    lengths = sorted({length for by_length in series.values() for length in by_length})
    step = 1.01 * (lengths[-1] / lengths[0]) ** 0.022
    width = max(5.0, 1.1 * len(lengths) + 1.2)
    figure, axes = look.panels(len(shots), width=width, height=4.6, columns=max(1, int(15 / width)))
    for panel, shot in zip(axes, shots, strict=True):
        at = {
            label: {n: by_length[n][shot] for n in sorted(by_length) if shot in by_length[n]}
            for label, by_length in series.items()
        }
        for place, (label, by_length) in enumerate(at.items()):
            found = [(n * step ** (2 * place - len(at) + 0.5), entry) for n, entry in by_length.items()]
            line(panel, found, look.style(label, place), [n * step for n, _ in found])
        look.title(panel, _head(document, shot))
        panel.set_xscale("log")
        panel.set_xticks(lengths, [f"{n:,}" for n in lengths])
        panel.set_xticks([], minor=True)
        panel.set_xlim(lengths[0] / step**7, lengths[-1] * step**7)
        panel.set_xlabel("training episodes", fontsize=look.TEXT)
        drawn = [value for by_length in at.values() for entry in by_length.values() for value in extent(entry)]
        look.limits(panel, drawn, chance=100 / grid.way)
        if len(series) == 2:
            first, last = at.values()
            for n in sorted(first.keys() & last.keys()):
                gap = 100 * (last[n].accuracy - first[n].accuracy)
                panel.text(n, 0.985, f"{gap:+.1f}", transform=panel.get_xaxis_transform(), **GAP)
    words = _lines(entry for by_shot in by_shots for entry in by_shot.values())
    if len(series) == 2:
        words += f". Numbers at the top: {' − '.join(reversed(series))}, of the means drawn, in percentage points"
    return look.finish(figure, caption(grid, shots, words), _legend(series))


def draw_custom(document: Document) -> Figure:
    """A row for each label, which may be long."""
    series, grid = document.custom, document.grids["custom"]
    shots = shots_of(series.values())
    figure, axes = look.panels(len(shots), width=6.8, height=1.7 + 0.62 * len(series), columns=2)
    names = [wrapped(label, look.TEXT, 190, most=2) for label in series]
    for panel, shot in zip(axes, shots, strict=True):
        look.title(panel, _head(document, shot), pad=22, room=250)
        _categories(panel, series, shot, names, flat=True)
        look.limits(panel, _extents(series, shot), chance=100 / grid.way, flat=True)
    words = f"Filled circles: mean over training seeds; {_errors(_entries(series))}"
    return look.finish(figure, caption(grid, shots, words))


def _holds_values(found: Any) -> bool:
    """Whether a kind holds more than empty dicts."""
    return any(map(_holds_values, found.values())) if isinstance(found, Mapping) else found is not None


def _categories(
    panel: Axes, series: Series, shot: int, names: Sequence[str], *, size: float = look.TEXT, **style: bool
) -> None:
    """The entries of one number of shots, each at the place of its label."""
    for position, by_shot in enumerate(series.values()):
        if shot in by_shot:
            marks(panel, position, by_shot[shot], **style)
        else:
            no_result(panel, position, flat=style.get("flat", False))
    look.categories(panel, names, flat=style.get("flat", False), size=size)


def _entries(series: Series) -> Iterator[Entry]:
    return (entry for by_shot in series.values() for entry in by_shot.values())


def _extents(series: Series, shot: int) -> list[float]:
    return [value for by_shot in series.values() if shot in by_shot for value in extent(by_shot[shot])]


def _head(document: Document, shot: int) -> str:
    """The data, cut where the name is too long for two lines, and the number of shots."""
    name = document.title
    return f"{name if len(name) <= 40 else name[:39] + '…'}, {shot}-shot"


def _published(document: Document, place: str, shown: Collection[Any]) -> str:
    """Where the paper's values come from; empty where none is shown."""
    return f"Published: {document.paper.source}, {place}; not ours" if shown else ""


def _lines(entries: Iterable[Entry]) -> str:
    """What the lines of a figure are, and their dots and error bars."""
    return f"Lines: mean over training seeds, methods drawn side by side; {_errors(entries)}"


def _errors(entries: Iterable[Entry]) -> str:
    """What dots and error bars are."""
    over = {interval(entry)[1] for entry in entries}
    if over == {"test episodes"}:
        return "one training seed each; error bars: 95 % intervals over test episodes"
    single = ", of a single seed over test episodes" if len(over) > 1 else ""
    return (
        "small dots: one per training seed, where there are several; error bars: 95 % intervals over training seeds by "
        f"Student's t{single}"
    )


def _stacked(labels: Iterable[str]) -> list[str]:
    """One contribution a line: `TRM`, `+PLE`, `+FLE`."""
    return [label.replace("+", "\n+") for label in labels]


def _set(cardinalities: str, tuples: int | None) -> str:
    """`{2,3}`, and below it how many tuples these are, where that is known."""
    return f"{{{cardinalities}}}" + ("" if tuples is None else f"\n{tuples} tuples")


def _legend(labels: Iterable[str]) -> dict[str, Line2D]:
    return {label: Line2D([], [], **look.style(label, place)) for place, label in enumerate(labels)}
