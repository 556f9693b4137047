"""Runs and grids that were never trained, and what a report says of such.

Results: right answers are drawn, and written as `strmctl eval` writes them. Grids: runs with a recipe, weights and
results as `strmctl ablate` leaves them. `sample()`: the document of a report with every kind of grid in round numbers.
"""

import math
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev

import numpy as np

from strmctl import yaml
from strmctl.ablation.cells import Cell
from strmctl.ablation.claims import claims
from strmctl.ablation.grid_file import Grid, result_path
from strmctl.ablation.other_papers import read_published
from strmctl.episodes.sampler import EpisodeSampler
from strmctl.evaluation.match import Protocol
from strmctl.evaluation.statistics.summary import summarise
from strmctl.paths import read_json, shipped, write_json, write_text
from strmctl.provenance import provenance, sha256_of
from strmctl.recipe import Recipe, load_recipe
from strmctl.report.accuracies import Confusion, Entry, FoldEntry, FoldSeries, Lead, Trials
from strmctl.report.document import Cost, Document, GridInfo, Run, build
from strmctl.report.published_numbers import Paper, Table1, Table1Ours, Table1Row
from strmctl.results import EvalResult, QueryRow

PUBLISHED = read_published(shipped("reports", "published.yaml"))
CLIPS = {name: [f"{name}/{number}" for number in range(12)] for name in ("NA", "crawl", "jump", "run", "swim", "walk")}


def rows_of(
    accuracy: float = 0.6, *, clips=CLIPS, shots=(1, 5), way=5, queries=1, episodes=40, seed=0, split="test", answers=0
) -> list[QueryRow]:
    """Rows of the episodes that belong to these settings; answers are right with this probability."""
    sampler = EpisodeSampler(clips, split=split, way=way, shot=max(shots), queries=queries, seed=seed)
    draws, rows = np.random.default_rng(answers), []
    for shot in shots:
        for index in range(episodes):
            episode = sampler.episode(index)
            for name, ids in zip(episode.classes, episode.query, strict=True):
                wrong = next(other for other in episode.classes if other != name)
                rows += [
                    QueryRow(shot, index, clip, name, name if draws.random() < accuracy else wrong) for clip in ids
                ]
    return rows


def result_of(
    run: str, rows, *, recipe=None, way=5, queries=1, episodes=40, seed=0, split="test", **source
) -> EvalResult:
    """A result with these rows; `recipe` changes sections of the recipe, `source` the provenance."""
    own = {"name": run, "data": {"dataset": "mine"}, "trm": {"dim": 8}, "train": {"seed": 0, "episodes": 10}}
    for section, values in (recipe or {}).items():
        own[section] = {**own[section], **values}
    known = {"weights_sha256": "a" * 64, "manifest_sha256": "b" * 64, "selected_by": "val split", "store": "mine"}
    known |= {"classes": sorted(CLIPS), "chosen_classes": False, "frame_order": "natural", "device": "cpu"}
    known |= {"recipe": own}
    shape = {"way": way, "queries": queries, "episodes": episodes, "seed": seed, "split": split}
    figures = summarise(rows)
    return EvalResult(run, "mine", **shape, results=figures, provenance=provenance(**{**known, **source}), rows=rows)


def save(
    runs: Path, run: str, accuracy: float = 0.6, *, stem="test_5way_1q_s0", clips=CLIPS, shots=(1, 5), answers=0, **more
):
    """Writes a result of a run, whose folder is made; `more` are settings of the test, `recipe`, or provenance."""
    shape = {name: more[name] for name in ("way", "queries", "episodes", "seed", "split") if name in more}
    rows = rows_of(accuracy, clips=clips, shots=shots, answers=answers, **shape)
    result = result_of(run, rows, **more)
    write_text(runs / run / "recipe.yaml", "name: of a test\n")
    result.write(runs / run / "eval" / stem)
    return result


def forget_hashes(path: Path) -> None:
    """Makes a result's JSON file one of the early ones, which hold no hash."""
    document = read_json(path)
    write_json(path, {key: value for key, value in document.items() if key not in ("sha256", "rows_sha256")})


