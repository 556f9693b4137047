"""The cells of a grid that the reader wrote: a YAML file of recipe keys and values."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from strmctl import yaml
from strmctl.ablation.cells import Base, Cell
from strmctl.errors import RecipeError

LONGEST = 60  # letters of a cell's label that go into the name of its run


def custom(base: Base, path: Path) -> list[Cell]:
    """The cells of a YAML file; see `named_changes`."""
    return [
        cell
        for label, changes in named_changes(path).items()
        for cell in base.cells(label, changes, slug_of(label, changes))
    ]


def named_changes(path: Path) -> dict[str, dict[str, Any]]:
    """Label -> changes, from a YAML file: `vary`, every combination of values of recipe keys, or `cells`, by label.

    Raises:
        RecipeError: the file holds neither.
    """
    hint = "for example `vary: {query_class.weight: [0.05, 0.1]}`, or `cells: {no dropout: {trm.dropout: 0}}`"
    try:
        content = yaml.load(path)
    except OSError as problem:
        raise RecipeError(f"{path} cannot be read: {problem.strerror}", hint) from problem
    except yaml.YamlError as problem:
        raise RecipeError(f"{path}: {problem}", hint) from problem
    if not isinstance(content, dict) or len(content.keys() & {"vary", "cells"}) != 1 or len(content) != 1:
        raise RecipeError(f"{path} must have one key, `vary` or `cells`", hint)
    named = _combinations(path, content["vary"], hint) if "vary" in content else content["cells"]
    if not isinstance(named, dict) or not named or not all(isinstance(keys, dict) for keys in named.values()):
        raise RecipeError(f"{path}: `cells` must give keys and values for each label", hint)
    if wrong := [label for label in named if not isinstance(label, str) or not label.strip()]:
        raise RecipeError(f"{path}: the label {wrong[0]!r} is not text", f"write it in quotes; {hint}")
    for label, changes in named.items():
        if any(str(key).strip() in ("train.seed", "name") for key in changes):
            raise RecipeError(
                f"{path}: cells differ in neither name nor train.seed",
                "leave them out: `--name` and `--seeds` are for that",
            )
        try:
            json.dumps(changes)
        except TypeError as error:  # YAML has values that recipes do not, such as dates
            raise RecipeError(f"{path}: {label}: {error}", hint) from error
    return named


def _combinations(path: Path, vary: Any, hint: str) -> dict[str, dict[str, Any]]:
    """Label -> changes, for every combination of values."""
    if (
        not isinstance(vary, dict)
        or not vary
        or not all(isinstance(values, list) and values for values in vary.values())
    ):
        raise RecipeError(f"{path}: `vary` must give a list of values for each key", hint)
    combinations = [dict(zip(vary, values, strict=True)) for values in itertools.product(*vary.values())]
    return {", ".join(f"{key}={json.dumps(value)}" for key, value in one.items()): one for one in combinations}


def slug_of(label: str, changes: Mapping[str, Any]) -> str:
    """The part of a run's name that says which cell it is: the method, where nothing else changes, as in other grids.

    Otherwise it is the label; one that loses letters or is long gets a digest of the whole.
    """
    if list(changes) == ["method"]:
        return str(changes["method"])
    plain = re.sub(r"[^A-Za-z0-9.]+", "-", label).strip("-.")
    if plain == label and len(plain) <= LONGEST:
        return plain
    return f"{plain[:LONGEST]}-{hashlib.sha256(label.encode()).hexdigest()[:6]}".strip("-.")
