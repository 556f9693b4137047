"""Checkpoints of the authors' released STRM and TRX code, read as models of this project.

Sizes are inferred from the shapes of the tensors. Tensors that nothing uses (`norm_v`) are dropped. The released code
never saved W_cls: where it is absent, the prediction has no query-class term. The model is that of the preset
`released`; TRX is TRM on the frames of the average-pooled backbone.
"""

from __future__ import annotations

import math
import operator
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from strmctl.errors import CheckpointError
from strmctl.model.backbones.build import build_backbone
from strmctl.model.backbones.table import BACKBONES
from strmctl.model.methods.strm import build_strm
from strmctl.model.methods.trx import build_trx
from strmctl.model.presets import preset_arguments
from strmctl.model.seeding import seeded
from strmctl.model.weight_files import check_fit, read_tensors, state_dict_in

WRAPPERS = ("model_state_dict", "state_dict", "model")  # keys under which a file may hold the state dict
CHILDREN = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}  # of `resnet`
CONVOLUTIONS = {"resnet18": 2, "resnet34": 2, "resnet50": 3}  # in each block
BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3)}  # in each layer
ENRICHMENTS = {
    "attn_pat.query_proj": "patch_enrichment.query",
    "attn_pat.key_proj": "patch_enrichment.key",
    "attn_pat.value_conv": "patch_enrichment.value",
    "attn_pat.Bot_MLP.inp_fc": "patch_enrichment.psi.0",
    "attn_pat.Bot_MLP.hid_fc": "patch_enrichment.psi.2",
    "attn_pat.Bot_MLP.out_fc": "patch_enrichment.psi.4",
    "fr_enrich.Tok_MLP.inp_fc": "frame_enrichment.token_mixing.0",
    "fr_enrich.Tok_MLP.out_fc": "frame_enrichment.token_mixing.2",
    "fr_enrich.Bot_MLP.inp_fc": "frame_enrichment.channel_mixing.0",
    "fr_enrich.Bot_MLP.out_fc": "frame_enrichment.channel_mixing.2",
}
ENCODING = "pe.pe"  # (1, positions, D)
ROOM = 1.5  # rows of a stored encoding for each position that is used
MOST_FRAMES = 64  # frames of a clip
TUPLES = range(1, 100_000)  # possible numbers of tuples in a clip
UNUSED = re.compile(
    r"\.norm_v\.|^transformers\.[1-9]\d*\.pe\.pe$|^(?!resnet|transformers|attn_pat|fr_enrich|query_class)"
)
HINT = "strmctl reads checkpoints of the released STRM and TRX code; its own lie in runs/NAME/weights.pt"


@dataclass(frozen=True)
class Sizes:
    """Sizes of the model in a released checkpoint.

    Attributes:
        method: `strm`, or `trx` for a file without enrichment.
        backbone: name in `BACKBONES` of ResNet-18, 34 or 50.
        frames: L, frames per clip.
        patches: P, patches along each side of a frame.
        patch_hidden: width of psi's hidden layers.
        cardinalities: cardinalities in the order of the file's `transformers`.
        dim: D', the width of tuple keys and values.
        query_class_dim: D'', the width of W_cls; None where the file has none.
    """

    method: str
    backbone: str
    frames: int
    patches: int
    patch_hidden: int | None
    cardinalities: tuple[int, ...]
    dim: int
    query_class_dim: int | None


@dataclass(frozen=True)
class Released:
    """A released checkpoint as a model.

    Attributes:
        model: model with the weights of the file, in evaluation mode.
        sizes: sizes of the model.
        dropped: names of tensors that nothing uses.
        iteration: number of training episodes; None where the file does not have it.
    """

    model: nn.Module
    sizes: Sizes
    dropped: Sequence[str]
    iteration: int | None


