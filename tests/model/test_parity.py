"""Every tensor that the authors' released code gives for stored weights and inputs, from the layers of this project."""

from pathlib import Path

import numpy as np
import pytest
import torch

from strmctl.model.episode import group_by_label
from strmctl.model.methods.otam import OTAM
from strmctl.model.methods.strm import build_strm
from strmctl.model.methods.trx import build_trx
from strmctl.model.positional_encoding import sinusoids
from strmctl.model.presets import DEVIATIONS, preset_arguments
from strmctl.model.released import Sizes, released_names
from tests.model.reference import relative_error
from tests.model.small import maps_as_clips

FILE = Path(__file__).parent / "official_heads.npz"
STORED = {name: torch.from_numpy(value) for name, value in np.load(FILE).items()}
FRAMES, GRID, CHANNELS, DIM = 8, 4, 32, 16
CARDINALITIES = (2, 3)
KEYS = [name.removeprefix("expected/") for name in STORED if name.startswith("expected/")]
WEIGHTS = {name.removeprefix("weights/"): value for name, value in STORED.items() if name.startswith("weights/")}


def with_stored_weights(model):
    """The same model with those stored weights that it has, in float64 and evaluation mode."""
    names = released_names(model, Sizes("strm", "", FRAMES, GRID, None, CARDINALITIES, DIM, None))
    rows = {ours: len(value) for ours, value in model.state_dict().items()}
    mine = {ours: WEIGHTS[name][0, : rows[ours]] if "pe.pe" in name else WEIGHTS[name] for name, ours in names.items()}
    model.double().load_state_dict(mine)  # strict
    return model.eval()


def build(preset="released", deviations=()):
    size = {"frames": FRAMES, "patches": GRID, "cardinalities": CARDINALITIES, "dim": DIM}
    return with_stored_weights(
        build_strm(backbone=maps_as_clips(CHANNELS), **size, **preset_arguments(preset, deviations))
    )


def clips_of_patches(patches):
    """Patches, (N·L, P², D), as clips of maps, (N, L, D, P, P), whose pooled patches they are."""
    return patches.transpose(1, 2).unflatten(2, (GRID, GRID)).unflatten(0, (-1, FRAMES))


def episode():
    support, query = (clips_of_patches(STORED[f"input/{part}_patches"]) for part in ("support", "query"))
    return support, STORED["input/support_labels"].long(), query


def episode_on_frames():
    """The stored H, (N, L, D), as clips of 1×1 maps."""
    support, query = (STORED[f"expected/H_{part}"][..., None, None] for part in ("support", "query"))
    return support, STORED["input/support_labels"].long(), query


def trx(combine="mean"):
    size = {"frames": FRAMES, "dim": DIM, "patches": 1, "cardinalities": CARDINALITIES}
    return with_stored_weights(build_trx(backbone=maps_as_clips(CHANNELS), combine=combine, **size))


@torch.no_grad()
def computed(model, combine="mean"):
    """All that the file expects, under its names."""
    support, labels, query = episode()
    support_stages, query_stages = model.enrich(support), model.enrich(query)
    grouped, mask = group_by_label(model.embed(support), labels)
    queries = {name: value[None] for name, value in model.embed(query).items()}
    values = {
        "ple_support": support_stages.patches.flatten(0, 1),
        "H_support": support_stages.frames,
        "H_query": query_stages.frames,
        "E_support": support_stages.enriched_frames,
        "E_query": query_stages.enriched_frames,
        "trx_logits_on_H": trx(combine)(*episode_on_frames()).total,
        "otam_logits_on_H": OTAM(backbone=maps_as_clips(CHANNELS), patches=1)(*episode_on_frames()).total,
    }
    for w in CARDINALITIES:
        trm, qc = model.temporal_relations.relations[str(w)], model.query_class.similarities[str(w)]
        values[f"trm_logits_cardinality{w}"] = trm.match(grouped, queries, mask)[0]
        values[f"qc_logits_cardinality{w}"] = qc.match(grouped, queries, mask)[0]
    return values


@pytest.fixture(scope="module")
def released():
    return computed(build())


def test_every_stored_tensor_is_tested_or_known_to_have_no_use(released):
    assert set(KEYS) == released.keys()
    names = released_names(build(), Sizes("strm", "", FRAMES, GRID, None, CARDINALITIES, DIM, None))
    unused = {f"transformers.{i}.norm_v.{kind}" for i in range(2) for kind in ("weight", "bias")}
    assert names.keys() == WEIGHTS.keys() - unused - {"transformers.1.pe.pe"}
    assert torch.equal(WEIGHTS["transformers.0.pe.pe"], WEIGHTS["transformers.1.pe.pe"])


@pytest.mark.parametrize("key", KEYS)
def test_the_released_preset_reproduces(released, key):
    assert released[key].dtype == torch.float64
    assert relative_error(released[key], STORED[f"expected/{key}"]) < 1e-9


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4, 5], [5, 2, 4, 0, 3, 1]])
def test_the_whole_model_takes_means_over_cardinalities(order):
    support, labels, query = episode()
    with torch.no_grad():
        logits = build()(support[order], labels[order], query)
    trm, qc = (sum(STORED[f"expected/{n}_logits_cardinality{w}"] for w in CARDINALITIES) / 2 for n in ("trm", "qc"))
    assert relative_error(logits.trm, trm) < 1e-9
    assert relative_error(logits.query_class, qc) < 1e-9
    assert relative_error(logits.total, trm + 0.1 * qc) < 1e-9


@pytest.mark.parametrize("name", [name for name in WEIGHTS if name.endswith("pe.pe")])
def test_stored_positional_encodings_are_this_projects_own(name):
    stored = WEIGHTS[name][0]
    assert relative_error(0.1 * sinusoids(*stored.shape), stored) < 1e-12


def wrong(values):
    return {key for key in KEYS if relative_error(values[key], STORED[f"expected/{key}"]) > 1e-6}


def test_the_paper_preset_does_not_reproduce_them():
    assert wrong(computed(build("paper"), combine="sum")) == set(KEYS) - {"otam_logits_on_H"}


@pytest.mark.parametrize("left_out", [name for name in DEVIATIONS if name != "mean_over_cardinalities"])
def test_no_deviation_can_be_left_out(left_out):
    changed = wrong(computed(build("paper", [name for name in DEVIATIONS if name != left_out])))
    after_frames = {"E_support", "E_query", "trm_logits_cardinality2", "trm_logits_cardinality3"}
    on_stored_frames = {"trx_logits_on_H", "otam_logits_on_H"}
    assert changed == (after_frames if left_out == "frame_encoding" else set(KEYS) - on_stored_frames)
