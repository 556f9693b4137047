"""The readings of a list of clips: as it is, without quotes and backslashes, as a table, as JSON.

A reading is a list of lines `<class>/<clip>` or `<clip>`. Which one is meant is decided by what it finds.
"""

from __future__ import annotations

import csv
import json
import re
import shlex
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from strmctl.datasets.splits import class_key
from strmctl.errors import DataError

ID_COLUMN = "youtube_id"  # the column that only a Kinetics CSV has
HEADS = frozenset(  # of columns
    (
        *("action", "category", "class", "class_name", "classname", "clip", "clip_id", "clip_name", "clips", "end"),
        *("file", "file_name", "filename", "frames", "id", "index", "label", "label_id", "labels", "name"),
        *("num_frames", "path", "split", "start", "subset", "target", "time_end", "time_start", "vid", "video"),
        *("video_id", "video_name", "video_path", "videos", "youtube_id"),
    )
)
DELIMITERS = ("\t", ";", "|", ",")
LABEL = re.compile(r"\d+[\s,;]+(?=\S)")  # the number of a class before the clip

Line = tuple[int, str]  # number, counted from 1, and text
Rows = list[tuple[int, list[str]]]  # number and cells


def read_list(path: Path) -> str:
    """The text of a list: UTF-8, or UTF-16 with a byte order mark.

    Raises:
        DataError: it cannot be read, or is neither.
    """
    try:
        content = path.read_bytes()
        wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
        return content.decode("utf-16" if wide else "utf-8-sig")
    except OSError as error:
        raise DataError(
            f"the list {path} cannot be read: {error.strerror}", "`--list FILE` names a text file"
        ) from error
    except UnicodeDecodeError as error:
        command = f"iconv -f latin1 -t UTF-8 {shlex.quote(str(path))} > list.txt"
        hint = f"save it as UTF-8: `{command}`, with the encoding that it has"
        raise DataError(f"the list {path} cannot be read, it is not UTF-8: {error}", hint) from error


def plain_lines(text: str, path: Path, is_file: Callable[[str], bool] = lambda name: False) -> list[Line]:
    """The lines as they are; the rows of a Kinetics CSV become `<class>/<id>_<start>_<end>`.

    Blank lines and comments are skipped, and so is a header. A comment is a `#` on its own or before a blank: HMDB51
    has clips that are called `#20_Rhythm_…`.

    Args:
        text: content of the list.
        path: its file, for messages.
        is_file: callable that knows whether a file is called so.

    Raises:
        DataError: a row of a Kinetics CSV has no id.
    """
    lines = [(number, line.strip()) for number, line in enumerate(text.split("\n"), 1)]  # names may hold other ends
    lines = [(number, line) for number, line in lines if line and line.split(maxsplit=1)[0] != "#"]
    header = lines[0][1].split(",") if lines else []
    if ID_COLUMN not in header:
        return lines[1:] if len(lines) > 1 and _is_header(header) and not is_file(lines[0][1]) else lines
    return [(number, _kinetics(header, line, f"line {number} of {path}")) for number, line in lines[1:]]


def _kinetics(header: list[str], line: str, where: str) -> str:
    row = dict(zip(header, next(csv.reader([line])), strict=False))
    if not row.get(ID_COLUMN):
        raise DataError(f"{where} has no {ID_COLUMN}: {line}", f"its header names the columns {', '.join(header)}")
    clip, times = row[ID_COLUMN], [row.get(column, "") for column in ("time_start", "time_end")]
    if all(time.isdecimal() for time in times):
        clip += "".join(f"_{int(time):06d}" for time in times)
    return f"{row['label']}/{clip}" if row.get("label") else clip


def other_readings(
    text: str, lines: Sequence[Line], classes: Collection[str], is_file: Callable[[str], bool]
) -> Iterator[list[Line]]:
    """Readings for a list of which little is found as it is.

    Args:
        text: content of the list.
        lines: its lines as they are.
        classes: keys of the classes.
        is_file: callable that knows whether a file is called so.
    """
    rows = _json_rows(text)
    if rows is not None:
        yield _clips(rows, classes, is_file)
        return
    yield [(number, LABEL.sub("", _clean(line))) for number, line in lines]
    for delimiter in DELIMITERS:
        cells = [
            (number, next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))) for number, line in lines
        ]
        yield from _table(cells, classes, is_file)
    yield from _table([(number, _at_blanks(line, classes)) for number, line in lines], classes, is_file)


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))
    except csv.Error:
        return [line]