def recipe_of(*changes: str, recipe: str = "sprites", seed: int = 0) -> Recipe:
    """A shipped recipe with these `key=value` changes and a training seed."""
    return load_recipe(recipe, (*changes, "train.episodes=10", f"train.seed={seed}"))


def grid_of(cells, *, kind="components", name=None, shots=(1, 5), queries=1, episodes=40, **notes) -> Grid:
    """A grid of cells, each a `Cell` or (label, recipe) or (label, recipe, share, trial)."""
    made = [cell if isinstance(cell, Cell) else Cell(cell[0], _run(*cell[:2]), *cell[1:]) for cell in cells]
    notes = {"recipe": "sprites", "threads": 1, "retrained": False, "commands": ["strmctl ablate"], **notes}
    protocol = Protocol(shots=tuple(shots), queries=queries, episodes=episodes)
    return Grid(kind, name or f"sprites-{kind}", made, protocol, notes, provenance())


def _run(label: str, recipe: Recipe) -> str:
    words = "".join(sign if sign.isalnum() else " " for sign in label.lower()).split()
    return f"{'-'.join(words)}-s{recipe.train.seed}"


def write_run(runs: Path, run: str, recipe: Recipe) -> str:
    """A run folder with recipe, log and weights; returns the weights' hash."""
    folder = runs / run
    write_text(folder / "recipe.yaml", yaml.dump(recipe.model_dump() | {"name": run}))
    write_text(folder / "train.csv", f"episode,loss\n{recipe.train.episodes},1.0\n")
    write_text(folder / "weights.pt", f"weights of {run}")
    return sha256_of(folder / "weights.pt")


def write_cell(runs: Path, cell: Cell, grid: Grid, accuracy: float = 0.6, *, answers: int = 0, **source) -> Path:
    """The run and the result of a cell, whose answers are right with this probability; returns the JSON file."""
    weights, test = write_run(runs, cell.run, cell.recipe), grid.protocol
    shape = {name: getattr(test, name) for name in ("way", "queries", "episodes", "seed", "split")}
    if cell.fraction is not None:
        kept = {way: round(6 * cell.fraction / 0.2) for way in cell.recipe.trm.cardinalities}
        source["tuples"] = {"fraction": cell.fraction, "trial": cell.trial, "kept": kept}
    rows = rows_of(accuracy, shots=test.shots, answers=answers, **shape)
    source = {"store": cell.recipe.data.dataset, "weights_sha256": weights, **source}
    path = result_path(runs, cell, test)
    result = replace(result_of(cell.run, rows, **shape, **source), dataset="Sprites")
    result.provenance["recipe"] = cell.recipe.model_dump()
    result.write(path.with_suffix(""))
    return path


T_95 = {2: 12.706204736, 3: 4.302652730, 4: 3.182446305}  # Student's t of a 95 % interval, by n
COMPONENTS = ("TRM", "TRM+PLE", "TRM+FLE", "TRM+PLE+FLE", "STRM")
TUPLES = {"1": 8, "2": 28, "3": 56, "4": 70, "2,3": 84, "2,4": 98, "3,4": 126, "2,3,4": 154}


def half_width(each) -> float | None:
    """Of Student's t interval."""
    return T_95[len(each)] * stdev(each) / math.sqrt(len(each)) if len(each) > 1 else None


