"""Parameters and floating-point operations of the methods, by part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from strmctl.report.tables.table import NONE, ReportTable

PARTS = ("backbone", "PLE", "FLE", "TRM", "QC", "total")
MEGA, GIGA, TERA = 1e6, 1e9, 1e12
NAMES = "PLE: patch-level enrichment, FLE: frame-level enrichment, QC: query-class similarity classifier"


def cost_parameters(document: Mapping[str, Any]) -> ReportTable:
    """A row per method, millions of parameters by part."""
    methods = document["cost"]["methods"]
    return ReportTable(
        name="cost_parameters",
        title="Parameters",
        caption=f"Millions of parameters. {NAMES}. {_sizes(document['cost'])}.",
        columns=["method", *(f"{part}, M" for part in PARTS)],
        rows=[
            [label, *(_scaled(cost["parameters"].get(part), MEGA) for part in PARTS)] for label, cost in methods.items()
        ],
        csv_columns=["method", *PARTS],
        csv_rows=[[label, *map(cost["parameters"].get, PARTS)] for label, cost in methods.items()],
    )


def cost_flops(document: Mapping[str, Any]) -> ReportTable:
    """Rows of a piece of work and a method, GFLOPs by part."""
    cost = document["cost"]
    work = {
        "frame": "one frame",
        "embed_clip": f"one clip of {cost['frames']} frames",
        "match_episode": "matching in one episode, features at hand",
        "episode": f"one {cost['way']}-way {cost['shot']}-shot episode, nothing cached",
    }
    found = []
    for key, words in work.items():
        for label, of in cost["methods"].items():
            parts = {"total": of["flops"][key]} if key == "frame" else of["flops"][key]
            found.append((label, key, words, parts))
    return ReportTable(
        name="cost_flops",
        title="Floating-point operations",
        caption=f"GFLOPs; a multiply-add counts 2. {NAMES}. {_sizes(cost)}. {more_than_trx(document)}".strip(),
        columns=["method", "work", *(f"{part}, G" for part in PARTS)],
        rows=[[label, words, *(_scaled(parts.get(part), GIGA) for part in PARTS)] for label, _, words, parts in found],
        csv_columns=["method", "work", *PARTS],
        csv_rows=[[label, key, *map(parts.get, PARTS)] for label, key, _, parts in found],
        words=2,
    )


def cost_cached(document: Mapping[str, Any]) -> ReportTable:
    """A row per method, TFLOPs of an evaluation that embeds each clip once."""
    cost, columns = document["cost"], ("embedding", "matching", "total")
    cached = {label: of["flops"]["cached_evaluation"] for label, of in cost["methods"].items()}
    size = f"{cost['cached']['clips']:,} clips embedded once, {cost['cached']['episodes']:,} episodes matched"
    return ReportTable(
        name="cost_cached",
        title="Floating-point operations of a cached evaluation",
        caption=f"TFLOPs; a multiply-add counts 2. {size}. {_sizes(cost)}.",
        columns=["method", *(f"{name}, T" for name in columns)],
        rows=[[label, *(_scaled(parts[name], TERA) for name in columns)] for label, parts in cached.items()],
        csv_columns=["method", *columns],
        csv_rows=[[label, *(parts[name] for name in columns)] for label, parts in cached.items()],
    )


def more_than_trx(document: Mapping[str, Any]) -> str:
    """How much more STRM needs than TRX as counted, beside the paper's words; empty where either is missing."""
    methods = document["cost"]["methods"]
    strm, trx = (next((label for label in methods if label.split()[0] == name), None) for name in ("STRM", "TRX"))
    if strm is None or trx is None:
        return ""
    ours, base = methods[strm]["flops"], methods[trx]["flops"]
    pairs = {
        "per frame": (ours["frame"], base["frame"]),
        "per episode": (ours["episode"]["total"], base["episode"]["total"]),
        "in a cached evaluation": (ours["cached_evaluation"]["total"], base["cached_evaluation"]["total"]),
    }
    shares = [f"{100 * (one / other - 1):+.1f} % {words}" for words, (one, other) in pairs.items()]
    return (
        f"Operations of {strm} against {trx} as counted: {', '.join(shares)}. "
        f'The paper says: "{document["paper"]["compute"]}"'
    )


def _sizes(cost: Mapping[str, Any]) -> str:
    queries = f"{cost['queries']} {'query' if cost['queries'] == 1 else 'queries'} per class"
    return (
        f"Backbone {cost['backbone']}, {cost['frames']} frames of {cost['pixels']} x {cost['pixels']} pixels, "
        f"{cost['way']}-way {cost['shot']}-shot, {queries}; "
        f"TRM projects to {cost['dim']}, the classifier to {cost['query_class_dim']}"
    )


def _scaled(number: float | None, unit: float) -> str:
    """In units, with two decimals, or with as many as give two digits."""
    if number is None:
        return NONE
    value = number / unit
    return f"{value:,.2f}" if value >= 0.1 else f"{value:.2g}"
