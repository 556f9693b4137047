"""Measured speed as a table."""

from __future__ import annotations

from typing import Any

from strmctl.report.tables import Table


def evaluation(found: dict[str, Any]) -> Table:
    """A row per quantity, a column per precision, of `strmctl bench eval`."""
    precisions = list(found["embed_ms_per_clip"])
    rows = [
        ("embedding, ms per clip", "embed_ms_per_clip", "{:.1f}"),
        ("matching, episodes per second", "match_episodes_per_second", "{:.1f}"),
        ("matching, share of the matrix-product rate", "match_share_of_matrix_product", "{:.2f}"),
        ("matrix product, GFLOP/s", "matrix_product_gflops", "{:.0f}"),
        ("ratio for 10,000 episodes over 2,857 clips", "ratio_10000_episodes_2857_clips", "{:.0f}"),
    ]
    return ["", *precisions], [
        [label, *(form.format(found[key][name]) for name in precisions)] for label, key, form in rows
    ]
