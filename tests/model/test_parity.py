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
from tests.model.reference import relative_error
from tests.model.small import maps_as_clips

FILE = Path(__file__).parent / "official_heads.npz"
STORED = {name: torch.from_numpy(value) for name, value in np.load(FILE).items()}
FRAMES, GRID, CHANNELS, DIM = 8, 4, 32, 16
CARDINALITIES = (2, 3)
KEYS = [
    "ple_support",
    "H_support",
    "H_query",
    "E_support",
    "E_query",
    "trm_logits_cardinality2",
    "trm_logits_cardinality3",
    "qc_logits_cardinality2",
    "qc_logits_cardinality3",
    "trx_logits_on_H",
    "otam_logits_on_H",
]
NAMES = {  # released name: ours
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
for number, w in enumerate(CARDINALITIES):
    NAMES |= {
        f"transformers.{number}.k_linear": f"temporal_relations.relations.{w}.key",
        f"transformers.{number}.v_linear": f"temporal_relations.relations.{w}.value",
        f"transformers.{number}.norm_k": f"temporal_relations.relations.{w}.key_norm",
        f"query_class.{number}.clsW": f"query_class.similarities.{w}.project",
    }
TABLES = {  # released name: ours and its rows
    "attn_pat.pe.pe": ("patch_enrichment.encoding.table", GRID * GRID),
    "fr_enrich.pe.pe": ("frame_enrichment.encoding.table", FRAMES),
    "transformers.0.pe.pe": ("temporal_relations.encoding.table", FRAMES),
    "transformers.1.pe.pe": ("temporal_relations.encoding.table", FRAMES),
}
UNUSED = {f"transformers.{i}.norm_v.{kind}" for i in range(2) for kind in ("weight", "bias")}


def weights():
    """The stored weights under this project's names; a stored name that is neither known nor unused is an error."""
    ours = {}
    for name, value in STORED.items():
        group, _, released = name.partition("/")
        if group != "weights" or released in UNUSED:
            continue
        if released == "attn_pat.gamma":
            ours["patch_enrichment.gate"] = value
        elif released in TABLES:
            mine, rows = TABLES[released]
            assert torch.equal(ours.setdefault(mine, value[0, :rows]), value[0, :rows])
        else:
            layer, _, kind = released.rpartition(".")
            ours[f"{NAMES[layer]}.{kind}"] = value
    return ours


def build(preset="released", deviations=()):
    """STRM with the stored weights; with another preset, those of them that it has."""
    model = build_strm(
        backbone=maps_as_clips(CHANNELS),
        frames=FRAMES,
        patches=GRID,
        cardinalities=CARDINALITIES,
        dim=DIM,
        **preset_arguments(preset, deviations),
    )
    stored, wanted = weights(), model.state_dict()
    if preset == "released":
        assert stored.keys() == wanted.keys()
    model.double().load_state_dict({name: stored[name] for name in wanted})  # strict
    return model.eval()


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
    size = {"frames": FRAMES, "dim": DIM, "patches": 1}
    model = build_trx(backbone=maps_as_clips(CHANNELS), cardinalities=CARDINALITIES, combine=combine, **size).double()
    stored = weights()
    model.load_state_dict({name: stored[name] for name in model.state_dict()})
    return model.eval()


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


def test_every_expected_tensor_is_tested(released):
    expected = {name.removeprefix("expected/") for name in STORED if name.startswith("expected/")}
    assert set(KEYS) == expected == released.keys()
    assert len(KEYS) == len(expected)


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


@pytest.mark.parametrize("name", TABLES)
def test_stored_positional_encodings_are_this_projects_own(name):
    stored = STORED[f"weights/{name}"][0]
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
