"""torch.compile of the backbone: the same numbers, or a message that says why not."""

import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from strmctl.errors import RecipeError
from strmctl.model.backbones import build
from strmctl.recipe import load_recipe
from strmctl.runs.build import build_model
from strmctl.training.step import backward
from tests.small_world import small, small_recipe


@pytest.mark.slow
def test_a_compiled_backbone_gives_the_same_gradient_and_tests_as_before():
    recipe = small_recipe("train.queries=2", "input.frames=2")
    generator = torch.Generator().manual_seed(0)
    sides = [torch.randint(256, (count, 2, 3, 32, 32), dtype=torch.uint8, generator=generator) for count in (2, 4)]
    found = []
    for compiles in (False, True):
        model = build_model(recipe, pretrained=False).train()
        if compiles:
            model.backbone.prepare_training(compiles=True)
        numbers = backward(recipe, model, SimpleNamespace(index=0), sides)[:2]
        gradients = {name: value.grad for name, value in model.named_parameters()}
        model.eval()
        with torch.inference_mode():
            found.append((numbers, gradients, model.embed(sides[0] / 255), list(model.state_dict())))
    torch.testing.assert_close(torch.tensor(found[0][0]), torch.tensor(found[1][0]), rtol=1e-5, atol=0)
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-3, atol=1e-5)
    assert found[0][3] == found[1][3]
    torch.testing.assert_close(found[0][2], found[1][2], rtol=1e-4, atol=1e-5)


def test_evaluation_computes_as_before(monkeypatch):
    seen = []
    monkeypatch.setattr(build, "compiled", lambda function, device: lambda frames: seen.append(1) or function(frames))
    model = build_model(small_recipe(), pretrained=False)
    model.backbone.prepare_training(compiles=True)
    clips = torch.zeros(1, 8, 3, 32, 32)
    model.train().embed(clips)
    model.eval().embed(clips)
    assert seen == [1]


@pytest.mark.slow
def test_without_a_compiler_nothing_is_begun_and_the_advice_helps(data, tmp_path):
    environment = {**os.environ, "CXX": str(tmp_path / "none"), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")}
    changes = small("data.dataset=mine", "backbone.compile=true")
    words = ["--recipe", "sprites", *changes, "--data", data, "--runs", tmp_path / "runs", "--device", "cpu"]
    command = [sys.executable, "-m", "strmctl", "train", *map(str, words)]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 2, ran.stderr
    assert "torch.compile does not work here" in ran.stderr and "Traceback" not in ran.stderr
    assert not (tmp_path / "runs" / "sprites").exists()
    advice = re.search("`(--set backbone.compile=false)`", ran.stderr)[1]
    subprocess.run([*command, *advice.split()], env=environment, check=True, capture_output=True)
    assert (tmp_path / "runs" / "sprites" / "weights.pt").is_file()


@pytest.mark.parametrize("memory", ["checkpoint", "sides"])
def test_a_block_that_is_computed_again_cannot_be_compiled_as_a_part_of_the_whole(memory):
    with pytest.raises(RecipeError, match="must be plain or clips with backbone"):
        load_recipe("sprites", ["backbone.compile=true", f"train.memory={memory}"])
