import hashlib
import shutil
import subprocess
import sys
import time

import pytest

from strmctl.datasets import download as module
from strmctl.datasets.download import download
from strmctl.errors import DataError, OutputError
from tests.datasets.http_for_tests import serving

BODY = bytes(range(256)) * 9000  # 2,304,000 bytes; a shift of the rest by a few bytes would show


@pytest.fixture(autouse=True)
def _without_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def target(tmp_path):
    return tmp_path / "videos.rar"


def names(target):
    return sorted(path.name for path in target.parent.iterdir())


def fetch(site, target, pauses=(0, 0), **settings):
    download(site.url, target, pauses=pauses, **settings)
    assert (target.read_bytes(), names(target)) == (site.body, ["videos.rar"])


def test_a_file_arrives_whole_and_leaves_nothing_beside_it(target):
    told = []
    with serving(BODY) as site:
        fetch(site, target, progress=lambda *report: told.append(report))
    assert told == [(1, 3, ""), (2, 3, ""), (3, 3, "")]
    assert site.asked == [(None, None)]


def test_a_broken_connection_goes_on_where_it_broke(target):
    with serving(BODY, breaks=[1000, 500]) as site:
        fetch(site, target, pauses=[0])  # tries that brought something do not count
    assert site.asked == [(None, None), ("bytes=1000-", '"one"'), ("bytes=1500-", '"one"')]


def test_the_part_is_kept_when_nothing_arrives_any_more(target):
    with serving(BODY, breaks=[1000, 0, 0]) as site:
        with pytest.raises(DataError, match=f"{site.url} cannot be fetched: .*2303000 bytes remaining") as caught:
            fetch(site, target)
        assert "run it again later to go on" in caught.value.hint and not target.exists()
        fetch(site, target)  # the next run goes on
    assert site.asked[-1] == ("bytes=1000-", '"one"') and len(site.asked) == 4


def test_a_killed_run_ends_curl_and_is_resumed(target):
    code = f"from pathlib import Path; from strmctl.datasets.download import *; download({{!r}}, Path({str(target)!r}))"
    with serving(BODY, breaks=[2_100_000], stalls=60) as site:
        process = subprocess.Popen([sys.executable, "-c", code.format(site.url)])
        part = target.with_name("videos.rar.part")
        while not (part.exists() and part.stat().st_size > 0):
            time.sleep(0.02)
        process.kill()
        process.wait()
        offset = part.stat().st_size
        fetch(site, target)
    assert site.asked == [(None, None), (f"bytes={offset}-", '"one"')] and 0 < offset < 2_100_000


@pytest.mark.parametrize(
    ("headers", "asked"),
    [
        ('ETag: "one"\r\nContent-Length: 2304000', []),  # all of it is there
        ('ETag: "two"\r\nContent-Length: 2304000', [(None, None)]),
        ("ETag: W/one\r\nContent-Length: 9", [(None, None)]),
        ("", [(None, None)]),
    ],
)
def test_a_part_is_taken_when_its_headers_say_that_it_is_whole(target, headers, asked):
    target.with_name("videos.rar.part").write_bytes(BODY if not asked else b"?" * 777)
    target.with_name("videos.rar.part.headers").write_bytes(f"HTTP/1.1 200 OK\r\n{headers}\r\n\r\n".encode())
    with serving(BODY) as site:
        fetch(site, target)
    assert [request for request in site.asked if request[0] is None] == asked


@pytest.mark.parametrize("settings", [{"ranges": False}, {"shift": 5}])
def test_a_rest_that_does_not_follow_is_not_joined(target, settings):
    with serving(BODY, breaks=[1000], **settings) as site:
        fetch(site, target)
    assert [asked for asked, _ in site.asked] == [None, "bytes=1000-", None]


def test_without_an_etag_a_rest_is_never_joined_to_what_may_be_another_file(target):
    with serving(BODY, etag=None, breaks=[1000]) as site:
        fetch(site, target)
    assert site.asked == [(None, None), (None, None)]


