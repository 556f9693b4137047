"""Episodes in a file, so that other code bases can run the same episodes, and this one theirs.

A CSV with the columns episode (from 0), role (`support` or `query`), class and clip, in the order drawn: the K-shot
support of fewer shots is the first K support rows of a class.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

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
    """The episodes of a file, to be used like an `EpisodeSampler`.

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
    rows = (
        (number, role, name, clip)
        for number, episode in enumerate(episodes)
        for role in ROLES
        for name, clips in zip(episode.classes, getattr(episode, role), strict=True)
        for clip in clips
    )
    write_csv(path, COLUMNS, rows)


def read_episodes(path: Path, clips: Mapping[str, Sequence[str]]) -> SavedEpisodes:
    """Reads and checks a file of episodes; the rows of one episode may stand in any order.

    Args:
        path: file of episodes.
        clips: class name -> clip ids that may be used.

    Raises:
        DataError: there is no such file, or it is malformed, does not fit the clips, or its episodes differ in way,
            shot or queries; the message gives the line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            lines = [_Line(path, reader.line_num, row) for row in reader if row]
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise DataError(f"no file of episodes at {path}", FORMAT) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not a CSV of episodes: {error}", FORMAT) from error
    header, *lines = lines or [_Line(path, 1, [])]
    if tuple(header.row) != COLUMNS:
        raise header.error(f"the columns are not {','.join(COLUMNS)}", FORMAT)
    if not lines:
        raise header.error("no episode follows", FORMAT)
    groups = [list(group) for _, group in groupby(lines, key=lambda line: line.row[0])]
    for number, (line, *_) in enumerate(groups):
        if line.row[0] != str(number):
            expected = f"{number - 1} or {number}" if number else "0"
            raise line.error(f"episode {line.row[0]!r} where {expected} is expected", NUMBERS)
    class_of = {clip: name for name, ids in clips.items() for clip in ids}
    episodes: list[Episode] = []
    for group in groups:
        episodes.append(_episode(len(episodes), group, class_of, set(clips)))
        _check_shape(group[0], episodes[-1], episodes[0])
    first = episodes[0]
    return SavedEpisodes(len(first.classes), len(first.support[0]), len(first.query[0]), episodes)


class _Line(NamedTuple):
    path: Path
    number: int
    row: list[str]

    def error(self, problem: str, hint: str = "") -> DataError:
        return DataError(f"line {self.number} of {self.path}: {problem}", hint)


def _episode(number: int, lines: Sequence[_Line], class_of: Mapping[str, str], classes: Collection[str]) -> Episode:
    role_of: dict[str, str] = {}  # clip -> role
    found: dict[str, dict[str, list[str]]] = {role: {} for role in ROLES}  # role -> class -> clips
    for line in lines:
        if len(line.row) != len(COLUMNS):
            raise line.error(f"{len(line.row)} values instead of {len(COLUMNS)}", FORMAT)
        _, role, name, clip = line.row
        if role not in ROLES:
            raise line.error(f"role {role!r} is neither support nor query", FORMAT)
        if name not in classes:
            raise line.error(f"unknown class {name!r}", OTHER_CLIPS)
        if clip not in class_of:
            raise line.error(f"unknown clip {clip!r}", OTHER_CLIPS)
        if class_of[clip] != name:
            raise line.error(f"clip {clip} is of class {class_of[clip]}, not {name}")
        if clip in role_of:
            raise line.error(f"clip {clip} is already in episode {number}: {role_of[clip]} and again {role}")
        role_of[clip] = role
        found[role].setdefault(name, []).append(clip)
    names = sorted({name for by_class in found.values() for name in by_class})
    for name in names:
        for role in ROLES:
            if name not in found[role]:
                raise lines[0].error(f"episode {number}: class {name} has no {role} clip")
    support, query = (tuple(tuple(found[role][name]) for name in names) for role in ROLES)
    return Episode(number, tuple(names), support, query)


def _check_shape(line: _Line, episode: Episode, first: Episode) -> None:
    """Holds an episode, which begins in a line, against the first one."""
    where, way = f"episode {episode.index}", len(first.classes)
    if len(episode.classes) < 2:
        raise line.error(f"{where} has a single class: {episode.classes[0]}")
    if len(episode.classes) != way:
        raise line.error(f"{where} has {len(episode.classes)} classes, those before it {way}")
    shot, queries = len(first.support[0]), len(first.query[0])
    for name, support, query in zip(episode.classes, episode.support, episode.query, strict=True):
        if (len(support), len(query)) != (shot, queries):
            raise line.error(
                f"{where}: class {name} has {len(support)} support and {len(query)} query clips, "
                f"those before it {shot} and {queries}",
                "all classes of all episodes need equal numbers of clips",
            )
