import errno
import hashlib
import json
import shutil
import threading

import pytest

from strmctl.datasets import download as module
from strmctl.datasets.catalogue import DATA_SETS
from strmctl.datasets.download import download
from strmctl.errors import DataError, OutputError, UsageError
from tests.datasets.http_for_tests import serving

BODY = bytes(range(256)) * 400  # 102,400 bytes; a shift of the rest by a few bytes would show


@pytest.fixture(autouse=True)
def _without_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def target(tmp_path):
    return tmp_path / "videos.rar"


def fetch(site, target, **settings):
    return download(site.url, target, **{"sleep": lambda seconds: None, **settings})


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_whole_and_leaves_nothing_beside_it(target):
    told = []
    with serving(BODY) as site:
        assert fetch(site, target, progress=lambda *report: told.append(report)) == target
    assert target.read_bytes() == BODY
    assert names(target.parent) == ["videos.rar"]
    assert told[0] == (0, len(BODY), "")
    assert told[-1] == (len(BODY), len(BODY), "")
    assert site.asked == [(None, None)]


def test_a_file_that_is_there_is_taken_without_a_request(target):
    target.write_bytes(b"mine")
    with serving(BODY) as site:
        fetch(site, target)
    assert (target.read_bytes(), site.asked) == (b"mine", [])


def test_a_broken_connection_goes_on_where_it_broke(target):
    slept = []
    with serving(BODY, breaks=[1000, 500]) as site:
        fetch(site, target, sleep=slept.append, pauses=(1, 2))
    assert target.read_bytes() == BODY
    assert site.asked == [(None, None), ("bytes=1000-", '"one"'), ("bytes=1500-", '"one"')]
    assert slept == [1, 1]  # both tries brought something


def test_the_pause_grows_and_the_part_is_kept_when_nothing_arrives_any_more(target):
    slept = []
    with serving(BODY, breaks=[1000, 0, 0, 0, 0]) as site:
        with pytest.raises(DataError, match="1000 of 102400 bytes arrived") as caught:
            fetch(site, target, sleep=slept.append, pauses=(1, 2, 4))
        assert site.url in caught.value.message
        assert slept == [1, 2, 4]
        assert not target.exists()
        site.breaks.clear()
        fetch(site, target)  # the next run goes on
    assert site.asked[-1] == ("bytes=1000-", '"one"')
    assert target.read_bytes() == BODY


def test_a_killed_run_is_resumed_from_its_part(target):
    with serving(BODY) as site:
        target.with_name("videos.rar.part").write_bytes(BODY[:777])
        notes = {"url": site.url, "etag": '"one"', "last_modified": None, "length": len(BODY)}
        target.with_name("videos.rar.part.json").write_text(json.dumps(notes))
        fetch(site, target)
    assert site.asked == [("bytes=777-", '"one"')]
    assert target.read_bytes() == BODY


def test_a_part_that_is_whole_needs_no_request(target):
    with serving(BODY) as site:
        target.with_name("videos.rar.part").write_bytes(BODY)
        notes = {"url": site.url, "etag": '"one"', "length": len(BODY)}
        target.with_name("videos.rar.part.json").write_text(json.dumps(notes))
        fetch(site, target)
    assert (site.asked, target.read_bytes()) == ([], BODY)


@pytest.mark.parametrize("notes", [None, "{", '{"url": "http://127.0.0.1/other", "etag": "\\"one\\"", "length": 9999}'])
def test_a_part_of_unknown_or_other_origin_is_not_trusted(target, notes):
    target.with_name("videos.rar.part").write_bytes(b"?" * 777)
    if notes:
        target.with_name("videos.rar.part.json").write_text(notes)
    with serving(BODY) as site:
        fetch(site, target)
    assert site.asked == [(None, None)]
    assert target.read_bytes() == BODY


def test_a_server_without_ranges_starts_over(target):
    with serving(BODY, ranges=False, breaks=[1000]) as site:
        fetch(site, target)
    assert site.asked[1] == ("bytes=1000-", '"one"')
    assert target.read_bytes() == BODY


def test_a_rest_that_begins_elsewhere_is_not_joined(target):
    with serving(BODY, breaks=[1000], shift=5) as site:
        fetch(site, target)
    assert [asked for asked, _ in site.asked] == [None, "bytes=1000-", None]
    assert target.read_bytes() == BODY


def test_without_an_etag_a_rest_is_never_joined_to_what_may_be_another_file(target):
    with serving(BODY, etag=None, breaks=[1000]) as site:
        fetch(site, target)
    assert site.asked == [(None, None), (None, None)]
    assert target.read_bytes() == BODY


@pytest.mark.parametrize("heeds", [True, False])
@pytest.mark.parametrize("length", [len(BODY), 300])
def test_a_file_that_changed_between_two_tries_is_fetched_anew(target, heeds, length):
    new = bytes(reversed(BODY))[:length]
    with serving(BODY, breaks=[1000, 0], heeds_if_range=heeds) as site:
        with pytest.raises(DataError):
            fetch(site, target, pauses=())
        site.body, site.etag, site.breaks = new, '"two"', []
        fetch(site, target)
    assert target.read_bytes() == new