def entry(mean: float = 0, *, seeds=(0, 1, 2), run="sample", each=None) -> Entry:
    """An accuracy whose seeds are `each`, or one percent point apart around the mean (of two seeds up to it)."""
    each = each or [round(mean + 0.01 * (place - len(seeds) // 2), 4) for place in range(len(seeds))]
    spread = stdev(each) if len(each) > 1 else None
    shape = {"ci95": 0.004, "episodes": 10000, "runs": [f"{run}-s{seed}" for seed in seeds]}
    return Entry(
        accuracy=fmean(each), seeds=list(seeds), per_seed=each, sd=spread, ci95_seeds=half_width(each), **shape
    )


def trials(mean: float, *, kept=(28,), count=1) -> Trials:
    """An accuracy over trials of a share of the tuples; a single trial holds all of them."""
    each = [round(mean + 0.01 * (position - (count - 1) / 2), 4) for position in range(count)]
    return Trials(
        accuracy=fmean(each),
        trials=each,
        sd=stdev(each) if count > 1 else None,
        ci95=half_width(each) or 0.004,
        ci95_over="trials" if count > 1 else "episodes",
        seeds=[0],
        per_seed=[fmean(each)],
        episodes=10000,
        tuples=dict(zip((2, 3), kept, strict=False)),
        runs=["sample-strm-s0"],
    )


def folded(mean: float, *, leads=(), shots=(1, 5), seeds=(0, 1)) -> FoldSeries:
    """A model in three folds of nine classes, four percent points apart, with these leads over others."""
    classes = {f"class {n}": [round(mean + 0.04 * (n - 4) + 0.01 * s, 4) for s in range(len(seeds))] for n in range(9)}
    per_seed = [round(mean + 0.01 * s, 4) for s in range(len(seeds))]
    spread = stdev(per_seed) if len(seeds) > 1 else None
    known = {"classes": classes, "seeds": list(seeds), "per_seed": per_seed, "sd": spread, "episodes": 10000}
    known |= {"ci95_seeds": half_width(per_seed), "runs": [f"fold{n}of3-s{seed}" for seed in seeds for n in (1, 2, 3)]}
    lead = Lead(n=9, difference=0.02, ci95=0.03, p=0.125, ahead_in=6, seeds=list(seeds))
    return FoldSeries(
        shots={shot: FoldEntry(accuracy=fmean(per_seed), ci95=0.08, **known) for shot in shots},
        leads={base: dict.fromkeys(shots, lead) for base in leads},
    )


def grid_info(kind: str, **changes) -> GridInfo:
    test = {"dataset": "Sample", "store": "ssv2", "split": "test", "way": 5, "queries": 1, "episodes": 10000, "seed": 0}
    training = {"seeds": [0, 1, 2], "recipe": "sample", "backbone": "conv3", "training_episodes": 1000}
    made = {"commands": [f"strmctl ablate {kind} --recipe sample"], "commits": ["0" * 40], "threads": 1, "runs": 15}
    known = {"training_shot": 1, "missing": [], **test, **training, **made}
    return GridInfo(name=f"sample-{kind}", kind=kind, **(known | changes))


def sample(**changes) -> Document:
    """A document with every kind of grid, a new copy at each call; `changes` are sections."""
    paper = build(Paper, yaml.load(shipped("reports", "paper.yaml")))
    two = {1: 0.0, 5: 0.2}  # shots, and how much more is right
    table = paper.table1
    kinds = ("components", "cardinality", "tuples", "shots", "training", "folds", "custom")
    own = {"cardinality": {"tuple_counts": dict(TUPLES)}, "tuples": {"retrained": False, "seeds": [0]}}
    own["training"] = {"missing": ["sample-4000-s2"]}
    own["folds"] = {"folds": 3, "fold_seed": 0, "seeds": [0, 1]}
    shares = {0.2: (0.56, (6,), 3), 0.6: (0.58, (17,), 3), 1.0: (0.6, (28,), 1)}
    known = {
        "title": "Sample",
        "components": {
            label: {shot: entry(0.5 + 0.02 * rank + more, run=label.lower()) for shot, more in two.items()}
            for rank, label in enumerate(COMPONENTS)
        },
        "cardinality": {
            label: {shot: entry(0.6 - 0.01 * rank + more) for shot, more in two.items()}
            for rank, label in enumerate(TUPLES)
        },
        "tuples": {
            "STRM {2}": {
                share: {shot: trials(mean + more, kept=kept, count=count) for shot, more in two.items()}
                for share, (mean, kept, count) in shares.items()
            },
            "TRX {2,3}": {1.0: {shot: trials(0.5 + more, kept=(28, 56)) for shot, more in two.items()}},
        },
        "shots": {
            label: {shot: entry(start + 0.02 * shot) for shot in (1, 2, 3, 4, 5, 10)}
            for label, start in (("TRM", 0.5), ("TRX", 0.52), ("STRM", 0.6))
        },
        "training": {
            "TRM": {1000: {1: entry(0.5), 5: entry(0.7)}, 4000: {1: entry(0.58), 5: entry(0.78)}},
            "STRM": {
                1000: {1: entry(0.6), 5: entry(0.8)},
                4000: {shot: entry(0.62 + more, seeds=(0, 1), run="sample-4000") for shot, more in two.items()},
            },
        },
        "folds": {"TRM": folded(0.5), "STRM": folded(0.52, leads=["TRM"])},
        "custom": {"sample 1": {1: entry(0.4), 5: entry(0.5)}, "sample 2": {1: entry(0.45, seeds=(0,))}},
        "runs": [
            Run(
                **{"run": "sample_s0", "label": "STRM", "method": "strm", "backbone": "conv3", "recipe": "sample"},
                **{"dataset": "Sample", "split": "test", "way": 5},
                shots={1: entry(0.6, seeds=(0,)), 5: entry(0.8, seeds=(0,))},
            )
        ],
        "confusion": [
            Confusion(
                **{"label": label, "runs": [f"{label.lower()}-s{seed}" for seed in (0, 1)], "dataset": "Sample"},
                **{"split": "test", "shot": 5, "accuracy": (a + b) / 20, "classes": ["a", "b"]},
                counts=[[a, 10 - a], [10 - b, b]],
            )
            for label, a, b in (("STRM", 8, 6), ("TRM", 7, 5))
        ],
        "grids": {kind: grid_info(kind, **own.get(kind, {})) for kind in kinds},
        "paper": paper,
        "table1": Table1(
            columns=table.columns,
            rows=[
                Table1Row(
                    method=row.method,
                    backbone=row.backbone,
                    published=row.values,
                    ours=[[], [Table1Ours(entry=entry(0.6), differs=[])] * (row is table.rows[6]), [], []],
                )
                for row in table.rows
            ],
            notes=table.notes,
            source=paper.source,
        ),
        "published": [one for one in PUBLISHED if one.dataset == "ssv2"],
        "cost": build(Cost, cost()),
        "provenance": {
            **{"strmctl": "0.0.0 (sample)", "commit": "0" * 40, "dirty": False, "python": "3.11.0"},
            **{"libraries": {"torch": "2.0.0", "numpy": "1.26.0"}, "command": "strmctl report --runs sample"},
        },
    }
    document = Document(**(known | changes))
    return document if "claims" in changes else replace(document, claims=claims(document))


def cost() -> dict:
    """Parameters of three methods, and operations as so many times the parameters."""
    names = ("backbone", "PLE", "FLE", "TRM", "QC")
    millions = {"TRM {2}": (20, 0, 0, 10, 0), "TRX {2,3}": (20, 0, 0, 24, 0), "STRM {2}": (20, 4, 5, 10, 1)}
    methods = {}
    for label, counts in millions.items():
        parameters = {name: count * 1_000_000 for name, count in zip(names, counts, strict=True)}
        clip = {part: 3200 * count for part, count in parameters.items()}
        match = {"TRM": 40 * parameters["TRM"], "QC": 10 * parameters["QC"]}
        cached = {"embedding": 2857 * sum(clip.values()), "matching": 10000 * sum(match.values())}
        flops = {
            "embed_clip": clip,
            "match_episode": match,
            "episode": {part: 30 * count + match.get(part, 0) for part, count in clip.items()},
            "cached_evaluation": cached,
        }
        flops = {key: parts | {"total": sum(parts.values())} for key, parts in flops.items()}
        flops["frame"] = sum(clip.values()) / 8
        methods[label] = {"parameters": parameters | {"total": sum(parameters.values())}, "flops": flops}
    sizes = {"backbone": "resnet50", "frames": 8, "pixels": 224, "way": 5, "shot": 5, "queries": 1}
    sizes |= {"dim": 1152, "query_class_dim": 1024}
    return {**sizes, "methods": methods, "cached": {"clips": 2857, "episodes": 10000}}
