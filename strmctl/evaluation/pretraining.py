"""Test classes that a backbone may have seen: those that the data it was pre-trained on has as well, by name.

The paper warns of this: what a network over clips learnt on Kinetics-400 may be what a few-shot test calls new.

Names are compared word by word; case, underscores, brackets, articles and order make no difference, nor do the ends -s
and -ing: `CliffDiving` is `diving cliff`, `pushup` is `push up`. A name whose words all occur in the other one is
related to it: `kick` to `kicking soccer ball`, `RockClimbingIndoor` to `rock climbing`.
"""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Iterable, Sequence
from typing import Any

from strmctl.model.backbones.table import PRETRAINING, backbone_entry
from strmctl.recipe import Backbone

ARTICLES = {"a", "an", "the"}


def seen_in_pretraining(backbone: Backbone, classes: Iterable[str]) -> dict[str, Any] | None:
    """What a backbone may have seen of classes.

    Args:
        backbone: backbone of a recipe.
        classes: names of the classes that are tested.

    Returns:
        `data`, what the weights were trained on; `published`, whether the recipe names the published weights, and not
        a file, which may be any; `classes`, their number; and `same` and `related`, test class -> classes of the data.
        None for random weights, and where the published ones have seen no actions.
    """
    words = {word: data for word in backbone_entry(backbone.name).weights if (data := PRETRAINING[word]).actions}
    if not words or backbone.weights in (PRETRAINING.keys() | {"none"}) - words.keys():
        return None
    data = words.get(backbone.weights) or next(iter(words.values()))
    known = {name: _words(name) for name in pkgutil.resolve_name(data.actions).meta["categories"]}
    tested = {name: _words(name) for name in sorted(classes)}
    same = {name: [other for other, theirs in known.items() if _same(own, theirs)] for name, own in tested.items()}
    part = {name: [other for other, theirs in known.items() if _related(own, theirs)] for name, own in tested.items()}
    return {
        "data": data.label,
        "published": backbone.weights in words,
        "classes": len(tested),
        "same": {name: others for name, others in same.items() if others},
        "related": {name: others for name, others in part.items() if others and not same[name]},
    }


def _same(own: Sequence[str], theirs: Sequence[str]) -> bool:
    return set(own) == set(theirs) or "".join(own) == "".join(theirs)


def _related(own: Sequence[str], theirs: Sequence[str]) -> bool:
    return set(own) <= set(theirs) or set(theirs) <= set(own)


def _words(name: str) -> list[str]:
    """The stems of a name's words."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ")
    words = re.findall(r"\w+", apart.casefold().replace("'s", ""))
    return [_stem(word) for word in words if word not in ARTICLES]


def _stem(word: str) -> str:
    """A word without -s, -ing and final e, with a single letter for a doubled one: `swim` of `swimming`."""
    word = re.sub(r"((?<=\w{3})ing|(?<=\w{2})s)$", "", word)
    return re.sub(r"e$", "", re.sub(r"(.)\1", r"\1", word))
