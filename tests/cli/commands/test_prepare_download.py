"""`strmctl prepare` with --download, --shard and --merge as typed, in the words that people and machines get."""

import os
import shutil
import tarfile

import pytest

from strmctl.datasets.catalogue import DATA_SETS, how_to_get
from strmctl.frames.store.store import FrameStore
from tests.datasets.http_for_tests import serving
from tests.datasets.test_unpack import tar_of
from tests.frames.prepare.test_fetch import CLIPS, twin_of_ucf101
from tests.frames.prepare.test_prepare import digests
from tests.videos_for_tests import strmctl, write_video

ONE = ("--workers", "1", "--size", "32")


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """A small UCF101, one of whose classes lies in an archive of its own."""
    folder = tmp_path_factory.mktemp("ucf101")
    for seed, clip in enumerate(CLIPS):
        write_video(folder / f"{clip}.avi", seed=seed, codec="MJPG")
    return twin_of_ucf101(folder)


@pytest.fixture
def words(tmp_path):
    """A folder of nine clips, and the words that prepare it as `mine`."""
    for number in range(9):
        write_video(tmp_path / "v" / ("walk" if number % 2 else "run") / f"{number}.mp4", seed=number, frames=9)
    return ("prepare", f"{tmp_path}/v", "--name", "mine", "--data", tmp_path / "data", *ONE)


def test_download_goes_on_with_the_extraction_and_asks_nothing_again(archive, tmp_path):
    with serving(archive, breaks=[1000]) as site:
        words = ("prepare", "ucf101", "--data", tmp_path, "--download", "--url", site.url, *ONE)
        ran = strmctl(*words)
        assert ran.code == 0 and "3 of 3 clips stored (0 were there before), 0 failed" in ran.err
        asked = len(site.asked)
        before = digests(tmp_path)
        again = strmctl(*words)
        assert again.code == 0 and "3 of 3 clips stored (3 were there before)" in again.err
        assert (asked, len(site.asked), digests(tmp_path)) == (2, 2, before)
    store = FrameStore.open(tmp_path, "ucf101")
    assert {row.clip for row in store.rows} == {*CLIPS} and store.by_id[CLIPS[0]].group == "Archery/g02"
    assert "--url" not in store.prepare_command  # the videos are there now


def test_a_dry_run_downloads_nothing(archive, tmp_path):
    with serving(archive) as site:
        words = ("prepare", "ucf101", "--data", tmp_path / "data", "--download", "--url", site.url)
        ran = strmctl(*words, "--dry-run")
        assert (ran.code, ran.out, site.asked) == (0, "", []) and not (tmp_path / "data").exists()
        assert f"would be downloaded from {site.url} and unpacked into" in ran.err and "Nothing was written" in ran.err
        assert strmctl(*words, "--dry-run", "--json").json() == {
            "dry_run": True,
            "download": {
                "url": site.url,
                "archive": str(tmp_path / "data" / "downloads" / "ucf101" / "from 127.0.0.1" / "videos.rar"),
                "videos": str(tmp_path / "data" / "videos" / "ucf101"),
            },
        }
        assert strmctl(*words, *ONE).code == 0
        shutil.rmtree(tmp_path / "data" / "ucf101")
        before, requests = digests(tmp_path), len(site.asked)
        document = strmctl(*words, "--dry-run", "--json").json()  # with the videos, it is known what is in them
        assert (document["clips"], document["dry_run"]) == (3, True)
        shutil.rmtree(tmp_path / "data" / "videos")
        assert "videos.rar is there already and would be unpacked into" in strmctl(*words, "--dry-run").err
        assert len(site.asked) == requests and digests(tmp_path).items() <= before.items()


def test_what_the_archive_holds_besides_is_named_in_a_few_lines(tmp_path):
    video = write_video(tmp_path / "v.avi", codec="MJPG").read_bytes()
    links = {f"{number:02d}.avi": (tarfile.SYMTYPE, "/dev/null") for number in range(23)}
    with serving(tar_of(links | {"Archery/v_Archery_g01_c01.avi": video})) as site:
        ran = strmctl("prepare", "ucf101", "--data", tmp_path / "data", "--download", "--url", site.url, *ONE)
    lines = [line for line in ran.err.splitlines() if line.startswith("left out of the archive: ")]
    assert ran.code == 0 and len(lines) == 21
    assert (lines[0], lines[-1]) == (
        "left out of the archive: 00.avi: neither a file nor a folder",
        "left out of the archive: 3 more",
    )


