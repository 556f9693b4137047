"""Results of runs, read back from their folders with every query."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from strmctl.errors import DataError, UsageError
from strmctl.evaluation.run import result_stem
from strmctl.results import EvalResult, QueryRow, read_document
from strmctl.runs.checkpoint import LoadedRun
from strmctl.runs.folder import run_folder

TYPES = {"shot": "int64", "episode": "int64", "query": "str", "true": "str", "predicted": "str"}


@dataclass(frozen=True)
class RunResult:
    """A result that was read back.

    Attributes:
        label: what tables call it: the run, with the result where several of one run are read.
        path: of the JSON file.
        result: without its rows.
        rows: every query, columns as in `QueryRow`.
    """

    label: str
    path: Path
    result: EvalResult
    rows: pd.DataFrame

    @property
    def shots(self) -> set[int]:
        """Numbers of shots that were tested."""
        return {figures["shot"] for figures in self.result.results}


def read_results(runs: Path, groups: Sequence[Sequence[str]], stems: Sequence[str] = ()) -> list[list[RunResult]]:
    """Reads one result of each run.

    Args:
        runs: folder of the runs.
        groups: names of runs.
        stems: file names of results without suffix: none for the newest one that all runs have, one for all runs, or
            one for each group.

    Raises:
        UsageError: another number of stems.
        DataError: no such run, or no such result of it; the hint is the command that makes it.
    """
    folders = [[run_folder(runs, name) for name in group] for group in groups]
    flat = [folder for group in folders for folder in group]
    if len(stems) not in (0, 1, len(groups)):
        raise UsageError(
            f"{len(stems)} results are named for {len(groups)} runs", "give --result once, or once for each of the runs"
        )
    stems = [stem.removesuffix(".json") for stem in stems] or [_common_stem(flat, runs)]
    stems = stems * len(groups) if len(stems) == 1 else stems
    repeated = len({folder.name for folder in flat}) < len(flat)
    read = []
    for group, stem in zip(folders, stems, strict=True):
        for folder in group:
            if stem not in result_stems(folder):
                raise _no_result(folder, stem, flat, runs)
        read.append(
            [_read(folder, stem, runs, f"{folder.name} {stem}" if repeated else folder.name) for folder in group]
        )
    return read


def result_stems(folder: Path) -> list[str]:
    """File names of a run's results without suffix, the newest first."""
    documents = [path for path in (folder / "eval").glob("*.json") if path.with_suffix(".csv").is_file()]
    newest_first = sorted(documents, key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True)
    return [path.stem for path in newest_first if read_document(path)]


def _common_stem(folders: Sequence[Path], runs: Path) -> str:
    """The newest result of the first run that all others have as well."""
    first, *others = folders
    for stem in (own := result_stems(first)):
        if all(stem in result_stems(folder) for folder in others):
            return stem
    missing = next((folder for folder in others if not own or own[0] not in result_stems(folder)), first)
    raise _no_result(missing if own else first, own[0] if own else "", folders, runs)


def _no_result(folder: Path, stem: str, folders: Sequence[Path], runs: Path) -> DataError:
    """The error that a run lacks a result, with the command that makes it as another run's was made."""
    message = f"run {folder.name} has no result {stem}".rstrip()
    if own := result_stems(folder):
        message += f"; it has {', '.join(own)}"
    for other in folders:
        if stem in result_stems(other) and (result := read_document(other / "eval" / f"{stem}.json")):
            return DataError(message, f"`{eval_command(result, folder, runs)}` tests it as {other.name} was tested")
    words = ["strmctl", "eval", "--run", folder.name, *(["--runs", str(runs)] if runs != Path("runs") else [])]
    return DataError(message, f"name another --result, or test it: `{shlex.join(words)}`")


def _read(folder: Path, stem: str, runs: Path, label: str) -> RunResult:
    """A result with its rows, which must be those that its figures came from."""
    path = folder / "eval" / f"{stem}.json"
    result = read_document(path)
    again = f"make it again: `{eval_command(result, folder, runs)}`"
    table = path.with_suffix(".csv")
    try:
        rows = pd.read_csv(table, dtype=TYPES, na_filter=False)  # a class may be called NA
    except (ValueError, UnicodeDecodeError) as error:
        raise DataError(f"{table} is damaged: {error}", again) from error
    if tuple(rows.columns) != QueryRow._fields:
        raise DataError(f"{table} has other columns than {', '.join(QueryRow._fields)}", again)
    counts = rows.groupby("shot").size().to_dict()
    if counts != {figures["shot"]: figures["queries"] for figures in result.results} or (rows == "").any(axis=None):
        raise DataError(f"{table} does not hold the queries that {path.name} beside it counts", again)
    return RunResult(label, path, result, rows)


