"""Whether two results can be compared query by query: the same episodes of the same clips."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from strmctl.errors import DataError, UsageError
from strmctl.evaluation.comparison.saved_results import RunResult, eval_command
from strmctl.evaluation.result_files import SETTINGS
from strmctl.model.methods.table import is_told


def check_same_test(base: RunResult, other: RunResult, runs: Path) -> list[str]:
    """Makes sure that two results of the runs in a folder come from the same episodes of the same clips.

    Returns:
        Warnings: differences that leave the comparison possible.

    Raises:
        UsageError: the tests had different settings, or both are one and the same result.
        DataError: the settings are the same, but not the clips.
    """
    names = f"{base.label} and {other.label}"
    if base.path == other.path:
        raise UsageError(f"{base.path.parent.parent.name} cannot be compared with itself", "name another run")
    command = eval_command(base.result, other.path.parent.parent, runs)
    hint = f"`{command}` tests {other.label} as {base.label} was tested"
    if reasons := _other_settings(base, other):
        raise UsageError(f"{names} were not tested on the same episodes: {'; '.join(reasons)}", hint)
    if reason := _other_clips(base, other):
        if _fold(base) != _fold(other):
            hint = "compare runs of one fold; the grid of folds compares models over all of them"
        raise DataError(f"{names} were not tested on the same clips: {reason}", hint)
    return _warnings(base, other)


def _fold(one: RunResult) -> dict[str, int] | None:
    """The fold that a run was trained in; None with the data set's own split."""
    return one.result.provenance["recipe"]["data"].get("fold")


def _same_episodes(base: RunResult, other: RunResult) -> bool | None:
    """Whether support and queries are the same at all shots that both results name; None when there is no such shot."""
    first, second = (one.result.provenance.get("episodes_sha256") or {} for one in (base, other))
    common = first.keys() & second.keys()
    return all(first[shot] == second[shot] for shot in common) if common else None


def _other_settings(base: RunResult, other: RunResult) -> list[str]:
    """The settings that differ, of those that the episodes depend on."""
    if _same_episodes(base, other):
        return []  # no matter where the episodes came from
    pairs = {name: [getattr(one.result, name) for one in (base, other)] for name in SETTINGS}
    sources = [one.result.provenance for one in (base, other)]
    pairs["distinct groups"] = ["on" if source.get("distinct_groups") else "off" for source in sources]
    pairs["file of episodes"] = [(source.get("episodes_file_sha256") or "none")[:12] for source in sources]
    if not base.shots & other.shots:
        pairs["shots"] = [_listed(one.shots) for one in (base, other)]
    return [f"{name} {first} and {second}" for name, (first, second) in pairs.items() if first != second]


def _other_clips(base: RunResult, other: RunResult) -> str:
    """The difference between the clips of two results with the same settings; empty when there is none."""
    classes, others = (set(one.result.provenance["classes"]) for one in (base, other))
    if classes != others:
        return f"only one of them has the classes {_listed(classes ^ others)}"
    for shot in sorted(base.shots & other.shots):
        pair = [one.rows.loc[one.rows["shot"] == shot, ["episode", "query", "true"]] for one in (base, other)]
        first, second = (rows.reset_index(drop=True) for rows in pair)
        if len(first) != len(second):
            return f"they have {len(first):,} and {len(second):,} queries at {shot} shots"
        differing = (first != second).any(axis=1)
        if differing.any():
            row = int(differing.idxmax())
            return f"episode {first['episode'][row]} has the query {first['query'][row]} or {second['query'][row]}"
    # the rows do not hold the support
    if _same_episodes(base, other) is False:
        return "they have other support clips"
    hashes = {one.result.provenance.get("clip_ids_sha256") for one in (base, other)} - {None}
    return "the clips of their frame stores have other ids, so the support may differ" if len(hashes) > 1 else ""


def _warnings(base: RunResult, other: RunResult) -> list[str]:
    """The differences between two results of the same clips."""
    names, found = f"{base.label} and {other.label}", []
    first, second = base.result.provenance, other.result.provenance
    if (a := first["manifest_sha256"]) != (b := second["manifest_sha256"]):
        found.append(f"{names} saw the same clips with other pixels: manifests {a[:12]} and {b[:12]}")
    for key, usual in (("frame_order", "natural"), ("dtype", "float32"), ("text_weight", "the recipe's")):
        if (a := first.get(key, usual)) != (b := second.get(key, usual)):
            found.append(f"{names} differ in {key.replace('_', ' ')}: {a} and {b}")
    told = [is_told(source["recipe"]) for source in (first, second)]
    if told[0] != told[1]:
        given, other_one = (base, other) if told[0] else (other, base)
        found.append(f"{given.label} is given the names of the classes, and {other_one.label} is not")
    if left_out := base.shots ^ other.shots:
        found.append(f"{names}: only one of them was tested at shots {_listed(left_out)}, which are left out")
    return found


def _listed(items: Iterable[object]) -> str:
    """The sorted items with commas between them."""
    return ", ".join(map(str, sorted(items)))
