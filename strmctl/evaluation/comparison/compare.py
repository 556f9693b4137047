"""Comparison of runs, or of groups of training seeds, on the same episodes."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from strmctl.errors import UsageError
from strmctl.evaluation.comparison.comparable import check_same_test
from strmctl.evaluation.comparison.saved_results import RunResult, read_results
from strmctl.evaluation.comparison.seed_groups import compare_groups, training_seed
from strmctl.evaluation.result_files import SETTINGS
from strmctl.evaluation.statistics.paired import FLIPS, paired_figures
from strmctl.model.methods.table import how_near
from strmctl.provenance import provenance
from strmctl.runs.folder import run_names

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
        names: names of two or more runs, or groups: names of runs with commas between them.
        stems: file names of results without suffix: none for the newest one that all runs have, one for all runs, or
            one for each of the names.

    Returns:
        A JSON document: dataset, split, way, queries, episodes, seed; sources: label -> result, training_seed, hashes
        and commit; warnings; conditional: what the numbers do not cover; provenance. For runs also base (its label),
        flips and flip_seed of the sign-flip test, and comparisons: for each other run, run and results, which holds
        shot and the keys of `paired_figures`. For groups also groups and comparisons as in `compare_groups`.

    Raises:
        UsageError: there are too few runs, the tests have other settings, a run is compared with itself, or a group is
            not one.
        DataError: there is no such run or result, or the results are of other clips.

    Example:
        >>> found = strmctl.compare(Path("runs"), ["strm", "trx"])
        >>> found["base"], [other["run"] for other in found["comparisons"]]
        ('strm', ['trx'])
    """
    if len(names) < 2:
        others = [name for name in run_names(runs) if name not in names]
        hint = f"`{shlex.join(['strmctl', 'compare', *names, others[0]])}`, for example" if others else "train another"
        raise UsageError("a comparison takes at least two runs", hint)
    groups = read_results(runs, [runs_named(runs, name) for name in names], stems)
    base, *others = [one for group in groups for one in group]
    warnings = [warning for other in others for warning in check_same_test(base, other, runs)]
    recipes = {
        one.result.provenance["recipe"].get("method", ""): one.result.provenance["recipe"] for one in (base, *others)
    }
    warnings += [f"method {name} is {near}" for name, recipe in recipes.items() if (near := how_near(recipe))]
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
        pairs = [{"run": other.label, "results": _compare_pair(base, other)} for other in others]
        document |= {"conditional": CONDITION, "base": base.label, "comparisons": pairs}
        document |= {"flips": FLIPS, "flip_seed": FLIP_SEED}
    return {**document, "provenance": provenance()}


def runs_named(runs: Path, name: str) -> list[str]:
    """The runs that a word means: one, or several with commas; the name of a run may itself hold a comma.

    Raises:
        UsageError: a name is missing before or after a comma.
    """
    if "," not in name or (runs / name / "recipe.yaml").is_file():
        return [name]
    parts = [part.strip() for part in name.split(",")]
    if "" in parts:
        raise UsageError(f"{name!r} is not a group of runs", "name its runs with commas between them: A0,A1,A2")
    return parts


def _compare_pair(base: RunResult, other: RunResult) -> list[dict[str, Any]]:
    """`shot` and the keys of `paired_figures`, for each number of shots that both results have."""
    found = []
    for shot in sorted(base.shots & other.shots):
        pair = [one.rows[one.rows["shot"] == shot] for one in (base, other)]
        found.append({"shot": shot, **paired_figures(*pair, seed=FLIP_SEED)})
    return found


def _source(one: RunResult) -> dict[str, Any]:
    """The origin of a result: its file, and what made it."""
    source = one.result.provenance
    keys = ("weights_sha256", "manifest_sha256", "commit", "dirty", "selected_by")
    return {"result": str(one.path), "training_seed": training_seed(one.result), **{key: source[key] for key in keys}}
