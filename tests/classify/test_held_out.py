"""Held-out scores equal matching by hand, for every method."""

import numpy as np
import pytest
import torch

from strmctl.classify import held_out as module
from strmctl.classify.held_out import by_class, hold_out, take
from strmctl.model.methods.table import METHODS
from strmctl.runs.build import build_model
from tests.classify.small import small_recipe

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


def by_hand(model, features, support, query):
    """Logits of a single query: each class is matched alone with its clips, one call per class."""
    logits = []
    for rows in support:
        shots = {name: value[rows][None, None] for name, value in features.items()}  # (1, 1, K, …)
        logits.append(model.match(shots, {name: value[query][None, None] for name, value in features.items()}).total)
    return [float(value) for value in logits]


@pytest.mark.parametrize("block", [1, 2, 16])
def test_holding_out_is_matching_by_hand_without_the_clips_of_the_source(model, features, monkeypatch, block):
    monkeypatch.setattr(module, "QUERIES", block)
    found = hold_out(model, features, LABELS, SOURCES)
    for query, own in enumerate(LABELS):
        support = []
        for cls in range(3):
            rows = [row for row, label in enumerate(LABELS) if label == cls]
            support.append([row for row in rows if SOURCES[row] != SOURCES[query]] or rows)
        with torch.inference_mode():
            assert found.logits[query] == pytest.approx(by_hand(model, features, support, query), abs=1e-8)
        assert found.tested[query] == any(
            SOURCES[row] != SOURCES[query] for row, label in enumerate(LABELS) if label == own
        )
    assert found.tested.tolist() == [True, True, True, False, True, True, True, True, False]
    assert found.sources == 5


def test_leaving_a_class_out_is_matching_without_it(model, features):
    found = hold_out(model, features, LABELS, [str(row) for row in range(9)])
    unknown = found.unknown()
    assert unknown.shape == (9, 2)
    for query, own in enumerate(LABELS):
        others = [[row for row, label in enumerate(LABELS) if label == cls] for cls in range(3) if cls != own]
        rows, mask = by_class(others)
        with torch.inference_mode():
            support, single = take(features, rows[None]), take(features, torch.tensor([[query]]))
            expected = model.match(support, single, mask[None]).total
        assert unknown[query] == pytest.approx(expected[0, 0].tolist(), abs=1e-8)


def test_one_example_per_class_cannot_be_held_out(model, features):
    few = {name: value[:3] for name, value in features.items()}
    found = hold_out(model, few, [0, 1, 2], ["a", "b", "c"])
    assert not found.tested.any() and found.sources == 0 and np.isfinite(found.logits).all()
