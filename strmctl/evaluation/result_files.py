"""File names of results: tests that differ in more than their numbers of shots never overwrite each other."""

from __future__ import annotations

import hashlib
from pathlib import Path

from strmctl.evaluation.match import Protocol
from strmctl.results import EvalResult
from strmctl.runs.checkpoint import LoadedRun
from strmctl.runs.notes import WEIGHTS

SETTINGS = ("split", "way", "queries", "episodes", "seed")  # of a test, and again of its result
USUAL_EPISODES = 10_000
DISTINCT = "_distinct"


def stem_of(test: Protocol | EvalResult) -> str:
    """The beginning of the file names of a test's result: `test_5way_1q_s0`, or `…_n400` with 400 episodes."""
    count = "" if test.episodes == USUAL_EPISODES else f"_n{test.episodes}"
    return f"{test.split}_{test.way}way_{test.queries}q_s{test.seed}{count}"


def result_stem(run: LoadedRun, result: EvalResult) -> Path:
    """The path of a result in its run's folder, without suffix."""
    source = result.provenance
    stem = stem_of(result)
    if source["store"] != run.recipe.data.dataset:
        stem += f"_{source['store']}"
    if source["chosen_classes"]:
        stem += f"_classes-{hashlib.sha256(','.join(source['classes']).encode()).hexdigest()[:8]}"
    if run.weights == run.folder / WEIGHTS["last"]:
        stem += "_last"
    elif run.weights != run.folder / WEIGHTS["best"]:
        stem += f"_weights-{source['weights_sha256'][:8]}"
    if source["frame_order"] != "natural":
        stem += f"_{source['frame_order']}"
    if source.get("dtype", "float32") != "float32":
        stem += f"_{source['dtype']}"
    if source.get("text_weight") is not None:
        stem += f"_text{source['text_weight']:g}"
    if source.get("distinct_groups"):
        stem += DISTINCT
    if source.get("episodes_file_sha256"):
        stem += f"_episodes-{source['episodes_file_sha256'][:8]}"
    if not source.get("cached", True):
        stem += "_uncached"
    return run.folder / "eval" / stem
