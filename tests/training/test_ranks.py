"""Several processes that train one run together, over Gloo on the CPU."""

import shutil
import subprocess
import sys

import pytest
import torch

from strmctl.model.weight_files import read_tensors
from tests import together
from tests.small_world import small
from tests.together import ended, environment, free_port

IN_FLOAT64 = f"import torch; torch.set_default_dtype(torch.float64); {together.MAIN}"
# A validation and a snapshot between two steps.
ELEVEN = ("train.episodes=11", "train.accumulate=4", "validation.every=6", "train.keep=[5, 8]")


def start(count, *words, code=IN_FLOAT64):
    return together.start(count, "train", *words, "--device", "cpu", code=code)


def trained(count, *words):
    found = ended(start(count, *words))
    assert [code for _, code in found] == [0] * count, found
    for (out, err), _ in found[1:]:
        assert (out, err) == ("", ""), "only the first rank speaks"
    return found[0][0]


def same(first, second):
    for name in ("weights.pt", "last.pt", "state.pt", "snapshots/00005.pt", "snapshots/00008.pt"):
        one, other = (read_tensors(run / name) for run in (first, second))
        if name == "state.pt":
            assert one["done"] == other["done"] == 11
            one, other = one["model"], other["model"]
        assert one.keys() == other.keys()
        for key, value in one.items():
            torch.testing.assert_close(
                other[key], value, rtol=1e-10, atol=1e-10, msg=lambda text, key=key: f"{key}: {text}"
            )
    lines = [(run / "train.csv").read_text().splitlines() for run in (first, second)]
    assert len(lines[0]) == len(lines[1]) == 12
    for one, other in zip(*lines, strict=True):
        for left, right in zip(one.split(","), other.split(","), strict=True):
            assert left == right or float(left) == pytest.approx(float(right), rel=1e-10)


@pytest.fixture(scope="module")
def alone(data, tmp_path_factory):
    runs = tmp_path_factory.mktemp("ranks") / "runs"
    words = ("--data", data, "--runs", runs, "--recipe", "sprites", *small(*ELEVEN, "data.dataset=mine"))
    trained(1, *words, "--name", "one")
    assert any("running_mean" in name for name in read_tensors(runs / "one" / "last.pt"))
    return runs, words


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3])
def test_any_number_of_ranks_trains_the_same_weights(alone, count):
    runs, words = alone
    out, err = trained(count, *words, "--name", f"with{count}")
    assert "best on the val split" in out and "training" in err
    same(runs / "one", runs / f"with{count}")


@pytest.mark.slow
def test_a_rank_that_dies_ends_all_and_another_number_of_ranks_goes_on(alone):
    runs, words = alone
    dying = IN_FLOAT64.replace("import torch;", "import os, torch, strmctl.training.train as t; real = t.backward;")
    dying = dying.replace(
        "main()", "t.backward = lambda r, m, e, *w: os._exit(9) if e.index == 9 else real(r, m, e, *w); main()"
    )
    found = ended(start(2, *words, "--name", "dies", code=dying))
    assert sorted(code for _, code in found) == [1, 9], found
    assert "has lost another rank" in found[0][0][1] and "train --resume" in found[0][0][1]
    assert read_tensors(runs / "dies" / "state.pt")["done"] == 8
    trained(3, "--resume", "--name", "dies", "--data", words[1], "--runs", runs)
    same(runs / "one", runs / "dies")


@pytest.mark.slow
def test_what_is_wrong_is_said_once(alone):
    _, words = alone
    found = ended(start(2, *words, "--name", "one"))  # there is a run of this name
    assert [code for _, code in found] == [2, 2]
    assert found[0][0][1].startswith("error:") and found[1][0] == ("", "")


@pytest.mark.slow
def test_torchrun_starts_the_ranks(alone):
    runs, words = alone
    shutil.rmtree(runs / "torchrun", ignore_errors=True)
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "--master-port",
        str(free_port()),
    ]
    how = {"env": environment(0, 1, 0), "capture_output": True, "text": True, "timeout": 240}
    command += ["-m", "--", "strmctl", "train", *map(str, words), "--name", "torchrun", "--log", "tensorboard"]
    ran = subprocess.run(command, check=False, **how)
    assert ran.returncode == 0, ran.stderr
    assert read_tensors(runs / "torchrun" / "state.pt")["done"] == 11
    assert len(list((runs / "torchrun" / "tensorboard").iterdir())) == 1, "one rank writes"
    assert (runs / "torchrun" / "train.png").is_file()
