"""Results of runs, read back from their folders with every query, and the command that repeats a test."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from strmctl.errors import DataError, UsageError
from strmctl.evaluation.result_files import result_stem
from strmctl.results import EvalResult, QueryRow, read_document, read_result, result_documents, result_files
from strmctl.runs.checkpoint import LoadedRun
from strmctl.runs.folder import run_folder
from strmctl.runs.notes import WEIGHTS, still_tested

TYPES = {"shot": "int64", "episode": "int64", "query": "str", "true": "str", "predicted": "str"}
SAME = ("weights_sha256", "manifest_sha256", "clip_ids_sha256", "frame_order")


@dataclass(frozen=True)
class RunResult:
    """A result that was read back.

    Attributes:
        label: name in tables: that of the run, followed by that of the result where a run has several.
        path: path of the JSON file.
        result: content of the JSON file, without rows.
        rows: one row per query, columns as in `QueryRow`.
    """

    label: str
    path: Path
    result: EvalResult
    rows: pd.DataFrame

    @property
    def shots(self) -> set[int]:
        """The numbers of shots that were tested."""
        return {figures["shot"] for figures in self.result.results}


def read_results(runs: Path, groups: Sequence[Sequence[str]], stems: Sequence[str] = ()) -> list[list[RunResult]]:
    """Reads one result of each run.

    Args:
        runs: folder of the runs.
        groups: names of runs, in groups.
        stems: file names of results without suffix: none for the newest one that all runs have, one for all runs, or
            one for each group.

    Raises:
        UsageError: there are neither 0, 1 nor as many stems as groups.
        DataError: there is no such run, or it has no such result; the hint is the command that makes it.
    """
    folders = [[run_folder(runs, name) for name in group] for group in groups]
    flat = [folder for group in folders for folder in group]
    if len(stems) not in (0, 1, len(groups)):
        raise UsageError(
            f"{len(stems)} results are named for {len(groups)} runs", f"give `--result` once, or {len(groups)} times"
        )
    stems = [stem.removesuffix(".json") for stem in stems] or [_newest_common_stem(flat)]
    stems = stems * len(groups) if len(stems) == 1 else stems
    repeated = len({folder.name for folder in flat}) < len(flat)
    for group, stem in zip(folders, stems, strict=True):
        for folder in group:
            if stem not in result_stems(folder):
                raise _no_result(folder, stem, flat, runs)
    return [
        [_read(folder, stem, runs, f"{folder.name} {stem}" if repeated else folder.name) for folder in group]
        for group, stem in zip(folders, stems, strict=True)
    ]


def result_stems(folder: Path) -> list[str]:
    """File names of a run's results without suffix, the newest first."""
    documents = result_documents(folder / "eval")
    return [
        path.stem for path in sorted(documents, key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True)
    ]


def _newest_common_stem(folders: Sequence[Path]) -> str:
    """The newest result of the first run that all others have as well, or else its newest; empty when it has none."""
    own, *others = [result_stems(folder) for folder in folders]
    return next((stem for stem in own if all(stem in stems for stems in others)), own[0] if own else "")


def _no_result(folder: Path, stem: str, folders: Sequence[Path], runs: Path) -> DataError:
    """The error of a run that lacks a result, with the command that tests it as another run was tested."""
    message = f"run {folder.name} has no result {stem}".rstrip()
    if own := result_stems(folder):
        message += f"; it has {', '.join(own)}"
    for other in folders:
        if asked := [own for own in result_stems(other) if own == stem or not stem][:1]:
            result = read_document(other / "eval" / f"{asked[0]}.json")
            return DataError(message, f"`{eval_command(result, folder, runs)}` tests it as {other.name} was tested")
    if own:
        return DataError(message, f"name one of these: `--result {shlex.quote(own[0])}`")
    words = ["strmctl", "eval", "--run", folder.name, *(["--runs", str(runs)] if runs != Path("runs") else [])]
    return DataError(message, f"test it: `{shlex.join(words)}`")