def eval_command(result: EvalResult, folder: Path, runs: Path) -> str:
    """The command that tests the run in `folder` as `result` was tested."""
    source = result.provenance
    words = ["strmctl", "eval", "--run", folder.name, "--dataset", source["store"]]
    words += ["--shots", ",".join(str(figures["shot"]) for figures in result.results)]
    words += ["--distinct-groups"] if source.get("distinct_groups") else []
    of_a_file = {"--episodes-from": (source.get("episodes_from"), None)}
    of_a_draw = {
        "--way": (result.way, 5),
        "--queries": (result.queries, 1),
        "--episodes": (result.episodes, None),
        "--seed": (result.seed, 0),
    }
    values = {
        **(of_a_file if source.get("episodes_from") else of_a_draw),
        "--missing-classes": ("drop" if source.get("dropped_classes") else None, None),
        "--split": (result.split, "test"),
        "--classes": (",".join(source["classes"]) if source["chosen_classes"] else None, None),
        "--frame-order": (source.get("frame_order", "natural"), "natural"),
        "--dtype": (source.get("dtype", "float32"), "float32"),
        "--runs": (runs, Path("runs")),
    }
    for option, (value, default) in values.items():
        words += [option, str(value)] if value != default else []
    return shlex.join(words)


SETTINGS = ("split", "way", "queries", "episodes", "seed")  # of results that can be paired


def check_same_test(base: RunResult, other: RunResult, runs: Path) -> list[str]:
    """Makes sure that two results come from the same episodes of the same clips.

    Args:
        base: as it ought to be.
        other: what is compared with it.
        runs: folder of the runs, for the command in the hint.

    Returns:
        Warnings: differences that leave the comparison possible.

    Raises:
        UsageError: they were tested in different ways, or are one and the same result.
        DataError: tested in the same way, but on other clips.
    """
    names = f"{base.label} and {other.label}"
    if base.path == other.path:
        raise UsageError(f"{base.path.parent.parent.name} cannot be compared with itself", "name another run")
    command = eval_command(base.result, other.path.parent.parent, runs)
    hint = f"`{command}` tests {other.label} as {base.label} was tested"
    if reasons := _other_settings(base, other):
        raise UsageError(f"{names} were not tested on the same episodes: {'; '.join(reasons)}", hint)
    if reason := _other_clips(base, other):
        raise DataError(f"{names} were not tested on the same clips: {reason}", hint)
    return _warnings(base, other)


def _same_episodes(base: RunResult, other: RunResult) -> bool | None:
    """Whether support and queries are the same at all shots that both name; None when they name none."""
    first, second = (one.result.provenance.get("episodes_sha256") or {} for one in (base, other))
    common = first.keys() & second.keys()
    return all(first[shot] == second[shot] for shot in common) if common else None


def _other_settings(base: RunResult, other: RunResult) -> list[str]:
    """Settings that decide about the episodes and that differ."""
    if _same_episodes(base, other):
        return []  # whichever way the episodes were come by
    pairs = {name: [getattr(one.result, name) for one in (base, other)] for name in SETTINGS}
    sources = [one.result.provenance for one in (base, other)]
    pairs["distinct groups"] = ["on" if source.get("distinct_groups") else "off" for source in sources]
    pairs["file of episodes"] = [(source.get("episodes_file_sha256") or "none")[:12] for source in sources]
    if not base.shots & other.shots:
        pairs["shots"] = [listed(one.shots) for one in (base, other)]
    return [f"{name} {first} and {second}" for name, (first, second) in pairs.items() if first != second]


def _other_clips(base: RunResult, other: RunResult) -> str:
    """In what the clips of two results with the same settings differ; empty when they are the same."""
    classes, others = (set(one.result.provenance["classes"]) for one in (base, other))
    if classes != others:
        return f"only one of them has the classes {listed(classes ^ others)}"
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
    """Differences between two results of the same clips."""
    names, found = f"{base.label} and {other.label}", []
    first, second = base.result.provenance, other.result.provenance
    if (a := first["manifest_sha256"]) != (b := second["manifest_sha256"]):
        found.append(f"{names} saw the same clips with other pixels: manifests {a[:12]} and {b[:12]}")
    for key, usual in (("frame_order", "natural"), ("dtype", "float32")):
        if (a := first.get(key, usual)) != (b := second.get(key, usual)):
            found.append(f"{names} differ in {key.replace('_', ' ')}: {a} and {b}")
    if left_out := base.shots ^ other.shots:
        found.append(f"{names}: only one of them was tested at shots {listed(left_out)}, which are left out")
    return found


def listed(items: Iterable[object]) -> str:
    """Sorted, with commas."""
    return ", ".join(map(str, sorted(items)))


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
