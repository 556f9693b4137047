import shutil

import pytest

from strmctl.errors import DataError, UsageError
from strmctl.frames.prepare.merge import merge
from strmctl.frames.prepare.prepare import Request, plan, prepare
from strmctl.frames.store.manifest import JOURNAL
from strmctl.frames.store.shards import Shard, Workplace
from strmctl.frames.store.store import FrameStore
from tests.frames.prepare.shards_for_tests import THIRDS, prepare_shards
from tests.frames.prepare.test_prepare import change, digests
from tests.videos_for_tests import write_video


def test_merge_waits_for_a_shard_that_is_missing_or_not_finished(request_):
    with pytest.raises(UsageError, match="holds no shards"):
        merge(request_)
    first, second, third = THIRDS
    prepare(request_, shard=first)
    with pytest.raises(DataError, match=r"2 shards of .* are not finished: 2/3, 3/3") as caught:
        merge(request_)
    assert f"--name mine --data {request_.data_dir} --size 32 --shard 2/3` and so on" in caught.value.hint
    prepare(request_, shard=second)

    def interrupt(done, total, note):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(request_, shard=third, progress=interrupt)
    with pytest.raises(DataError, match=r"a shard of .* is not finished: 3/3$"):
        merge(request_)
    prepare(request_, shard=third)
    (Workplace(request_.data_dir / "mine", second).folder / JOURNAL).touch()  # killed while it was prepared anew
    with pytest.raises(DataError, match=r"is not finished: 2/3$"):
        merge(request_)
    prepare(request_, shard=second)
    assert merge(request_).clips == 12


def test_shards_that_were_cut_in_another_way_are_not_mixed(request_, tmp_path):
    prepare(request_, shard=Shard(1, 2))
    with pytest.raises(UsageError, match=r"holds shards i/2 .* shard 1/3 is asked for") as caught:
        prepare(request_, shard=Shard(1, 3))
    assert "--shard 1/2" in caught.value.hint and "--merge" in caught.value.hint
    shards = Workplace(request_.data_dir / "mine", Shard(1, 2)).folder.parent
    prepare(change(request_, data_dir=tmp_path / "other"), shard=Shard(2, 3))
    shutil.copytree(tmp_path / "other" / "mine" / "shards" / "2-of-3", shards / "2-of-3")  # both began at one moment
    with pytest.raises(DataError, match="holds shards i/2 and i/3"):
        merge(request_)
    assert not (request_.data_dir / "mine" / "manifest.csv").exists()


def test_merge_with_other_settings_is_refused_and_says_which_command_is_right(request_, tmp_path):
    prepare_shards(request_)
    before = digests(request_.data_dir)
    split, listed = tmp_path / "split.yaml", tmp_path / "list.txt"
    split.write_text("subsets: {train: [walk], test: [run]}\n")
    listed.write_text("walk/1\n")
    for values, message in (
        ({"size": "48"}, "prepared with another size"),
        ({"frames": 8}, "prepared with another frames"),
        ({"split_file": split}, "prepared with another split, classes"),
        ({"list_file": listed}, "prepared with another list"),
    ):
        with pytest.raises(UsageError, match=message) as caught:
            merge(change(request_, **values))
        assert f"--name mine --data {request_.data_dir} --size 32" in caught.value.hint
        assert digests(request_.data_dir) == before
    with pytest.raises(UsageError, match="size 32, now 48"):  # and so is a shard
        prepare(change(request_, size="48"), shard=Shard(1, 3))
    assert merge(request_).clips == 12


def test_shards_of_different_options_are_not_merged(request_, tmp_path):
    split = tmp_path / "split.yaml"
    split.write_text("subsets: {train: [walk], test: [run]}\n")
    first, second, third = THIRDS
    prepare(request_, shard=first)
    prepare(request_, shard=second)
    prepare(change(request_, split_file=split), shard=third)
    for request in (request_, change(request_, split_file=split)):
        with pytest.raises(UsageError):
            merge(request)
    assert not (request_.data_dir / "mine" / "manifest.csv").exists()
    for shard in (first, second):
        prepare(change(request_, split_file=split), shard=shard)
    merge(change(request_, split_file=split))
    assert {row.subset for row in FrameStore.open(request_.data_dir, "mine").rows} == {"train", "test"}


