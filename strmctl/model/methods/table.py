"""The table of methods: what the rest of strmctl knows of each. Recipes, builder, grids, reports and help read it.

A new method is one file with `embed`, `match` and `enrich`, and `pairs` and `match_pairs` where it may be tested faster
(see `strmctl.model.episode`), and one entry in `METHODS`.
Importing this file imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Key:
    """A recipe key that belongs to one method.

    Attributes:
        kind: type of the value, or the words that it may be.
        default: value where the recipe of another method leaves the section out.
        limits: bounds of a number, each under its name: `gt`, `ge`, `lt` or `le`.
    """

    kind: type | tuple[str, ...]
    default: Any
    limits: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Method:
    """One method.

    Attributes:
        label: name in tables and figures.
        summary: what it does, in a few words.
        builder: `module:function` that builds the model; imported only then.
        arguments: argument of the builder -> recipe key. `backbone`, and what the deviations from the paper's model
            that suit `parts` set, are passed as well.
        keys: keys of the method's own recipe section, which is named after the method.
        parts: parts of STRM that the method has, by their recipe sections.
        cardinalities: the only possible `trm.cardinalities`; None where the recipe chooses, or where there are none.
        table1: name in Table 1 of the paper; None where it is not there.
    """

    label: str
    summary: str
    builder: str
    arguments: Mapping[str, str]
    keys: Mapping[str, Key] = field(default_factory=dict)
    parts: tuple[str, ...] = ()
    cardinalities: tuple[int, ...] | None = None
    table1: str | None = None

    def leaves_open(self, key: str, *, trained_backbone: bool = True) -> bool:
        """Whether a recipe of this method can choose the value of a key: of STRM's, or of a training without effect."""
        section, _, name = key.partition(".")
        if key == "train.episodes":
            return trained_backbone or bool(self.parts)
        if name == "enabled":
            return section in self.parts
        return key != "trm.cardinalities" or ("trm" in self.parts and self.cardinalities is None)


PATCHES = {"patches": "patch_enrichment.patches"}  # every method has patches, some for attention maps alone
RELATIONS = {
    "frames": "input.frames",
    "cardinalities": "trm.cardinalities",
    "dim": "trm.dim",
    "distance": "trm.distance",
    "dropout": "trm.dropout",
    "seed": "train.seed",
}

METHODS: dict[str, Method] = {
    "trm": Method(
        label="TRM",
        summary="TRX with pairs of frames, the paper's baseline",
        builder="strmctl.model.methods.trx:build_trx",
        arguments=PATCHES | RELATIONS,
        parts=("trm",),
        cardinalities=(2,),
    ),
    "trx": Method(
        label="TRX",
        summary="TRX with pairs and triples",
        builder="strmctl.model.methods.trx:build_trx",
        arguments=PATCHES | RELATIONS,
        parts=("trm",),
        cardinalities=(2, 3),
        table1="TRX",
    ),
    "strm": Method(
        label="STRM",
        summary="PLE, FLE, TRM, QC",
        builder="strmctl.model.methods.strm:build_strm",
        arguments={
            **PATCHES,
            **RELATIONS,
            "patch_enrichment": "patch_enrichment.enabled",
            "patch_hidden": "patch_enrichment.hidden",
            "frame_enrichment": "frame_enrichment.enabled",
            "query_class": "query_class.enabled",
            "query_class_dim": "query_class.dim",
            "query_class_weight": "query_class.weight",
            "query_class_trained": "query_class.trained",
            "prediction": "prediction",
        },
        parts=("patch_enrichment", "frame_enrichment", "trm", "query_class"),
        table1="STRM",
    ),
    "otam": Method(
        label="OTAM",
        summary="ordered temporal alignment",
        builder="strmctl.model.methods.otam:OTAM",
        arguments=PATCHES | {"smoothing": "otam.smoothing"},
        keys={"smoothing": Key(float, 0.1, {"gt": 0})},  # lambda of softmin
        table1="OTAM",
    ),
    "chamfer": Method(
        label="Chamfer",
        summary="nearest frames, in any order",
        builder="strmctl.model.methods.chamfer:Chamfer",
        arguments=PATCHES | {"directions": "chamfer.directions", "scale": "chamfer.scale"},
        keys={
            "directions": Key(("both", "query"), "both"),  # from frames of the query alone, or back as well
            "scale": Key(float, 10.0, {"gt": 0}),  # of the logits
        },
    ),
    "prototype": Method(
        label="prototype",
        summary="mean features, the TSN baseline",
        builder="strmctl.model.methods.prototype:Prototype",
        arguments=PATCHES | {"distance": "prototype.distance", "scale": "prototype.scale"},
        keys={
            "distance": Key(("squared", "cosine"), "squared"),  # of a query from the mean of a class
            "scale": Key(float, 10.0, {"gt": 0}),  # of cosine logits
        },
    ),
}
