"""Published accuracies of other papers than STRM's: read from `reports/published.yaml`, and those that fit some runs.

Accuracies are in percent, as printed. Each says where it was read, whose number it is there, and on which classes the
code behind it chooses its model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from strmctl import yaml
from strmctl.ablation.entries import Tested
from strmctl.datasets.splits import known_splits
from strmctl.errors import DataError
from strmctl.forms import misfit
from strmctl.report.document import build
from strmctl.report.published_numbers import Published

WAY = 5
CHOSEN_ON = ("val", "test", "unknown")
BY = ("authors", "again", "quoted")
SOURCE = {"paper": str, "place": str, "on": str, "why?": str}
ROW = {"method": str, "backbone": str, "source": str, "by": str, "accuracy": dict}
MORE = {"names": False, "outlier": "", "note": ""}  # keys of a row that may be missing


def read_published(path: Path) -> list[Published]:
    """All published accuracies of a file, an entry for each row and data set.

    Args:
        path: a file like `reports/published.yaml`.

    Raises:
        DataError: the file is damaged, has unknown keys or a row without a known source; the message lists all
            problems.
    """
    try:
        content = yaml.load(path)
    except (OSError, yaml.YamlError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    if problems := list(_problems(content)):
        raise DataError(f"{path} is no list of published accuracies:\n" + "\n".join(problems))
    found = []
    for row in content["rows"]:
        about = MORE | {"why": "", "read_in": row["source"]} | content["sources"][row["source"]]
        about |= {key: value for key, value in row.items() if key not in ("accuracy", "source")}
        found += [
            build(Published, about | {"dataset": dataset, "accuracy": accuracy})
            for dataset, accuracy in row["accuracy"].items()
        ]
    return found


def published_beside(rows: Iterable[Published], tested: Iterable[Tested], first: Iterable[str] = ()) -> list[Published]:
    """The published accuracies that stand beside some runs.

    They are those of the data sets and numbers of shots of runs that were tested 5-way on the test classes. Outliers
    come last within a data set.

    Args:
        rows: published accuracies.
        tested: the runs.
        first: data sets that come first, in this order.
    """
    shown: dict[str, set[int]] = {name: set() for name in first}
    for result in (one.result for one in tested):
        if (result.split, result.way) == ("test", WAY) and "fold" not in result.provenance["recipe"]["data"]:
            shots = {numbers["shot"] for numbers in result.results}
            shown.setdefault(result.provenance["store"], set()).update(shots)
    places, found = list(shown), []
    for row in rows:
        if accuracy := {shot: own for shot, own in row.accuracy.items() if shot in shown.get(row.dataset, ())}:
            found.append(replace(row, accuracy=accuracy))
    return sorted(found, key=lambda row: (places.index(row.dataset), bool(row.outlier)))


def _problems(content: Any) -> Iterator[str]:
    """What is wrong with the content of a file."""
    if wrong := misfit(content, {"sources": dict, "rows": [object]}):
        yield wrong
        return
    yield from _unknown(content, ("sources", "rows"))
    sources, used = content["sources"], set()
    for name, source in sources.items():
        for problem in _of_entry(source, SOURCE, {"on": CHOSEN_ON}):
            yield f"sources.{name}: {problem}"
        if isinstance(source, Mapping) and source.get("on") in ("val", "test") and not source.get("why"):
            yield f"sources.{name}: why is missing: what in the code shows that"
    form = ROW | {f"{key}?": type(value) for key, value in MORE.items()}
    for number, row in enumerate(content["rows"]):
        problems = list(_of_entry(row, form, {"by": BY, "source": tuple(sources)})) or _of_accuracies(row["accuracy"])
        yield from (f"rows[{number}]: {problem}" for problem in problems)
        used.add(row.get("source") if isinstance(row, Mapping) else None)
    yield from (f"sources.{name}: no row was read there" for name in sources if name not in used)


def _of_entry(entry: Any, form: Mapping[str, Any], words: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """What is wrong with an entry of a form; `words`: the values that some of its keys may have."""
    if wrong := misfit(entry, form):
        yield wrong
        return
    yield from _unknown(entry, [key.removesuffix("?") for key in form])
    yield from (f"{key} is empty" for key, value in entry.items() if isinstance(value, str) and not value.strip())
    for key, known in words.items():
        if entry[key] not in known:
            yield f"{key} is {entry[key]!r}, not {' or '.join(known)}"


def _unknown(entry: Mapping[str, Any], known: Iterable[str]) -> Iterator[str]:
    yield from (f"the key {key!r} is unknown" for key in entry if key not in set(known))


def _of_accuracies(accuracies: Mapping[Any, Any]) -> Iterator[str]:
    """What is wrong with `{data set: {shots: percent}}`."""
    for name, accuracy in accuracies.items():
        if name not in known_splits():
            yield f"accuracy.{name}: no such data set"
        elif not isinstance(accuracy, Mapping) or not accuracy:
            yield f"accuracy.{name} is no object with a percentage for each number of shots"
        else:
            for shot, percent in accuracy.items():
                if misfit(shot, int) or shot < 1 or misfit(percent, float) or not 0 < percent <= 100:
                    yield f"accuracy.{name}: {shot!r}: {percent!r} is no number of shots with a percentage"
    if not accuracies:
        yield "accuracy is empty"
