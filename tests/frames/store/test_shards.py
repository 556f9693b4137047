import json
import subprocess
import sys
from collections import Counter

import pytest

from strmctl.errors import UsageError
from strmctl.frames.prepare.merge import merge
from strmctl.frames.prepare.prepare import Request, plan, prepare
from strmctl.frames.store.shards import Shard, Workplace, parse_shard, shard_of_environment
from tests.frames.prepare.shards_for_tests import THIRDS, prepare_shards
from tests.frames.prepare.test_prepare import change, digests

TORCHRUN = {"RANK": "2", "WORLD_SIZE": "4", "LOCAL_RANK": "0"}
SRUN = {"SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "4", "SLURM_NTASKS": "4"}


def array(task, first, step, count, **others):
    numbers = zip(("ID", "MIN", "STEP", "COUNT"), (task, first, step, count), strict=True)
    return {f"SLURM_ARRAY_TASK_{name}": str(number) for name, number in numbers} | others


def command(request, *words):
    """The command line of a request, to run beside others."""
    own = ("--name", request.name, "--data", request.data_dir, "--size", request.size, "--workers", 1)
    return [sys.executable, "-m", "strmctl", "prepare", request.what, *map(str, (*own, *words))]


def test_a_shard_as_it_is_written():
    shard = parse_shard(" 3/8 ")
    assert (shard.index, shard.count, str(shard)) == (3, 8, "3/8")
    assert parse_shard("1/1") is None and parse_shard("01/01") is None
    for text in ("0/3", "4/3", "3", "1/0", "-1/3", "1/3/5", "a/b", "", "1.5/3"):
        with pytest.raises(UsageError, match="is not a shard") as caught:
            parse_shard(text)
        assert "1/8" in caught.value.hint


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        (TORCHRUN, "3/4"),
        (TORCHRUN | {"WORLD_SIZE": "1", "RANK": "0"}, None),
        (SRUN, "4/4"),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}, None),  # a batch script; only srun starts several
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "1", "SLURM_STEP_NUM_TASKS": "1"}, None),
        (array(1, 1, 1, 8), "1/8"),
        (array(8, 1, 1, 8), "8/8"),
        (array(0, 0, 1, 3), "1/3"),
        (array(30, 10, 10, 4), "3/4"),
        (array(5, 5, 1, 1), None),
        (array(7, 1, 2, 4, SLURM_PROCID="0", SLURM_STEP_NUM_TASKS="1"), "4/4"),
        (array(2, 1, 1, 3, SLURM_PROCID="1", SLURM_STEP_NUM_TASKS="2"), "4/6"),  # each task may start several
        ({"SLURM_ARRAY_TASK_ID": "3"}, None),
        ({"WORLD_SIZE": "4"}, None),  # without a rank, a quarter would pass for the whole
        ({"SLURM_STEP_NUM_TASKS": "4"}, None),
        ({"RANK": "4", "WORLD_SIZE": "4"}, None),
        ({"RANK": "one", "WORLD_SIZE": "4"}, None),
        ({"RANK": "1", "WORLD_SIZE": "many"}, None),
        ({"RANK": "-1", "WORLD_SIZE": "4"}, None),
        (array("x", 1, 1, 4), None),
    ],
)
def test_what_started_the_process_says_which_shard_it_is(environment, expected):
    shard = shard_of_environment(environment)
    assert shard == (None if expected is None else Shard(*map(int, expected.split("/")), shard.origin))
    assert shard is None or all(name in environment for name in shard.origin.split(" and "))


@pytest.mark.parametrize("environment", [array(6, 1, 1, 3), array(4, 1, 2, 4), array(1, 3, 1, 4)])
def test_an_array_with_gaps_is_refused_rather_than_prepared_as_a_whole(environment):
    with pytest.raises(UsageError, match="does not tell which shard") as caught:
        shard_of_environment(environment)
    assert "--array=1-" in caught.value.hint and "--shard" in caught.value.hint


