"""Lists of clips, matched with the files that are there.

Folders may be named after classes or be anonymised (`train8/78687`). Kinetics clips may stand with or without their
times (`--nQbRBEz2s_000104_000114`).
"""

from __future__ import annotations

import contextlib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from strmctl.datasets.catalogue import VIDEO_SUFFIXES
from strmctl.datasets.list_readings import Line, other_readings, plain_lines, read_list
from strmctl.datasets.names import first_of
from strmctl.datasets.splits import class_key
from strmctl.errors import DataError

COLUMN = re.compile(r"(.*[^\s,])[\s,]+-?\d+(?:\.\d+)?")  # a label or a number of frames after the clip
SUFFIXES = frozenset(VIDEO_SUFFIXES)
KINETICS = re.compile(r"([\w-]{11})_(\d{6}_\d{6})", re.ASCII)  # YouTube id, first and last second
LOOKED_AT = 5000  # files of which the one most like a line is looked for
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


class ListLine(NamedTuple):
    """One line of a list.

    Attributes:
        number: line number, counted from 1.
        text: the line.
        folder: its folders as written, `/`-separated.
        home: key of its class, or of its folders where none is called like a class.
        names: name of the clip as it is, and without one to all numbers that follow it.
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
        """The first `usual` names, or all where the last has a suffix: what stands behind a suffix is no name."""
        shortest = self.names[-1]
        return self.names[:usual] if without_suffix(shortest) == shortest else self.names


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
        path: text file, one clip a line, or a Kinetics CSV; of which little is found, its other readings are tried.
        classes: classes that the data set has besides those of `found`.
        annotated: clip id -> class, where the data set says so, also of clips that have no file.

    Raises:
        DataError: the list cannot be read, a line fits several clips, or two lines contradict each other.
    """
    known = {class_key(cls): cls for cls in dict.fromkeys([*classes, *found.values()]) if cls}
    files, content = _Files(found, known), read_list(path)
    lines = plain_lines(content, path, files.has)
    problem = None
    try:
        best = _match(files, lines, path, annotated)
    except DataError as error:
        best, problem = ListMatch(), error
    if 2 * len(best.chosen) < len(lines):  # another form of list, perhaps
        for reading in other_readings(content, lines, known.keys(), files.has):
            with contextlib.suppress(DataError):
                match = _match(files, reading, path, annotated)
                if len(match.chosen) > len(best.chosen) and not (problem and match.missing):
                    best = match
    if problem and not best.chosen:
        raise problem
    return best


def _match(files: _Files, texts: Sequence[Line], path: Path, annotated: Mapping[str, str]) -> ListMatch:
    """What one reading of a list chooses."""
    found, known = files.found, files.known
    lines = list(_list_lines(texts, known))
    usual = Counter(len(line.names) for line in lines).most_common(1)[0][0] if lines else 1
    chosen_by: dict[str, ListLine] = {}  # source -> line that chose it first
    homes: dict[str, set[str]] = defaultdict(set)  # folder -> classes that its lines were found in

    def choose(line: ListLine, fits: list[str]) -> None:
        if len(fits) > 1:
            several = f"fits {len(fits)} clips: {line.text} ({first_of(fits, SHOWN)})"
            hint = f"write there which one is meant, such as `{fits[0]}`"
            raise DataError(f"line {line.number} of {path} {several}", hint)
        _check_agree(chosen_by.setdefault(fits[0], line), line, path)
        homes[line.home].add(found[fits[0]])

    unfit: list[tuple[ListLine, list[str]]] = []  # line, files of other classes
    for line in lines:
        fits, others = files.fitting(line, line.likely(usual))
        if fits:
            choose(line, fits)
        else:
            unfit.append((line, others))
    lost: dict[tuple[str, str], tuple[ListLine, list[str], str]] = {}  # a clip without file -> …, annotated class
    for line, others in unfit:
        likely = line.likely(usual)
        fits, more = files.fitting(line, line.names[len(likely) :])
        clip = next((clip for clip in map(without_suffix, line.names) if clip in annotated), None)
        if len(fits) == 1 and chosen_by.get(fits[0], line).name == line.name:
            choose(line, fits)
        elif clip is None:
            lost.setdefault((line.home, without_suffix(likely[-1])), (line, others or more, ""))
        else:  # an id is one clip, whatever folders the lines put it into
            _check_agree(lost.setdefault(("", clip), (line, others or more, annotated[clip]))[0], line, path)
    match = ListMatch({source: found[source] for source in chosen_by})
    missing: Counter[str] = Counter()
    for line, others, annotated_class in lost.values():
        if other := next((source for source in others if source in chosen_by and _is_unique(source)), None):
            _check_agree(chosen_by[other], line, path)
        note = f" ({_name(others[0])} is of class {found[others[0]]})" if others else ""
        match.missing.append(line.text + note)
        cls = known.get(line.home) or known.get(class_key(annotated_class), annotated_class)
        neighbours = homes[line.home] if line.folder else set()
        missing[cls or (min(neighbours) if len(neighbours) == 1 else line.folder)] += 1
    there = Counter(match.chosen.values())
    match.counts = {cls: ListedClips(there[cls] + missing[cls], missing[cls]) for cls in sorted({*there, *missing})}
    return match


