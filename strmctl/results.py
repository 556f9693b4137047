"""The result of an evaluation: one row per query, from which every number is derived; written, and read back.

A result is two files, JSON and CSV, that are replaced one after the other. Each holds the hash that shows whether it is
what was written: the document that of its rows and its own. Whatever else lies there is an error that names the file.
"""

from __future__ import annotations

import contextlib
import csv
import functools
import hashlib
import io
import json
import shlex
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from strmctl.errors import DataError
from strmctl.paths import alone, csv_text, names_in, read_json, write_json, write_text

SCHEMA = 1
PATIENCE = 2.0  # seconds for which a reader waits for a writer
CONTROLS = "controls_"  # before the name of a document that holds several results
EXAMPLES = "examples_"  # before that of one that holds single queries
# entries of the provenance in which two results of one test agree, besides its settings
TEST = (
    *("weights_sha256", "recipe", "store", "manifest_sha256", "clip_ids_sha256", "classes"),
    *("frame_order", "dtype", "cached", "distinct_groups", "episodes_file_sha256", "tuples"),
)
BY_SHOT = ("episodes_sha256", "shared_sources", "narrow")  # entries of the provenance with a value per number of shots


class QueryRow(NamedTuple):
    """One query of one episode."""

    shot: int
    episode: int
    query: str  # clip id
    true: str  # class
    predicted: str  # class


@dataclass(frozen=True)
class EvalResult:
    """What an evaluation found, and all that is needed to repeat it.

    Attributes:
        run: name of the run.
        dataset: name for results of the data that was tested on.
        split: subset of the classes.
        way: classes per episode.
        queries: queries per class and episode.
        episodes: number of episodes, the same ones for every shot.
        seed: seed of the episodes.
        results: numbers derived from `rows`, for each number of shots; accuracies and half-widths as fractions. Those
            of an earlier call have `measured`: the entries of the provenance that were others then.
        provenance: code, machine, weights, data.
        rows: every query.
    """

    run: str
    dataset: str
    split: str
    way: int
    queries: int
    episodes: int
    seed: int
    results: Sequence[dict[str, Any]]
    provenance: dict[str, Any]
    rows: Sequence[QueryRow] = field(repr=False)

    @property
    def shots(self) -> list[int]:
        """The numbers of shots that were tested."""
        return [figures["shot"] for figures in self.results]

    def document(self) -> dict[str, Any]:
        """The JSON document, without the rows."""
        return {"schema": SCHEMA, **{name: value for name, value in vars(self).items() if name != "rows"}}

    def write(self, stem: Path) -> EvalResult:
        """Writes `<stem>.json` and, with one row per query, `<stem>.csv`.

        What an earlier call wrote there of the same test with other numbers of shots is kept.

        Returns:
            The result that the files now hold.
        """
        path, table = result_files(stem)
        lock = stem.with_name(f".{stem.name}.lock")
        with alone(lock):
            try:
                whole = self._with_other_shots(read_result(path))
            except DataError:  # nothing is there, or nothing that can be used
                whole = self
            rows = csv_text(QueryRow._fields, whole.rows)
            document = whole.document() | {"rows_sha256": hashlib.sha256(rows.encode()).hexdigest()}
            try:
                write_text(table, rows)
                write_json(path, document | {"sha256": _sha256(document)})
            finally:
                lock.unlink(missing_ok=True)
        return whole

    def _with_other_shots(self, earlier: EvalResult) -> EvalResult:
        """This result and, of an earlier one of the same test, the numbers of shots that this one lacks."""
        new = set(self.shots)
        others = [figures for figures in earlier.results if figures["shot"] not in new]
        if not others or not self._same_test(earlier):
            return self
        own = _plain(self.provenance)
        changed = {
            key: value for key, value in earlier.provenance.items() if key not in BY_SHOT and own.get(key) != value
        }
        kept = [{**figures, "measured": figures.get("measured", changed)} for figures in others]
        by_shot = {key: {**earlier.provenance.get(key, {}), **own[key]} for key in BY_SHOT if key in own}
        return replace(
            self,
            results=sorted([*self.results, *kept], key=lambda figures: figures["shot"]),
            provenance=self.provenance | by_shot,
            rows=sorted([*self.rows, *(row for row in earlier.rows if row.shot not in new)], key=lambda row: row[:2]),
        )

    def _same_test(self, other: EvalResult) -> bool:
        settings = ("dataset", "split", "way", "queries", "episodes", "seed")
        own, theirs = ({row[1:4] for row in one.rows} for one in (self, other))  # episode, query and its class
        return (
            all(getattr(self, name) == getattr(other, name) for name in settings)
            and all(_plain(self.provenance.get(key)) == other.provenance.get(key) for key in TEST)
            and own == theirs
        )


def result_files(stem: Path) -> tuple[Path, Path]:
    """The JSON and the CSV file of a result."""
    return stem.with_name(f"{stem.name}.json"), stem.with_name(f"{stem.name}.csv")


