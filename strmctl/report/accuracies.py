"""What a report says of accuracies: of models, of claims on them, and of how runs learn.

Accuracies, half-widths and differences are fractions.
"""

from __future__ import annotations

from dataclasses import dataclass


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
class Confusion:
    """What a model takes the queries of each class for, at one number of shots.

    Attributes:
        label: name of the model.
        runs: names of its runs, one per training seed.
        dataset: what results call the data set.
        split: subset of the classes.
        shot: support clips per class.
        accuracy: mean over training seeds.
        classes: G names, sorted.
        counts: (G, G) numbers of queries, of all training seeds together; rows true, columns predicted.
    """

    label: str
    runs: list[str]
    dataset: str
    split: str
    shot: int
    accuracy: float
    classes: list[str]
    counts: list[list[int]]

    @property
    def per_class(self) -> dict[str, tuple[float, int]]:
        """Class -> accuracy and number of queries, of the classes that were tested."""
        rows = zip(self.classes, self.counts, strict=True)
        asked = {name: (row[place], sum(row)) for place, (name, row) in enumerate(rows) if sum(row)}
        return {name: (right / queries, queries) for name, (right, queries) in asked.items()}


def differences(lower: Entry | Trials | None, upper: Entry | Trials | None) -> dict[int, float]:
    """Training seed -> upper - lower, for the seeds that both have."""
    if lower is None or upper is None:
        return {}
    below, above = (dict(zip(side.seeds, side.per_seed, strict=True)) for side in (lower, upper))
    return {seed: above[seed] - below[seed] for seed in below if seed in above}
