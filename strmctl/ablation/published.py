"""What of a run is not as the paper has it: its recipe key by key against the shipped one, and its test.

A run of another model than that of a row of Table 1, or of another task, does not stand there, and the table says why.
What else differs, in training or in the number of episodes, stands in the row beside its number.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from strmctl.ablation.entries import Found, Tested, entries
from strmctl.datasets.splits import class_key, load_split
from strmctl.evaluation.result_files import USUAL_EPISODES
from strmctl.model.backbones.table import backbone_entry
from strmctl.model.methods.table import METHODS
from strmctl.recipe import Recipe, flat, load_recipe, shipped_recipes
from strmctl.report.published_numbers import Paper, Table1, Table1Ours, Table1Row
from strmctl.report.tables.table import DATASETS
from strmctl.report.wording import listed, queries_per_class
from strmctl.results import EvalResult
from strmctl.runs.notes import WEIGHTS
from strmctl.runs.train_log import trained_episodes

WAY, SHOT, QUERIES = 5, 5, 1  # of the paper's tests; the number of their episodes is `USUAL_EPISODES`
# A trial changes nothing where all tuples are kept; memory and compile change rounding alone, snapshots nothing.
NO_EFFECT = ("name", "train.seed", "train.memory", "train.keep", "backbone.compile", "trm.tuple_trial")
HALF_OF_D = ("patch_enrichment.hidden", "query_class.dim")  # null stands for that
IN_WORDS = {("backbone.weights", "none"): "random weights"}


def table1(paper: Paper, groups: Sequence[Found]) -> Table1 | None:
    """Table 1 with ours beside it: the data sets of some runs, and rows with a run first; None without any such run.

    Args:
        paper: the published numbers.
        groups: tested runs, those that are training seeds of one recipe together.
    """
    table, remarks = paper.table1, []
    places: dict[tuple[str | None, ...], list[Table1Ours]] = {}
    for group in groups:
        source = group[0].result.provenance
        recipe, store = source["recipe"], source["store"]
        place = METHODS[recipe["method"]].table1, backbone_entry(recipe["backbone"]["name"]).table1, store
        shipped = shipped_recipe(store, recipe["backbone"]["name"], recipe["method"])
        if None in place or store not in table.columns or shipped is None:
            continue
        model, rest = recipe_differences(recipe, shipped)
        if all(one.result.provenance.get("weights_file") == WEIGHTS["last"] for one in group):
            rest = [words for words in rest if not words.startswith("validation.")]  # nothing was chosen by it
        runs = [one.cell.run for one in group]
        if other := [*model, *_all_of(_other_test(one.result) for one in group)]:
            where = f"{place[0]} ({place[1]}) on {DATASETS.get(store, store)}"
            remarks.append(f"{listed(runs)} cannot stand beside {where}, because of {listed(other)}")
            continue
        near = ["approximate"] * METHODS[recipe["method"]].approximate
        differs = [*near, *rest, *_all_of(map(_differences, group))]
        ours = Table1Ours(entry=entries(group, [SHOT])[SHOT], differs=differs)
        if ours not in places.setdefault(place, []):  # a run that is named, and a cell of a grid as well
            places[place].append(ours)
    stores = {group[0].result.provenance["store"] for group in groups}
    shown = [place for place, name in enumerate(table.columns) if name in stores]
    columns = [table.columns[place] for place in shown]
    rows = [
        Table1Row(
            method=row.method,
            backbone=row.backbone,
            published=[row.values[place] for place in shown],
            ours=[places.get((row.method, row.backbone, name), []) for name in columns],
        )
        for row in table.rows
    ]
    rows = [row for row in rows if any(row.ours) or any(value is not None for value in row.published)]
    rows.sort(key=lambda row: not any(row.ours))
    remarks = list(dict.fromkeys(remarks))
    made = Table1(columns=columns, rows=rows, notes=table.notes, remarks=remarks, source=paper.source)
    return made if columns else None


def shipped_recipe(store: str, backbone: str, method: str = "strm") -> Recipe | None:
    """The shipped recipe of a data set and a backbone, with a method; None where there is none."""
    name = next((name for name, *about in _shipped() if about == [store, backbone]), None)
    return name and load_recipe(name, [f"method={method}"])


def recipe_differences(recipe: Mapping[str, Any], shipped: Recipe) -> tuple[list[str], list[str]]:
    """What of a recipe is not as in the shipped one, in keys that can change a number.

    Args:
        recipe: the recipe as nested dicts.
        shipped: the shipped recipe of the same data set, backbone and method.

    Returns:
        Differences of the model, and all others, in words such as `input.crop 112`.
    """
    own, theirs = flat(recipe), flat(shipped.model_dump())
    model, rest = [], []
    for key in theirs:
        value = own.get(key, theirs[key])  # a key that came later than the run
        if _value(key, value, own) != _value(key, theirs[key], own) and (kind := _kind(key, own)):
            (model if kind == "model" else rest).append(in_words(key, value))
    return model, rest


def in_words(key: str, value: Any) -> str:
    """A key of a recipe with its value, as one writes them in a recipe."""
    if isinstance(value, str):
        return IN_WORDS.get((key, value), f"{key} {value}")
    return f"{key} {value:g}" if isinstance(value, float) else f"{key} {json.dumps(value)}"


@functools.cache
def _shipped() -> list[list[str]]:
    """Name, data set and backbone of each shipped recipe."""
    recipes = {name: load_recipe(name) for name in shipped_recipes()}
    return [[name, recipe.data.dataset, recipe.backbone.name] for name, recipe in recipes.items()]


def _value(key: str, value: Any, own: Mapping[str, Any]) -> Any:
    dim = backbone_entry(own["backbone.name"]).dim
    return dim // 2 if value is None and key in HALF_OF_D and dim is not None else value


def _kind(key: str, own: Mapping[str, Any]) -> str:
    """`model` or `rest`; empty for keys that cannot change a number of this method."""
    section, method = key.partition(".")[0], own["method"]
    parts = METHODS[method].parts
    if key in NO_EFFECT or (key == "backbone.batch_norm" and not backbone_entry(own["backbone.name"]).batch_norm):
        return ""
    if key == "backbone.maps" and own.get("backbone.trained", True):
        return ""
    readers = {name: name == method for name in METHODS} | {part: part in parts for part in METHODS["strm"].parts}
    readers |= {"prediction": "query_class" in parts, "model": bool(parts)}
    if section not in readers:
        return "rest"
    return "model" if readers[section] else ""


def _other_test(result: EvalResult) -> list[str]:
    """What makes a result one of another test than that of Table 1: other classes, another task or other clips."""
    source = result.provenance
    split = {class_key(name) for name in load_split(source["store"]).classes("test")}
    order = source.get("frame_order", "natural")
    words = {
        f"{result.way}-way episodes": result.way != WAY,
        f"the {result.split} split": result.split != "test",
        f"no {SHOT}-shot test": SHOT not in {figures["shot"] for figures in result.results},
        f"classes that are not the {len(split)} of its test split": {*map(class_key, source["classes"])} != split
        and result.split == "test",
        f"{order} frames": order != "natural",
        "a share of the tuples": bool(source.get("tuples")),
        "a fold of all classes": "fold" in source["recipe"]["data"],
    }
    return [name for name, holds in words.items() if holds]


def _differences(one: Tested) -> list[str]:
    """What else of a test is not as the paper has it, and a training that was cut short."""
    result, source, folder = one.result, one.result.provenance, one.path.parents[1]
    weights, dtype = source.get("weights_file", WEIGHTS["best"]), source.get("dtype", "float32")
    wanted = source["recipe"]["train"]["episodes"]
    words = {
        f"{result.episodes:,} test episodes": result.episodes != USUAL_EPISODES,
        queries_per_class(result.queries): result.queries != QUERIES,
        "support and query of different source videos": source.get("distinct_groups", False),
        f"episodes of {source.get('episodes_from')}": bool(source.get("episodes_file_sha256")),
        f"features in {dtype}": dtype != "float32",
        f"weights of {weights}": weights not in WEIGHTS.values(),
    }
    if (done := trained_episodes(folder)) < wanted:
        words[f"{done:,} of {wanted:,} training episodes"] = True
    return [name for name, holds in words.items() if holds]


def _all_of(found: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(words for one in found for words in one))