def result_documents(folder: Path) -> list[Path]:
    """The JSON files of the results in a folder, sorted, damaged ones included."""
    return [
        folder / name
        for name in names_in(folder)
        if name.endswith(".json") and not name.startswith((CONTROLS, EXAMPLES, "."))
    ]


def _once_written(read: Callable[..., EvalResult]) -> Callable[..., EvalResult]:
    """Reads again for a while when another process may have written one of the two files and not yet the other."""

    @functools.wraps(read)
    def patient(path: Path, **options: Any) -> EvalResult:
        end = time.monotonic() + PATIENCE
        while True:
            before = _written_at(path)
            try:
                return read(path, **options)
            except DataError:
                json_time, csv_time = now = _written_at(path)
                if (now == before and csv_time <= json_time) or time.monotonic() > end:
                    raise
            time.sleep(0.01)

    return patient


def _written_at(path: Path) -> tuple[int, int]:
    """Times of the JSON and the CSV file, ns; 0 for a missing one."""
    times = []
    for file in (path, path.with_suffix(".csv")):
        with contextlib.suppress(OSError):
            times.append(file.stat().st_mtime_ns)
            continue
        times.append(0)
    return times[0], times[1]


@_once_written
def read_document(path: Path, *, check_rows: bool = True) -> EvalResult:
    """The result in a JSON file that `write` wrote, without its rows.

    Args:
        path: the JSON file.
        check_rows: whether to make sure that the rows beside it are those that were written with it.

    Raises:
        DataError: a file is missing, damaged, of another version, or not what was written; the message names it.
    """
    document, table = _read_json(path), path.with_suffix(".csv")
    rows_sha256 = document.pop("rows_sha256", None)
    try:
        result = EvalResult(**document, rows=())
        counted = [(figures["shot"], figures["queries"], figures["accuracy"]) for figures in result.results]
    except (TypeError, KeyError) as error:
        raise DataError(f"{path} holds no result", _again(path)) from error
    if not counted:
        raise DataError(f"{path} holds no result", _again(path))
    if not check_rows:
        return result
    try:
        written = hashlib.sha256(table.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"{table}, which belongs to {path.name}: {error.strerror}", _again(path)) from error
    if rows_sha256 not in (None, written):
        raise DataError(f"{table} does not hold the queries that {path.name} beside it counts", _again(path))
    return result


@_once_written
def read_result(path: Path) -> EvalResult:
    """The result in a JSON file that `write` wrote, with its rows, which are made sure to give its figures.

    Raises:
        DataError: as `read_document`.
    """
    result, table = read_document(path), path.with_suffix(".csv")
    try:
        header, *lines = csv.reader(io.StringIO(table.read_text(encoding="utf-8"), newline=""))
        if tuple(header) != QueryRow._fields:
            raise ValueError(f"its columns are not {', '.join(QueryRow._fields)}")
        rows = [_row(line, number) for number, line in enumerate(lines, start=2)]
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{table} is damaged: {error}", _again(path)) from error
    right: dict[int, list[bool]] = defaultdict(list)
    for row in rows:
        right[row.shot].append(row.true == row.predicted)
    counted = {figures["shot"]: (figures["queries"], figures["accuracy"]) for figures in result.results}
    if right.keys() != counted.keys() or not all(
        len(right[shot]) == queries and abs(sum(right[shot]) / queries - accuracy) < 1e-9
        for shot, (queries, accuracy) in counted.items()
    ):
        raise DataError(f"{table} does not hold the queries that {path.name} beside it counts", _again(path))
    return replace(result, rows=rows)


def _read_json(path: Path) -> dict[str, Any]:
    """The document without its version and its hash, which it agrees with; early ones have no hash."""
    document = read_json(path, _again(path))
    if not isinstance(document, dict) or document.pop("schema", None) != SCHEMA:
        raise DataError(f"{path} is of another version of strmctl, or no result", _again(path))
    sha256 = document.pop("sha256", None)
    if sha256 not in (None, _sha256(document)):
        raise DataError(f"{path} was changed after it was written", _again(path))
    return document


def _row(line: Sequence[str], number: int) -> QueryRow:
    try:
        shot, episode, query, true, predicted = line
        row = QueryRow(int(shot), int(episode), query, true, predicted)
    except ValueError as error:
        raise ValueError(f"line {number}: {error}") from error
    if "" in row[2:]:
        raise ValueError(f"line {number}: an empty field")
    return row


def _again(path: Path) -> str:
    """The way out of a damaged result: a test like it, which replaces it."""
    if path.parent.name != "eval":
        return "run its `strmctl ablate` again, which makes it anew"
    run = path.parents[1]
    where = ["--runs", str(run.parent)] if run.parent != Path("runs") else []
    return (
        f"`{shlex.join(['strmctl', 'eval', '--run', run.name, *where])}`, with the options of that test, makes it again"
    )


def _sha256(document: Mapping[str, Any]) -> str:
    content = {name: value for name, value in document.items() if name != "schema"}
    return hashlib.sha256(json.dumps(_plain(content), sort_keys=True).encode()).hexdigest()


def _plain(value: Any) -> Any:
    """A value as it comes back from a JSON file."""
    return json.loads(json.dumps(value))
