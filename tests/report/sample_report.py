"""A complete document of `strmctl report` for tests; every measured number in it is a made-up sample."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Any

import yaml

from strmctl.paths import shipped

SEEDS = (0, 1, 2)
T_95 = {2: 12.7062047, 3: 4.3026527}  # Student's t of a 95 % interval, by n
COMPONENTS = ("TRM", "TRM+PLE", "TRM+FLE", "TRM+PLE+FLE", "STRM")
TUPLES = {"1": 8, "2": 28, "3": 56, "4": 70, "2,3": 84, "2,4": 98, "3,4": 126, "2,3,4": 154}
SPREAD = (-0.01, 0.0, 0.01)  # of the samples over seeds


def entry(mean: float, *, seeds: Sequence[int] = SEEDS, run: str = "sample") -> dict[str, Any]:
    """An accuracy with one value per seed, `SPREAD` around the mean."""
    each = [round(mean + SPREAD[position], 4) for position in range(len(seeds))] if len(seeds) > 1 else [mean]
    return {
        "accuracy": fmean(each),
        "ci95": 0.004,
        "seeds": list(seeds),
        "per_seed": each,
        "episodes": 10000,
        "sd": stdev(each) if len(each) > 1 else None,
        "ci95_seeds": half_width(each),
        "runs": [f"{run}-s{seed}" for seed in seeds],
    }


def trials(mean: float, *, kept: dict[str, int], count: int) -> dict[str, Any]:
    """An accuracy over trials of a share of the tuples; a single trial holds all of them."""
    each = [round(mean + 0.01 * (position - (count - 1) / 2), 4) for position in range(count)]
    return {
        "accuracy": fmean(each),
        "trials": each,
        "sd": stdev(each) if count > 1 else None,
        "ci95": half_width(each) if count > 1 else 0.004,
        "ci95_over": "trials" if count > 1 else "episodes",
        "seeds": [0],
        "episodes": 10000,
        "tuples": kept,
        "runs": ["sample-strm-s0"],
    }


def half_width(each: Sequence[float]) -> float | None:
    """Of Student's t interval."""
    return None if len(each) < 2 else T_95.get(len(each), 2.0) * stdev(each) / math.sqrt(len(each))


def claim(source: str, words: str, shot: int, differences: Sequence[float]) -> dict[str, Any]:
    """A claim and the difference of each seed that speaks for or against it."""
    return {
        "source": source,
        "claim": words,
        "shot": shot,
        "seeds": list(SEEDS[: len(differences)]),
        "differences": list(differences),
        "mean": fmean(differences),
        "ci95": half_width(differences),
        "holds_in": sum(difference > 0 for difference in differences),
    }