@pytest.mark.parametrize("name", ["kinetics100", "ssv2", "ssv2_small"])
@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_what_cannot_be_downloaded_is_exit_2_with_the_whole_instruction(tmp_path, name, more):
    ran = strmctl("prepare", name, "--download", "--data", tmp_path, *more)
    assert (ran.code, ran.out) == (2, "") and list(tmp_path.iterdir()) == []
    dataset = DATA_SETS[name]
    assert ran.err == f"error: {dataset.title} cannot be downloaded by strmctl\n  {how_to_get(dataset)}\n"
    assert dataset.by_hand in ran.err and f"`strmctl prepare {name} --videos DIR" in ran.err


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        (("--url", "http://127.0.0.1:1/x.rar"), ("--url says where to --download from", "add `--download`")),
        (("--download", "--videos", "v"), ("--download puts the videos", "leave `--videos`")),
        (("--download", "--url", "ftp://127.0.0.1/x.rar"), ("is not an http:// or https:// address", "--videos")),
        (("--merge", "--dry-run"), ("--merge joins what is prepared", "leave --dry-run out")),
        (("--merge", "--redo", "--download"), ("does nothing else: not --download, --redo",)),
        (("--merge", "--shard", "1/2"), ("--shard and --merge exclude each other",)),
        (("--shard", "3/2"), ("'3/2' is not a shard", "1/8")),
        (("--merge",), ("holds no shards to merge", "--shard 1/2")),
    ],
)
def test_options_that_do_not_go_together(tmp_path, monkeypatch, given, parts):
    monkeypatch.chdir(tmp_path)
    ran = strmctl("prepare", "ucf101", *given)
    assert (ran.code, ran.out) == (2, "") and all(part in ran.err for part in parts)
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.name != ".lock"] == []


def test_shards_and_their_merge_as_a_person_sees_them(words, tmp_path):
    clips = []
    for shard in ("1/3", "2/3", "3/3"):
        planned = strmctl(*words, "--shard", shard, "--dry-run")
        assert planned.code == 0 and f", shard {shard}, dry run" in planned.out and "when all" not in planned.err
        ran = strmctl(*words, "--shard", shard)
        assert ran.code == 0 and f", shard {shard}\n" in ran.out
        assert "when all shards are done: the same command with --merge instead of --shard" in ran.err
        clips.append(int(ran.out.split()[1]))
        if shard != "3/3":
            early = strmctl(*words, "--merge")
            assert early.code == 3 and "not finished" in early.err and "3/3" in early.err
    assert sum(clips) == 9 and min(clips) > 0
    refused = strmctl(*words)
    assert refused.code == 2 and "wait to be merged" in refused.err and "--merge" in refused.err
    merged = strmctl(*words, "--merge")
    assert merged.code == 0 and merged.out.startswith("mine: 9 clips\n")
    assert "9 of 9 clips stored" in merged.err and "when all shards" not in merged.err
    assert strmctl(*words, "--json").json()["skipped"] == 9


def test_shards_and_their_merge_as_json(words):
    documents = [strmctl(*words, "--shard", f"{index}/2", "--json").json() for index in (1, 2)]
    merged = strmctl(*words, "--merge", "--json").json()
    assert [document["shard"] for document in (*documents, merged)] == ["1/2", "2/2", ""]
    for key in ("clips", "done", "bytes"):
        assert sum(document[key] for document in documents) == merged[key] > 0
    assert merged["subsets"][0]["frames"] == 81


def test_a_shard_without_clips_is_no_failure(words):
    codes = {}
    for index in range(1, 41):
        ran = strmctl(*words, "--shard", f"{index}/40", "--json")
        codes.setdefault(ran.json()["clips"], set()).add(ran.code)
    assert codes[0] == {0} and all(code == {0} for code in codes.values())
    assert strmctl(*words, "--merge", "--json").json()["done"] == 9


def test_classes_that_are_in_other_shards_are_not_called_missing(tmp_path):
    write_video(tmp_path / "v" / "walk" / "0.mp4")
    (tmp_path / "split.yaml").write_text("subsets: {train: [walk], test: [swim]}\n")
    words = ("prepare", f"{tmp_path}/v", "--name", "m", "--split", tmp_path / "split.yaml", "--data", tmp_path, *ONE)
    for index in (1, 2):
        assert "missing" not in strmctl(*words, "--shard", f"{index}/2").err
    assert "missing: 1 class of the split: swim" in strmctl(*words, "--merge").err


def test_the_rank_of_a_job_is_its_shard_and_is_told(words, monkeypatch):
    for name in [name for name in os.environ if name.startswith("SLURM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    ran = strmctl(*words)
    assert ran.code == 0 and ", shard 2/2\n" in ran.out
    assert ran.err.startswith("shard 2/2, taken from RANK (`--shard 1/1` prepares all)\n")
    assert strmctl(*words, "--shard", "1/2").code == 0
    assert strmctl(*words, "--merge").code == 0  # one rank merges all
    assert strmctl(*words, "--shard", "1/1", "--json").json()["skipped"] == 9
