import threading
from pathlib import Path

import pytest

from strmctl.datasets.catalogue import DATA_SETS
from strmctl.datasets.download import fetch
from strmctl.errors import DataError, UsageError
from strmctl.frames.prepare.fetch import to_fetch
from strmctl.frames.prepare.prepare import Request, prepare
from strmctl.frames.store.store import FrameStore
from tests.datasets.http_for_tests import serving
from tests.datasets.test_unpack import zip_of
from tests.frames.prepare.test_prepare import digests
from tests.videos_for_tests import write_video

CLIPS = ("Archery/v_Archery_g02_c01", "HandstandPushups/v_HandStandPushups_g01_c01", "Biking/v_Biking_g03_c02")


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """Three clips of UCF101; tests read them."""
    folder = tmp_path_factory.mktemp("originals")
    for seed, clip in enumerate(CLIPS):
        write_video(folder / f"{clip}.avi", seed=seed, codec="MJPG")
    return folder


def twin_of_ucf101(originals):
    """As the real archive: one folder around the classes. One class lies in an archive of its own."""
    contents = {path.relative_to(originals).as_posix(): path.read_bytes() for path in originals.rglob("*.avi")}
    biking = {name: content for name, content in contents.items() if name.startswith("Biking/")}
    others = {f"UCF-101/{name}": content for name, content in contents.items() if name not in biking}
    return zip_of(others | {"UCF-101/Biking.zip": zip_of(biking)})


def test_a_data_set_is_fetched_by_one_of_several_processes_and_prepared(originals, tmp_path):
    archive = twin_of_ucf101(originals)
    request = Request("ucf101", data_dir=tmp_path / "data", size="32")
    told, results = [], []
    with serving(archive, breaks=[len(archive) // 2]) as site:
        wanted = to_fetch(request, url=site.url)
        threads = [
            threading.Thread(target=lambda: results.append(fetch(wanted, progress=lambda *words: told.append(words))))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [asked for asked, _ in site.asked] == [None, f"bytes={len(archive) // 2}-"]  # it went on after the break
        assert to_fetch(request, url=site.url) is None
    assert results == [[]] * 4 and [note for *_, note in told] == [
        "",
        "",
        "unpacking videos.rar",
        "unpacking Biking.zip",
    ]
    assert digests(tmp_path / "data" / "videos") == {f"ucf101/{name}": it for name, it in digests(originals).items()}
    result = prepare(request)
    assert (result.done, result.missing_clips, len(result.missing_classes)) == (3, [], 98)
    prepare(Request("ucf101", data_dir=tmp_path / "plain", videos=originals, size="32"))
    fetched, by_hand = (FrameStore.open(tmp_path / where, "ucf101") for where in ("data", "plain"))
    assert {row.clip for row in fetched.rows} == {*CLIPS} and fetched.manifest_sha256 == by_hand.manifest_sha256


def test_the_archive_is_kept_and_a_failed_unpacking_leaves_no_videos(originals, tmp_path):
    archive = twin_of_ucf101(originals)
    with serving(archive[: len(archive) // 2]) as site:
        wanted = to_fetch(Request("ucf101", data_dir=tmp_path), url=site.url)
        for _ in range(2):
            with pytest.raises(DataError, match="cannot be unpacked") as caught:
                fetch(wanted)
        assert "delete it and fetch it again" in caught.value.hint
        assert not wanted.videos.exists() and len(site.asked) == 1
        wanted.archive.write_bytes(archive)
        fetch(wanted)
        assert digests(wanted.videos) == digests(originals) and len(site.asked) == 1


@pytest.mark.parametrize(
    ("tail", "name"),
    [("/a/b/UCF101.rar", "UCF101.rar"), ("/", "archive"), ("/get?file=x.zip", "get"), ("/..%2F..%2Fx.rar", "x.rar")],
)
def test_the_archive_stays_in_its_folder_whatever_the_address(tmp_path, tail, name):
    planned = to_fetch(Request("kinetics100", data_dir=tmp_path), url=f"http://127.0.0.1:1{tail}")
    assert planned.url == f"http://127.0.0.1:1{tail}" and "air drumming" in planned.classes
    assert planned.archive == tmp_path / "downloads" / "kinetics100" / "from 127.0.0.1" / name
    assert planned.checksum is None and planned.videos == tmp_path / "videos" / "kinetics100"


@pytest.mark.parametrize("name", ["ucf101", "hmdb51"])
def test_without_url_the_data_sets_own_address_is_asked(tmp_path, name):
    source, planned = DATA_SETS[name].source, to_fetch(Request(name, data_dir=tmp_path))
    host, file = source.url.split("/")[2], source.url.rpartition("/")[2]
    assert planned.archive == tmp_path / "downloads" / name / f"from {host}" / file
    assert (planned.url, planned.checksum) == (source.url, source.checksum)
    assert source.url.startswith("https://") and file.endswith(".rar")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"what": "sprites"}, "sprites are rendered"),
        ({"what": "./mine", "name": "mine"}, r"--download is for a data set, which \./mine is not"),
        ({"what": "ucf101", "videos": Path("v")}, "--download puts the videos where they are looked for"),
        ({"what": "ucf101", "frames_from": Path("f.zip")}, "--download puts the videos where they are looked for"),
    ],
)
def test_what_download_does_not_go_with(tmp_path, values, message):
    for url in (None, "http://127.0.0.1:1/x.zip"):
        with pytest.raises(UsageError, match=message) as caught:
            to_fetch(Request(data_dir=tmp_path, **values), url=url)
        assert "leave" in caught.value.hint
