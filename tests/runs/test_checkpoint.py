import json
import math
import pickle
from pathlib import Path

import pytest
import torch

from strmctl.errors import CheckpointError, DataError, UsageError
from strmctl.model.weight_files import read_tensors
from strmctl.paths import write_json, write_text
from strmctl.provenance import sha256_of
from strmctl.runs import checkpoint
from strmctl.runs.build import build_model
from strmctl.runs.checkpoint import choose_device, load_run, load_weights, save_tensors, save_weights
from tests.small_world import small_recipe


@pytest.fixture
def model():
    return build_model(small_recipe(), pretrained=False)


def test_weights_of_another_model_name_the_first_three_differences(tmp_path, model):
    other = build_model(small_recipe("trm.dim=16", "frame_enrichment.enabled=false"), pretrained=False)
    save_tensors(tmp_path / "w.pt", other.state_dict())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(CheckpointError) as caught:
        load_weights(model, tmp_path / "w.pt")
    message = caught.value.message
    assert message.count(" is missing") == 3
    assert "more)" in message
    assert "frame_enrichment" in message
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_a_wrong_shape_is_named_with_both_shapes(tmp_path, model):
    save_tensors(tmp_path / "w.pt", build_model(small_recipe("query_class.dim=9"), pretrained=False).state_dict())
    with pytest.raises(CheckpointError, match=r"query_class.*\(9, 256\), not \(8, 256\)"):
        load_weights(model, tmp_path / "w.pt")


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("something other than a tensor was unpickled",))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("content", [b"", b"not a checkpoint", pickle.dumps(Bomb())])
def test_what_is_not_a_checkpoint(tmp_path, content):
    (tmp_path / "w.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match="is not a file of weights"):
        read_tensors(tmp_path / "w.pt")


def test_only_tensors_are_unpickled(tmp_path):
    torch.save({"x": Bomb()}, tmp_path / "w.pt")
    with pytest.raises(CheckpointError):
        read_tensors(tmp_path / "w.pt")


def test_a_truncated_checkpoint(tmp_path, model):
    save_tensors(tmp_path / "w.pt", model.state_dict())
    whole = (tmp_path / "w.pt").read_bytes()
    (tmp_path / "w.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError):
        load_weights(model, tmp_path / "w.pt")


def test_a_dict_around_the_weights_is_not_a_state_dict(tmp_path, model):
    save_tensors(tmp_path / "w.pt", {"model": model.state_dict()})
    with pytest.raises(CheckpointError, match="no state dict"):
        load_weights(model, tmp_path / "w.pt")


def test_a_run_without_weights_says_how_to_finish_it(tmp_path):
    write_text(tmp_path / "mine" / "recipe.yaml", small_recipe().to_yaml())
    with pytest.raises(DataError, match="has no weights") as caught:
        load_run(tmp_path / "mine")
    assert "strmctl train --resume --name mine" in caught.value.hint


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_cuda_where_there_is_none():
    assert choose_device("auto").type == "cpu"
    for name in ("cuda", "cuda:0", "cuda:3"):
        with pytest.raises(UsageError, match=f"no CUDA device here, so {name} is"):
            choose_device(name)


def test_of_several_gpus_each_has_a_number(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(UsageError, match="there are 2 CUDA devices here, so cuda:2 is none"):
        choose_device("cuda:2")


@pytest.mark.parametrize("name", ["", "gpu", "cpu:0", "cuda:-1", "cuda:one", "cuda:1:2", "mps:1", "CUDA", "meta"])
def test_other_devices_are_unknown(name):
    with pytest.raises(UsageError, match="there is no device"):
        choose_device(name)


NUMBERS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


@pytest.mark.parametrize("number", NUMBERS)
def test_weights_that_are_not_finite_are_named(tmp_path, model, number):
    state = model.state_dict()
    name = next(name for name in state if name.startswith("query_class"))
    state[name][0].fill_(NUMBERS[number])
    save_tensors(tmp_path / "w.pt", state)
    with pytest.raises(CheckpointError, match=f"w.pt holds numbers that are not finite: {name}$"):
        load_weights(build_model(small_recipe(), pretrained=False), tmp_path / "w.pt")


def test_weights_that_overflow_in_the_precision_of_the_model_are_named(tmp_path, model):
    state = {name: value.double() if value.is_floating_point() else value for name, value in model.state_dict().items()}
    name = next(name for name, value in state.items() if value.dtype == torch.float64)
    state[name].fill_(1e300)
    save_tensors(tmp_path / "w.pt", state)
    with pytest.raises(CheckpointError, match=f"not finite: {name}$"):
        load_weights(model, tmp_path / "w.pt")


def test_complex_weights_are_none(tmp_path, model):
    save_tensors(tmp_path / "w.pt", {name: value.to(torch.complex64) for name, value in model.state_dict().items()})
    with pytest.raises(CheckpointError, match="holds no state dict"):
        load_weights(model, tmp_path / "w.pt")


@pytest.mark.parametrize("name", ["weights.pt", "last.pt"])
def test_weights_are_named_by_word_or_path(tmp_path, model, name, monkeypatch):
    write_text(tmp_path / "mine" / "recipe.yaml", small_recipe().to_yaml())
    for number, own in enumerate(("weights.pt", "last.pt")):
        save_weights(tmp_path / "mine" / own, model.state_dict(), {"training_episodes": number})
    word = "best" if name == "weights.pt" else "last"
    monkeypatch.chdir(tmp_path)
    for weights in (word, tmp_path / "mine" / name, Path("mine") / name):
        run = load_run(tmp_path / "mine", device="cpu", weights=weights)
        assert run.weights == tmp_path / "mine" / name and run.info["training_episodes"] == int(word == "last")
    for absent in ("middle", tmp_path / "none.pt", tmp_path):
        with pytest.raises(DataError, match="there are no weights at") as caught:
            load_run(tmp_path / "mine", device="cpu", weights=absent)
        assert "best, last" in caught.value.hint


def test_a_training_that_writes_both_files_at_this_moment_is_waited_for(tmp_path, model, monkeypatch):
    write_text(tmp_path / "recipe.yaml", small_recipe().to_yaml())
    save_weights(tmp_path / "weights.pt", model.state_dict(), {"training_episodes": 1})
    notes = (tmp_path / "weights.json").read_text()
    with torch.no_grad():
        next(model.parameters()).mul_(2)
    save_tensors(tmp_path / "weights.pt", model.state_dict())
    monkeypatch.setattr(checkpoint.time, "sleep", lambda seconds: write_notes())

    def write_notes():
        written = json.loads(notes) | {"sha256": sha256_of(tmp_path / "weights.pt"), "training_episodes": 2}
        write_json(tmp_path / "weights.json", written)

    assert load_run(tmp_path, device="cpu").info["training_episodes"] == 2
    (tmp_path / "weights.json").write_text(notes)
    monkeypatch.setattr(checkpoint.time, "sleep", lambda seconds: None)
    with pytest.raises(CheckpointError, match=r"weights\.json beside it describes"):
        load_run(tmp_path, device="cpu")