@pytest.mark.parametrize("count", [2, 3, 7])
def test_every_clip_is_in_one_shard_and_shards_are_about_equal(count):
    shards = [Shard(index, count) for index in range(1, count + 1)]
    clips = [f"class {number % 9}/clip {number}" for number in range(7000)]
    homes = {clip: [shard.index for shard in shards if shard.has(clip)] for clip in clips}
    assert all(len(indices) == 1 for indices in homes.values())
    sizes = Counter(indices[0] for indices in homes.values())
    assert all(abs(sizes[shard.index] - 7000 / count) < 4 * (7000 / count) ** 0.5 for shard in shards)


def test_shards_at_the_same_time_make_the_store_of_a_plain_run(request_, tmp_path):
    running = [
        subprocess.Popen(command(request_, "--shard", f"{index}/3", "--json"), stdout=subprocess.PIPE)
        for index in (1, 2, 3)
    ]
    documents = [json.loads(process.communicate(timeout=120)[0]) for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert [document["shard"] for document in documents] == ["1/3", "2/3", "3/3"]
    assert sum(document["clips"] for document in documents) == 12 and min(d["clips"] for d in documents) > 0
    store = request_.data_dir / "mine"
    assert not (store / "manifest.csv").exists()
    stamps = {path: path.stat().st_mtime_ns for path in store.rglob("*.zip")}
    merged = merge(request_)
    assert (merged.clips, merged.done, merged.short) == (12, 11, ["walk/short"])
    assert [clip for clip, _ in merged.failed] == ["run/text"]
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*.zip")} == stamps
    plain = change(request_, data_dir=tmp_path / "plain")
    assert merged.bytes == prepare(plain).bytes
    assert digests(request_.data_dir) == digests(plain.data_dir) and len(digests(plain.data_dir)) == 13
    folders = [sorted(path.relative_to(top) for path in top.rglob("*")) for top in (request_.data_dir, plain.data_dir)]
    assert folders[0] == folders[1]


def test_a_plain_run_is_refused_while_shards_wait(request_):
    parts = [plan(request_, shard=shard) for shard in THIRDS]
    assert sum(part.clips for part in parts) == 12 and [part.shard for part in parts] == ["1/3", "2/3", "3/3"]
    assert not request_.data_dir.exists()
    prepare_shards(request_)
    before = digests(request_.data_dir)
    for attempt in (prepare, plan):
        with pytest.raises(UsageError, match=r"holds shards i/3 .* the whole data set is asked for") as caught:
            attempt(request_)
        assert "--merge" in caught.value.hint and "shards" in caught.value.hint
    assert digests(request_.data_dir) == before


def test_sprites_and_redo_have_no_shards(tmp_path, request_):
    with pytest.raises(UsageError, match="sprites are rendered"):
        prepare(Request("sprites", data_dir=tmp_path / "data"), shard=Shard(1, 2))
    prepare(request_, shard=Shard(1, 2))
    before = digests(request_.data_dir)
    with pytest.raises(UsageError, match="--redo would throw away"):
        prepare(request_, redo=True, shard=Shard(2, 2))
    assert digests(request_.data_dir) == before


def test_a_run_of_the_whole_and_shards_keep_each_other_out(tmp_path):
    whole, one, other = (Workplace(tmp_path / "mine", shard) for shard in (None, *THIRDS[:2]))

    def is_refused(place):
        with pytest.raises(UsageError, match="another `prepare` is at work"), place.occupied():
            pass
        return True

    with one.occupied(), other.occupied():
        assert is_refused(whole) and is_refused(one)
    with whole.occupied():
        assert is_refused(whole) and is_refused(one) and is_refused(other)
    assert not list(tmp_path.rglob(".partial"))


@pytest.mark.parametrize("shard", [None, THIRDS[1]])
def test_a_second_run_of_a_shard_or_a_store_is_refused(request_, shard):
    with (
        Workplace(request_.data_dir / "mine", shard).occupied(),
        pytest.raises(UsageError, match="another `prepare` is at work") as caught,
    ):
        prepare(request_, shard=shard)
    assert "--shard i/n" in caught.value.hint
    assert prepare(request_, shard=shard).done > 0