def _read(folder: Path, stem: str, runs: Path, label: str) -> RunResult:
    """A result with its rows; the error of one that is damaged or stale has the command that makes it again.

    Raises:
        DataError: it is not what was written, or not of the weights that the run has now.
    """
    path = folder / "eval" / f"{stem}.json"
    try:
        result = read_result(path)
        if not still_tested(folder, result.provenance):
            file = result.provenance.get("weights_file", WEIGHTS["best"])
            raise DataError(
                f"{path} is of other weights than {file} of run {folder.name}: they were trained further after that "
                "test, or it is the result of another run"
            )
    except DataError as error:
        with contextlib.suppress(DataError):
            error.hint = f"make it again: `{eval_command(read_document(path, check_rows=False), folder, runs)}`"
        raise
    return RunResult(label, path, result, _table(result))


def _table(result: EvalResult) -> pd.DataFrame:
    return pd.DataFrame(result.rows, columns=QueryRow._fields).astype(TYPES)


def _data_of(source: Mapping[str, Any]) -> str | None:
    """The folder of data that the command of a result names."""
    words = shlex.split(source.get("command", ""))
    options = [word.split("=", 1) for word in words if word.startswith("--data=")]
    options += [["--data", value] for word, value in pairwise(words) if word == "--data"]
    return options[-1][1] if options else None


def eval_command(result: EvalResult, folder: Path, runs: Path) -> str:
    """The command that tests the run in `folder` as `result` was tested."""
    source = result.provenance
    weights, choices = source.get("weights_file", WEIGHTS["best"]), {file: name for name, file in WEIGHTS.items()}
    words = ["strmctl", "eval", "--run", folder.name, "--dataset", source["store"]]
    words += ["--shots", ",".join(str(figures["shot"]) for figures in result.results)]
    words += ["--distinct-groups"] if source.get("distinct_groups") else []
    if source.get("episodes_from"):
        episodes = {"--episodes-from": (source["episodes_from"], None)}
    else:
        episodes = {"--way": (result.way, 5), "--queries": (result.queries, 1)}
        episodes |= {"--episodes": (result.episodes, None), "--seed": (result.seed, 0)}
    values = {
        **episodes,
        "--missing-classes": ("drop" if source.get("dropped_classes") else None, None),
        "--split": (result.split, "test"),
        "--classes": (",".join(source["classes"]) if source["chosen_classes"] else None, None),
        "--frame-order": (source.get("frame_order", "natural"), "natural"),
        "--dtype": (source.get("dtype", "float32"), "float32"),
        "--weights": (choices.get(weights, folder / weights), "best"),  # a file from elsewhere has its whole path
        "--runs": (runs, Path("runs")),
        "--data": (_data_of(source), None),
    }
    for option, (value, default) in values.items():
        words += [option, str(value)] if value != default else []
    return shlex.join(words)


def agreement_with_float32(run: LoadedRun, result: EvalResult) -> dict[int, float] | None:
    """Shot -> share of the predictions of a run's test that the same test in float32 gives too; None without one."""
    stem = result_stem(run, replace(result, provenance={**result.provenance, "dtype": "float32"}))
    try:
        other = read_result(result_files(stem)[0])
    except DataError:
        return None
    if other.episodes != result.episodes:
        return None
    if any(other.provenance.get(key) != result.provenance.get(key) for key in SAME):
        return None
    ours, theirs = (one.provenance.get("episodes_sha256", {}) for one in (result, other))
    if any(ours[shot] != theirs[shot] for shot in ours.keys() & theirs.keys()):
        return None
    both = _table(result).merge(_table(other), on=["shot", "episode", "query"], suffixes=("", "_other"))
    same = both["predicted"] == both["predicted_other"]
    return {int(shot): float(share) for shot, share in same.groupby(both["shot"]).mean().items()} or None
