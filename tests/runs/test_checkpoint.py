import pickle

import pytest
import torch

from strmctl.errors import CheckpointError, DataError, UsageError
from strmctl.model.weight_files import read_tensors
from strmctl.paths import write_text
from strmctl.runs.build import build_model
from strmctl.runs.checkpoint import choose_device, load_run, load_weights, save_tensors
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
    with pytest.raises(UsageError, match="no CUDA device"):
        choose_device("cuda")