@pytest.mark.parametrize("heeds", [True, False])
@pytest.mark.parametrize("length", [len(BODY), 300])
def test_a_file_that_changed_between_two_tries_is_fetched_anew(target, heeds, length):
    with serving(BODY, breaks=[1000, 0], heeds_if_range=heeds) as site:
        with pytest.raises(DataError):
            fetch(site, target, pauses=())
        site.body, site.etag, site.breaks = bytes(reversed(BODY))[:length], '"two"', []
        fetch(site, target)


@pytest.mark.parametrize("kind", ["sha256", "md5"])
def test_a_file_of_another_checksum_is_refused_and_removed(target, kind):
    good, wrong = (hashlib.new(kind, content).hexdigest() for content in (BODY, b"other"))
    with serving(BODY) as site:
        with pytest.raises(DataError, match=f"{kind} {wrong} expected, {good} found"):
            fetch(site, target, checksum=f"{kind}:{wrong}")
        assert names(target) == ["videos.rar.part.headers"]
        fetch(site, target, checksum=f"{kind}:{good}")


def test_fewer_bytes_than_declared_are_no_file(target):
    with serving(BODY, declared=len(BODY) + 10) as site, pytest.raises(DataError, match="10 bytes remaining"):
        fetch(site, target)
    assert not target.exists()


@pytest.mark.parametrize(("status", "requests"), [(404, 1), (204, 1), (503, 3)])
def test_a_refusal_names_the_address_and_the_way_out(target, status, requests):
    with serving(BODY, statuses=[status] * 9) as site:
        with pytest.raises(DataError, match=f"{site.url} .*{status}") as caught:
            fetch(site, target)
        assert "--url" in caught.value.hint and len(site.asked) == requests
        site.statuses = [503, None]  # a busy server is asked again
        fetch(site, target)


def test_a_web_page_is_no_archive(target):
    page = serving(b"<html>moved</html>", content_type="text/html; charset=utf-8")
    with page as site, pytest.raises(DataError, match="web page"):
        fetch(site, target)
    assert not target.with_name("videos.rar.part").exists()


def test_a_silent_connection_is_given_up_and_taken_up_again(target):
    with serving(BODY, breaks=[100], stalls=9) as site:
        fetch(site, target, timeout=1)
    assert site.asked[1] == ("bytes=100-", '"one"')


def test_nobody_there(target):
    with serving(BODY) as site:
        pass
    with pytest.raises(DataError, match=f"{site.url} cannot be fetched: .*[Cc]onnect"):
        fetch(site, target)


def test_a_full_disk_keeps_what_has_arrived(target, monkeypatch):
    with serving(BODY) as site:
        target.with_name("videos.rar.part").symlink_to("/dev/full")
        target.with_name("videos.rar.part.headers").write_text('HTTP/1.1 200 OK\nETag: "one"\n\n')
        with pytest.raises(OSError, match=r"No space left on device.*videos\.rar"):
            module.fetch(module.ToFetch(site.url, target, target.parent / "videos", None, ()))
        target.with_name("videos.rar.part").unlink()
        fetch(site, target)
        target.unlink()
        free = shutil.disk_usage(target.parent)._replace(free=len(BODY) - 1)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: free)
        with pytest.raises(OutputError, match=r"has 2.3 MB free; .* needs 2.3 MB more"):
            fetch(site, target)
    assert not target.with_name("videos.rar.part").exists()


def test_the_proxy_of_the_environment_is_asked(target, monkeypatch):
    with serving(BODY) as site:
        monkeypatch.setenv("http_proxy", site.url)
        site.url = "http://videos.invalid/videos.rar"
        fetch(site, target)
    assert len(site.asked) == 1


def test_without_curl_the_package_is_named(target, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DataError, match="curl is not installed") as caught:
        download("http://127.0.0.1/", target)
    assert "apt install curl" in caught.value.hint
