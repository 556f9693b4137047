"""Held-out scores equal matching by hand, for every method."""

import numpy as np
import pytest
import torch

from strmctl.classify import held_out as module
from strmctl.classify.held_out import by_class, hold_out, take
from strmctl.model.episode import told
from strmctl.model.methods.table import METHODS
from strmctl.runs.build import build_model
from tests.classify.small import small_recipe

NAMES = ("hop", "run", "sit")
LABELS = [0, 0, 0, 1, 2, 2, 2, 2, 1]
SOURCES = ["a", "a", "b", "c", "d", "e", "f", "a", "c"]  # class 1 has one source; a is also in class 2


@pytest.fixture(params=METHODS)
def model(request):
    parts = [f"{part}.enabled=true" for part in METHODS[request.param].parts if part != "trm"]
    return build_model(small_recipe(f"method={request.param}", *parts), pretrained=True).double().eval()


@pytest.fixture
def features(model):
    clips = torch.rand(len(LABELS), 8, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        return model.embed(clips)


def together(model, features, support, query):
    """Logits of a single query and classes, each with its rows, in one episode."""
    rows, mask = by_class(support)
    names = [[NAMES[LABELS[own[0]]] for own in support]]
    with torch.inference_mode():
        return model.match(
            told(model, take(features, rows[None]), names), take(features, torch.tensor([[query]])), mask[None]
        ).total[0, 0]


def by_hand(model, features, support, query):
    """Logits of a single query: each class is matched alone with its clips, one call per class, where that is right."""
    if getattr(model, "relates_classes", False):
        return together(model, features, support, query).tolist()
    logits = []
    for rows in support:
        shots = {name: value[rows][None, None] for name, value in features.items()}  # (1, 1, K, …)
        shots = told(model, shots, [[NAMES[LABELS[rows[0]]]]])
        logits.append(model.match(shots, {name: value[query][None, None] for name, value in features.items()}).total)
    return [float(value) for value in logits]


def supports(query):
    """Rows of each class to match the example with: without its source, or where that has no clip, without another."""
    own = LABELS[query]
    place = list(dict.fromkeys(SOURCES[row] for row in range(9) if LABELS[row] == own)).index(SOURCES[query])
    found = []
    for cls in range(3):
        every = [row for row in range(9) if LABELS[row] == cls]
        rest = [row for row in every if SOURCES[row] != SOURCES[query]]
        sources = list(dict.fromkeys(SOURCES[row] for row in rest))
        if rest == every and len(sources) > 1:
            rest = [row for row in rest if SOURCES[row] != sources[place % len(sources)]]
        found.append(rest or every)
    return found


@pytest.mark.parametrize("block", [1, 2, 16])
def test_holding_out_is_matching_by_hand_without_a_source_of_each_class(model, features, monkeypatch, block):
    assert supports(0) == [[2], [3, 8], [4, 5, 6]] and supports(2) == [[0, 1], [3, 8], [4, 6, 7]]
    assert supports(7) == [[2], [3, 8], [4, 5, 6]]
    assert supports(3)[1:] == [[3, 8], [5, 6, 7]]
    monkeypatch.setattr(module, "QUERIES", block)
    found = hold_out(model, features, LABELS, SOURCES, NAMES)
    for query in range(9):
        with torch.inference_mode():
            expected = by_hand(model, features, supports(query), query)
        assert found.logits[query] == pytest.approx(expected, abs=1e-8)
    assert found.tested.tolist() == [True, True, True, False, True, True, True, True, False]
    assert found.sources == 5


def test_leaving_a_class_out_is_matching_without_it(model, features):
    unknown = hold_out(model, features, LABELS, SOURCES, NAMES).unknown()
    assert unknown.shape == (9, 2)
    for query, own in enumerate(LABELS):
        others = [rows for cls, rows in enumerate(supports(query)) if cls != own]
        assert unknown[query] == pytest.approx(together(model, features, others, query).tolist(), abs=1e-8)


def test_a_method_that_relates_classes_says_so(model, features):
    """And no other does: the logit of a class is the same beside others."""
    support = [[0, 1], [3], [4, 5]]
    one = [together(model, features, [rows], 7).item() for rows in support]
    same = together(model, features, support, 7).tolist() == pytest.approx(one, abs=1e-8)
    assert same != getattr(model, "relates_classes", False)


@pytest.mark.parametrize("sources", ["0123456789ab", "000011112222"], ids=["of their own", "in every class"])
@pytest.mark.parametrize(
    "changes", [["method=prototype"], ["prototype.distance=squared"], ["method=chamfer"], ["method=otam"]], ids=str
)
def test_of_examples_of_no_meaning_as_many_are_right_as_by_guessing(changes, sources):
    """With other classes full, 1 to 2 % would be right by prototypes; with a source less than the own, 99 %."""
    model = build_model(small_recipe(*changes), pretrained=True).eval()
    labels, right = [row % 4 for row in range(12)], []
    for seed in range(60):
        frames = 1 + torch.randn(12, 8, 256, generator=torch.Generator().manual_seed(seed))
        features = {"mean": frames.mean(dim=1), "frames": torch.nn.functional.normalize(frames, dim=-1)}
        found = hold_out(model, features, labels, list(sources))
        right.append((found.logits.argmax(axis=1) == found.labels).mean())
    assert np.mean(right) == pytest.approx(0.25, abs=0.05)  # of 720 examples


def test_one_example_per_class_cannot_be_held_out(model, features):
    few = {name: value[:3] for name, value in features.items()}
    found = hold_out(model, few, [0, 1, 2], ["a", "b", "c"], NAMES)
    assert not found.tested.any() and found.sources == 0 and np.isfinite(found.logits).all()
