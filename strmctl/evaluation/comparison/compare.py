"""Comparison of runs, or of groups of training seeds, on the same episodes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from strmctl.errors import UsageError
from strmctl.evaluation.comparison.saved_results import SETTINGS, RunResult, check_same_test, read_results
from strmctl.evaluation.comparison.seed_groups import compare_groups, training_seed
from strmctl.evaluation.statistics.paired import FLIPS, paired_figures
from strmctl.provenance import provenance

FLIP_SEED = 0
CONDITION = (
    "Conditional on these weights and these clips: the intervals and p over episodes cover the draw of episodes, those "
    "over classes the choice of test classes; training with other seeds is in neither."
)
GROUP_CONDITION = (
    "Conditional on these clips: the interval over seeds covers other training seeds of the same recipes, and neither "
    "other clips nor other classes."
)


def compare(runs: Path, names: Sequence[str], stems: Sequence[str] = ()) -> dict[str, Any]:
    """Compares runs, or groups of runs that are training seeds of one recipe, with the first of them.

    Args:
        runs: folder of the runs.
        names: at least two: runs, or groups as run names with commas.
        stems: file names of results without suffix: none for the newest one that all runs have, one for all runs, or
            one for each of the names.

    Returns:
        A JSON document: the test, the source of each result, `warnings`, `conditional` (what the figures do not cover)
        and `comparisons` with the first; for each of them, run and what `compare_pair` gives. Of groups, `groups` and
        `comparisons` as `compare_groups` gives them.

    Raises:
        UsageError: too few runs, tests with other settings, a run and itself, or a group that is none.
        DataError: no such run or result, or results of other clips.

    Example:
        >>> found = strmctl.compare(Path("runs"), ["strm", "trx"])
        >>> found["base"], [other["run"] for other in found["comparisons"]]
        ('strm', ['trx'])
    """
    if len(names) < 2:
        raise UsageError("a comparison takes at least two runs", "`strmctl compare BASE OTHER`")
    groups = read_results(runs, [runs_named(runs, name) for name in names], stems)
    base, *others = [one for group in groups for one in group]
    warnings = [warning for other in others for warning in check_same_test(base, other, runs)]
    document = {
        "dataset": base.result.dataset,
        **{name: getattr(base.result, name) for name in SETTINGS},
        "sources": {one.label: _source(one) for one in (base, *others)},
        "warnings": warnings,
    }
    if any(len(group) > 1 for group in groups):
        document["conditional"] = GROUP_CONDITION
        document |= compare_groups([[one.result for one in group] for group in groups])
    else:
        pairs = [{"run": other.label, "results": compare_pair(base, other)} for other in others]
        document |= {"conditional": CONDITION, "base": base.label, "comparisons": pairs}
        document |= {"flips": FLIPS, "flip_seed": FLIP_SEED}
    return {**document, "provenance": provenance()}


def runs_named(runs: Path, name: str) -> list[str]:
    """The runs that a word means: one, or several with commas; the name of a run may hold a comma itself.

    Raises:
        UsageError: nothing stands before or after a comma.
    """
    if "," not in name or (runs / name / "recipe.yaml").is_file():
        return [name]
    parts = [part.strip() for part in name.split(",")]
    if "" in parts:
        raise UsageError(f"{name!r} is not a group of runs", "name its runs with commas between them: A0,A1,A2")
    return parts


def compare_pair(base: RunResult, other: RunResult) -> list[dict[str, Any]]:
    """What `paired_figures` gives, and `shot`, for each number of shots that both results have."""
    found = []
    for shot in sorted(base.shots & other.shots):
        pair = [one.rows[one.rows["shot"] == shot] for one in (base, other)]
        found.append({"shot": shot, **paired_figures(*pair, seed=FLIP_SEED)})
    return found


def _source(one: RunResult) -> dict[str, Any]:
    """Where a result came from."""
    source = one.result.provenance
    keys = ("weights_sha256", "manifest_sha256", "commit", "dirty", "selected_by")
    return {"result": str(one.path), "training_seed": training_seed(one.result), **{key: source[key] for key in keys}}
