"""The table of methods: what the rest of strmctl knows of each. Recipes, builder, grids, reports and help read it.

A new method is one file with `embed`, `match` and `enrich`, with `losses` where it is trained on more than its logits,
`pairs` and `match_pairs` where it may be tested faster and `correspondence` where it compares frames (see
`strmctl.model.episode`), and one entry in `METHODS`.
Importing this file imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

APPROXIMATE = "(approximate)"  # end of the label of a method that is only near to what was published


@dataclass(frozen=True)
class Key:
    """A recipe key that belongs to one method.

    Attributes:
        kind: type of the value, or the words that it may be.
        default: value where the recipe of another method leaves the section out.
        limits: bounds of a number, each under its name: `gt`, `ge`, `lt` or `le`.
        note: what it is, and where the default is from: `[paper]`, `[their code]` or `[ours]`.
    """

    kind: type | tuple[str, ...]
    default: Any
    limits: Mapping[str, float] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Method:
    """One method.

    Attributes:
        label: name in tables and figures; an approximation says so.
        summary: what it does, in a few words.
        source: where it was published.
        faithful: how near this is to what was published.
        builder: `module:function` that builds the model; imported only then.
        arguments: argument of the builder -> recipe key, or `steps`, the time steps of a clip. `backbone`, and what the
            deviations from the paper's model that suit `parts` set, are passed as well.
        keys: keys of the method's own recipe section, which is named after the method.
        parts: parts of STRM that the method has, by their recipe sections.
        names: whether an episode tells it the names of the classes, which its label says; others are not told.
        libraries: libraries besides torch that compute it.
        learned: whether it has weights of its own beside the backbone's; it does where it has parts of STRM.
        maps: whether it reads the backbone's map beside its mean; it does where it has PLE.
        steps: fewest time steps of a clip that it can compare.
        cardinalities: the only possible `trm.cardinalities`; None where the recipe chooses, or where there are none.
        table1: name in Table 1 of the paper; None where it is not there.
    """

    label: str
    summary: str
    source: str
    faithful: str
    builder: str
    arguments: Mapping[str, str]
    keys: Mapping[str, Key] = field(default_factory=dict)
    parts: tuple[str, ...] = ()
    names: bool = False
    libraries: tuple[str, ...] = ()
    learned: bool = False
    maps: bool = False
    steps: int = 1
    cardinalities: tuple[int, ...] | None = None
    table1: str | None = None

    @property
    def approximate(self) -> bool:
        """Whether it is only near to what was published, which its label says."""
        return self.label.endswith(APPROXIMATE)

    def shown(self, name: str) -> str:
        """A name for it in a report, such as that of a recipe: it says so as well where the method is approximate."""
        return name if not self.approximate or name.endswith(APPROXIMATE) else f"{name} {APPROXIMATE}"

    @property
    def trains(self) -> bool:
        """Whether there is something to train on a frozen backbone."""
        return self.learned or bool(self.parts)

    def leaves_open(self, key: str, *, trained_backbone: bool = True) -> bool:
        """Whether a recipe of this method can choose the value of a key: of STRM's, or of a training without effect."""
        section, _, name = key.partition(".")
        if key == "train.episodes":
            return trained_backbone or self.trains
        if name == "enabled":
            return section in self.parts
        return key != "trm.cardinalities" or ("trm" in self.parts and self.cardinalities is None)