def nothing_fits(match: ListMatch, path: Path, found: Iterable[str]) -> DataError:
    """The error of a list of which nothing is there: its first line, what would fit, and the file that is most like it.

    Args:
        match: what the list chooses, nothing.
        path: file of the list.
        found: sources.
    """
    some = list(islice(found, LOOKED_AT))
    if not match.missing:
        return DataError(f"the list {path} names no clip", f"it wants lines such as `{without_suffix(some[0])}`")
    line = match.missing[0]
    nearest = max(some, key=lambda source: SequenceMatcher(None, line, source).ratio())
    return DataError(
        f"no line of the list {path} fits a file; the first is `{line}`, and the file most like it is {nearest}",
        f"write <class>/<clip> or <clip>, a line each, such as `{without_suffix(nearest)}`",
    )


def without_suffix(name: str) -> str:
    """A file name without video suffix; `x.mp4.avi`, which is what some converters leave, has two."""
    stem, dot, suffix = name.rpartition(".")
    return without_suffix(stem) if dot + suffix.lower() in SUFFIXES else name


def _list_lines(texts: Sequence[Line], classes: Collection[str]) -> Iterator[ListLine]:
    """The lines of a list of clips, given the keys of the classes."""
    homes: dict[str, str] = {}  # lists have few folders and many lines
    for number, text in texts:
        *folders, name = [part for part in text.split("/") if part not in ("", ".")] or [text]
        folder = "/".join(folders)
        if folder not in homes:
            keys = (class_key(part) for part in reversed(folders))
            homes[folder] = next((key for key in keys if key in classes), class_key(folder))
        names = [name]
        while shorter := COLUMN.fullmatch(names[-1]):
            names.append(shorter[1])
        yield ListLine(number, text, folder, homes[folder], names)


class _Files:
    """The files of a data set, to be looked up by the names that lists have for them."""

    def __init__(self, found: Mapping[str, str], known: Mapping[str, str]) -> None:
        self.found, self.known = found, known
        self.keys = {cls: class_key(cls) for cls in dict.fromkeys(found.values())}
        self.tables: dict[Callable[[str], str | None], dict[str | None, list[str]]] = {}

    def fitting(self, line: ListLine, names: list[str]) -> tuple[list[str], list[str]]:
        """The sources that fit a line best, and if there is none, those that would if they were of its class."""
        if line.text in self.found:
            return [line.text], []
        others: Sequence[str] = []
        for name in names:
            for sources in self._from_exact_to_loose(name):
                fits = sources
                if line.home in self.known:
                    fits = [source for source in sources if self.keys[self.found[source]] == line.home]
                if fits:
                    return _nearest(fits, line.folder), []
                others = others or sources
        return [], list(others)

    def has(self, name: str) -> bool:
        """Whether a file is called so, in any spelling, wherever it lies."""
        last = name.rstrip("/").rpartition("/")[2].strip()
        return any(map(len, self._from_exact_to_loose(last)))

    def _from_exact_to_loose(self, name: str) -> Iterator[Sequence[str]]:
        yield self._called(str, name)
        for clip_of, video_of in ((without_suffix, _video), (_loose, _loose_video)):
            clip, video = clip_of(name), video_of(name)
            yield self._called(clip_of, clip)
            # other times are another clip; a file without times may be this one
            yield self._called(clip_of, video) if video else self._called(video_of, clip)

    def _called(self, spell: Callable[[str], str | None], name: str) -> Sequence[str]:
        """The sources whose file is called so in a spelling; few lists need the tables of all spellings."""
        if spell not in self.tables:
            table = self.tables[spell] = {}
            for source in self.found:
                table.setdefault(spell(_name(source)), []).append(source)
        return self.tables[spell].get(name, ())


def _name(source: str) -> str:
    return source.rpartition("/")[2]


def _loose(name: str) -> str:
    """A clip's name without the difference of case and of composed accents."""
    clip = without_suffix(name)
    return clip.lower() if clip.isascii() else unicodedata.normalize("NFC", clip).casefold()


def _video(name: str) -> str | None:
    """The YouTube id of a clip that has times."""
    cut = KINETICS.fullmatch(without_suffix(name))
    return cut[1] if cut else None


def _loose_video(name: str) -> str | None:
    return _video(_loose(name))


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


def _nearest(sources: Sequence[str], folder: str) -> list[str]:
    """Of several sources, those that lie in the folder that is written, if any do."""

    def nearness(source: str) -> tuple[bool, bool, bool]:
        parent = source.rpartition("/")[0]
        ends = f"/{parent}".endswith(f"/{folder}")
        return parent == folder, ends, ends or f"/{class_key(parent)}".endswith(f"/{class_key(folder)}")

    nearest = max(map(nearness, sources)) if len(sources) > 1 else None
    return [source for source in sources if nearest in (None, nearness(source))]


def _is_unique(source: str) -> bool:
    """Whether no two classes can have a clip of this name: they share a folder, or it is a name of Kinetics."""
    return "/" not in source or _video(_name(source)) is not None
