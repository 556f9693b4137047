"""Lists of clips, as they are published, matched with the files that are there.

A line is a path: `<class>/<clip>`, `<clip>`, or any folders before the clip, with or without suffix, and perhaps with
numbers after it (`ApplyEyeMakeup/v_x_g01_c01.avi 1`). Class folders may be anonymised (`train8/78687`). Kinetics clips
may stand with or without their times (`--nQbRBEz2s_000104_000114`), or as rows of a Kinetics CSV.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from strmctl.data.datasets import VIDEO_SUFFIXES
from strmctl.data.splits import class_key
from strmctl.errors import DataError

KINETICS = re.compile(r"([\w-]{11})_(\d{6}_\d{6})", re.ASCII)  # YouTube id, first and last second
COLUMN = re.compile(r"(.*[^\s,])[\s,]+-?\d+(?:\.\d+)?")  # a label or a number of frames after the clip
ID_COLUMN = "youtube_id"  # what a Kinetics CSV is known by
SUFFIXES = frozenset(VIDEO_SUFFIXES)
SHOWN = 5  # how many clips an error names


class ListedClips(NamedTuple):
    """How many clips of a class a list names, and how many of them are not there."""

    listed: int
    missing: int


@dataclass
class ListMatch:
    """What a list chooses among the files that are there.

    Attributes:
        chosen: source -> class of the clips that it names.
        missing: its lines that fit no file, in their order; a line whose clip lies in another class says so.
        counts: class -> how many clips it names and how many of these are missing, sorted by class.
    """

    chosen: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    counts: dict[str, ListedClips] = field(default_factory=dict)


class _Line(NamedTuple):
    """One line of a list: its folders as written, what two spellings of its class share, and the clip's name."""

    number: int
    text: str
    folder: str
    home: str
    name: str


def match_list(found: Mapping[str, str], path: Path, classes: Iterable[str] = ()) -> ListMatch:
    """Chooses the clips that a list names.

    The class of a line is its last folder that is the name of a class. Without one the clip's name alone decides, and
    a missing line counts for the class that the other lines of its folder were found in, or else for its folder.

    Args:
        found: source (path below the video folder) -> class.
        path: text file, one clip a line; see the head of this file.
        classes: classes that the data set has besides those of `found`.

    Raises:
        DataError: the list cannot be read, a line fits several clips, or two lines contradict each other.
    """
    known = {class_key(cls): cls for cls in dict.fromkeys([*classes, *found.values()]) if cls}
    lines = [_parsed(number, text, known) for number, text in _clips_of(path)]
    columns = Counter(_columns(line.name) for line in lines).most_common(1)[0][0] if lines else 0
    files = _Files(found)
    match = ListMatch()
    first: dict[str, _Line] = {}  # source -> line that chose it
    lost: dict[tuple[str, str], tuple[_Line, list[str]]] = {}  # a clip without file -> line, files of other classes
    homes: dict[str, set[str]] = defaultdict(set)  # folder -> classes that its lines were found in
    for line in lines:
        names = _spellings(line.name, columns)
        fits, others = files.fitting(line, names, known)
        if len(fits) > 1:
            several = f"fits {len(fits)} clips: {line.text} ({_some(fits)})"
            hint = "write <class>/<clip>, with the suffix, and for Kinetics the times, where needed"
            raise DataError(f"line {line.number} of {path} {several}", hint)
        if fits:
            if (before := first.setdefault(fits[0], line)) is not line:
                _check_agree(before, line, path)
            match.chosen[fits[0]] = found[fits[0]]
            homes[line.home].add(found[fits[0]])
        else:
            lost.setdefault((line.home, without_suffix(names[-1])), (line, others))
    missing: Counter[str] = Counter()
    for line, others in lost.values():
        other = next((source for source in others if source in first and _is_unique(source)), None)
        if other:
            _check_agree(first[other], line, path)
        note = f" ({_name(others[0])} is of class {found[others[0]]})" if others else ""
        match.missing.append(line.text + note)
        missing[known.get(line.home) or _only(homes[line.home] if line.folder else (), line.folder)] += 1
    chosen = Counter(match.chosen.values())
    match.counts = {cls: ListedClips(chosen[cls] + missing[cls], missing[cls]) for cls in sorted({*chosen, *missing})}
    return match


class _Files:
    """The files of a data set, to be looked up by the names that lists have for them."""

    def __init__(self, found: Mapping[str, str]) -> None:
        self.found = found
        self.keys = {cls: class_key(cls) for cls in dict.fromkeys(found.values())}
        self.exact, self.loose = _Index(found, str), _Index(found, _loose)

    def fitting(self, line: _Line, names: list[str], known: Mapping[str, str]) -> tuple[list[str], list[str]]:
        """The sources that fit a line best, and if there is none, those that would if they were of its class."""
        if line.text in self.found:
            return [line.text], []
        others: list[str] = []
        for name in names:
            for sources in self._from_exact_to_loose(name):
                fits = sources
                if line.home in known:
                    fits = [source for source in sources if self.keys[self.found[source]] == line.home]
                if fits:
                    return _nearest(fits, line.folder), []
                others = others or sources
        return [], others

    def _from_exact_to_loose(self, name: str) -> Iterator[Sequence[str]]:
        yield self.exact.names.get(name, ())
        clip = without_suffix(name)
        yield from self.exact.look_up(clip)
        yield from self.loose.look_up(_loose(clip))