PATCHES = {"patches": "patch_enrichment.patches"}  # every method has patches, some for attention maps alone
RELATIONS = {
    "frames": "steps",
    "cardinalities": "trm.cardinalities",
    "dim": "trm.dim",
    "distance": "trm.distance",
    "dropout": "trm.dropout",
    "seed": "train.seed",
}
POSITIONS = {
    "heads": Key(int, 8, {"ge": 1}, "heads of attention [their code]"),
    "position_a": Key(float, 10.0, {"gt": 0}, "A: frames times sqrt(D / A) before positions are added [their code]"),
    "position_b": Key(float, 1.0, {"ge": 0}, "B, the factor of the positions that are added [their code]"),
    "position_dropout": Key(float, 0.1, {"ge": 0, "lt": 1}, "dropout after that [their code]"),
    "clip_dropout": Key(float, 0.2, {"ge": 0, "lt": 1}, "dropout after attention within a clip [their code]"),
}
HYRSM = POSITIONS | {
    "task_dropout": Key(float, 0.05, {"ge": 0, "lt": 1}, "dropout after attention among clips [their code]"),
    "attention_dropout": Key(float, 0.1, {"ge": 0, "lt": 1}, "dropout on the weights of the latter [their code]"),
    "class_weight": Key(float, 0.6, {"ge": 0}, "lambda: cross-entropy of frames, all training classes [their code]"),
}
HYRSM_PP = {
    "coherence_weight": Key(float, 0.3, {"ge": 0}, "weight of the loss of incoherent clips; 0: HyRSM [their code]"),
    "coherence_window": Key(int, 1, {"ge": 0}, "frames that far apart should be alike [their code]"),
    "coherence_spread": Key(float, 51.0, {"gt": 0}, "how slowly the margin of others grows with time [their code]"),
    "coherence_balance": Key(float, 10.0, {"ge": 0}, "weight of others in this loss [their code]"),
}
MOLO = POSITIONS | {
    "hidden": Key(int, 2048, {"ge": 1}, "width of the network on each token [their code]"),
    "hidden_dropout": Key(float, 0.05, {"ge": 0, "lt": 1}, "dropout in that network [their code]"),
    "motion_weight": Key(float, 0.3, {"ge": 0}, "weight of motion in the logits [their code]"),
    "class_weight": Key(float, 0.8, {"ge": 0}, "lambda: cross-entropy of clips, all training classes [their code]"),
    "contrast_weight": Key(
        float, 0.05, {"ge": 0}, "weight of each cross-entropy of tokens and whole clips [their code]"
    ),
    "reconstruction_weight": Key(
        float, 0.1, {"ge": 0}, "weight of the decoder's error; no such loss with a frozen backbone [their code]"
    ),
}
TEAM = {
    "tokens": Key(int, 60, {"ge": 1}, "M; 60 at 1 shot, 80 at 5 shots [their code]"),
    "dropout": Key(float, 0.1, {"ge": 0, "lt": 1}, "of encoded frames, attention and patterns [their code]"),
}
TARN = {
    "hidden": Key(int, 256, {"ge": 1}, "width of the GRUs' states [unofficial code]"),
    "comparison": Key(
        ("cosine_euclid", "multiply", "subtract", "nn", "submultnn"),
        "cosine_euclid",
        note="of a segment with what is aligned to it [unofficial code]",
    ),
}
ARN = {
    "attention": Key(("spatial", "temporal", "both"), "spatial", note="what is weighted: places, frames [their code]"),
    "sigma": Key(float, 100.0, {"gt": 0}, "slope of the power normalisation [their code]"),
}
CMN = {
    "variables": Key(int, 5, {"ge": 1}, "m, the number of hidden variables [ours]"),
    "dim": Key(int, 512, {"ge": 1}, "width of an abstract key [ours]"),
    "readout": Key(
        ("nearest", "attention"), "nearest", note="nearest slot of a class [a summary], or all of them [ours]"
    ),
    "loss": Key(("cross_entropy", "margin"), "cross_entropy", note="of the logits, or a margin of cosines [ours]"),
    "scale": Key(float, 10.0, {"gt": 0}, "factor of cosines in the beginning; it is learned [ours]"),
    "margin": Key(float, 0.5, {"ge": 0}, "lead of the right class that the margin asks for, a cosine [ours]"),
}
HF_AR = {
    "hidden": Key(int, 512, {"ge": 1}, "width of the LSTMs' states [ours]"),
    "dim": Key(int, 256, {"ge": 1}, "width of a code [ours]"),
    "flows": Key(int, 4, {"ge": 0}, "T, the number of reflections [ours]"),
    "temperature": Key(float, 1.0, {"gt": 0}, "what squared distances are divided by [ours]"),
    "divergence_weight": Key(float, 0.01, {"ge": 0}, "weight of the divergence per number of a code [ours]"),
    "reconstruction_weight": Key(float, 0.1, {"ge": 0}, "weight of the decoder's error; 0 for no decoder [ours]"),
}


def own(method: str, keys: Mapping[str, Key]) -> dict[str, str]:
    """Arguments of a builder that are named like the keys of a method's section."""
    return {name: f"{method}.{name}" for name in keys}


