"""The typed document that passes to a report, and the one place where `report.json` is written and read.

Accuracies, half-widths and differences are fractions; the paper's numbers are percent, as printed.
"""

from __future__ import annotations

import functools
import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from types import UnionType
from typing import Any, TypeVar

from strmctl.errors import DataError

SCHEMA = 3
Kind = TypeVar("Kind")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """The accuracy of one model at one number of shots.

    Attributes:
        accuracy: mean over training seeds.
        ci95: half-width of the 95 % interval over test episodes, each episode's accuracy averaged over the seeds.
        seeds: training seeds.
        per_seed: accuracy of each seed.
        episodes: number of test episodes.
        sd: standard deviation over seeds; None for one seed.
        ci95_seeds: half-width of the 95 % interval over seeds, by Student's t; None for one seed.
        runs: names of the runs, one per seed.
    """

    accuracy: float
    ci95: float
    seeds: list[int]
    per_seed: list[float]
    episodes: int
    sd: float | None
    ci95_seeds: float | None
    runs: list[str]


@dataclass(frozen=True, kw_only=True)
class Trials:
    """The accuracy of one model that is tested with a share of its tuples, at one number of shots.

    Attributes:
        accuracy: mean over trials.
        trials: accuracy of each drawing of tuples, averaged over training seeds.
        sd: standard deviation over trials; None for one trial.
        ci95: half-width of the 95 % interval over `ci95_over`.
        ci95_over: `trials`, by Student's t, or `episodes` where there is one trial.
        seeds: training seeds.
        per_seed: accuracy of each seed, averaged over trials.
        episodes: number of test episodes.
        tuples: cardinality -> number of tuples kept.
        runs: names of the runs.
    """

    accuracy: float
    trials: list[float]
    sd: float | None
    ci95: float
    ci95_over: str
    seeds: list[int]
    per_seed: list[float]
    episodes: int
    tuples: dict[int, int]
    runs: list[str]


Entries = dict[int, Entry]  # by number of shots


@dataclass(frozen=True, kw_only=True)
class FoldEntry:
    """The accuracy of one model over the classes of all folds, at one number of shots.

    Attributes:
        accuracy: mean over classes, each in the fold that tests it and averaged over training seeds.
        ci95: half-width of the 95 % interval over classes, by Student's t.
        classes: class -> accuracy with each training seed.
        seeds: training seeds that were tested in every fold.
        per_seed: mean over classes with each seed.
        episodes: number of test episodes of each fold.
        sd: standard deviation over seeds; None for one seed.
        ci95_seeds: half-width of the 95 % interval over seeds, by Student's t; None for one seed.
        runs: names of the runs, the folds of a seed one after the other.
    """

    accuracy: float
    ci95: float
    classes: dict[str, list[float]]
    seeds: list[int]
    per_seed: list[float]
    episodes: int
    sd: float | None
    ci95_seeds: float | None
    runs: list[str]


@dataclass(frozen=True, kw_only=True)
class Lead:
    """How far one model is ahead of another, class by class.

    Attributes:
        n: number of classes.
        difference: mean over classes of the differences, each averaged over the training seeds of both.
        ci95: half-width of the 95 % interval over classes, by Student's t.
        p: two-sided p-value of the sign-flip test over classes.
        ahead_in: number of classes in which it is ahead.
        seeds: training seeds that both have.
    """

    n: int
    difference: float
    ci95: float
    p: float
    ahead_in: int
    seeds: list[int]


@dataclass(frozen=True, kw_only=True)
class FoldSeries:
    """One model in all folds, by number of shots; its leads by the label of an earlier model and number of shots."""

    shots: dict[int, FoldEntry]
    leads: dict[str, dict[int, Lead]]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """An order that is expected, `lower < upper` or `lower ≤ upper`, at one number of shots.

    Attributes:
        source: table or figure of the paper; empty where the paper says nothing of it.
        claim: the order in words.
        paper: the paper's numbers; empty where it prints none.
        shot: support clips per class.
        seeds: training seeds that both sides have.
        differences: upper - lower of each seed.
        mean: mean difference.
        ci95: half-width of the 95 % interval over seeds, by Student's t; None for one seed.
        holds_in: number of seeds in which the order holds.
    """

    source: str
    claim: str
    paper: str
    shot: int
    seeds: list[int]
    differences: list[float]
    mean: float
    ci95: float | None
    holds_in: int

    @property
    def verdict(self) -> str:
        """`yes` or `no` where the interval over seeds lies above or below 0; a single seed settles nothing."""
        if self.ci95 is None or abs(self.mean) <= self.ci95:
            return "not settled"
        return "yes" if self.mean > 0 else "no"


@dataclass(frozen=True, kw_only=True)
class Curve:
    """How a run has learned.

    Attributes:
        run: name of the run.
        window: number of training episodes that loss and accuracy are means of.
        episodes: some of the numbers of training episodes, in ascending order.
        loss: mean over the window that ends with each of them.
        accuracy: likewise, of the training episodes themselves.
        validated: numbers of training episodes after which there was a validation.
        validation: accuracy of each validation.
        ci95: half-width of its 95 % interval over episodes.
    """

    run: str
    window: int
    episodes: list[int]
    loss: list[float]
    accuracy: list[float]
    validated: list[int]
    validation: list[float]
    ci95: list[float]


