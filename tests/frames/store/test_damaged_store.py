"""Whatever lies in a store and is not what was written there is named, and following the hint makes the store again."""

import csv
import json
import re
import shlex
import shutil

import pytest

from strmctl.errors import DataError
from strmctl.frames.prepare.merge import merge
from strmctl.frames.store.manifest import JOURNAL
from strmctl.frames.store.shards import Shard
from strmctl.frames.store.store import FrameStore
from tests.frames.prepare.shards_for_tests import prepare_shards
from tests.frames.prepare.test_prepare import digests
from tests.small_world import evaluate, refused, train
from tests.videos_for_tests import strmctl


def follow(ran):
    """Runs the command of a hint."""
    command = re.search(r"`(strmctl [^`]*)`", ran.err)[1]
    return strmctl(*shlex.split(command)[1:], *(("--workers", 1) if " prepare " in command else ()))


def of_mine(data):
    """The command that made the store `mine`."""
    asked = json.loads((data / "mine" / "store.json").read_text())["request"]
    words = ("prepare", asked["folder"], "--name", "mine", "--split", asked["split"], "--data", data)
    return (*words, "--size", 32, "--workers", 1)


def edited(path, **values):
    """Changes the settings of a store."""
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def with_cells(path, **values):
    """Changes the first row of a manifest."""
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    for column, value in values.items():
        rows[1][rows[0].index(column)] = value
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


ROWS = {
    "status of few frames": {"frames": "3"},
    "short of many frames": {"status": "short"},
    "failed with frames": {"status": "failed"},
    "no frames": {"frames": "0"},
    "endless": {"frames": "9" * 30},
    "leads out": {"clip": "../../x"},
    "absolute": {"clip": "/etc/passwd"},
    "no name": {"clip": ""},
    "source": {"source": "../x.mp4"},
    "digest": {"sha256": "x" * 64},
    "no digest": {"sha256": ""},
}


@pytest.mark.parametrize("values", ROWS.values(), ids=ROWS)
def test_rows_that_are_of_no_clip_are_named_and_the_hint_mends_them(own_data, runs, tmp_path, values):
    manifest, before = own_data / "mine" / "manifest.csv", digests(own_data)
    with_cells(manifest, **values)
    refused(evaluate(own_data, runs), 3, f"the manifest {manifest} is damaged: ", "--redo")
    refused(train(own_data, tmp_path / "new"), 3, f"the manifest {manifest} is damaged: ")
    assert follow(strmctl("data", "check", "mine", "--data", own_data)).code == 0
    assert {name: digest for name, digest in digests(own_data).items() if "store" not in name} == {
        name: digest for name, digest in before.items() if "store" not in name
    }


@pytest.mark.parametrize("cut", [1, 20, 60, 90])
def test_a_manifest_that_is_cut_is_noticed(own_data, runs, cut):
    manifest = own_data / "mine" / "manifest.csv"
    manifest.write_bytes(manifest.read_bytes()[:-cut])
    refused(evaluate(own_data, runs), 3, f"the manifest {manifest} is damaged: ")


@pytest.mark.parametrize("frames", ["9", "12"])
def test_another_number_of_frames_is_noticed_and_prepare_mends_it(own_data, runs, frames):
    with_cells(own_data / "mine" / "manifest.csv", frames=frames)
    ran = evaluate(own_data, runs)
    refused(ran, 3, f"the frames of clip crawl/0 in {own_data / 'mine'}", "there are 10 frames, and the manifest says")
    assert follow(ran).code == 0 and evaluate(own_data, runs).code == 0


SETTINGS = [
    {"schema": 1},
    {"schema": None},
    {"size": 5},
    {"quality": "much"},
    {"request": {"folder": 5}},
    {"request": {"flat": "yes"}},
    {"split": 5},
    {"seed": "x"},
]


@pytest.mark.parametrize("values", SETTINGS)
def test_settings_of_another_form_are_named(own_data, runs, values):
    command, settings = of_mine(own_data), own_data / "mine" / "store.json"
    edited(settings, **values)
    refused(evaluate(own_data, runs), 3, settings, next(iter(values)), "--redo")
    refused(strmctl(*command), 3, settings, next(iter(values)))
    assert follow(strmctl(*command)).code == 0 and evaluate(own_data, runs).code == 0