def test_a_clip_that_was_moved_by_hand_is_found(request_):
    prepare_shards(request_)
    first, second = (
        Workplace(request_.data_dir / "mine", shard).folder / "manifest.csv" for shard in (Shard(1, 3), Shard(2, 3))
    )
    lines = second.read_text().splitlines(keepends=True)
    second.write_text("".join(lines[:-1]))
    first.write_text(first.read_text() + lines[-1])
    with pytest.raises(DataError, match="holds a clip of another shard") as caught:
        merge(request_)
    assert lines[-1].split(",")[0] in caught.value.message and "--shard 1/3" in caught.value.hint
    first.unlink()
    prepare_shards(request_)
    assert merge(request_).clips == 12


def test_shards_again_over_a_merged_store_extract_nothing(request_):
    prepare_shards(request_)
    merge(request_)
    before = digests(request_.data_dir)
    results = prepare_shards(request_)
    assert sum(result.skipped for result in results) == 11 and not any(result.dropped for result in results)
    assert FrameStore.open(request_.data_dir, "mine").by_id.keys() >= {"walk/1", "run/0"}  # as it was, while they wait
    merged = merge(request_)
    assert (merged.dropped, digests(request_.data_dir)) == (0, before)


def test_merging_tells_which_clips_left_the_store(videos, request_, tmp_path):
    request = change(request_, what=f"{shutil.copytree(videos, tmp_path / 'fewer')}")
    prepare(request)
    (tmp_path / "fewer" / "walk" / "1.mp4").unlink()
    prepare_shards(request)
    assert merge(request).dropped == 1


def test_the_store_says_that_it_was_made_as_its_shards_were(videos, tmp_path):
    for clip in ("HandstandPushups/v_HandStandPushups_g01_c01", "Archery/v_Archery_g02_c01"):
        write_video(tmp_path / "elsewhere" / f"{clip}.mp4")
    request = Request("ucf101", data_dir=tmp_path / "data", videos=tmp_path / "elsewhere", size="32")
    prepare_shards(request, 2)
    merge(change(request, videos=None))
    plain = change(request, data_dir=tmp_path / "plain")
    prepare(plain)
    assert digests(tmp_path / "data") == digests(tmp_path / "plain")
    command = FrameStore.open(tmp_path / "data", "ucf101").prepare_command
    assert f"--videos {tmp_path / 'elsewhere'}" in command


def test_a_merge_that_is_killed_leaves_all_shards_or_none(request_, monkeypatch):
    prepare_shards(request_)
    expected = digests(request_.data_dir)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("strmctl.frames.prepare.merge.write_settings", killed)
        with pytest.raises(KeyboardInterrupt):
            merge(request_)
    there = digests(request_.data_dir)
    assert all(there[name] == digest for name, digest in expected.items())
    assert merge(request_).clips == merge(request_).clips == 12  # there is nothing left to merge
    assert not (request_.data_dir / "mine" / "shards").exists()
    assert not (request_.data_dir / "mine" / ".partial").exists()


def test_a_store_that_waits_for_shards_says_so(request_):
    prepare(request_, shard=Shard(2, 3))
    with pytest.raises(DataError, match=r"waits for its shards 1/3, 3/3") as caught:
        FrameStore.open(request_.data_dir, "mine")
    expected = f"strmctl prepare {request_.what} --name mine --data {request_.data_dir} --size 32 --merge"
    assert expected in caught.value.hint
    assert FrameStore.names(request_.data_dir) == []
    prepare_shards(request_)
    with pytest.raises(DataError, match="is not merged") as caught:
        FrameStore.open(request_.data_dir, "mine")
    assert expected in caught.value.hint
    merge(request_)
    assert len(FrameStore.open(request_.data_dir, "mine").rows) == 12


def test_more_shards_than_clips(request_, tmp_path):
    results = prepare_shards(request_, 40)
    assert {0} < {result.clips for result in results} and sum(result.clips for result in results) == 12
    assert plan(request_, shard=Shard(1, 40)).clips == results[0].clips
    merge(request_)
    prepare(change(request_, data_dir=tmp_path / "plain"))
    assert digests(request_.data_dir) == digests(tmp_path / "plain")
