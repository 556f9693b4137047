"""Lists of clips, matched with the files that are there.

Folders may be named after classes or be anonymised (`train8/78687`). Kinetics clips may stand with or without their
times (`--nQbRBEz2s_000104_000114`).
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

from strmctl.datasets.catalogue import VIDEO_SUFFIXES
from strmctl.datasets.names import first_of
from strmctl.datasets.splits import class_key
from strmctl.errors import DataError

COLUMN = re.compile(r"(.*[^\s,])[\s,]+-?\d+(?:\.\d+)?")  # a label or a number of frames after the clip
ID_COLUMN = "youtube_id"  # what a Kinetics CSV is known by
SUFFIXES = frozenset(VIDEO_SUFFIXES)


class ListLine(NamedTuple):
    """One line of a list.

    Attributes:
        number: counted from 1.
        text: the line.
        folder: its folders as written, `/`-separated.
        home: what two spellings of its class share, or of its folders where none is called like a class.
        names: the clip's name as it is, and without one to all numbers that follow it.
    """

    number: int
    text: str
    folder: str
    home: str
    names: list[str]

    @property
    def name(self) -> str:
        """The clip's name with all that follows it."""
        return self.names[0]

    def likely(self, usual: int) -> list[str]:
        """The first `usual` names, or all where the last has a suffix: what stands behind that is no name."""
        shortest = self.names[-1]
        return self.names[:usual] if without_suffix(shortest) == shortest else self.names


def read_lines(path: Path, classes: Collection[str]) -> Iterator[ListLine]:
    """The lines of a list of clips.

    Args:
        path: text file, one clip a line, or a Kinetics CSV.
        classes: `class_key` of each class.

    Raises:
        DataError: not a text file, or a row of a CSV without id.
    """
    homes: dict[str, str] = {}  # lists have few folders and many lines
    for number, text in _clips_of(path):
        *folders, name = [part for part in text.split("/") if part not in ("", ".")] or [text]
        folder = "/".join(folders)
        if folder not in homes:
            keys = (class_key(part) for part in reversed(folders))
            homes[folder] = next((key for key in keys if key in classes), class_key(folder))
        yield ListLine(number, text, folder, homes[folder], _names(name))


def _names(name: str) -> list[str]:
    names = [name]
    while shorter := COLUMN.fullmatch(names[-1]):
        names.append(shorter[1])
    return names


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


KINETICS = re.compile(r"([\w-]{11})_(\d{6}_\d{6})", re.ASCII)  # YouTube id, first and last second
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


def match_list(
    found: Mapping[str, str], path: Path, classes: Iterable[str] = (), annotated: Mapping[str, str] = {}
) -> ListMatch:
    """Chooses the clips that a list names.

    The class of a line is its last folder that is the name of a class. Without one the clip's name alone decides, and
    a missing line counts for the class that its clip is annotated with, or else for the class that the other lines of
    its folder were found in, or else for its folder.

    Numbers at the end of a line are part of the clip's name if a file is called so. As many as most lines end in, or
    all behind a video suffix, may be columns; more are taken for columns only where no other line names that file.

    Args:
        found: source (path below the video folder) -> class.
        path: text file, one clip a line; see ``strmctl.datasets.lists``.
        classes: classes that the data set has besides those of `found`.
        annotated: clip id -> class, where the data set says so, also of clips that have no file.

    Raises:
        DataError: the list cannot be read, a line fits several clips, or two lines contradict each other.
    """
    known = {class_key(cls): cls for cls in dict.fromkeys([*classes, *found.values()]) if cls}
    lines = list(read_lines(path, known))
    usual = Counter(len(line.names) for line in lines).most_common(1)[0][0] if lines else 1
    files = _Files(found, known)
    chosen = _Chosen(found, path)
    unfit: list[tuple[ListLine, list[str]]] = []  # line, files of other classes
    for line in lines:
        fits, others = files.fitting(line, line.likely(usual))
        if fits:
            chosen.add(line, fits)
        else:
            unfit.append((line, others))
    lost: dict[tuple[str, str], tuple[ListLine, list[str], str]] = {}  # a clip without file -> …, annotated class
    for line, others in unfit:
        likely = line.likely(usual)
        fits, more = files.fitting(line, line.names[len(likely) :])
        if len(fits) == 1 and chosen.by.get(fits[0], line).name == line.name:
            chosen.add(line, fits)
            continue
        clip = next((clip for clip in map(without_suffix, line.names) if clip in annotated), None)
        if clip is None:
            lost.setdefault((line.home, without_suffix(likely[-1])), (line, others or more, ""))
        else:  # an id is one clip, whatever folders the lines put it into
            _check_agree(lost.setdefault(("", clip), (line, others or more, annotated[clip]))[0], line, path)
    match = ListMatch({source: found[source] for source in chosen.by})
    missing: Counter[str] = Counter()
    for line, others, cls in lost.values():
        other = next((source for source in others if source in chosen.by and _is_unique(source)), None)
        if other:
            _check_agree(chosen.by[other], line, path)
        note = f" ({_name(others[0])} is of class {found[others[0]]})" if others else ""
        match.missing.append(line.text + note)
        by_name = known.get(line.home) or known.get(class_key(cls), cls)
        missing[by_name or _only(chosen.homes[line.home] if line.folder else (), line.folder)] += 1
    there = Counter(match.chosen.values())
    match.counts = {cls: ListedClips(there[cls] + missing[cls], missing[cls]) for cls in sorted({*there, *missing})}
    return match


class _Chosen:
    """The files that lines chose.

    Attributes:
        by: source -> line that chose it first.
        homes: folder -> classes that its lines were found in.
    """

    def __init__(self, found: Mapping[str, str], path: Path) -> None:
        self.found, self.path = found, path
        self.by: dict[str, ListLine] = {}
        self.homes: dict[str, set[str]] = defaultdict(set)

    def add(self, line: ListLine, fits: list[str]) -> None:
        """Chooses the only source that fits a line.

        Raises:
            DataError: there are several, or another line that chose it contradicts this one.
        """
        if len(fits) > 1:
            several = f"fits {len(fits)} clips: {line.text} ({_some(fits)})"
            hint = "write <class>/<clip>, with the suffix, and for Kinetics the times, where needed"
            raise DataError(f"line {line.number} of {self.path} {several}", hint)
        if (before := self.by.setdefault(fits[0], line)) is not line:
            _check_agree(before, line, self.path)
        self.homes[line.home].add(self.found[fits[0]])


class _Files:
    """The files of a data set, to be looked up by the names that lists have for them."""

    def __init__(self, found: Mapping[str, str], known: Mapping[str, str]) -> None:
        self.found, self.known = found, known
        self.keys = {cls: class_key(cls) for cls in dict.fromkeys(found.values())}
        self.exact, self.loose = _Index(found, str), _Index(found, _loose)

    def fitting(self, line: ListLine, names: list[str]) -> tuple[list[str], list[str]]:
        """The sources that fit a line best, and if there is none, those that would if they were of its class."""
        if line.text in self.found:
            return [line.text], []
        others: list[str] = []
        for name in names:
            for sources in self._from_exact_to_loose(name):
                fits = sources
                if line.home in self.known:
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


def _check_agree(before: ListLine, line: ListLine, path: Path) -> None:
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
    return first_of(sources, SHOWN)


def _loose(clip: str) -> str:
    return clip.lower() if clip.isascii() else unicodedata.normalize("NFC", clip).casefold()