def read_released(path: Path) -> Released:
    """Reads a released checkpoint.

    Raises:
        DataError: there is no such file.
        CheckpointError: it is no released checkpoint; the message names the first three tensors that do not fit.
    """
    content, iteration = read_tensors(path, HINT), None
    while isinstance(content, Mapping) and (
        inner := next((content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping)), None)
    ):
        iteration, content = content.get("iteration", iteration), inner
    stored = state_dict_in(content, path, HINT)
    # Training on several GPUs puts `module.` into the names.
    state = {".".join(part for part in name.split(".") if part != "module"): value for name, value in stored.items()}
    sizes = infer_sizes(state)
    _check_cardinalities(sizes, state, path)
    model = build_released(sizes)
    names, own = released_names(model, sizes), model.state_dict()
    wanted = {name: own[ours] for name, ours in names.items()}
    unused = [name for name in state if name not in names and UNUSED.search(name)]
    found = {name: _first_rows(name, value, wanted) for name, value in state.items() if name not in unused}
    recomputed = {name for name in names if name.endswith(("num_batches_tracked", ENCODING))}
    check_fit(wanted, found, path, "the released code", HINT, optional=recomputed)
    for name, value in found.items():
        own[names[name]].copy_(value)
    dropped = [name for name in unused if not name.endswith(ENCODING)]  # one encoding serves all transformers
    return Released(model.eval(), sizes, sorted(dropped), iteration if isinstance(iteration, int) else None)