def sample() -> dict[str, Any]:
    """A document with every kind of grid, a new copy at each call."""
    names = [words.lower().replace("+", "-") for words in COMPONENTS]
    grids = {kind: grid(kind) for kind in ("components", "cardinality", "tuples", "shots", "training", "custom")}
    grids["cardinality"]["tuple_counts"] = dict(TUPLES)
    grids["tuples"] |= {"retrained": False, "seeds": [0]}
    grids["training"]["missing"] = ["sample-4000-s2"]
    paper = yaml.safe_load(shipped("reports", "paper.yaml").read_text(encoding="utf-8"))
    strm = {shot: entry(mean, run="strm") for shot, mean in (("1", 0.6), ("5", 0.8))}
    return {
        "schema": 1,
        "title": "Sample",
        "components": {
            label: {
                "1": entry(0.5 + 0.02 * rank, run=names[rank]),
                "5": entry(0.7 + 0.02 * rank, run=names[rank]),
            }
            for rank, label in enumerate(COMPONENTS)
        },
        "cardinality": {
            label: {"1": entry(0.6 - 0.01 * rank), "5": entry(0.8 - 0.01 * rank)} for rank, label in enumerate(TUPLES)
        },
        "tuples": {
            "STRM {2}": {
                "0.2": {shot: trials(mean, kept={"2": 6}, count=3) for shot, mean in (("1", 0.56), ("5", 0.76))},
                "0.6": {shot: trials(mean, kept={"2": 17}, count=3) for shot, mean in (("1", 0.58), ("5", 0.78))},
                "1.0": {shot: trials(mean, kept={"2": 28}, count=1) for shot, mean in (("1", 0.6), ("5", 0.8))},
            },
            "TRX {2,3}": {
                "1.0": {shot: trials(mean, kept={"2": 28, "3": 56}, count=1) for shot, mean in (("1", 0.5), ("5", 0.7))}
            },
        },
        "shots": {
            label: {str(shot): entry(round(start + 0.02 * shot, 4)) for shot in (1, 2, 3, 4, 5, 10)}
            for label, start in (("TRM", 0.5), ("TRX", 0.52), ("STRM", 0.6))
        },
        "training": {
            "TRM": {"1000": {"1": entry(0.5), "5": entry(0.7)}, "4000": {"1": entry(0.58), "5": entry(0.78)}},
            "STRM": {
                "1000": {"1": entry(0.6), "5": entry(0.8)},
                "4000": {
                    "1": entry(0.62, seeds=(0, 1), run="sample-4000"),
                    "5": entry(0.82, seeds=(0, 1), run="sample-4000"),
                },
            },
        },
        "custom": {"sample 1": {"1": entry(0.4), "5": entry(0.5)}, "sample 2": {"1": entry(0.45, seeds=(0,))}},
        "runs": [
            {
                "run": "sample_s0",
                "method": "strm",
                "backbone": "conv3",
                "dataset": "Sample",
                "split": "test",
                "way": 5,
                "recipe": "sample",
                "shots": {shot: entry(figures["accuracy"], seeds=(0,)) for shot, figures in strm.items()},
            }
        ],
        "grids": grids,
        "claims": [
            claim("Figure 6, left", "TRM < TRM+PLE", 1, [0.01, 0.02, 0.03]),
            claim("Figure 6, left", "TRM < TRM+PLE", 5, [0.02, -0.01, 0.05]),
            claim("Figure 6, left", "TRM+PLE+FLE < STRM", 1, [-0.01, -0.02, -0.03]),
            claim("Figure 7", "TRM < STRM", 5, [0.1, 0.1, 0.1]),
        ],
        "table1": {
            "columns": paper["table1"]["columns"],
            "rows": [
                {
                    "method": row["method"],
                    "backbone": row["backbone"],
                    "published": row["values"],
                    "ours": [None, entry(0.6) if row is paper["table1"]["rows"][6] else None, None, None],
                }
                for row in paper["table1"]["rows"]
            ],
            "notes": paper["table1"]["notes"],
            "source": paper["source"],
        },
        "paper": paper,
        "cost": cost(),
        "provenance": {
            "strmctl": "0.0.0 (sample)",
            "commit": "0" * 40,
            "dirty": False,
            "python": "3.11.0",
            "libraries": {"torch": "2.0.0", "numpy": "1.26.0"},
            "platform": "Sample-Machine",
            "command": "strmctl report --runs sample",
        },
    }


def grid(kind: str) -> dict[str, Any]:
    """What one grid was measured on."""
    return {
        "name": f"sample-{kind}",
        "kind": kind,
        "dataset": "Sample",
        "split": "test",
        "way": 5,
        "queries": 1,
        "episodes": 10000,
        "seed": 0,
        "seeds": list(SEEDS),
        "recipe": "sample",
        "backbone": "conv3",
        "training_episodes": 1000,
        "training_shot": 1,
        "commands": [f"strmctl ablate {kind} --recipe sample --seeds 0,1,2"],
        "commits": ["0" * 40],
        "threads": 1,
        "runs": 15,
        "missing": [],
    }


def cost() -> dict[str, Any]:
    """Parameters and floating-point operations of three methods."""
    parts = {
        "TRM {2}": {"backbone": 20_000_000, "PLE": 0, "FLE": 0, "TRM": 10_000_000, "QC": 0},
        "TRX {2,3}": {"backbone": 20_000_000, "PLE": 0, "FLE": 0, "TRM": 24_000_000, "QC": 0},
        "STRM {2}": {"backbone": 20_000_000, "PLE": 4_000_000, "FLE": 5_000_000, "TRM": 10_000_000, "QC": 1_000_000},
    }
    return {
        "backbone": "resnet50",
        "frames": 8,
        "pixels": 224,
        "way": 5,
        "shot": 5,
        "queries": 1,
        "dim": 1152,
        "query_class_dim": 1024,
        "methods": {label: cost_of(parameters) for label, parameters in parts.items()},
        "cached": {"clips": 2857, "episodes": 10000},
    }


def cost_of(parameters: dict[str, int]) -> dict[str, Any]:
    """Operations as so many times the parameters."""
    clip = {part: 3200 * count for part, count in parameters.items()}
    match = {"TRM": 40 * parameters["TRM"], "QC": 10 * parameters["QC"]}
    episode = {part: 30 * count + match.get(part, 0) for part, count in clip.items()}
    embedding, matching = 2857 * sum(clip.values()), 10000 * sum(match.values())
    return {
        "parameters": with_total(parameters),
        "flops": {
            "embed_clip": with_total(clip),
            "match_episode": with_total(match),
            "frame": sum(clip.values()) / 8,
            "episode": with_total(episode),
            "cached_evaluation": {"embedding": embedding, "matching": matching, "total": embedding + matching},
        },
    }


def with_total(parts: dict[str, int]) -> dict[str, int]:
    """The parts and their sum."""
    return parts | {"total": sum(parts.values())}
