"""Episodes in a file, so that other code bases can run the very same ones, and this one theirs.

A CSV with the columns episode (from 0), role (`support` or `query`), class and clip, in the order drawn: the K-shot
support of fewer shots is the first K support rows of a class.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from strmctl.episodes.sampler import Episode
from strmctl.errors import DataError
from strmctl.paths import write_csv

COLUMNS = ("episode", "role", "class", "clip")
ROLES = ("support", "query")
FORMAT = "`strmctl eval --save-episodes FILE` writes files of this form"
NUMBERS = "episodes are numbered 0, 1, 2, …, and the rows of one stand together"
OTHER_CLIPS = "the file may belong to other data: --dataset, --split, --classes"


@dataclass(frozen=True)
class SavedEpisodes:
    """Episodes of a file; drawn from as from an `EpisodeSampler`, but there are only so many.

    Attributes:
        way: C, classes per episode.
        shot: K, support clips per class.
        queries: query clips per class.
    """

    way: int
    shot: int
    queries: int
    _episodes: Sequence[Episode] = field(repr=False)

    def __len__(self) -> int:
        return len(self._episodes)

    def episode(self, index: int) -> Episode:
        """Episode number `index`, counted from 0."""
        return self._episodes[index]


def write_episodes(path: Path, episodes: Iterable[Episode]) -> None:
    """Writes episodes, numbered from 0 in the order given; the same episodes give the same bytes."""
    write_csv(path, COLUMNS, _rows(episodes))


def _rows(episodes: Iterable[Episode]) -> Iterator[tuple[int, str, str, str]]:
    for number, episode in enumerate(episodes):
        for role in ROLES:
            for name, clips in zip(episode.classes, getattr(episode, role), strict=True):
                for clip in clips:
                    yield number, role, name, clip


def read_episodes(path: Path, clips: Mapping[str, Sequence[str]]) -> SavedEpisodes:
    """Reads and checks a file of episodes; the rows of one episode may stand in any order.

    Args:
        path: the file.
        clips: class name -> clip ids that may be used.

    Raises:
        DataError: there is no such file, or it is malformed, does not fit the clips, or its episodes differ in way,
            shot or queries; the message gives the line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _Reader(path, clips).read(csv.reader(file, strict=True))
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise DataError(f"no file of episodes at {path}", FORMAT) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not a CSV of episodes: {error}", FORMAT) from error


class _Reader:
    """Builds episodes row by row."""

    def __init__(self, path: Path, clips: Mapping[str, Sequence[str]]) -> None:
        self._path = path
        self._classes = set(clips)
        self._class_of = {clip: name for name, ids in clips.items() for clip in ids}
        self._episodes: list[Episode] = []
        self._shape: tuple[int, int, int] | None = None  # way, shot, queries
        self._start(0)

    def _start(self, line: int) -> None:
        self._first_line = line
        self._role_of: dict[str, str] = {}  # clip -> role, in this episode
        self._support: dict[str, list[str]] = {}  # class -> clips
        self._query: dict[str, list[str]] = {}

    def read(self, lines: csv.reader) -> SavedEpisodes:
        """All episodes of the file."""
        header = next(lines, [])
        if tuple(header) != COLUMNS:
            raise self._error(1, f"the columns are not {','.join(COLUMNS)}", FORMAT)
        current = None  # as text: most rows belong to the episode of the row before
        for row in lines:
            if not row:
                continue
            if len(row) != len(COLUMNS):
                raise self._error(lines.line_num, f"{len(row)} values instead of {len(COLUMNS)}", FORMAT)
            if row[0] != current:
                following = str(len(self._episodes) + (current is not None))
                if row[0] != following:
                    expected = following if current is None else f"{current} or {following}"
                    raise self._error(lines.line_num, f"episode {row[0]!r} where {expected} is expected", NUMBERS)
                if current is not None:
                    self._finish()
                current = following
                self._start(lines.line_num)
            self._add(lines.line_num, *row[1:])
        if current is None:
            raise self._error(1, "no episode follows", FORMAT)
        self._finish()
        way, shot, queries = self._shape
        return SavedEpisodes(way, shot, queries, self._episodes)

    def _add(self, line: int, role: str, name: str, clip: str) -> None:
        if role not in ROLES:
            raise self._error(line, f"role {role!r} is neither support nor query", FORMAT)
        if self._class_of.get(clip) != name:
            if name not in self._classes:
                raise self._error(line, f"unknown class {name!r}", OTHER_CLIPS)
            if clip not in self._class_of:
                raise self._error(line, f"unknown clip {clip!r}", OTHER_CLIPS)
            raise self._error(line, f"clip {clip} is of class {self._class_of[clip]}, not {name}")
        if clip in self._role_of:
            roles = f"{self._role_of[clip]} and again {role}"
            raise self._error(line, f"clip {clip} is already in episode {len(self._episodes)}: {roles}")
        self._role_of[clip] = role
        (self._support if role == "support" else self._query).setdefault(name, []).append(clip)

    def _finish(self) -> None:
        """Checks the episode that was read and keeps it."""
        number, names = len(self._episodes), sorted({*self._support, *self._query})
        where = f"episode {number}"
        for name in names:
            for role, found in zip(ROLES, (self._support, self._query), strict=True):
                if name not in found:
                    raise self._error(self._first_line, f"{where}: class {name} has no {role} clip")
        if len(names) < 2:
            raise self._error(self._first_line, f"{where} has a single class: {names[0]}")
        way, shot, queries = self._shape = self._shape or (
            len(names),
            len(self._support[names[0]]),
            len(self._query[names[0]]),
        )
        if len(names) != way:
            raise self._error(self._first_line, f"{where} has {len(names)} classes, those before it {way}")
        for name in names:
            counts = len(self._support[name]), len(self._query[name])
            if counts != (shot, queries):
                raise self._error(
                    self._first_line,
                    f"{where}: class {name} has {counts[0]} support and {counts[1]} query clips, "
                    f"those before it {shot} and {queries}",
                    "every class of every episode needs as many",
                )
        support, query = (tuple(tuple(found[name]) for name in names) for found in (self._support, self._query))
        self._episodes.append(Episode(number, tuple(names), support, query))

    def _error(self, line: int, problem: str, hint: str = "") -> DataError:
        return DataError(f"line {line} of {self._path}: {problem}", hint)