class _Index:
    """Sources by what names them; each table is made when it is first asked, for few lists need them all."""

    def __init__(self, sources: Iterable[str], spell: Callable[[str], str]) -> None:
        self.sources, self.spell = sources, spell

    @cached_property
    def names(self) -> dict[str, list[str]]:
        """By the name of the file."""
        return _by((source.rpartition("/")[2], source) for source in self.sources)

    @cached_property
    def clips(self) -> dict[str, list[str]]:
        """By the name of the file without suffix."""
        spell = self.spell
        return _by((spell(without_suffix(source.rpartition("/")[2])), source) for source in self.sources)

    @cached_property
    def videos(self) -> dict[str, list[str]]:
        """By the YouTube id of those that have times."""
        cuts = ((KINETICS.fullmatch(clip), sources) for clip, sources in self.clips.items())
        return _by((cut[1], source) for cut, sources in cuts if cut for source in sources)

    def look_up(self, clip: str) -> Iterator[Sequence[str]]:
        """The sources of a clip, those of its very name first."""
        yield self.clips.get(clip, ())
        if cut := KINETICS.fullmatch(clip):  # other times are another clip; a file without times may be this one
            yield self.clips.get(cut[1], ())
        else:
            yield self.videos.get(clip, ())


def _by(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    table: dict[str, list[str]] = {}
    for key, source in pairs:
        if key in table:
            table[key].append(source)
        else:
            table[key] = [source]
    return table


def _parsed(number: int, text: str, known: Mapping[str, str]) -> _Line:
    *folders, name = [part for part in text.split("/") if part not in ("", ".")] or [text]
    folder = "/".join(folders)
    keys = (class_key(part) for part in reversed(folders))
    home = next((key for key in keys if key in known), None)
    return _Line(number, text, folder, class_key(folder) if home is None else home, name)


def _columns(name: str) -> int:
    return len(_spellings(name, len(name))) - 1


def _spellings(name: str, columns: int) -> list[str]:
    """A name as it is, and without one to `columns` numbers that follow it."""
    names = [name]
    while len(names) <= columns and (shorter := COLUMN.fullmatch(names[-1])):
        names.append(shorter[1])
    return names


def _check_agree(before: _Line, line: _Line, path: Path) -> None:
    """Two lines for one file.

    Raises:
        DataError: they have different folders, or different times.
    """
    where = f"lines {before.number} and {line.number} of {path}"
    if before.home != line.home and before.home and line.home:
        raise DataError(f"{where} put one clip into two folders: {before.text} and {line.text}", "delete one of them")
    times = [cut[2] for name in (before.name, line.name) if (cut := KINETICS.match(name))]
    if len({*times}) > 1:
        hint = "name the files <id>_<start>_<end>, in seconds of six digits"
        raise DataError(f"{where} name two cuts of one file: {before.text} and {line.text}", hint)


def _nearest(sources: list[str], folder: str) -> list[str]:
    """Of several sources those that lie in the folder that is written, if any do."""
    if len(sources) > 1:
        parents = {source: source.rpartition("/")[0] for source in sources}
        wanted, tail, key = folder, f"/{folder}", f"/{class_key(folder)}"
        for near in (
            [source for source in sources if parents[source] == wanted],
            [source for source in sources if f"/{parents[source]}".endswith(tail)],
            [source for source in sources if f"/{class_key(parents[source])}".endswith(key)],
        ):
            if near:
                return near
    return sources


def _only(classes: Collection[str], otherwise: str) -> str:
    return next(iter(classes)) if len(classes) == 1 else otherwise


def _is_unique(source: str) -> bool:
    """Whether no two classes can have a clip of this name: they share a folder, or it is a name of Kinetics."""
    return "/" not in source or KINETICS.fullmatch(without_suffix(_name(source))) is not None


def _name(source: str) -> str:
    return source.rpartition("/")[2]


def _some(sources: list[str]) -> str:
    return ", ".join(sources[:SHOWN]) + (", …" if len(sources) > SHOWN else "")


def _loose(clip: str) -> str:
    return clip.lower() if clip.isascii() else unicodedata.normalize("NFC", clip).casefold()


def without_suffix(name: str) -> str:
    """A file name without video suffix; `x.mp4.avi`, which is what some converters leave, has two."""
    stem, dot, suffix = name.rpartition(".")
    return without_suffix(stem) if dot + suffix.lower() in SUFFIXES else name


def read_list(path: Path) -> Iterator[tuple[int, str]]:
    """(line number, text) of each line of a list of clips; blank lines and comments are skipped.

    A comment is a `#` on its own or before a blank: HMDB51 has clips that are called `#20_Rhythm_…`.

    Raises:
        DataError: not a text file.
    """
    try:
        lines = path.read_bytes().decode("utf-8-sig").split("\n")  # a name may hold what else `splitlines` splits at
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the list {path} cannot be read: {error}") from error
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text and text.split(maxsplit=1)[0] != "#":
            yield number, text


def _clips_of(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a list; the rows of a Kinetics CSV become `<class>/<id>_<start>_<end>`.

    Raises:
        DataError: not a text file, or a row without id.
    """
    header: list[str] | None = None
    for index, (number, text) in enumerate(read_list(path)):
        if index == 0 and ID_COLUMN in text.split(","):
            header = text.split(",")
        elif header is None:
            yield number, text
        else:
            row = dict(zip(header, next(csv.reader([text])), strict=False))
            if not row.get(ID_COLUMN):
                raise DataError(f"line {number} of {path} has no {ID_COLUMN}: {text}")
            clip, times = row[ID_COLUMN], [row.get(column, "") for column in ("time_start", "time_end")]
            if all(time.isdecimal() for time in times):
                clip += "".join(f"_{int(time):06d}" for time in times)
            yield number, f"{row['label']}/{clip}" if row.get("label") else clip
