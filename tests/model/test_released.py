"""Released checkpoints, made from their table of names and shapes, against the released code's formulas in loops."""

import numpy as np
import pytest
import torch

from strmctl.errors import CheckpointError, ExitCode
from strmctl.model.released import read_released
from tests.model import released_files
from tests.model.reference import relative_error

pytestmark = pytest.mark.slow


def save(content, folder):
    torch.save(content, folder / "checkpoint.pt")
    return folder / "checkpoint.pt"


def clips(count, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 8, 3, 40, 40, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize(
    ("name", "cardinalities", "options", "labels"),
    [
        ("resnet18", (2, 3), {"module": "module."}, [7, 2, 7]),
        ("resnet18", (3, 2), {"w_cls": 256, "dim": 48}, [7, 2, 7]),
        ("resnet34", (2, 3), {"enrichment": False, "dim": 48}, [7, 2, 7]),
        ("resnet50", (2,), {"module": "module.", "dim": 48}, [5]),
    ],
)
def test_logits_are_those_of_the_released_code(tmp_path, name, cardinalities, options, labels):
    state = released_files.state_dict(name, cardinalities, **options)
    path = save(released_files.checkpoint(state), tmp_path)
    released = read_released(path)
    sizes = released.sizes
    assert (sizes.method, sizes.backbone) == ("strm" if options.get("enrichment", True) else "trx", name)
    assert (sizes.cardinalities, sizes.dim) == (cardinalities, options.get("dim", 1152))
    assert (sizes.frames, sizes.patches) == (8, 4)
    assert (sizes.query_class_dim, released.iteration) == (options.get("w_cls"), 75000)
    assert list(released.dropped) == sorted(key for key in state if "norm_v" in key)
    model = released.model.double()
    assert not model.training
    support, queries = clips(len(labels), seed=1), clips(1, seed=2)
    with torch.no_grad():
        logits = model(support, torch.tensor(labels), queries)
    trm, qc = released_files.logits(state, name, cardinalities, (support, labels, queries))
    assert relative_error(logits.trm, trm) < 1e-9
    if "w_cls" not in options:
        assert logits.query_class is None and torch.equal(logits.total, logits.trm)
    else:
        assert relative_error(logits.query_class, qc) < 1e-9
        assert relative_error(logits.total, trm + 0.1 * qc) < 1e-9


def test_the_encoding_is_the_files_own(tmp_path):
    state = released_files.state_dict()
    state = {key: value.double() + 0.01 if key.endswith("pe.pe") else value for key, value in state.items()}
    path, random = save(state, tmp_path), torch.get_rng_state()
    model = read_released(path).model
    assert torch.equal(torch.get_rng_state(), random)  # the caller's is untouched
    names = {"temporal_relations": "transformers.0", "frame_enrichment": "fr_enrich", "patch_enrichment": "attn_pat"}
    for (name, key), rows in zip(names.items(), (8, 8, 16), strict=True):
        assert torch.equal(getattr(model, name).encoding.table, state[f"{key}.pe.pe"][0, :rows])


def test_a_bare_state_dict_and_the_dict_around_it_with_and_without_module_are_the_same_model(tmp_path):
    plain, parallel = released_files.state_dict(), {}
    for key, value in plain.items():
        part, _, rest = key.partition(".")
        infix = "module." if part in ("resnet", "attn_pat", "fr_enrich") else ""
        parallel[f"module.{part}.{infix}{rest}"] = value
    models = [read_released(save(content, tmp_path)).model for content in (plain, {"model_state_dict": parallel})]
    states = [model.state_dict() for model in models]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def refused(content, folder):
    with pytest.raises(CheckpointError) as caught:
        read_released(save(content, folder))
    assert caught.value.exit_code == ExitCode.CHECKPOINT
    return caught.value.message


def test_what_is_missing_or_of_the_wrong_shape_is_named_three_times(tmp_path):
    state = released_files.state_dict()
    del state["resnet.4.0.conv1.weight"], state["attn_pat.gamma"], state["transformers.1.v_linear.bias"]
    del state["fr_enrich.Bot_MLP.inp_fc.bias"]
    state["transformers.0.k_linear.weight"] = torch.zeros(1152, 1000)
    message = refused(state, tmp_path)
    named = ("resnet.4.0.conv1.weight is missing", "gamma is missing", "k_linear.weight is (1152, 1000)")
    assert sum(key in message for key in named) == 2 and "(and 2 more)" in message, message
    assert message.count(" is missing") + message.count(", not (1152, 1024)") == 3


@pytest.mark.parametrize(
    "key",
    [
        *("resnet.0.weight", "transformers.0.k_linear.weight", "transformers.1.norm_k.weight", "attn_pat.gamma"),
        *("fr_enrich.Tok_MLP.inp_fc.weight", "attn_pat.Bot_MLP.inp_fc.weight"),
    ],
)
def test_any_tensor_that_is_missing_is_named(tmp_path, key):
    state = released_files.state_dict()
    del state[key]
    assert f"{key} is missing" in refused(state, tmp_path)


def test_other_networks_are_refused(tmp_path):
    assert "resnet.0.weight is missing" in refused({"layer.weight": torch.zeros(2, 2)}, tmp_path)
    deeper = released_files.state_dict(enrichment=False)
    deeper["resnet.6.2.conv1.weight"] = torch.zeros(256, 256, 3, 3)
    assert "resnet.6.2.conv1.weight is not part of it" in refused(deeper, tmp_path)
    twice = released_files.state_dict(cardinalities=(2, 2), enrichment=False)
    assert "transformers.1.k_linear.weight is (1152, 1024): cardinalities [2, 2] of 8" in refused(twice, tmp_path)
    for odd in (1, torch.zeros(2, 2).to_sparse(), torch.zeros(2, device="meta")):
        assert "no state dict" in refused({"iteration": 3, "model_state_dict": {"a": odd}}, tmp_path)
    assert "no state dict" in refused({7: torch.zeros(2)}, tmp_path)
    assert "it holds a numpy" in refused({"model_state_dict": twice, "best": np.float64(0.5)}, tmp_path)


def test_tensors_that_contradict_each_other_are_named(tmp_path):
    state = released_files.state_dict(dim=16)
    for layer in "kv":
        del state[f"transformers.1.{layer}_linear.weight"]
    assert "transformers.1.k_linear.weight is missing" in refused(state, tmp_path)
    state = released_files.state_dict(dim=16) | {"fr_enrich.Tok_MLP.inp_fc.weight": torch.zeros(600, 600)}
    assert "fr_enrich.Tok_MLP.inp_fc.weight is (600, 600)" in refused(state, tmp_path)
    state = released_files.state_dict(dim=16) | {"fr_enrich.pe.pe": torch.zeros(1, 6, 512)}
    assert "fr_enrich.pe.pe is (1, 6, 512), not (8, 512)" in refused(state, tmp_path)


@pytest.mark.parametrize("rows", [16, 25, 5000])
def test_an_encoding_of_another_length_tells_nothing_of_the_patches(tmp_path, rows):
    encoding = torch.rand(1, rows, 512)
    model = read_released(save(released_files.state_dict(dim=16) | {"attn_pat.pe.pe": encoding}, tmp_path)).model
    assert model.patches == 4
    assert torch.equal(model.patch_enrichment.encoding.table, encoding[0, :16].double())
