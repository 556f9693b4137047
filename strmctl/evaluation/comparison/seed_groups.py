"""Groups of runs that are training seeds of one recipe: their spread, and the lead of one group over another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from strmctl.errors import UsageError
from strmctl.evaluation.statistics.intervals import t_interval
from strmctl.evaluation.statistics.paired import mean_figures
from strmctl.recipe import completed, flat
from strmctl.results import EvalResult

FREE = ("name", "train.seed")  # what may differ between the seeds of one recipe


def check_one_recipe(recipes: Mapping[str, Mapping[str, Any]]) -> None:
    """Makes sure that runs are training seeds of one recipe.

    Args:
        recipes: name of a run -> its recipe as nested dicts; at least one.

    Raises:
        UsageError: the recipes differ in more than name and train.seed, or two runs have the same seed.
    """
    keys_of = {run: flat(completed(recipe)) for run, recipe in recipes.items()}
    first, *others = keys_of
    for run in others:
        keys, absent = sorted((keys_of[first].keys() | keys_of[run].keys()) - set(FREE)), object()
        if differing := [key for key in keys if keys_of[first].get(key, absent) != keys_of[run].get(key, absent)]:
            values = "; ".join(f"{key}: {keys_of[first].get(key)} and {keys_of[run].get(key)}" for key in differing)
            raise UsageError(
                f"{first} and {run} are not seeds of one recipe, their recipes differ in {values}",
                f"runs of different recipes are compared, not averaged: `strmctl compare {first} {run}`",
            )
    by_seed: dict[int, str] = {}
    for run, recipe in keys_of.items():
        seed = recipe["train.seed"]
        if seed in by_seed:
            raise UsageError(
                f"{by_seed[seed]} and {run} have the same training seed {seed}, so they count as one run",
                "leave one out, or train one with another `--set train.seed=`",
            )
        by_seed[seed] = run


def training_seed(result: EvalResult) -> int:
    """The seed that the weights of a result were trained with."""
    return result.provenance["recipe"]["train"]["seed"]


def group_summary(results: Sequence[EvalResult]) -> dict[str, Any]:
    """The accuracies of the training seeds of one recipe, for each number of shots that all of them have.

    Args:
        results: results of the same test, one for each run.

    Returns:
        runs and seeds, in the order of the seeds; results: for each shot, in ascending order, shot, n, each (accuracies
        in the same order), mean, and sd, the sample standard deviation over seeds (n - 1; None for one); fractions.

    Raises:
        UsageError: the runs are not seeds of one recipe.
    """
    check_one_recipe({result.run: result.provenance["recipe"] for result in results})
    ordered = sorted(results, key=training_seed)
    by_shot = [{figures["shot"]: figures["accuracy"] for figures in result.results} for result in ordered]
    summary = []
    for shot in sorted(set.intersection(*map(set, by_shot))):
        each = [accuracies[shot] for accuracies in by_shot]
        sd = float(np.std(each, ddof=1)) if len(each) > 1 else None
        summary.append({"shot": shot, "n": len(each), "each": each, "mean": float(np.mean(each)), "sd": sd})
    return {
        "runs": [result.run for result in ordered],
        "seeds": [training_seed(result) for result in ordered],
        "results": summary,
    }


def compare_groups(groups: Sequence[Sequence[EvalResult]]) -> dict[str, Any]:
    """The lead of groups of seeds over the first group, seed by seed.

    Args:
        groups: results of the same test; the runs of a group are seeds of one recipe.

    Returns:
        groups: the `group_summary` of each; comparisons: for each group but the first, runs, and for each shot, shot,
        n, each (differences of runs with the same seed, in the order of the seeds), difference (their mean) and ci95 (t
        with n - 1 degrees of freedom over seeds; None for one seed); fractions.

    Raises:
        UsageError: the runs of a group are not seeds of one recipe, or groups have different seeds.
    """
    summaries = [group_summary(group) for group in groups]
    base, *others = summaries
    comparisons = []
    for other in others:
        if base["seeds"] != other["seeds"]:
            raise UsageError(
                f"runs are paired by their training seed, but {','.join(base['runs'])} have the seeds {base['seeds']} "
                f"and {','.join(other['runs'])} {other['seeds']}",
                "leave out the runs without a partner, or train their partners with `--set train.seed=`",
            )
        comparisons.append({"runs": other["runs"], "results": _by_shot(base, other)})
    return {"groups": summaries, "comparisons": comparisons}


def _by_shot(base: Mapping[str, Any], other: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Paired differences of two groups for each shot that both have."""
    base_accuracies = {figures["shot"]: figures["each"] for figures in base["results"]}
    found = []
    for shot, each in ((figures["shot"], figures["each"]) for figures in other["results"]):
        if shot in base_accuracies:
            differences = np.subtract(each, base_accuracies[shot])
            found.append({"shot": shot, "each": differences.tolist(), **mean_figures(differences, t_interval)})
    return found