@dataclass(frozen=True, kw_only=True)
class GridInfo:
    """What a reader must know of a grid: its data, its tests, its training, its commands and what is missing."""

    name: str  # name of its folder
    kind: str  # `components`, `cardinality`, `tuples`, `shots`, `training`, `folds` or `custom`
    dataset: str
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
class Table1Ours:
    """A run in a place of Table 1, or the training seeds of one recipe, with all that is not as the paper has it."""

    entry: Entry
    differs: list[str]

    @property
    def runs(self) -> str:
        """Names of the runs."""
        return ", ".join(self.entry.runs)


@dataclass(frozen=True, kw_only=True)
class Table1Row:
    """A row of Table 1: percent as published, and all that was run here, for each data set of `Table1.columns`."""

    method: str
    backbone: str
    published: list[float | None]
    ours: list[list[Table1Ours]]


@dataclass(frozen=True, kw_only=True)
class Table1:
    """Table 1 of the paper with the runs of the same models beside it; remarks name the runs of other models."""

    columns: list[str]
    rows: list[Table1Row]
    notes: list[str]
    remarks: list[str] = field(default_factory=list)
    source: str


@dataclass(frozen=True, kw_only=True)
class Published:
    """Accuracies that another paper prints for one method and data set, 5-way on its test classes.

    Attributes:
        method: the method.
        backbone: its backbone.
        dataset: name of the split.
        accuracy: number of shots -> percent, as printed.
        on: classes that the code chooses its model on, `val` or `test`; `unknown` where no code was read.
        why: what in the code shows that; empty where it is unknown.
        by: whose number it is: `authors`, of a method trained `again`, or `quoted` from its own paper.
        read_in: short name of the paper or repository in which it was read.
        paper: its authors, title and year.
        place: table or file.
        names: whether the model is given the names of the classes.
        outlier: why it should stand beside no other number; empty where it may.
        note: what else a reader must know.
    """

    method: str
    backbone: str
    dataset: str
    accuracy: dict[int, float]
    on: str
    why: str
    by: str
    read_in: str
    paper: str
    place: str
    names: bool
    outlier: str
    note: str


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
class PaperRow:
    """A row of the paper's Table 1."""

    method: str
    backbone: str
    values: list[float | None]


@dataclass(frozen=True, kw_only=True)
class PaperTable1:
    """The paper's Table 1."""

    columns: list[str]
    rows: list[PaperRow]
    notes: list[str]


@dataclass(frozen=True, kw_only=True)
class PaperTable2:
    """The paper's Table 2, column by column; None where it prints a dash."""

    cardinalities: list[list[int]]
    tuples: list[int | None]
    kinetics100: list[float]
    ssv2: list[float]

    def by_set(self) -> dict[str, tuple[int | None, float, float]]:
        """Set of cardinalities, such as `2,3` -> tuples, accuracy on Kinetics-100, accuracy on SSv2."""
        names = [",".join(map(str, ways)) for ways in self.cardinalities]
        return dict(zip(names, zip(self.tuples, self.kinetics100, self.ssv2, strict=True), strict=True))


@dataclass(frozen=True, kw_only=True)
class Paper:
    """The published numbers of `reports/paper.yaml`."""

    source: str
    table1: PaperTable1
    table2: PaperTable2
    figure6_left: dict[str, float]
    figure6_right: dict[str, float]
    figure7: dict[str, list[int]]
    compute: str
    implementation: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Document:
    """Everything that a report says. A kind of grid that there is none of is empty here and absent from `grids`."""

    title: str  # names of the data sets
    components: dict[str, Entries] = field(default_factory=dict)  # by label
    cardinality: dict[str, Entries] = field(default_factory=dict)  # by label
    tuples: dict[str, dict[float, dict[int, Trials]]] = field(default_factory=dict)  # by label, share of tuples, shots
    shots: dict[str, Entries] = field(default_factory=dict)  # by label
    training: dict[str, dict[int, Entries]] = field(default_factory=dict)  # by label, training episodes
    folds: dict[str, FoldSeries] = field(default_factory=dict)  # by label
    custom: dict[str, Entries] = field(default_factory=dict)  # by label
    curves: dict[str, list[Curve]] = field(default_factory=dict)  # by label, of all grids
    runs: list[Run] = field(default_factory=list)
    grids: dict[str, GridInfo] = field(default_factory=dict)  # by kind
    claims: list[Claim] = field(default_factory=list)
    paper: Paper
    table1: Table1 | None = None
    published: list[Published] = field(default_factory=list)  # of other papers, on the runs' data sets
    cost: Cost | None = None
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


def differences(lower: Entry | Trials | None, upper: Entry | Trials | None) -> dict[int, float]:
    """Training seed -> upper - lower, for the seeds that both have."""
    if lower is None or upper is None:
        return {}
    below, above = (dict(zip(side.seeds, side.per_seed, strict=True)) for side in (lower, upper))
    return {seed: above[seed] - below[seed] for seed in below if seed in above}


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