@pytest.mark.parametrize("kind", ["sha256", "md5"])
def test_a_checksum_is_checked(target, kind):
    good = f"{kind}:{hashlib.new(kind, BODY).hexdigest()}"
    wrong = f"{kind}:{hashlib.new(kind, b'other').hexdigest()}"
    with serving(BODY) as site:
        with pytest.raises(DataError) as caught:
            fetch(site, target, checksum=wrong)
        assert wrong.partition(":")[2] in caught.value.message
        assert good.partition(":")[2] in caught.value.message
        assert not [name for name in names(target.parent) if "lock" not in name]
        fetch(site, target, checksum=good.upper().replace(kind.upper(), kind))
    assert target.read_bytes() == BODY


def test_fewer_bytes_than_declared_are_no_file(target):
    wanted = pytest.raises(DataError, match="102400 of 102410 bytes arrived")
    with serving(BODY, declared=len(BODY) + 10, ranges=False) as site, wanted:
        fetch(site, target, pauses=(1,))
    assert not target.exists()
    assert len(site.asked) == 2


@pytest.mark.parametrize(("status", "requests"), [(404, 1), (403, 1), (503, 3)])
def test_a_refusal_names_the_address_and_the_way_out(target, status, requests):
    with serving(BODY, statuses=[status] * 9) as site, pytest.raises(DataError, match=str(status)) as caught:
        fetch(site, target, pauses=(1, 2))
    assert site.url in caught.value.message
    assert "--url" in caught.value.hint
    assert len(site.asked) == requests


def test_a_busy_server_is_asked_again(target):
    with serving(BODY, statuses=[503, None]) as site:
        fetch(site, target)
    assert target.read_bytes() == BODY


def test_a_web_page_is_no_archive(target):
    page = serving(b"<html>moved</html>", content_type="text/html; charset=utf-8")
    with page as site, pytest.raises(DataError, match="web page"):
        fetch(site, target)
    assert not target.exists()


def test_a_silent_connection_is_given_up_and_taken_up_again(target):
    with serving(BODY, breaks=[1000], stalls=2) as site:
        fetch(site, target, timeout=0.2)
    assert site.asked[1] == ("bytes=1000-", '"one"')
    assert target.read_bytes() == BODY


def test_nobody_there(target):
    with serving(BODY) as site:
        pass
    slept = []
    with pytest.raises(DataError, match="connection broke") as caught:
        fetch(site, target, sleep=slept.append, pauses=(1, 2))
    assert site.url in caught.value.message
    assert slept == [1, 2]


def test_a_full_disk_keeps_what_has_arrived(target, monkeypatch):
    class Full:
        """A disk that takes 1,234 bytes."""

        def __init__(self, file):
            self.file, self.room = file, 1234

        def write(self, data):
            if not self.room:
                raise OSError(errno.ENOSPC, "No space left on device")
            written = self.file.write(data[: self.room])
            self.room -= written
            return written

    write = module._write
    with serving(BODY) as site:
        monkeypatch.setattr(module, "_write", lambda file, block: write(Full(file), block))
        with pytest.raises(OutputError, match=r"1234 bytes .* are kept"):
            fetch(site, target)
        monkeypatch.undo()
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        fetch(site, target)
    assert site.asked == [(None, None), ("bytes=1234-", '"one"')]
    assert target.read_bytes() == BODY


def test_too_little_room_is_said_before_anything_is_fetched(target, monkeypatch):
    free = shutil.disk_usage(target.parent)._replace(free=len(BODY) - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: free)
    with serving(BODY) as site, pytest.raises(OutputError, match="free"):
        fetch(site, target)
    assert not target.with_name("videos.rar.part").exists()


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://example.org/a", "/etc/hostname"])
def test_other_addresses_are_refused(target, url):
    with pytest.raises(UsageError, match="not an http") as caught:
        download(url, target)
    assert "--videos" in caught.value.hint


@pytest.mark.parametrize("checksum", ["sha256:12", "crc:" + "0" * 64, "0" * 64, "md5:" + "g" * 32])
def test_a_checksum_of_another_form_is_refused(target, checksum):
    with pytest.raises(UsageError, match="checksum"):
        download("http://127.0.0.1/", target, checksum=checksum)


def test_two_at_the_same_time_fetch_it_once(target):
    with serving(BODY) as site:
        threads = [threading.Thread(target=fetch, args=(site, target)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(site.asked) == 1
    assert target.read_bytes() == BODY


def test_the_addresses_can_be_used_as_they_are():
    sources = [entry.source for entry in DATA_SETS.values() if entry.source]
    assert len(sources) == 2
    for source in sources:
        assert source.url.startswith("https://") and source.url.endswith(".rar")
        module._parse_checksum(source.checksum)
