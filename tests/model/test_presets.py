import inspect

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
ADDED = {  # to the state dict
    "gate": {"patch_enrichment.gate"},
    "patch_encoding": {"patch_enrichment.encoding.table"},
    "frame_encoding": {"frame_enrichment.encoding.table"},
}
STAGES = ("map_patches", "patches", "frames", "enriched_frames", "trm", "query_class")
CHANGED = {
    "unscaled_scores": set(STAGES[1:]),
    "gate": set(STAGES[1:]),
    "patch_encoding": set(STAGES[1:]),
    "frame_encoding": {"enriched_frames", "trm"},
    "mean_over_cardinalities": {"trm", "query_class"},
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


def stages(model):
    with torch.no_grad():
        enriched, logits = model.enrich(clips(6)), model(*episode())
    values = {**vars(enriched), "trm": logits.trm, "query_class": logits.query_class}
    assert values.keys() == set(STAGES)
    return values


def expected(model, deviations):
    support, _, queries = episode()
    settings = {**SETTINGS, "deviations": deviations}
    shots = by_label(maps_of(model, support), LABELS)
    return reference.strm(weights_of(model), settings, shots, maps_of(model, queries))


def test_the_paper_deviates_in_nothing_and_released_in_everything():
    assert preset_arguments("paper") == {}
    assert preset_arguments("released") == preset_arguments("paper", list(DEVIATIONS))
    assert len(preset_arguments("released")) == len(DEVIATIONS) == 5


def test_every_deviation_sets_one_argument_to_another_value_than_the_papers():
    defaults = {name: one.default for name, one in inspect.signature(build_strm).parameters.items()}
    for name in DEVIATIONS:
        ((argument, value),) = preset_arguments("paper", [name]).items()
        assert type(defaults[argument]) is type(value)
        assert defaults[argument] != value


@pytest.mark.parametrize("deviations", [[], *([name] for name in DEVIATIONS), ["gate", "frame_encoding"]], ids=str)
def test_deviations_equal_the_equations_that_deviate(deviations):
    model = build("paper", deviations)
    trm, qc = expected(model, deviations)
    logits = model(*episode())
    assert relative_error(logits.trm, trm) < 1e-10
    assert relative_error(logits.query_class, qc) < 1e-10
    assert relative_error(logits.total, trm + 0.1 * qc) < 1e-10


def test_released_equals_the_equations_with_all_of_them():
    model = build("released")
    logits = model(*episode())
    for actual, value in zip((logits.trm, logits.query_class), expected(model, list(DEVIATIONS)), strict=True):
        assert relative_error(actual, value) < 1e-10


@pytest.mark.parametrize("name", DEVIATIONS)
def test_a_deviation_alone_changes_what_it_should_and_nothing_else(name):
    paper, other = build("paper"), build("paper", [name])
    before, after = stages(paper), stages(other)
    assert {stage for stage in STAGES if not torch.equal(before[stage], after[stage])} == CHANGED[name]
    assert all(relative_error(after[stage], before[stage]) > 1e-4 for stage in CHANGED[name])
    weights, others = paper.state_dict(), other.state_dict()
    assert others.keys() - weights.keys() == ADDED.get(name, set())
    assert all(torch.equal(weights[key], others[key]) for key in weights)


def test_the_mean_is_half_the_sum_of_two():
    paper, other = stages(build("paper")), stages(build("paper", ["mean_over_cardinalities"]))
    for name in ("trm", "query_class"):
        assert torch.equal(other[name], paper[name] / 2)


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


@pytest.mark.parametrize("preset", ["paper", "released"])
def test_an_untrained_w_cls_stays_while_everything_else_learns(preset):
    free, frozen = build(preset), build(preset, query_class_trained=False)
    assert free.state_dict().keys() == frozen.state_dict().keys()
    assert all(torch.equal(value, frozen.state_dict()[name]) for name, value in free.state_dict().items())
    assert torch.equal(free(*episode()).total, frozen(*episode()).total)
    before = {name: value.clone() for name, value in frozen.state_dict().items()}
    optimiser = torch.optim.SGD(frozen.parameters(), lr=1.0)
    logits = frozen(*episode())
    for part in (logits.trm, logits.query_class):
        nn.functional.cross_entropy(part, torch.tensor([0, 2])).backward(retain_graph=True)
    optimiser.step()
    for name, parameter in frozen.named_parameters():
        if name.startswith("query_class."):
            assert parameter.grad is None
            assert torch.equal(parameter, before[name])
        # A key bias adds the same to all scores of a patch, which softmax takes out again; a value bias of TRM is the
        # same in a query tuple and in its prototype.
        elif name != "patch_enrichment.key.bias" and not (name.startswith("temporal") and name.endswith("value.bias")):
            assert parameter.grad.abs().sum() > 1e-10, name
            assert not torch.equal(parameter, before[name]), name
    assert any(name.startswith("query_class.similarities.3.project.weight") for name in before)


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