METHODS: dict[str, Method] = {
    "trm": Method(
        label="TRM",
        summary="TRX with pairs of frames, the paper's baseline",
        source="Thatipelli et al., CVPR 2022 (STRM), section 3",
        faithful="as published; logits agree with the authors' code",
        builder="strmctl.model.methods.trx:build_trx",
        arguments=PATCHES | RELATIONS,
        parts=("trm",),
        cardinalities=(2,),
    ),
    "trx": Method(
        label="TRX",
        summary="TRX with pairs and triples",
        source="Perrett et al., CVPR 2021",
        faithful="as published; logits agree with the authors' code",
        builder="strmctl.model.methods.trx:build_trx",
        arguments=PATCHES | RELATIONS,
        parts=("trm",),
        cardinalities=(2, 3),
        table1="TRX",
    ),
    "strm": Method(
        label="STRM",
        summary="PLE, FLE, TRM, QC",
        source="Thatipelli et al., CVPR 2022",
        faithful="as published, or with preset released as the authors' code; stages agree with it",
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
        source="Cao et al., CVPR 2020",
        faithful="as published",
        builder="strmctl.model.methods.otam:OTAM",
        arguments=PATCHES | {"smoothing": "otam.smoothing"},
        keys={"smoothing": Key(float, 0.1, {"gt": 0}, "lambda of softmin [paper]")},
        table1="OTAM",
    ),
    "chamfer": Method(
        label="Chamfer",
        summary="nearest frames, in any order",
        source="Bertrand et al., arXiv 2303.16084 (Chamfer++)",
        faithful="joint matching as published, on frames in place of clips",
        builder="strmctl.model.methods.chamfer:Chamfer",
        arguments=PATCHES | {"directions": "chamfer.directions", "scale": "chamfer.scale"},
        keys={
            "directions": Key(("both", "query"), "both", note="from the query's frames, or back as well [ours]"),
            "scale": Key(float, 10.0, {"gt": 0}, "factor of the mean cosines [ours]"),
        },
    ),
    "chamfer_tuples": Method(
        label="Chamfer++",
        summary="nearest tuples of frames",
        source="Bertrand et al., arXiv 2303.16084",
        faithful="the head as published, on frames in place of clips, trained with the backbone",
        builder="strmctl.model.methods.chamfer:build_chamfer_tuples",
        arguments=PATCHES
        | {"frames": "steps", "seed": "train.seed"}
        | {name: f"chamfer_tuples.{name}" for name in ("cardinality", "dim", "directions", "scale")},
        keys={
            "cardinality": Key(int, 2, {"ge": 1, "le": 8}, "frames per tuple [ours]"),
            "dim": Key(int, 1152, {"ge": 1}, "width of a projected tuple [their code]"),
            "directions": Key(("both", "query"), "both", note="from the query's tuples, or back as well [ours]"),
            "scale": Key(float, 10.0, {"gt": 0}, "factor of the mean cosines at the beginning; it is learned [ours]"),
        },
        learned=True,
    ),
    "clip_fsar": Method(
        label="CLIP-FSAR (given class names)",
        summary="prototypes refined by the names of their classes",
        source="Wang et al., IJCV 2023, arXiv 2303.02982",
        faithful="as in the authors' code, on a backbone's mean map in place of CLIP's own frames",
        builder="strmctl.model.methods.clip_fsar:build_clip_fsar",
        arguments=PATCHES
        | {"seed": "train.seed"}
        | {name: f"clip_fsar.{name}" for name in ("text_loss_weight", "text_weight", "smoothing")},
        keys={
            "tower": Key(str, "ViT-B-16", note="text tower: that of a model of open_clip, or tiny [their code]"),
            "text_weights": Key(str, "openai", note="a tag of open_clip, none, or the path of a file [their code]"),
            "text_loss_weight": Key(float, 1.5, {"ge": 0}, "alpha: 1.5 on Kinetics-100, 3.0 on SSv2 [their code]"),
            "text_weight": Key(float, 0.0, {"ge": 0, "le": 1}, "of the text in a test; theirs is 0.9 [ours]"),
            "smoothing": Key(float, 0.5, {"gt": 0}, "lambda of softmin [their code]"),
        },
        names=True,
        libraries=("open_clip",),
        learned=True,
    ),
    "bi_mhm": Method(
        label="Bi-MHM",
        summary="nearest frames of a mean clip, both ways",
        source="Wang et al., CVPR 2022 (HyRSM), Eq. 8",
        faithful="as in the authors' code",
        builder="strmctl.model.methods.bi_mhm:BiMHM",
        arguments=PATCHES,
    ),
    "hyrsm": Method(
        label="HyRSM",
        summary="frames see their clip and the episode, then Bi-MHM",
        source="Wang et al., CVPR 2022",
        faithful="as in the authors' code; classes are means of shots, as there for 2 to 5",
        builder="strmctl.model.methods.hyrsm:build_hyrsm",
        arguments=PATCHES | {"frames": "steps", "seed": "train.seed"} | own("hyrsm", HYRSM),
        keys=HYRSM,
        learned=True,
    ),
    "hyrsm_pp": Method(
        label="HyRSM++",
        summary="HyRSM trained for coherence in time as well",
        source="Wang et al., arXiv 2301.03330",
        faithful="as in the authors' code, supervised only",
        builder="strmctl.model.methods.hyrsm:build_hyrsm",
        arguments=PATCHES | {"frames": "steps", "seed": "train.seed"} | own("hyrsm_pp", HYRSM | HYRSM_PP),
        keys=HYRSM | HYRSM_PP,
        learned=True,
    ),
    "molo": Method(
        label="MoLo",
        summary="frames that see their clip, and motion; Bi-MHM of each",
        source="Wang et al., CVPR 2023",
        faithful="as in the authors' code where patch_enrichment.patches keeps the map whole",
        builder="strmctl.model.methods.molo:build_molo",
        arguments=PATCHES | {"frames": "steps", "seed": "train.seed"} | own("molo", MOLO),
        keys=MOLO,
        learned=True,
        maps=True,
        steps=2,
    ),
    "team": Method(
        label="TEAM",
        summary="pattern tokens, adapted between classes",
        source="Lee et al., CVPR 2025",
        faithful="as in the authors' code, read in a copy",
        builder="strmctl.model.methods.team:build_team",
        arguments=PATCHES | {"frames": "steps", "seed": "train.seed"} | own("team", TEAM),
        keys=TEAM,
        learned=True,
    ),
    "tarn": Method(
        label="TARN",
        summary="aligned segments, a learned comparison",
        source="Bishay et al., BMVC 2019",
        faithful="after an unofficial implementation and a summary, on frames in place of segments",
        builder="strmctl.model.methods.tarn:build_tarn",
        arguments=PATCHES | {"seed": "train.seed"} | own("tarn", TARN),
        keys=TARN,
        learned=True,
        table1="TARN",
    ),
    "arn": Method(
        label="ARN",
        summary="second-order descriptors, a relation network",
        source="Zhang et al., ECCV 2020",
        faithful="as in the authors' code, but on maps of frames, with one more batch norm, supervised only",
        builder="strmctl.model.methods.arn:build_arn",
        arguments=PATCHES | {"seed": "train.seed"} | own("arn", ARN),
        keys=ARN,
        learned=True,
        maps=True,
        table1="ARN",
    ),
    "cmn": Method(
        label="CMN (approximate)",
        summary="nearest slots of a memory of multi-saliency keys",
        source="Zhu and Yang, ECCV 2018",
        faithful="approximate: from a summary, without CMN-J's optical flow and unlabelled clips",
        builder="strmctl.model.methods.cmn:build_cmn",
        arguments=PATCHES | {"seed": "train.seed"} | own("cmn", CMN),
        keys=CMN,
        learned=True,
        table1="CMN-J",
    ),
    "hf_ar": Method(
        label="HF-AR (approximate)",
        summary="mean variational codes, turned by a Householder flow",
        source="arXiv 2108.08990",
        faithful="approximate: from the abstract, without the authors' adapter for new classes",
        builder="strmctl.model.methods.hf_ar:build_hf_ar",
        arguments=PATCHES | {"seed": "train.seed"} | own("hf_ar", HF_AR),
        keys=HF_AR,
        learned=True,
        table1="HF-AR",
    ),
    "prototype": Method(
        label="prototype",
        summary="mean features, the TSN baseline",
        source="Snell et al., NeurIPS 2017 (ProtoNet), on means over frames",
        faithful="as published",
        builder="strmctl.model.methods.prototype:Prototype",
        arguments=PATCHES | {"distance": "prototype.distance", "scale": "prototype.scale"},
        keys={
            "distance": Key(("squared", "cosine"), "squared", note="of a query from the mean of a class [paper]"),
            "scale": Key(float, 10.0, {"gt": 0}, "factor of cosine logits [ours]"),
        },
    ),
}


def is_told(recipe: Mapping[str, Any]) -> bool:
    """Whether the method of a recipe, as nested dicts, is given the names of the classes; an unknown one is not."""
    method = METHODS.get(recipe.get("method", ""))
    return method is not None and method.names


def how_near(recipe: Mapping[str, Any]) -> str:
    """How near the method of a recipe, as nested dicts, is to what was published; empty where it is the same."""
    method = METHODS.get(recipe.get("method", ""))
    return method.faithful if method is not None and method.approximate else ""
