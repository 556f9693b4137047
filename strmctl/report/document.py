"""The typed document that passes to a report, and the one place where `report.json` is written and read."""

from __future__ import annotations

import functools
import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from types import UnionType
from typing import Any, TypeVar

from strmctl.errors import DataError
from strmctl.report.accuracies import Claim, Confusion, Curve, Entries, FoldSeries, Trials
from strmctl.report.published_numbers import Paper, Published, Table1

SCHEMA = 4
OF_MODELS = ("components", "shots", "custom")  # kinds of grids with a model in each cell, all tested alike
Kind = TypeVar("Kind")


@dataclass(frozen=True, kw_only=True)
class GridInfo:
    """What a reader must know of a grid: its data, its tests, its training, its commands and what is missing."""

    name: str  # name of its folder
    kind: str  # `components`, `cardinality`, `tuples`, `shots`, `training`, `folds` or `custom`
    dataset: str  # what results call it
    store: str  # name of its frame store
    split: str
    way: int  # classes per test episode
    queries: int  # query clips per class
    episodes: int  # number of test episodes
    seed: int  # seed of the test episodes
    distinct_groups: bool = False  # whether support and query never come from one source video
    shared_sources: dict[int, float] = field(default_factory=dict)  # shots -> share of episodes in which they do
    seeds: list[int]  # training seeds
    recipe: str  # name or file of the recipe that the grid varies
    backbone: str
    training_episodes: int  # training episodes of the recipe
    training_shot: int  # support clips per class in training
    commands: list[str]  # command lines that made the grid
    commits: list[str | None]  # commits of the code that tested its runs; None where unknown
    threads: int  # threads of each run
    runs: int  # number of runs
    missing: list[str]  # names of the runs without a result
    tuple_counts: dict[str, int] = field(default_factory=dict)  # label -> number of tuples, of a grid of cardinalities
    changed: list[str] = field(default_factory=list)  # what all cells have otherwise than the shipped recipe
    folds: int | None = None  # number of folds, of a grid of folds
    fold_seed: int | None = None  # seed that dealt the classes to them
    pretraining: str = ""  # sentence on the test classes that the backbone may have seen
    told: list[str] = field(default_factory=list)  # labels of models that are given the names of the classes
    retrained: bool | None = None  # whether models were trained with their share of the tuples, of a grid of tuples


@dataclass(frozen=True, kw_only=True)
class Run:
    """A tested run, or those of several training seeds of one recipe; the names of these stand in `run`."""

    run: str
    label: str  # the method, and the names of the runs where several are of one
    method: str
    backbone: str
    dataset: str
    split: str
    way: int
    recipe: str
    shots: Entries
    pretraining: str = ""  # as of `GridInfo`
    told: bool = False  # whether the model is given the names of the classes


@dataclass(frozen=True, kw_only=True)
class Flops:
    """Floating-point operations of one method, by part with a `total`; see `strmctl.ablation.cost`."""

    embed_clip: dict[str, int]
    match_episode: dict[str, int]
    frame: float
    episode: dict[str, int]
    cached_evaluation: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class MethodCost:
    """Parameters, by part with a `total`, and operations of one method."""

    parameters: dict[str, int]
    flops: Flops


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What the paper's models cost, in these sizes; `cached` counts the clips and episodes of an evaluation."""

    backbone: str
    frames: int
    pixels: int
    way: int
    shot: int
    queries: int
    dim: int
    query_class_dim: int
    methods: dict[str, MethodCost]
    cached: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Document:
    """Everything that a report says, in its order. A kind of grid that there is none of is empty and not in `grids`."""

    title: str  # names of the data sets
    claims: list[Claim] = field(default_factory=list)
    components: dict[str, Entries] = field(default_factory=dict)  # by label
    cardinality: dict[str, Entries] = field(default_factory=dict)  # by label
    tuples: dict[str, dict[float, dict[int, Trials]]] = field(default_factory=dict)  # by label, share of tuples, shots
    shots: dict[str, Entries] = field(default_factory=dict)  # by label
    training: dict[str, dict[int, Entries]] = field(default_factory=dict)  # by label, training episodes
    folds: dict[str, FoldSeries] = field(default_factory=dict)  # by label
    custom: dict[str, Entries] = field(default_factory=dict)  # by label
    runs: list[Run] = field(default_factory=list)
    curves: dict[str, list[Curve]] = field(default_factory=dict)  # by label
    confusion: list[Confusion] = field(default_factory=list)  # of the most accurate model, and of another
    attention: dict[str, dict[str, Any]] = field(default_factory=dict)  # by figure: clip, runs and ranges of their maps
    cost: Cost | None = None
    table1: Table1 | None = None
    published: list[Published] = field(default_factory=list)  # of other papers, on the runs' data sets
    grids: dict[str, GridInfo] = field(default_factory=dict)  # by kind
    paper: Paper
    provenance: dict[str, Any]  # code, libraries, machine and command

    def to_json(self) -> dict[str, Any]:
        """The content of `report.json`, every text fit for UTF-8: a folder's name may hold bytes that are no text."""
        return {"schema": SCHEMA, **_plain(self)}


def from_json(content: Mapping[str, Any]) -> Document:
    """The document that `to_json` wrote.

    Raises:
        DataError: the content is damaged or of another version.
    """
    try:
        found = dict(content)
        if found.pop("schema") != SCHEMA:
            raise ValueError("another schema")
        return build(Document, found)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"the report is damaged or of another version: {error}", "run `strmctl report` again"
        ) from error


def build(kind: type[Kind], value: Any) -> Kind:
    """A value of JSON or YAML as the dataclass, list or dict that an annotation names.

    Raises:
        TypeError: a field is missing or misspelt.
        ValueError: a key is no number where one is expected.
    """
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if is_dataclass(kind):
        hints = _hints(kind)
        return kind(**{name: build(hints.get(name, Any), one) for name, one in value.items()})
    if origin is UnionType:  # `… | None`
        return None if value is None else build(inner[0], value)
    if origin is list:
        return [build(inner[0], one) for one in value]
    if origin is dict:
        return {inner[0](key): build(inner[1], one) for key, one in value.items()}
    return value


_hints = functools.cache(typing.get_type_hints)


def _plain(value: Any) -> Any:
    """Dataclasses as dicts without the optional fields that hold nothing; keys as text, as JSON has them."""
    if is_dataclass(value):
        optional = {one.name for one in fields(value) if one.default_factory is not MISSING or one.default is None}
        found = {one.name: getattr(value, one.name) for one in fields(value)}
        return {name: _plain(one) for name, one in found.items() if name not in optional or one not in (None, {}, [])}
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {_plain(str(key)): _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
