import shutil
import threading
from pathlib import Path

import pytest

from strmctl.datasets.catalogue import DATA_SETS, how_to_get
from strmctl.errors import DataError, UsageError
from strmctl.frames.prepare.fetch import fetch, to_fetch
from strmctl.frames.prepare.prepare import Request, prepare
from strmctl.frames.store.store import FrameStore
from tests.datasets.http_for_tests import serving
from tests.datasets.test_unpack import zip_of
from tests.frames.prepare.test_prepare import digests
from tests.videos_for_tests import write_video

pytestmark = pytest.mark.skipif(shutil.which("bsdtar") is None, reason="bsdtar is not installed")
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


@pytest.fixture
def archive(originals):
    return twin_of_ucf101(originals)


def test_a_data_set_is_fetched_unpacked_and_prepared(archive, originals, tmp_path):
    request = Request("ucf101", data_dir=tmp_path / "data", size="32")
    told = []
    with serving(archive, breaks=[len(archive) // 2]) as site:
        assert to_fetch(request, url=site.url).url == site.url and site.asked == []
        assert fetch(request, url=site.url, progress=lambda *words: told.append(words)) == []
        assert [asked for asked, _ in site.asked] == [None, f"bytes={len(archive) // 2}-"]  # it went on after the break
        assert fetch(request, url=site.url) == [] and len(site.asked) == 2  # the videos are there
        assert to_fetch(request, url=site.url) is None
    assert (tmp_path / "data" / "downloads" / "ucf101" / "from 127.0.0.1" / "videos.rar").read_bytes() == archive
    assert digests(tmp_path / "data" / "videos") == {f"ucf101/{name}": it for name, it in digests(originals).items()}
    assert len(told) == len(set(told)) and any("checking" in note for _, _, note in told)
    result = prepare(request)
    assert (result.done, result.missing_clips, len(result.missing_classes)) == (3, [], 98)
    prepare(Request("ucf101", data_dir=tmp_path / "plain", videos=originals, size="32"))
    fetched, by_hand = (FrameStore.open(tmp_path / where, "ucf101") for where in ("data", "plain"))
    assert {row.clip for row in fetched.rows} == {*CLIPS} and fetched.manifest_sha256 == by_hand.manifest_sha256


@pytest.mark.parametrize("wrapping", ["", "UCF-101/", "a/b/UCF-101/"])
def test_clips_are_called_the_same_however_the_archive_wraps_them(tmp_path, wrapping):
    names = ("Archery/v_1.avi", "README") if wrapping == "" else ("Archery/v_1.avi",)  # the last is one class alone
    for members in (names, (*names, "Biking/v_2.avi")):
        folder = tmp_path / str(len(members))
        with serving(zip_of({f"{wrapping}{name}": b"x" for name in members})) as site:
            fetch(Request("ucf101", data_dir=folder), url=site.url)
        assert sorted(digests(folder / "videos")) == sorted(f"ucf101/{name}" for name in members)
        assert [path.name for path in (folder / "videos").iterdir()] == ["ucf101"]


def test_a_kill_after_unpacking_costs_nothing(archive, originals, tmp_path, monkeypatch):
    request = Request("ucf101", data_dir=tmp_path / "data")

    def killed(*_):
        raise KeyboardInterrupt

    with serving(archive) as site:
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr("strmctl.frames.prepare.fetch._without_wrapping", killed)
            fetch(request, url=site.url)
        assert not (tmp_path / "data" / "videos" / "ucf101").exists()
        monkeypatch.setattr("strmctl.frames.prepare.fetch.unpack", None)
        fetch(request, url=site.url)
        assert len(site.asked) == 1
    assert digests(tmp_path / "data" / "videos" / "ucf101") == digests(originals)


def test_the_archive_is_kept_and_unpacked_again_without_a_request(archive, tmp_path):
    request = Request("ucf101", data_dir=tmp_path / "data")
    with serving(archive) as site:
        fetch(request, url=site.url)
        shutil.rmtree(tmp_path / "data" / "videos")
        (tmp_path / "data" / "videos" / "ucf101").mkdir(parents=True)  # empty is as good as not there
        fetch(request, url=site.url)
        assert len(site.asked) == 1
    assert len(list((tmp_path / "data" / "videos" / "ucf101").rglob("*.avi"))) == 3


def test_two_archives_of_one_name_are_not_mixed_up(archive, tmp_path):
    video = write_video(tmp_path / "v.avi", codec="MJPG").read_bytes()
    with serving(archive) as first, serving(zip_of({"brush_hair/x.avi": video})) as second:
        fetch(Request("ucf101", data_dir=tmp_path / "data"), url=first.url)
        fetch(Request("hmdb51", data_dir=tmp_path / "data"), url=second.url)
    assert list(digests(tmp_path / "data" / "videos" / "hmdb51")) == ["brush_hair/x.avi"]


@pytest.mark.parametrize(
    ("tail", "name"),
    [("/a/b/UCF101.rar", "UCF101.rar"), ("/", "archive"), ("/get?file=x.zip", "get"), ("/..%2F..%2Fx.rar", "x.rar")],
)
def test_the_archive_stays_in_its_folder_whatever_the_address(tmp_path, tail, name):
    planned = to_fetch(Request("ucf101", data_dir=tmp_path), url=f"http://127.0.0.1:1{tail}")
    assert planned.archive == tmp_path / "downloads" / "ucf101" / "from 127.0.0.1" / name
    assert planned.checksum is None and planned.videos == tmp_path / "videos" / "ucf101"


@pytest.mark.parametrize("name", ["ucf101", "hmdb51"])
def test_without_url_the_data_sets_own_address_is_asked(tmp_path, monkeypatch, name):
    asked = []

    def download(url, target, *, checksum, progress):
        asked.append((url, target, checksum))
        target.write_bytes(zip_of({"c/v.avi": b"x"}))
        return target

    monkeypatch.setattr("strmctl.frames.prepare.fetch.download", download)
    fetch(Request(name, data_dir=tmp_path))
    source = DATA_SETS[name].source
    target = tmp_path / "downloads" / name / f"from {source.url.split('/')[2]}" / source.url.rpartition("/")[2]
    assert asked == [(source.url, target, source.checksum)]


def test_of_several_processes_one_fetches_and_the_others_wait(archive, tmp_path):
    request = Request("ucf101", data_dir=tmp_path / "data")
    results, errors = [], []

    def run(url):
        try:
            results.append(fetch(request, url=url))
        except Exception as error:
            errors.append(error)

    with serving(archive) as site:
        threads = [threading.Thread(target=run, args=(site.url,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (results, errors) == ([[]] * 4, []) and len(site.asked) == 1
    assert len(list((tmp_path / "data" / "videos" / "ucf101").rglob("*.avi"))) == 3


def test_what_is_left_out_is_told_and_a_damaged_archive_leaves_no_videos(archive, tmp_path):
    request = Request("ucf101", data_dir=tmp_path / "data")
    with serving(zip_of({"../../evil.avi": b"x", "Archery/a.avi": b"y"})) as site:
        left_out = fetch(request, url=site.url)
        assert [(member.name, member.reason) for member in left_out] == [("../../evil.avi", "its name leads elsewhere")]
    assert not any(path.name == "evil.avi" for path in tmp_path.rglob("*"))
    other = Request("ucf101", data_dir=tmp_path / "other")
    with serving(archive[: len(archive) // 2]) as site, pytest.raises(DataError, match="cannot be unpacked") as caught:
        fetch(other, url=site.url)
    assert "delete it and fetch it again" in caught.value.hint
    assert not (tmp_path / "other" / "videos" / "ucf101").exists()


@pytest.mark.parametrize("name", ["kinetics100", "ssv2", "ssv2_small"])
def test_what_cannot_be_downloaded_says_exactly_what_to_get(tmp_path, name):
    for attempt in (fetch, to_fetch):
        with pytest.raises(UsageError, match="cannot be downloaded by strmctl") as caught:
            attempt(Request(name, data_dir=tmp_path / "data"))
        assert caught.value.hint == how_to_get(DATA_SETS[name])
        assert f"`strmctl prepare {name} --videos DIR" in caught.value.hint
    assert not (tmp_path / "data").exists()


def test_with_an_address_it_can(tmp_path):
    video = write_video(tmp_path / "v.mp4").read_bytes()
    with serving(zip_of({"busking/-a_b_000001_000011.mp4": video})) as site:
        fetch(Request("kinetics100", data_dir=tmp_path / "data"), url=site.url)
    assert prepare(Request("kinetics100", data_dir=tmp_path / "data", size="32")).done == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"what": "sprites"}, "sprites are rendered"),
        ({"what": "./mine", "name": "mine"}, r"--download is for a data set, which \./mine is not"),
        ({"what": "ucf101", "videos": Path("v")}, "--download puts the videos where they are looked for"),
        ({"what": "ucf101", "frames_from": Path("f.zip")}, "--download puts the videos where they are looked for"),
    ],
)
@pytest.mark.parametrize("url", [None, "http://127.0.0.1:1/x.zip"])
def test_what_download_does_not_go_with(tmp_path, values, message, url):
    with pytest.raises(UsageError, match=message) as caught:
        fetch(Request(data_dir=tmp_path / "data", **values), url=url)
    assert "leave" in caught.value.hint and not (tmp_path / "data").exists()