def test_frames_without_settings_are_not_taken_for_those_of_today(own_data):
    command, settings = of_mine(own_data), own_data / "mine" / "store.json"
    settings.unlink()
    for dry in ((), ("--dry-run",)):
        ran = strmctl(*command, *dry)
        refused(ran, 3, f"{settings} is missing", "--redo")
    assert follow(ran).code == 0 and settings.is_file()


@pytest.mark.parametrize("name", ["manifest.csv", "store.json", JOURNAL])
def test_a_folder_where_a_file_belongs_is_named(own_data, runs, name):
    command, path = of_mine(own_data), own_data / "mine" / name
    path.unlink(missing_ok=True)
    path.mkdir()
    for words in ((), ("--redo",), ("--dry-run",), ("--merge",)):
        own = command[:-2] if words == ("--merge",) else command
        refused(strmctl(*own, *words), 3, f"{path} is a folder")
    if name != JOURNAL:
        refused(evaluate(own_data, runs), 3, path)
    path.rmdir()
    assert strmctl(*command, "--redo").code == 0


NO_ZIPS = {"empty": b"", "binary": b"\xff\0\x80" * 99, "of nothing": b"PK\5\6" + bytes(18), "a folder": None}


@pytest.mark.parametrize("content", NO_ZIPS.values(), ids=NO_ZIPS)
def test_frames_that_are_no_zip_are_named_and_made_again(own_data, runs, content):
    shutil.rmtree(runs / "sprites" / "cache")  # features that are kept need no frames
    command, path = of_mine(own_data), own_data / "mine" / "frames" / "crawl" / "0.zip"
    whole = path.read_bytes()
    path.unlink()
    path.mkdir() if content is None else path.write_bytes(content)
    ran = evaluate(own_data, runs)
    refused(ran, 3, "the frames of clip crawl/0", "`strmctl prepare")
    again = follow(ran)
    assert again.code == 0
    if content is None:
        assert f"crawl/0: a folder lies where its frames belong: move {path} away" in again.err
        path.rmdir()
        strmctl(*command)
    assert path.read_bytes() == whole and evaluate(own_data, runs).code == 0


def test_any_changed_byte_of_a_zip_leads_to_a_named_error_or_to_frames(own_data):
    path, own = own_data / "mine" / "frames" / "crawl" / "0.zip", FrameStore.open(own_data, "mine")
    whole, named = path.read_bytes(), 0
    for position in range(len(whole) - 800, len(whole), 3):  # its directory
        content = bytearray(whole)
        content[position] ^= 0xFF
        path.write_bytes(content)
        try:
            assert own.read("crawl/0", [0, 9])
        except DataError as error:
            assert "crawl/0" in error.message
            named += 1
    assert named > 20


def test_a_journal_of_anything_costs_only_what_it_held(own_data):
    command, journal = of_mine(own_data), own_data / "mine" / JOURNAL
    row = ["../../x", "a", "train", "a", 10, 1, 1, 1.0, "a.mp4", "", 1, "OpenCV", "ok", "", "0" * 64]
    for content in (b"\xff\0" * 99, b"[" * 100_000, json.dumps(row).encode() + b"\n", b'{"a": 1}\n5\nnull\n'):
        journal.write_bytes(content)
        ran = strmctl(*command)
        assert ran.code == 0 and "24 of 24 clips stored (24 were there before)" in ran.err
    assert not journal.exists()


@pytest.mark.parametrize("name", ["manifest.csv", "store.json"])
def test_a_damaged_shard_is_named_with_the_command_of_the_shard(request_, name):
    prepare_shards(request_)
    path = request_.data_dir / "mine" / "shards" / "2-of-3" / name
    path.write_bytes(b"\xff\0" * 9)
    words = ("--name", "mine", "--size", request_.size, "--data", request_.data_dir)
    ran = strmctl("prepare", request_.what, *words, "--merge")
    refused(ran, 3, path, f"remove {path.parent}, then run `strmctl prepare", "--shard 2/3")
    for lying in path.parent.iterdir():
        lying.unlink()
    path.parent.rmdir()
    assert strmctl("prepare", request_.what, *words, "--shard", Shard(2, 3), "--workers", 1).code == 0
    assert merge(request_).clips == 12
