import pytest
import torch
from torch import nn

from strmctl.model.methods.strm import build_strm
from strmctl.model.presets import DEVIATIONS, preset_arguments
from tests.model import reference
from tests.model.reference import relative_error, weights_of
from tests.model.small import FRAMES, by_label, clips, convolution, maps_of, with_random_norms

SETTINGS = {
    "patches": 2,
    "patch_enrichment": True,
    "frame_enrichment": True,
    "cardinalities": (2, 3),
    "distance": "squared",
}
LABELS = [4, 7, 4, 9, 9, 9]


def build(preset, deviations=(), **settings):
    """As the recipe builds it; a gate, which starts at 0, is opened so that something passes."""
    changes = {**preset_arguments(preset, deviations), **settings}
    model = with_random_norms(build_strm(backbone=convolution(), frames=FRAMES, dim=4, **SETTINGS, **changes))
    if model.patch_enrichment.gate is not None:
        assert model.patch_enrichment.gate.tolist() == [0.0]
        nn.init.constant_(model.patch_enrichment.gate, 0.7)
    for layer in (model.patch_enrichment.query, model.patch_enrichment.key):
        layer.weight.data *= 4  # so that attention is far from even
    return model


def episode():
    return clips(6), torch.tensor(LABELS), clips(2, seed=2)


def test_the_paper_deviates_in_nothing_and_released_in_everything():
    assert preset_arguments("paper") == {}
    assert preset_arguments("released") == preset_arguments("paper", list(DEVIATIONS))
    assert len(preset_arguments("released")) == len(DEVIATIONS) == 5


@pytest.mark.parametrize("deviations", [[], *([name] for name in DEVIATIONS), list(DEVIATIONS)], ids=str)
def test_deviations_equal_the_equations_that_deviate(deviations):
    model, (support, labels, queries) = build("paper", deviations), episode()
    shots, settings = by_label(maps_of(model, support), LABELS), {**SETTINGS, "deviations": deviations}
    trm, qc = reference.strm(weights_of(model), settings, shots, maps_of(model, queries))
    logits = model(support, labels, queries)
    assert relative_error(logits.trm, trm) < 1e-10
    assert relative_error(logits.query_class, qc) < 1e-10
    assert relative_error(logits.total, trm + 0.1 * qc) < 1e-10


def test_a_gate_begins_closed_and_opens_by_training():
    model = build_strm(backbone=convolution(), frames=FRAMES, dim=4, **SETTINGS, gated=True).double().eval()
    support, labels, queries = episode()
    enriched = model.enrich(support)
    x = enriched.map_patches
    assert torch.equal(enriched.patches, model.patch_enrichment.psi(x) + x)
    targets = torch.tensor([0, 2])
    nn.functional.cross_entropy(model(support, labels, queries).total, targets).backward()
    assert model.patch_enrichment.gate.grad.abs().item() > 1e-8


@pytest.mark.parametrize("block", ["patch_enrichment", "frame_enrichment"])
def test_the_residual_starts_after_encoding_and_dropout_which_is_off_in_evaluation(block):
    model = build("released", dropout=0.25)
    layer = getattr(model, block)
    for name, parameter in layer.named_parameters():
        nn.init.zeros_(parameter)  # what remains is the residual
        assert name != "encoding.table"
    shape = (50, 4, 6)  # four patches or frames of six channels
    x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    encoded = x + 0.1 * torch.from_numpy(reference.positional_encoding(4, 6))
    assert relative_error(layer(x).detach(), encoded) < 1e-12
    torch.manual_seed(0)
    dropped = layer.train()(x).detach()
    kept = dropped != 0
    assert 0.7 < kept.double().mean() < 0.8
    assert relative_error(dropped[kept], encoded[kept] / 0.75) < 1e-12


def test_the_query_class_loss_still_teaches_what_comes_before_a_frozen_w_cls():
    gradients = []
    for trained in (True, False):
        model = build("paper", query_class_trained=trained)
        nn.functional.cross_entropy(model(*episode()).query_class, torch.tensor([0, 2])).backward()
        gradients.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
    free, frozen = gradients
    assert {name for name in free if name.startswith("query_class.")} == free.keys() - frozen.keys()
    assert all(torch.equal(free[name], frozen[name]) for name in frozen)
    assert frozen["backbone.trunk.weight"].abs().sum() > 0
