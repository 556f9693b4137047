"""The figure of what the methods cost."""

from __future__ import annotations

from strmctl.report.charts import style as look
from strmctl.report.charts.hues import DEEP, GROUND, INK, MIDDLE, PALE
from strmctl.report.document import Document
from strmctl.report.drawing import Figure, MaxNLocator, Patch
from strmctl.report.tables.cost import sizes

# Grey and hatch of a part of a model.
PARTS = {
    "backbone": (PALE, ""),
    "PLE": (GROUND, "///"),
    "FLE": (MIDDLE, ""),
    "TRM": (DEEP, ""),
    "QC": (GROUND, "xxx"),
}


def draw_cost(document: Document, form: look.Form) -> Figure:
    """Operations of one episode by part, whole and without the backbone, which dwarfs all else."""
    methods = {label: method.flops.episode for label, method in document.cost.methods.items()}
    figure, axes = look.panels(form, 2, width=6.6, height=1.6 + 0.95 * len(methods))
    rest = [part for part in PARTS if part != "backbone"]
    for panel, parts, named, words in (
        (axes[0], list(PARTS), ["backbone"], "all parts"),
        (axes[1], rest, rest, "without the backbone"),
    ):
        look.title(panel, words)
        sums = [sum(flops[part] for part in parts) / 1e9 for flops in methods.values()]
        for row, (flops, total) in enumerate(zip(methods.values(), sums, strict=True)):
            left = 0.0
            for part in parts:
                colour, hatch = PARTS[part]
                panel.barh(row, flops[part] / 1e9, 0.5, left, color=colour, hatch=hatch, edgecolor=INK, zorder=2)
                left += flops[part] / 1e9
            look.number(panel, (total, row), _giga(total), flat=True)
            each = ", ".join(f"{part} {_giga(flops[part] / 1e9)}" for part in named if flops[part])
            below = {"xytext": (3, -3), "textcoords": "offset points", "va": "top", "fontsize": look.SMALL}
            panel.annotate(each, (0, row + 0.25), **below)
        look.rows(form, panel, methods)
        panel.set_xlim(0, 1.22 * (max(sums) or 1))
        panel.xaxis.set_major_locator(MaxNLocator(4))
        panel.xaxis.set_major_formatter("{x:,.5g}")
        panel.set_xlabel("GFLOP per episode", fontsize=look.TEXT)
    caption = (
        f"Floating-point operations of one episode, in 10⁹. {sizes(document.cost)}. Counted, not measured: without "
        "data set, training or seeds, and so without error bars. Beside each bar its sum; each panel has its own scale."
    )
    legend = {part: Patch(facecolor=colour, hatch=hatch, edgecolor=INK) for part, (colour, hatch) in PARTS.items()}
    return look.finish(form, figure, caption, legend)


def _giga(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
