"""Results of runs, read back from their folders with every query."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from strmctl.errors import DataError, UsageError
from strmctl.paths import run_folder
from strmctl.results import EvalResult, QueryRow, read_document

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