def infer_sizes(state: Mapping[str, Tensor]) -> Sizes:
    """Sizes from the shapes of tensors, under the names of the released code.

    Where tensors are missing or contradict each other it guesses, because all shapes are checked afterwards.
    """
    backbone = _infer_backbone(state)
    channels = BACKBONES[backbone].dim
    transformers = sorted({int(name.split(".")[1]) for name in state if re.match(r"transformers\.\d+\.", name)})
    cardinalities, dims = [], Counter()
    for i in transformers or [0]:
        layers = [f"transformers.{i}.{layer}_linear.weight" for layer in "kv"]
        columns = [_size(state, layer, 1) for layer in layers]
        whole = [width // channels for width in columns if width and width % channels == 0]
        unused = next(w for w in range(2, len(transformers) + 3) if w not in cardinalities)
        cardinalities.append(whole[0] if whole else unused)
        dims.update(filter(None, [_size(state, name, 0) for name in (*layers, f"transformers.{i}.norm_k.weight")]))
    frames = _positions(_size(state, f"transformers.0.{ENCODING}", 1))
    patches = _positions(_size(state, f"attn_pat.{ENCODING}", 1))
    mixing = (_size(state, f"fr_enrich.Tok_MLP.{layer}_fc.weight", 0) for layer in ("inp", "out"))
    hidden = (_size(state, f"attn_pat.Bot_MLP.{layer}_fc.weight", 0) for layer in ("inp", "hid"))
    return Sizes(
        method="strm" if any(name.startswith(("attn_pat.", "fr_enrich.")) for name in state) else "trx",
        backbone=backbone,
        frames=next(filter(None, mixing), frames or 8),
        patches=math.isqrt(patches) if patches and math.isqrt(patches) ** 2 == patches else 4,
        patch_hidden=next(filter(None, hidden), None),
        cardinalities=tuple(cardinalities),
        dim=dims.most_common(1)[0][0] if dims else 1152,
        query_class_dim=_size(state, "query_class.0.clsW.weight", 0),
    )


def _infer_backbone(state: Mapping[str, Tensor]) -> str:
    """The ResNet that agrees with the file on the number of blocks in the most layers."""
    blocks = {tuple(name.split(".")[1:3]) for name in state if re.match(r"resnet\.[4-7]\.\d+\.", name)}
    counts = [sum(layer == str(child) for layer, _ in blocks) for child in range(4, 8)]
    convolutions = 3 if any(re.match(r"resnet\.[4-7]\.\d+\.conv3\.", name) for name in state) else 2
    possible = [name for name, count in CONVOLUTIONS.items() if count == convolutions]
    return max(reversed(possible), key=lambda name: sum(map(operator.eq, counts, BLOCKS[name])))


def _positions(rows: int | None) -> int | None:
    """Number of positions that are used of an encoding with this many rows; None when it was not made with `ROOM`."""
    positions = math.ceil((rows or 0) / ROOM)
    return positions if rows and int(ROOM * positions) == rows else None


def _check_cardinalities(sizes: Sizes, state: Mapping[str, Tensor], path: Path) -> None:
    """Makes sure that clips have tuples of these cardinalities, and not too many, before any tuple is formed.

    Raises:
        CheckpointError: they do not; the message names the first three tensors from which this follows.
    """
    ways, frames = sizes.cardinalities, sizes.frames
    if len(set(ways)) == len(ways) and frames <= MOST_FRAMES and all(math.comb(frames, w) in TUPLES for w in ways):
        return
    names = ["fr_enrich.Tok_MLP.inp_fc.weight", *(f"transformers.{i}.k_linear.weight" for i in range(len(ways)))]
    shapes = "; ".join([f"{name} is {tuple(state[name].shape)}" for name in names if name in state][:3])
    problem = f"{shapes}: cardinalities {list(ways)} of {frames} frames"
    raise CheckpointError(f"{path} does not fit the released code: {problem}", HINT)


def _size(state: Mapping[str, Tensor], name: str, axis: int) -> int | None:
    """Size of a tensor along an axis; None when there is no such tensor or axis."""
    value = state.get(name)
    return value.shape[axis] if value is not None and value.dim() > axis else None


def build_released(sizes: Sizes) -> nn.Module:
    """The model of the preset `released` with these sizes and random weights."""
    with seeded(0, "backbone"):  # the caller's random state is untouched
        backbone = build_backbone(sizes.backbone, weights="none")
    same = {"backbone": backbone, "frames": sizes.frames, "patches": sizes.patches, "dim": sizes.dim}
    same |= {"cardinalities": sizes.cardinalities, **preset_arguments("released")}
    if sizes.method == "trx":
        return build_trx(**same)
    return build_strm(
        patch_hidden=sizes.patch_hidden,
        query_class=sizes.query_class_dim is not None,
        query_class_dim=sizes.query_class_dim,
        **same,
    )


def released_names(model: nn.Module, sizes: Sizes) -> dict[str, str]:
    """A map from names in a released checkpoint to names in our state dict, for every tensor of a model."""
    prefixes = {f"resnet.{child}.": f"backbone.trunk.{name}." for child, name in CHILDREN.items()}
    prefixes |= {f"{theirs}.": f"{ours}." for theirs, ours in ENRICHMENTS.items()}
    for i, w in enumerate(sizes.cardinalities):
        prefixes |= {
            f"transformers.{i}.{theirs}.": f"temporal_relations.relations.{w}.{ours}."
            for theirs, ours in (("k_linear", "key"), ("v_linear", "value"), ("norm_k", "key_norm"))
        }
        prefixes[f"query_class.{i}.clsW."] = f"query_class.similarities.{w}.project."
    whole = {
        "attn_pat.gamma": "patch_enrichment.gate",
        f"attn_pat.{ENCODING}": "patch_enrichment.encoding.table",
        f"fr_enrich.{ENCODING}": "frame_enrichment.encoding.table",
        f"transformers.0.{ENCODING}": "temporal_relations.encoding.table",
    }
    own = model.state_dict()
    names = {
        theirs + name.removeprefix(ours): name
        for theirs, ours in prefixes.items()
        for name in own
        if name.startswith(ours)
    }
    return names | {theirs: ours for theirs, ours in whole.items() if ours in own}


def _first_rows(name: str, value: Tensor, wanted: Mapping[str, Tensor]) -> Tensor:
    """A tensor of the file; of a positional encoding, `(1, more than length, D)`, the first `(length, D)`."""
    if name.endswith(ENCODING) and name in wanted and value.dim() == 3 and value.shape[1] >= len(wanted[name]):
        return value[0, : len(wanted[name])]
    return value
