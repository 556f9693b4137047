"""TF32 is allowed within steps of training alone, whatever torch's own setting was."""

from types import SimpleNamespace

import pytest
import torch

from strmctl.model.precision import fast_products, full_products, trains_in_tf32, uses_tf32
from strmctl.runs.build import build_model
from strmctl.runs.checkpoint import choose_device
from strmctl.training import step
from tests.small_world import small_recipe

GPU = SimpleNamespace(type="cuda")


@pytest.fixture(autouse=True)
def flags():
    """torch's own setting, which a test may change."""
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = False, True


def test_what_runs_is_computed_in_full_precision_from_the_choice_of_a_device_on():
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    assert uses_tf32(GPU) and not uses_tf32(torch.device("cpu"))
    choose_device("cpu")
    assert not torch.backends.cuda.matmul.allow_tf32 and not torch.backends.cudnn.allow_tf32 and not uses_tf32(GPU)


def test_an_error_in_a_step_brings_full_precision_back():
    with pytest.raises(ZeroDivisionError), fast_products():
        assert uses_tf32(GPU)
        1 / 0  # noqa: B018
    assert not uses_tf32(GPU)


@pytest.mark.parametrize("memory", ["plain", "sides"])
def test_the_forward_and_the_backward_pass_of_a_step_may_use_it(monkeypatch, memory):
    recipe = small_recipe(f"train.memory={memory}")
    model = build_model(recipe, pretrained=False).train()
    seen = []
    next(model.parameters()).register_hook(lambda gradient: seen.append(uses_tf32(GPU)))
    real = step.forward
    monkeypatch.setattr(step, "forward", lambda *a, **how: seen.append(uses_tf32(GPU)) or real(*a, **how))
    clips = torch.zeros(2, 8, 3, 32, 32, dtype=torch.uint8)
    full_products()
    step.backward(recipe, model, SimpleNamespace(index=0), (clips, clips))
    assert len(seen) > 1 and all(seen) and not uses_tf32(GPU)


def test_older_gpus_have_none_and_a_variable_forbids_it(monkeypatch):
    capability = [8, 0]
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: tuple(capability))
    assert trains_in_tf32(GPU) and not trains_in_tf32(torch.device("cpu"))
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    assert not trains_in_tf32(GPU)
    monkeypatch.delenv("NVIDIA_TF32_OVERRIDE")
    capability[0] = 7
    assert not trains_in_tf32(GPU)
