"""Videos, names, links, archives and lists that mean harm: each is told, the rest is done, nothing else is touched."""

import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from strmctl.frames.store.clip_zip import FRAMES, archive_path
from strmctl.frames.store.manifest import JOURNAL, MANIFEST, read_manifest, write_manifest
from strmctl.frames.store.settings import SETTINGS
from strmctl.frames.store.shards import PARTIAL, SHARDS
from strmctl.provenance import sha256_of
from tests.cli.hostile import surroundings, write_hostile_videos
from tests.datasets.http_for_tests import serving
from tests.frames.in_place.frames_for_tests import image, write_zip
from tests.small_world import refused
from tests.videos_for_tests import NOT_A_VIDEO, strmctl, write_video

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes, links and names of bytes")

ROOT = Path(__file__).parents[3]
MOST_MEMORY = 500_000  # KiB
NO_FRAME = "OpenCV reads no frame; PyAV reads no frame"
# runs its arguments as a command, with the peak memory of that command (KiB) as the last line of stdout
MEASURED = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print("\\n" + str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss), flush=True)
sys.exit(code)
"""


GOOD = ("ok", "", "")  # status, reason, target
COPIES = ("good", "hard link", "a\\..\\..\\b", "%2e%2e%2f", "-rf", "http:", "x..", "$(touch pwned)", "concat:a|b")


def expected(outside):
    """Clip -> status, reason, target."""
    return {
        **{f"run/{name}": GOOD for name in (*COPIES, "folder.mp4/inside")},
        "run/linked": ("ok", "", str(outside / "real.mp4")),
        "walk/far": ("ok", "", str(outside / "folder" / "far.mp4")),
        "run/broken": ("failed", "no such file", str(outside / "none.mp4")),
        "run/loop": ("failed", "no such file", ""),
        "run/device": ("failed", "not a regular file", "/dev/zero"),
        "run/pipe": ("failed", "not a regular file", ""),
        "run/tiny": GOOD,
        "run/thin": ("failed", "frames of 4000x1 are too narrow: 128000x32 when they are stored", ""),
        "run/zero": ("failed", "the file is empty", ""),
        "run/text": ("failed", NOT_A_VIDEO, ""),
        "run/huge.avi": ("failed", NO_FRAME, ""),
        "run/huge.mp4": GOOD,  # the stream itself says 64x48, and decoding decides
        "run/raw": ("failed", NO_FRAME, ""),
        "run/long": ("ok", f"damaged: 16 of {0x7FFFFFFF} frames", ""),
    }


def ignored(document):
    """Reason -> files that were ignored for it."""
    return {entry["reason"]: entry["first"] for entry in document["ignored_because"]}


@pytest.mark.parametrize("words", [("--workers", "1"), ("--frames", "8", "--workers", "2")])
def test_hostile_videos(tmp_path, words):
    videos, outside, data = (tmp_path / name for name in ("videos", "outside", "data"))
    write_hostile_videos(videos, outside)
    before = surroundings(videos, outside)
    command = ["prepare", f"{videos}/", "--name", "x", "--data", data, "--size", "32", "--json", *words]
    ran = subprocess.run(
        [sys.executable, "-c", MEASURED, sys.executable, "-m", "strmctl", *map(str, command)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0 and "Traceback" not in ran.stderr, ran.stderr
    document, memory = ran.stdout.rstrip().rsplit("\n", 1)
    assert int(memory) < MOST_MEMORY
    rows = read_manifest(data / "x")
    assert {row.clip: (row.status, row.reason, row.target) for row in rows} == expected(outside)
    assert ignored(json.loads(document)) == {
        "file name is not valid Unicode or has control characters": ["run/??.mp4", "run/new?line.mp4"],
        "link to a folder that is read under another name": ["run/up"],
        "not in a class folder": ["loose.mp4"],
    }
    by_id = {row.clip: row for row in rows}
    assert (by_id["run/tiny"].width, by_id["run/tiny"].height) == (1, 1)
    assert (by_id["run/huge.mp4"].width, by_id["run/huge.mp4"].height) == (64, 48)
    assert len({by_id[f"run/{name}"].sha256 for name in COPIES}) == 1
    stored = {archive_path(data / "x", row.clip) for row in rows if row.status != "failed"}
    assert set((data / "x").rglob("*.zip")) == stored
    assert surroundings(videos, outside) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "outside", "videos"]
    assert [path.name for path in data.iterdir()] == ["x"]


@pytest.fixture
def store(tmp_path):
    """A store of one class folder with two clips, and a folder outside of it that holds something."""
    for number in range(2):
        write_video(tmp_path / "videos" / "run" / f"{number}.mp4", seed=number)
    assert prepare(tmp_path).code == 0
    (tmp_path / "outside" / "run").mkdir(parents=True)
    write_zip(tmp_path / "outside" / "run" / "0.zip", {"00001.jpg": b"mine"})
    (tmp_path / "outside" / "file").write_text("mine")
    return tmp_path / "data" / "x"


def prepare(folder, *words):
    """Prepares what lies in `<folder>/videos`."""
    usual = ("--name", "x", "--data", folder / "data", "--size", "32", "--workers", "1")
    return strmctl("prepare", f"{folder / 'videos'}/", *usual, *words)


@pytest.mark.parametrize(
    ("link", "target", "words"),
    [
        (FRAMES, "", ()),
        (FRAMES, "", ("--redo",)),
        (f"{FRAMES}/run", "run", ()),
        (f"{FRAMES}/run", "run", ("--redo",)),
        (PARTIAL, "", ()),
        (JOURNAL, "file", ()),
        (SHARDS, "", ("--shard", "1/2")),
        (f"{SHARDS}/1-of-2", "", ("--shard", "1/2")),
        (f"{SHARDS}/1-of-1/{PARTIAL}", "", ("--merge",)),
    ],
)
def test_nothing_is_written_through_a_link_in_the_store(store, tmp_path, link, target, words):
    outside = tmp_path / "outside"
    shutil.rmtree(store / FRAMES / "run")
    (store / FRAMES).rmdir() if link == FRAMES else (store / link).parent.mkdir(exist_ok=True, parents=True)
    (store / link).symlink_to(outside / target)
    before = surroundings(outside, tmp_path / "videos")
    refused(prepare(tmp_path, *words), 1, store / link, f"is a symbolic link to {outside / target}", "remove it")
    assert surroundings(outside, tmp_path / "videos") == before
    (store / link).unlink()
    shutil.rmtree(store / SHARDS, ignore_errors=True)
    assert prepare(tmp_path).code == 0
    assert surroundings(outside, tmp_path / "videos") == before


@pytest.mark.parametrize("name", [f"{FRAMES}/run/0.zip", MANIFEST, SETTINGS])
def test_a_link_in_the_place_of_a_file_of_the_store_is_replaced(store, tmp_path, name):
    whole, outside = (store / name).read_bytes(), tmp_path / "outside"
    (store / name).unlink()
    if name != MANIFEST:
        (store / name).symlink_to(outside / "run" / "0.zip")
    else:  # what stands there is read
        (outside / "manifest").write_bytes(whole)
        (store / name).symlink_to(outside / "manifest")
    before = surroundings(outside)
    assert prepare(tmp_path).code == 0
    assert surroundings(outside) == before
    assert not (store / name).is_symlink() and (store / name).read_bytes() == whole


def test_a_truncated_image_in_the_store(store, tmp_path):
    archive = store / FRAMES / "run" / "0.zip"
    whole = archive.read_bytes()

    def truncate():
        with zipfile.ZipFile(io.BytesIO(whole)) as file:
            frames = {name: file.read(name) for name in file.namelist()}
        frames["00001.jpg"] = frames["00001.jpg"][: len(frames["00001.jpg"]) // 2]
        write_zip(archive, frames)

    truncate()
    ran = strmctl("data", "check", "x", "--data", tmp_path / "data", "--workers", 1)
    assert ran.code == 3 and "run/0: its frames are not those of the manifest" in ran.err
    assert prepare(tmp_path, "--json").json()["skipped"] == 1
    assert archive.read_bytes() == whole
    truncate()
    rows = [
        replace(row, sha256=sha256_of(archive_path(store, row.clip)))  # as if it had been so from the start
        for row in read_manifest(store)
    ]
    write_manifest(store, rows)
    ran = strmctl("data", "check", "x", "--data", tmp_path / "data", "--workers", 1)
    assert ran.code == 3 and "run/0: frame 1 of 16 is cut off" in ran.err and "run/1" not in ran.err


def test_a_downloaded_archive_that_leads_elsewhere(tmp_path):
    video = write_video(tmp_path / "v.avi", codec="MJPG").read_bytes()
    evil = ["../evil.avi", "UCF-101/../../../evil.avi", f"{tmp_path}/absolute.avi"]
    good = "UCF-101/Archery/v_Archery_g01_c01.avi"
    archive = write_zip(tmp_path / "all.zip", dict.fromkeys([evil[0], good, *evil[1:]], video))
    before, data = surroundings(tmp_path), tmp_path / "data"
    with serving(archive.read_bytes()) as site:
        ran = strmctl(
            *("prepare", "ucf101", "--download", "--url", site.url, "--data", data),
            *("--size", "32", "--workers", "1"),
        )
    assert ran.code == 3 and "cannot be unpacked: ../evil.avi: Path contains '..'" in ran.err
    assert list((data / "videos").iterdir()) == []
    after = surroundings(tmp_path)
    assert {path: value for path, value in after.items() if not path.startswith(os.fsencode(data))} == before


def test_a_list_that_leads_elsewhere(store, tmp_path):
    evil = ["../../outside/x", "run/../../../outside/x.mp4", "/etc/passwd", "..", "run/.."]
    write_video(tmp_path / "outside" / "x.mp4")
    (tmp_path / "list.txt").write_text("\n".join([*evil, "run/1", "with\x00zero"]))
    before = surroundings(tmp_path / "outside", tmp_path / "videos")
    ran = prepare(tmp_path, "--redo", "--json", "--list", tmp_path / "list.txt")
    assert ran.code == 0, ran.err
    assert [row.clip for row in read_manifest(store)] == ["run/1"]
    assert sorted(ran.json()["missing_clips"]) == sorted([*evil, "with\x00zero"])
    assert surroundings(tmp_path / "outside", tmp_path / "videos") == before


def test_frames_in_a_zip_that_lead_elsewhere(tmp_path):
    frames = {f"run/a/{number}.jpg": image(number) for number in range(8)}
    evil = ["../../x/1.jpg", "run/../../x/1.jpg", "/x/1.jpg", "C:/x/1.jpg", "run\\..\\..\\x\\1.jpg"]
    path = write_zip(tmp_path / "frames.zip", frames | dict.fromkeys(evil, image(9)))
    before, data = surroundings(tmp_path), tmp_path / "data"
    ran = strmctl(
        *("prepare", "x", "--frames-from", path, "--data", data),
        *("--workers", 1, "--json"),
    )
    assert ran.code == 0, ran.err
    assert [(row.clip, row.frames, row.status) for row in read_manifest(data / "x")] == [("run/a", 8, "ok")]
    assert ignored(ran.json()) == {"name would lead out of the archive": sorted(evil)}
    after = surroundings(tmp_path)
    assert {path: value for path, value in after.items() if not path.startswith(os.fsencode(data))} == before
    assert strmctl("data", "check", "x", "--data", data, "--workers", 1).code == 0
