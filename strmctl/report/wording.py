"""Sentences that captions share: what was measured, on what, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from strmctl.report.document import GridInfo

MOST_NAMES = 6  # of runs in a caption


def queries_per_class(count: int) -> str:
    """`1 query per class` or `2 queries per class`."""
    return f"{count} {'query' if count == 1 else 'queries'} per class"


def tested_on(test: Any, shots: Sequence[int] = (), *, episodes_from: str | None = None) -> str:
    """`mine (test): 5-way, 1- and 5-shot, 1 query per class, 10,000 episodes, seed 0`.

    Args:
        test: anything with dataset, split, way, queries, episodes and seed.
        shots: numbers of shots; none to leave them out.
        episodes_from: file that the episodes were read from, in place of a seed.
    """
    parts = [f"{test.dataset} ({test.split}): {test.way}-way"]
    if shots:
        parts.append(f"{listed([f'{shot}-' for shot in shots])}shot")
    parts += [queries_per_class(test.queries), f"{test.episodes:,} episodes"]
    return ", ".join([*parts, f"of {episodes_from}" if episodes_from else f"seed {test.seed}"])


def measured_on(grid: GridInfo, shots: Sequence[int]) -> str:
    """The sentence that says on what the accuracies of a grid were measured."""
    count, episodes = len(grid.seeds), "" if grid.kind == "training" else f"{grid.training_episodes:,} "
    changed = f" with {', '.join(grid.changed)}" if grid.changed else ""
    return (
        f"{tested_on(grid, shots)}; recipe {grid.recipe}{changed}, backbone {grid.backbone}, trained on {episodes}"
        f"{grid.training_shot}-shot episodes, training seed{'' if count == 1 else 's'} {listed(grid.seeds)} "
        f"(n = {count}{', fewer where runs are missing' if grid.missing else ''})"
    )


def caption(grid: GridInfo, shots: Sequence[int], *more: str) -> str:
    """What was measured, whatever else there is to say, what a single seed leaves open, and what is missing."""
    sentences = [measured_on(grid, shots), _sources(grid), grid.pretraining, *more, told(grid.told)]
    if len(grid.seeds) == 1:
        sentences.append("With n = 1 training seed the order of close values is open")
    if grid.missing:
        sentences.append(f"No result yet of {first_names(grid.missing)}")
    return joined(*sentences)


def seen_in_pretraining(seen: Mapping[str, Any]) -> str:
    """The warning of what a backbone may have seen of the test classes; empty where there is nothing.

    Args:
        seen: entry `pretraining` of a result's provenance, or nothing.
    """
    kinds = [(how, seen[key]) for key, how in (("same", "by name"), ("related", "in part")) if seen.get(key)]
    if not kinds:
        return ""
    which = [f"the {seen['classes']} test classes", "them"]
    parts = [f"{len(found)} of {which[place]} {how} ({', '.join(found)})" for place, (how, found) in enumerate(kinds)]
    begin = "" if seen["published"] else "If the backbone's weights are of that data, as the published ones are: "
    return f"{begin}{seen['data']}, which the backbone was pre-trained on, has {' and '.join(parts)}"


def told(names: Sequence[str]) -> str:
    """The sentence on models that are given the names of the classes; empty where there is none."""
    verb = "are" if len(names) > 1 else "is"
    return f"{listed(names)} {verb} given the names of the classes, which other models are not" if names else ""


def _sources(grid: GridInfo) -> str:
    """Whether support and query may share a source video, and how often they do; empty where they never do anyway."""
    if grid.distinct_groups:
        return "Support and query of an episode never come from the same source video"
    shares = listed([f"{100 * share:.1f} % ({shot}-shot)" for shot, share in grid.shared_sources.items()])
    return shares and f"In {shares} of the episodes a query and a support clip come from the same source video"


def joined(*sentences: str) -> str:
    """Sentences with a full stop after each; empty ones are left out."""
    return " ".join(f"{sentence.rstrip('.')}." for sentence in sentences if sentence)


def first_names(names: Sequence[str]) -> str:
    """The first six of many names, and how many more there are."""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"{', '.join(names[:MOST_NAMES])}{more}"


def listed(items: Sequence[Any]) -> str:
    """`1, 2 and 5`."""
    words = [str(item) for item in items]
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def seeds_of(count: int) -> str:
    """`1 seed` or `3 seeds`."""
    return f"{count} seed{'' if count == 1 else 's'}"