def _table(rows: Rows, classes: Collection[str], is_file: Callable[[str], bool]) -> Iterator[list[Line]]:
    if rows and all(len(cells) > 1 for _, cells in rows):
        yield _clips([(number, list(map(_clean, cells))) for number, cells in rows], classes, is_file)


def _clips(rows: Rows, classes: Collection[str], is_file: Callable[[str], bool]) -> list[Line]:
    """Lines out of cells: the column of which most are classes, and that of which most are files."""
    width = max((len(cells) for _, cells in rows), default=0)
    columns = [[cells[i] if i < len(cells) else "" for _, cells in rows] for i in range(width)]
    labelled = [sum(class_key(cell) in classes for cell in column) for column in columns]
    label = labelled.index(max(labelled)) if any(labelled) else None
    others = [i for i in range(width) if i != label]
    if not others:
        return []
    clip = max(others, key=lambda i: (sum(map(is_file, columns[i])), not any(map(str.isdecimal, columns[i])), -i))
    rest = 0 if label is None else len(rows) - 1
    names, classes_of = columns[clip], [""] * len(rows) if label is None else columns[label]
    if not is_file(names[0]) and (
        _is_header(rows[0][1]) or 0 < rest == labelled[label] > (class_key(classes_of[0]) in classes)
    ):
        rows, names, classes_of = rows[1:], names[1:], classes_of[1:]
    return [
        (number, f"{cls}/{name}" if cls else name)
        for (number, _), cls, name in zip(rows, classes_of, names, strict=True)
        if name
    ]


def _json_rows(text: str) -> Rows | None:
    """The entries of a JSON document, or of one a line, as cells; None for what is no JSON."""
    if not text.lstrip().startswith(("[", "{", '"')):
        return None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        try:
            document = [json.loads(line) for line in text.splitlines() if line.strip()]
        except (ValueError, RecursionError):
            return None
    return [(number, list(map(_clean, cells))) for number, cells in enumerate(_entries(document), 1)]


def _entries(document: Any) -> Iterator[list[str]]:
    """Cells of each clip: of strings, objects, class -> clips, clip -> class, clip -> object, and these in subsets."""
    if isinstance(document, dict) and all(isinstance(value, dict | list) for value in document.values()):
        for key, value in document.items():
            inner = list(_entries(value)) if isinstance(value, list) else [_scalars(value)]
            yield from ([key, *cells] for cells in inner)
    elif isinstance(document, dict):
        yield from ([key, *_scalars(value)] for key, value in document.items())
    elif isinstance(document, list):
        yield from map(_scalars, document)


def _scalars(value: Any) -> list[str]:
    """All texts and numbers inside a value."""
    if isinstance(value, dict):
        return [cell for inner in value.values() for cell in _scalars(inner)]
    if isinstance(value, list):
        return [cell for inner in value for cell in _scalars(inner)]
    return [str(value)]


def _at_blanks(line: str, classes: Collection[str]) -> list[str]:
    """A class and a clip with blanks between and in them; numbers at the end are left out."""
    words = _clean(re.sub(r"(\s+-?\d+)+$", "", line)).split()
    cuts = [(" ".join(words[:i]), " ".join(words[i:])) for i in range(1, len(words))]
    return list(next((cut for cut in cuts if classes & {*map(class_key, cut)}), ()))


def _clean(text: str) -> str:
    """A text without quotes around it, and with slashes for backslashes."""
    text = text.strip()
    while len(text) > 1 and text[0] == text[-1] and text[0] in "\"'`":
        text = text[1:-1].strip()
    return text.replace("\\", "/")


def _is_header(cells: Sequence[str]) -> bool:
    words = [word for cell in cells for word in re.split(r"[;,|\t]", cell)]
    return all(_clean(word).casefold().replace(" ", "_").replace("-", "_") in HEADS for word in words)
