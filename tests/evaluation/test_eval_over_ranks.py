"""`eval` by several processes: the same files as by one, whoever starts them and whatever befalls them."""

import json
import shutil

import pytest

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


@pytest.mark.slow
def test_a_rank_that_dies_ends_all_and_one_process_goes_on(data, fresh):
    alone, dies = fresh("alone"), fresh("dies")
    assert evaluate(data, alone, "--run", "sprites").code == 0
    dying = "import os, strmctl.evaluation.embedding_tasks as t; real = t.embed_batches;"
    dying += "t.embed_batches = lambda *w, ranks: os._exit(9) if ranks.rank == 2 else real(*w, ranks=ranks);"
    words = ("eval", *USUAL, "--run", "sprites", "--data", data, "--runs", dies)
    found = ended(together.start(3, *words, code=dying + MAIN))
    assert sorted(code for _, code in found) == [1, 1, 9], found
    assert "has lost another rank" in found[0][0][1] and "the same command goes on" in found[0][0][1]
    assert not (dies / "sprites" / "eval").exists()
    assert evaluate(data, dies, "--run", "sprites").code == 0
    assert written(dies) == written(alone)


@pytest.mark.slow
def test_what_is_wrong_in_any_rank_is_said_once_by_the_first(own_data, fresh):
    last = sorted((own_data / "mine" / "frames" / "walk").iterdir())[-1]  # in the last batch, that of the third rank
    last.write_bytes(b"no frames")
    for words, code, said in (((), 3, "walk/2"), (("--way", 9), 2, "9-way episodes need 9 classes")):
        runs = fresh(f"code {code}")
        given = ("eval", *USUAL, *words, "--run", "sprites", "--data", own_data, "--runs", runs)
        found = ended(together.start(3, *given))
        assert [code for _, code in found] == [code] * 3, found
        assert said in found[0][0][1] and [told for told, _ in found[1:]] == [("", "")] * 2


@pytest.mark.slow
def test_with_a_full_disk_all_ranks_embed_what_is_not_kept(data, fresh):
    full = "import collections, shutil; shutil.disk_usage = lambda path: collections.namedtuple('usage', 'free')(0);"
    alone, many = fresh("alone"), fresh("many")
    words = ("--run", "frozen")
    assert evaluate(data, alone, *words).code == 0
    _, err = by_ranks(2, data, many, *words, code=full + MAIN)
    assert "frames are embedded instead" in err and "they are not kept" in err
    results = [(runs / "frozen" / "eval" / "test_2way_1q_s0_n20.csv").read_bytes() for runs in (alone, many)]
    assert results[0] == results[1]


@pytest.mark.slow
def test_jobs_are_ranks_that_this_process_starts(data, fresh, own_data):
    alone, many = fresh("alone"), fresh("many")
    words = ("--run", "sprites", "--run", "other")
    assert evaluate(data, alone, *words).code == 0
    ran = evaluate(data, many, *words, "--jobs", 3)
    assert ran.code == 0 and written(many) == written(alone), ran.err
    sorted((own_data / "mine" / "frames" / "walk").iterdir())[-1].write_bytes(b"no frames")
    refused(evaluate(own_data, fresh("damaged"), "--run", "sprites", "--jobs", 3), 3, "walk/2")


def test_jobs_that_make_no_sense(data, runs, monkeypatch):
    refused(evaluate(data, runs, "--jobs", 2, "--device", "cuda:1"), 2, "cuda:1 is one GPU", "--device")
    refused(evaluate(data, runs, "--jobs", 2, "--no-cache"), 2, "leave out --jobs")
    refused(evaluate(data, runs, "--run", "sprites", "--run", "sprites"), 2, "named twice")
    for name, value in together.environment(0, 2, 1).items():
        monkeypatch.setenv(name, value)
    refused(evaluate(data, runs, "--jobs", 2), 2, "leave `--jobs` out")


def test_processes_that_do_not_start_are_named(data, runs, monkeypatch):
    monkeypatch.setattr("strmctl.evaluation.joining._help", None)  # what a new process would do
    refused(evaluate(data, runs, "--jobs", 2), 1, "do not start", "--jobs 1")
