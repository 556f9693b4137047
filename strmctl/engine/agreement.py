"""How far predictions with embedding in bfloat16 agree with those in float32."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from strmctl.engine.checkpoint import LoadedRun
from strmctl.engine.run_evaluation import result_stem
from strmctl.engine.saved_results import TYPES
from strmctl.results import EvalResult, QueryRow, read_document

SAME = ("weights_sha256", "manifest_sha256", "clip_ids_sha256", "episodes_sha256", "frame_order")


def agreement_with_float32(run: LoadedRun, result: EvalResult) -> dict[int, float] | None:
    """Share of the predictions that are those of the same test in float32, per shot.

    Args:
        run: that was tested.
        result: its test in another precision, with its rows.

    Returns:
        Fractions; None when the run has no result of that test in float32.
    """
    usual = replace(result, provenance={**result.provenance, "dtype": "float32"})
    stem = result_stem(run, usual)
    other = read_document(stem.with_name(f"{stem.name}.json"))
    if other is None or other.episodes != result.episodes:
        return None
    if any(other.provenance.get(key) != result.provenance.get(key) for key in SAME):
        return None
    table = stem.with_name(f"{stem.name}.csv")
    key = ["shot", "episode", "query"]
    rows = pd.DataFrame(result.rows, columns=QueryRow._fields)
    both = rows.merge(pd.read_csv(table, dtype=TYPES, na_filter=False), on=key, suffixes=("", "_other"))
    same = both["predicted"] == both["predicted_other"]
    return {int(shot): float(share) for shot, share in same.groupby(both["shot"]).mean().items()} or None
