"""Two processes that want to write the same store or the same videos, and one that is killed meanwhile."""

import contextlib
import subprocess
import sys

from strmctl.frames.store.shards import Workplace
from strmctl.frames.store.store import FrameStore
from strmctl.paths import alone
from tests.datasets.http_for_tests import serving
from tests.datasets.test_unpack import zip_of
from tests.small_world import evaluate, refused, snapshot
from tests.videos_for_tests import strmctl

# one clip of each class; the first video that is rendered waits for a line on stdin
SPRITES = """
import sys
from strmctl.cli.main import main
from strmctl.datasets.sprites import render

render.render.__kwdefaults__["clips"] = 1
write = render.encode_mp4

def write_and_wait(*words, **named):
    write(*words, **named)
    render.encode_mp4 = write
    print("begun", flush=True)
    sys.stdin.readline()

if sys.argv.pop(1) == "wait":
    render.encode_mp4 = write_and_wait
main(sys.argv[1:])
"""


@contextlib.contextmanager
def sprites(how, data, *words):
    """`prepare sprites` of one clip of each class, in another process, that waits after the first video or does not."""
    command = [sys.executable, "-c", SPRITES, how, "prepare", "sprites", "--data", data, "--workers", 1, *words]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(list(map(str, command)), **pipes) as process:
        yield process
        process.kill()


def ends_well(process):
    _, err = process.communicate("go on\n", timeout=120)
    assert process.returncode == 0, err


def test_of_two_preparations_one_renders_and_a_killed_one_hands_over(tmp_path):
    with sprites("wait", tmp_path) as first:
        assert first.stdout.readline() == "begun\n"
        refused(strmctl("prepare", "sprites", "--data", tmp_path), 2, "another `prepare` is at work on", "wait for it")
        with sprites("go on", tmp_path, "--name", "other") as other:
            waiting = other.stderr.readline()
            assert waiting == f"note: another process renders videos in {tmp_path}/videos/sprites: " + (
                "waiting for it to end\n"
            )
            first.kill()
            ends_well(other)
    with sprites("go on", tmp_path) as again:
        ends_well(again)
    stores = [FrameStore.open(tmp_path, name) for name in ("sprites", "other")]
    assert stores[0].manifest_sha256 == stores[1].manifest_sha256 and len(stores[0].rows) == 38
    left = {path.rpartition("/")[2] for path in snapshot(tmp_path / "videos")}
    assert left == {"sprites.yaml", "000.mp4"}


def test_what_is_rendered_already_needs_no_lock(tmp_path):
    with sprites("go on", tmp_path) as first:
        ends_well(first)
    with alone(tmp_path / "videos" / "sprites" / ".lock"), sprites("go on", tmp_path, "--name", "other") as other:
        ends_well(other)


def test_a_second_download_from_any_address_waits_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    archive = zip_of({"Archery/a.avi": b"no video " * 100_000})
    words = ("prepare", "ucf101", "--download", "--data", tmp_path, "--workers", 1)
    with serving(archive, breaks=[500_000], stalls=3) as slow, serving(archive) as other:
        command = [sys.executable, "-m", "strmctl", *map(str, words), "--url", slow.url]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as first:
            while not list(tmp_path.glob("downloads/*/*/*.part")) and first.poll() is None:
                pass
            ran = strmctl(*words, "--url", other.url.replace("127.0.0.1", "localhost"))
            first.communicate(timeout=120)
    assert f"note: another process fetches {tmp_path}/videos/ucf101: waiting for it to end" in ran.err
    assert other.asked == [] and len(slow.asked) == 2
    assert [path.name for path in (tmp_path / "videos").iterdir()] == ["ucf101"]


def test_a_store_that_is_being_prepared_can_be_read(own_data, runs):
    with Workplace(own_data / "mine", None).occupied():
        assert evaluate(own_data, runs).code == 0
