"""Parameters and floating-point operations of the methods, by part."""

from __future__ import annotations

from strmctl.report.document import Cost, Document
from strmctl.report.tables.table import NONE, ReportTable
from strmctl.report.wording import joined, queries_per_class

PARTS = ("backbone", "PLE", "FLE", "TRM", "QC", "total")
MEGA, GIGA, TERA = 1e6, 1e9, 1e12
NAMES = "PLE: patch-level enrichment, FLE: frame-level enrichment, QC: query-class similarity classifier"


def cost_parameters(document: Document) -> ReportTable:
    """A row per method, millions of parameters by part."""
    methods = document.cost.methods
    return ReportTable(
        name="cost_parameters",
        title="Parameters",
        caption=joined("Millions of parameters", NAMES, sizes(document.cost)),
        columns=["method", *(f"{part}, M" for part in PARTS)],
        rows=[
            [label, *(_scaled(cost.parameters.get(part), MEGA) for part in PARTS)] for label, cost in methods.items()
        ],
        csv_columns=["method", *PARTS],
        csv_rows=[[label, *map(cost.parameters.get, PARTS)] for label, cost in methods.items()],
    )


def cost_flops(document: Document) -> ReportTable:
    """Rows of a piece of work and a method, GFLOPs by part."""
    cost = document.cost
    work = {
        "frame": "one frame",
        "embed_clip": f"one clip of {cost.frames} frames",
        "match_episode": "matching in one episode, features at hand",
        "episode": f"one {cost.way}-way {cost.shot}-shot episode, nothing cached",
    }
    found = []
    for key, words in work.items():
        for label, method in cost.methods.items():
            parts = {"total": method.flops.frame} if key == "frame" else getattr(method.flops, key)
            found.append((label, key, words, parts))
    shares = ", ".join(f"{100 * share:+.1f} % {words}" for words, share in against_trx(cost).items())
    return ReportTable(
        name="cost_flops",
        title="Floating-point operations",
        caption=joined(
            "GFLOPs; a multiply-add counts 2",
            NAMES,
            sizes(cost),
            f"Operations of STRM against TRX as counted: {shares}" if shares else "",
            f'The paper says: "{document.paper.compute.rstrip(".")}"' if shares and as_in_the_paper(cost) else "",
        ),
        columns=["method", "work", *(f"{part}, G" for part in PARTS)],
        rows=[[label, words, *(_scaled(parts.get(part), GIGA) for part in PARTS)] for label, _, words, parts in found],
        csv_columns=["method", "work", *PARTS],
        csv_rows=[[label, key, *map(parts.get, PARTS)] for label, key, _, parts in found],
        words=2,
    )


def cost_cached(document: Document) -> ReportTable:
    """A row per method, TFLOPs of an evaluation that embeds each clip once."""
    cost, columns = document.cost, ("embedding", "matching", "total")
    cached = {label: method.flops.cached_evaluation for label, method in cost.methods.items()}
    size = f"{cost.cached['clips']:,} clips embedded once, {cost.cached['episodes']:,} episodes matched"
    return ReportTable(
        name="cost_cached",
        title="Floating-point operations of a cached evaluation",
        caption=joined("TFLOPs; a multiply-add counts 2", size, sizes(cost)),
        columns=["method", *(f"{name}, T" for name in columns)],
        rows=[[label, *(_scaled(parts[name], TERA) for name in columns)] for label, parts in cached.items()],
        csv_columns=["method", *columns],
        csv_rows=[[label, *(parts[name] for name in columns)] for label, parts in cached.items()],
    )


def against_trx(cost: Cost) -> dict[str, float]:
    """What was counted -> how much more STRM needs than TRX, as a fraction; empty where either is missing."""
    by_name = {label.split()[0]: method.flops for label, method in cost.methods.items()}
    if not {"STRM", "TRX"} <= by_name.keys():
        return {}
    strm, trx = by_name["STRM"], by_name["TRX"]
    return {
        "per frame": strm.frame / trx.frame - 1,
        "per episode": strm.episode["total"] / trx.episode["total"] - 1,
        "in a cached evaluation": strm.cached_evaluation["total"] / trx.cached_evaluation["total"] - 1,
    }


def as_in_the_paper(cost: Cost) -> bool:
    """Whether the backbone and the clips are those that the paper's word on the cost is about."""
    return (cost.backbone, cost.frames, cost.pixels) == ("resnet50", 8, 224)


def sizes(cost: Cost) -> str:
    """The sizes of model and episode that were counted."""
    return (
        f"Backbone {cost.backbone}, {cost.frames} frames of {cost.pixels} × {cost.pixels} pixels, {cost.way}-way "
        f"{cost.shot}-shot, {queries_per_class(cost.queries)}; TRM projects to {cost.dim}, the classifier to "
        f"{cost.query_class_dim}"
    )


def _scaled(number: float | None, unit: float) -> str:
    """In units, with two decimals, or with as many as give two digits."""
    if number is None:
        return NONE
    value = number / unit
    return f"{value:,.2f}" if value >= 0.1 else f"{value:.2g}"
