"""What is printed on streams that cannot show a letter, are closed, full, or read by nobody, by real processes."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from strmctl.frames.store.store import FrameStore
from tests.small_world import class_folders, prepare

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
OLD_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
CLASSES = ["日本語", "🎬 clap", "çedilla", "plain"]
FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
ENCODINGS = {
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "cp1252, strict": {"PYTHONIOENCODING": "cp1252:strict"},
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "C": {"LC_ALL": "C"},
}


def run(words, *, redirected="", pipe="", **variables):
    """A command in a shell: redirections, also into a pipe that nobody reads, what reads its stdout; its exit code."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONIOENCODING"}
    reader, writer = os.pipe()
    os.close(reader)
    line = f'set -o pipefail; "{sys.executable}" -m strmctl {words} {redirected.format(unread=writer)} {pipe}'
    try:
        return subprocess.run(
            ["bash", "-c", line],
            cwd=ROOT,
            env=environment | {"PYTHONPATH": str(ROOT)} | variables,
            capture_output=True,
            pass_fds=[writer],
            check=False,
        )
    finally:
        os.close(writer)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A data folder with a store `mine`, whose classes have names in several scripts."""
    folder = tmp_path_factory.mktemp("scripts")
    class_folders(folder / "videos", CLASSES, clips=1)
    prepare(folder / "videos", "--name", "mine", "--data", folder / "data")
    return folder / "data"


@pytest.mark.parametrize("variables", ENCODINGS.values(), ids=ENCODINGS)
def test_letters_that_cannot_be_shown_are_replaced(store, variables):
    ran = run(f"data check --workers 1 --quick --data {store}", **variables)
    assert ran.returncode == 0 and b"Error" not in ran.stderr, ran.stderr
    numbers = [re.findall(rb"\d+", line)[-5:] for line in ran.stdout.splitlines() if line.strip(b"| ").endswith(b"1")]
    assert numbers == [[b"1", b"0", b"0", b"0", b"1"]] * len(CLASSES), ran.stdout  # the table is whole
    assert b"plain" in ran.stdout and b"clap" in ran.stdout
    document = run(f"data check --workers 1 --quick --json --data {store}", **variables)
    encoding = variables.get("PYTHONIOENCODING", "utf-8").partition(":")[0]
    assert {one["class"] for one in json.loads(document.stdout.decode(encoding))["classes"]} == set(CLASSES)


def test_columns_stand_in_line_where_wide_letters_are_replaced(store):
    ran = run(f"data check --workers 1 --quick --data {store}", PYTHONIOENCODING="latin-1")
    rows = [line for line in ran.stdout.decode("latin-1").splitlines() if line.count(" 1 ")]
    assert len({len(line) for line in rows}) == 1 and any("???" in line for line in rows), rows
    assert FrameStore.open(store, "mine").rows  # the store itself is as it was


def test_a_name_of_bytes_is_shown(tmp_path):
    name = os.fsdecode(b"caf\xe9.yaml")
    (tmp_path / name).write_text("nothing")
    words = f"recipe validate '{tmp_path}'/caf$'\\xe9'.yaml"
    assert b"caf\\udce9.yaml holds no recipe" in run(words).stderr
    assert "caf\udce9.yaml" in json.loads(run(f"{words} --json").stdout)["error"]["message"]


ONE_LINE = {
    "recipe ls": 1,
    "recipe ls --json": 1,
    "recipe show sprites": 1,
    "--help": 1,
    "eval --help": 1,
    "--version": 1,
}
BROKEN = {
    "closed": ({"redirected": ">&-"}, b"it is closed"),
    "full": ({"redirected": ">/dev/full"}, b"No space left on device"),
    "not read": ({"redirected": ">&{unread}"}, b"whatever reads it has ended"),
}


@FULL
@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("words", ONE_LINE)
def test_a_stdout_that_takes_nothing_is_one_line_and_an_exit_code(words, how):
    options, reason = BROKEN[how]
    for more in ({}, {"PYTHONUNBUFFERED": "1"}) if words == "recipe ls --json" else ({},):
        ran = run(words, **options, **more)
        assert ran.returncode == 1 and ran.stdout == b""
        assert ran.stderr == b"error: the result cannot be printed on stdout: " + reason + b"\n"


@FULL
@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("words", ["recipe validate nonsense", "recipe validate nonsense --json"])
def test_another_error_is_told_on_the_stream_that_works(words, how):
    ran = run(words, **BROKEN[how][0])
    assert ran.returncode == 4 and ran.stderr.startswith(b"error: no recipe named 'nonsense'\n  known: "), ran.stderr
    assert b"Traceback" not in ran.stderr and ran.stderr.count(b"\n") == 2


@FULL
@pytest.mark.parametrize("redirected", ["2>&-", "2>/dev/full"])
def test_messages_that_cannot_be_shown_stop_nothing(redirected, store):
    ran = run(f"data check --workers 1 --quick --data {store}", redirected=redirected)
    assert ran.returncode == 0 and b"plain" in ran.stdout
    ran = run(f"data check --workers 1 --quick --json --data {store}", redirected=redirected)
    assert ran.returncode == 0 and json.loads(ran.stdout)
    failed = run("recipe validate nonsense", redirected=redirected)
    assert failed.returncode == 4 and failed.stdout.startswith(b"error: no recipe named 'nonsense'")
    assert json.loads(run("recipe validate nonsense --json", redirected=redirected).stdout)["error"]["exit_code"] == 4
    assert run("", redirected=redirected).returncode == 2 and b"Usage" in run("", redirected=redirected).stdout


@FULL
@pytest.mark.parametrize("redirected", [">&- 2>&- <&-", ">/dev/full 2>/dev/full", ">&- 2>/dev/full"])
def test_without_any_stream_the_exit_code_is_left(redirected):
    assert run("recipe ls", redirected=redirected).returncode == 1
    assert run("recipe validate nonsense --json", redirected=redirected).returncode == 4


@pytest.mark.parametrize("closed", [">&-", "2>&- <&-", "<&- >&- 2>&-"])
def test_a_file_gets_no_number_of_a_closed_stream(closed):
    code = "from strmctl.cli import streams; streams.prepare(); assert open(streams.os.devnull).fileno() > 2"
    line = f'"{sys.executable}" -c "{code}" {closed}'
    ran = subprocess.run(["bash", "-c", line], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False)
    assert ran.returncode == 0


def test_a_long_result_is_read_to_its_first_line():
    ran = run("recipe show sprites", pipe="| head -1")
    assert ran.stdout.count(b"\n") == 1 and ran.returncode in (0, 1) and b"Traceback" not in ran.stderr


def test_a_locale_that_cannot_name_a_file_says_what_helps(store):
    words = f"data check --workers 1 --quick --data {store}"
    ran = run(words, **OLD_LOCALE)
    assert ran.returncode == 1 and ran.stdout == b"", ran.stderr
    assert b"cannot be written in ascii, the encoding of this locale\n  `PYTHONUTF8=1 strmctl" in ran.stderr
    assert run(words, **OLD_LOCALE | {"PYTHONUTF8": "1"}).returncode == 0
