"""`eval` by several processes: the same files as by one, whoever starts them and whatever befalls them."""

import json
import shutil
import subprocess
import sys

import pytest

from strmctl.frames.store.store import FrameStore
from tests import together
from tests.small_world import evaluate, refused, snapshot, train
from tests.together import MAIN, ended

USUAL = ("--way", 2, "--shots", 1, "--episodes", 20, "--no-pictures", "--device", "cpu")
FROZEN = ("backbone.trained=false", "train.views=2", "patch_enrichment.enabled=true")


def by_ranks(count, data, runs, *words, code=MAIN):
    """`eval` by so many ranks; what the first has said."""
    found = ended(together.start(count, "eval", *USUAL, *words, "--data", data, "--runs", runs, code=code))
    assert [code for _, code in found] == [0] * count, found
    for (out, err), _ in found[1:]:
        assert (out, err) == ("", ""), "only the first rank speaks"
    return found[0][0]


def written(runs):
    """All that a test writes: kept features and maps, and results but for what tells how they were made."""
    found = {name: content for name, content in snapshot(runs).items() if not name.endswith(".lock")}
    for name in [name for name in found if "/eval/" in name and name.endswith(".json")]:
        document = json.loads(found[name])
        assert document["provenance"].pop("ranks") > 0
        del document["sha256"], document["provenance"]["seconds"], document["provenance"]["command"]
        found[name] = document
    return found


@pytest.fixture(scope="module")
def untested(data, tmp_path_factory):
    """Runs without tests: `sprites`, `other` of another seed, and `frozen`, none of whose test clips has maps."""
    runs = tmp_path_factory.mktemp("untested") / "runs"
    for name, changes in (("sprites", ()), ("other", ("train.seed=1",)), ("frozen", FROZEN)):
        assert train(data, runs, "--recipe", "sprites", "--name", name, changes=changes).code == 0
    return runs


@pytest.fixture
def fresh(untested, tmp_path):
    """A function that makes a copy of these runs."""
    return lambda name: shutil.copytree(untested, tmp_path / name / "runs", symlinks=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "words"),
    [
        (2, ("--run", "sprites")),
        (3, ("--run", "sprites", "--run", "other", "--json")),
        (2, ("--run", "frozen", "--frame-order", "shuffled")),
        (3, ("--run", "frozen")),
        (2, ("--run", "sprites", "--dtype", "bfloat16", "--memory", "1K")),
        (5, ("--run", "sprites", "--no-cache", "--classes", "crawl,walk")),
    ],
)
def test_any_number_of_ranks_writes_the_same_files(data, fresh, count, words):
    alone, many = fresh("alone"), fresh("many")
    expected = evaluate(data, alone, *words)
    out, _ = by_ranks(count, data, many, *words)
    assert expected.code == 0 and (out == expected.out or "--json" in words)
    before = snapshot(fresh("untouched"))
    files = written(many)
    assert files == written(alone) and len(files) > len(before)
