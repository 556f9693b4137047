"""Splits: which classes are for training, validation and test, and the annotations that give clips their class.

The three subsets never share a class.
"""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strmctl import yaml
from strmctl.errors import DataError, UsageError, did_you_mean
from strmctl.paths import shipped

SUBSETS = ("train", "val", "test")
FORM = "a split file holds three lists of classes, `train: [a, b]`, `val: [c, d]`, `test: [e, f]`, a line each"
KEYS = ("name", "title", "source", "subsets", "opposites")


def class_key(name: str) -> str:
    """The key of a class, which its spellings share: neither case nor underscores for blanks make a difference."""
    return " ".join(unicodedata.normalize("NFC", name).replace("_", " ").casefold().split())


@dataclass(frozen=True)
class Split:
    """The classes of one benchmark.

    Attributes:
        name: short name, such as `ucf101`.
        title: name for people.
        source: where the split was published.
        subsets: subset -> class -> number of clips in the published lists (None: unknown).
        opposites: pairs of classes that differ only in the direction of time.
    """

    name: str
    title: str
    source: str
    subsets: dict[str, dict[str, int | None]]
    opposites: tuple[tuple[str, str], ...] = ()

    def classes(self, subset: str) -> list[str]:
        """The classes of a subset, sorted."""
        return sorted(self.subsets[subset])

    def subset_of(self, cls: str) -> str:
        """The subset that a class lies in; empty when the split does not know the class."""
        return next((subset for subset, classes in self.subsets.items() if cls in classes), "")

    def by_key(self) -> dict[str, str]:
        """`class_key` of each class -> the split's own spelling."""
        return {class_key(cls): cls for classes in self.subsets.values() for cls in classes}


def known_splits() -> list[str]:
    """Names of the splits that come with the tool."""
    return sorted(path.stem for path in shipped("splits").glob("*.yaml"))


def load_split(name_or_path: str | Path) -> Split:
    """Reads a split that comes with the tool (by name) or one of the user's (by path).

    Raises:
        UsageError: no split of that name.
        DataError: the file is missing or is not a split; all problems are named together.
    """
    text = os.fspath(name_or_path)
    if Path(text).suffix or os.sep in text:
        path = Path(text)
    elif text in known_splits():
        path = shipped("splits", f"{text}.yaml")
    else:
        known = known_splits()
        hint = f"{did_you_mean(known, text)}known: {', '.join(known)}; or the path of a YAML file"
        raise UsageError(f"unknown split {text!r}", hint)
    try:
        content = yaml.load(path)
    except OSError as error:
        raise DataError(f"the split {path} cannot be read: {error.strerror}", FORM) from error
    except yaml.YamlError as error:
        raise DataError(f"the split {path} is not valid: {error}", FORM) from error
    if isinstance(content, dict) and "subsets" not in content:  # the short form
        subsets = {subset: content.pop(subset) for subset in SUBSETS if subset in content}
        content |= {"subsets": subsets} if subsets else {}
    problems = list(_problems(content))
    if problems:
        raise DataError("\n  ".join([f"the split {path} is not valid:", *problems]), FORM)
    return Split(
        name=content.get("name", path.stem),
        title=content.get("title", path.stem),
        source=content.get("source", ""),
        subsets={subset: _counted(content["subsets"].get(subset)) for subset in SUBSETS},
        opposites=tuple((first, second) for first, second in content.get("opposites", ())),
    )


def _counted(classes: list | dict | None) -> dict[str, int | None]:
    return dict(classes) if isinstance(classes, dict) else dict.fromkeys(classes or ())


def _problems(content: Any) -> Iterator[str]:
    """The problems of a split file's content, one line each."""
    if not isinstance(content, dict) or not isinstance(content.get("subsets"), dict):
        yield "train, val, test: missing (want the classes of each)"
        return
    for key in content:
        if key not in KEYS:
            guess = did_you_mean((*SUBSETS, *KEYS), str(key))
            yield f"{key}: unknown key ({guess}known: {', '.join(KEYS)})"
    for key in ("name", "title", "source"):
        if key in content and not isinstance(content[key], str):
            yield f"{key}: want text (got {content[key]!r})"
    subsets = content["subsets"]
    home: dict[str, tuple[str, str]] = {}  # class key -> subset and spelling that came first
    for subset, classes in subsets.items():
        if subset not in SUBSETS:
            guess = did_you_mean(SUBSETS, str(subset))
            yield f"subsets.{subset}: unknown subset ({guess}known: {', '.join(SUBSETS)})"
        elif not isinstance(classes, dict | list | None):
            yield f"subsets.{subset}: want a list of classes, or classes with their number of clips (got {classes!r})"
        else:
            yield from _class_problems(subset, classes or [], home)
    if not home:
        yield "subsets: no class at all"
    yield from _opposite_problems(content.get("opposites", []), home)


def _class_problems(subset: str, classes: list | dict, home: dict[str, tuple[str, str]]) -> Iterator[str]:
    for cls in classes:
        if not isinstance(cls, str) or not class_key(cls):
            yield f"subsets.{subset}: a class is text; put it in quotes (got {cls!r})"
            continue
        if isinstance(classes, dict) and not _is_count(classes[cls]):
            yield f"subsets.{subset}.{cls}: want a number of clips (got {classes[cls]!r})"
        if class_key(cls) in home:
            before, spelling = home[class_key(cls)]
            other = "" if spelling == cls else f", spelt {spelling!r}"
            yield f"subsets.{subset}: {cls!r} stands in {before} already{other}"
        home.setdefault(class_key(cls), (subset, cls))


def _is_count(value: Any) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)


def _opposite_problems(pairs: Any, home: dict[str, tuple[str, str]]) -> Iterator[str]:
    if not isinstance(pairs, list):
        yield f"opposites: want a list of pairs (got {pairs!r})"
        return
    spelt = {spelling: subset for subset, spelling in home.values()}
    for pair in pairs:
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(cls, str) for cls in pair):
            yield f"opposites: want two classes (got {pair!r})"
        elif missing := [cls for cls in pair if cls not in spelt]:
            yield f"opposites: not a class of this split: {', '.join(map(repr, missing))}"
        elif spelt[pair[0]] != spelt[pair[1]]:
            yield f"opposites: {pair[0]!r} and {pair[1]!r} lie in different subsets"


def read_annotation(path: Path) -> Iterator[tuple[str, str]]:
    """(clip id, class) of each entry of an SSv2 annotation; the class is the label's template without its brackets.

    Raises:
        DataError: not a list of objects with `id` and `template`.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError) as error:
        raise DataError(f"the annotation {path} cannot be read: {error}") from error
    if not isinstance(entries, list):
        raise DataError(f"the annotation {path} is not a list of objects with id and template")
    for index, entry in enumerate(entries):
        try:
            clip, template = str(entry["id"]), entry["template"].replace("[", "").replace("]", "")
        except (TypeError, KeyError, AttributeError) as error:
            raise DataError(f"entry {index} of the annotation {path} lacks id or template: {entry!r:.80}") from error
        yield clip, template
