"""`strmctl data check` and `data show` as typed: what they print, which pictures they draw, and their exit codes."""

import subprocess
import sys
from dataclasses import replace

import cv2
import matplotlib.image
import numpy as np
import pytest

from strmctl.frames.show import small_pictures
from strmctl.frames.store.clip_zip import archive_path
from strmctl.frames.store.manifest import write_manifest
from strmctl.frames.store.settings import write_settings
from strmctl.frames.store.store import FrameStore
from strmctl.report.pictures.contact_sheet import EDGE, GAP, HEIGHT, TEXT_WIDTH, TOP
from tests.frames.check.test_check import add, change, images_of, make_store, row_of, write_clip
from tests.videos_for_tests import strmctl, write_video

pytestmark = pytest.mark.slow

ONE = ("--workers", "1")


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A data folder with the store `mine`, which has nothing wrong; the current folder is empty."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    make_store(tmp_path / "data")
    return tmp_path / "data"


def check(data, *words):
    return strmctl("data", "check", *words, "--data", data, *ONE)


def show(data, *words):
    return strmctl("data", "show", "mine", *words, "--data", data)


def clips_shown(data, *words):
    return [sheet["clips"] for sheet in show(data, *words, "--json").json()["sheets"]]


def cells(text):
    return [line.split() for line in text.splitlines() if line.strip()]


def test_a_store_that_is_whole(data):
    ran = check(data)
    assert ran.code == 0 and "problem" not in ran.err and "note" not in ran.err
    assert ["walk", "2", "2", "0", "0", "0", "2"] in cells(ran.out)
    assert ["all", "2", "classes", "3", "3", "0", "0", "0", "3"] in cells(ran.out)
    assert f"{data / 'mine'}: 6 clips read and decoded, nothing is wrong" in ran.err
    assert "check mine 6/6" in ran.err


def test_problems_are_exit_3_and_each_says_what_mends_it(data):
    folder = data / "mine"
    add(folder, row_of(folder, "walk/c", "train", images_of(0)))
    archive_path(folder, "up/a").unlink()
    change(folder, "nod/a", group="g", reason="damaged: 28 of 50 frames")
    ran = check(data, "mine")
    assert ran.code == 3
    assert ["up", "2", "2", "0", "0", "1", "1"] in cells(ran.out)
    lines = ran.err.splitlines()
    at = lines.index("problem: 1 clip whose frames are missing or damaged: up/a: its frames are not there")
    assert lines[at + 1].strip().startswith("run `strmctl prepare /videos --name mine")
    assert any(line.startswith("problem: 1 group of clips in the same subset show the same") for line in lines)
    assert "note: 1 clip with a remark: nod/a: damaged: 28 of 50 frames" in lines
    assert lines[-1].endswith("7 clips read and decoded, 2 kinds of problems")


def test_json_names_everything(data):
    folder = data / "mine"
    for number in range(8):
        add(folder, row_of(folder, f"walk/short{number}", "train", images_of(30 + number, frames=3)))
        change(folder, f"walk/short{number}", sha256="0" * 64)
    ran = check(data, "mine", "--json")
    document = ran.json()
    assert ran.code == 3 and (document["clips"], document["stored"], document["quick"]) == (14, 14, False)
    (problem,) = document["problems"]
    assert (problem["kind"], problem["count"], len(problem["items"])) == ("damaged", 8, 8)
    assert {note["kind"]: note["count"] for note in document["notes"]} == {"short": 8, "more_clips": 8}
    counts = {"expected": 2, "found": 10, "failed": 0, "short": 8, "damaged": 8, "usable": 2}
    assert document["classes"][1] == {"subset": "train", "class": "walk", **counts}
    assert document["duplicates"] == []
    quick = check(data, "--quick", "--json").json()
    assert (quick["quick"], quick["duplicates"], quick["problems"]) == (True, None, [])


def test_of_many_classes_those_with_something_to_say_are_printed(tmp_path):
    folder = tmp_path / "ucf101"
    write_settings(folder, {"dataset": "ucf101", "split": None})
    lost = {"status": "ok", "reason": "", "frames": 9, "sha256": "0" * 64}
    rows = [replace(row_of(folder, f"c{n:02d}/a", "", []), **lost) for n in range(40)]
    write_manifest(folder, [*rows, row_of(folder, "whole/a", "", images_of(1))])
    printed = {line[0] for line in cells(check(tmp_path).out)}
    assert "c00" in printed and "whole" not in printed and "all" in printed
    assert "whole" in {line[0] for line in cells(check(tmp_path, "--all").out)}


def test_a_quick_check_finds_a_link_to_another_video_of_the_folder(tmp_path):
    videos = tmp_path / "ln"
    write_video(videos / "a/x.mp4")
    write_video(videos / "b/z.mp4", seed=1)
    (videos / "b/y.mp4").symlink_to("../a/x.mp4")
    assert strmctl("prepare", videos, "--name", "ln", "--data", tmp_path / "data", *ONE).code == 0
    ran = check(tmp_path / "data", "ln", "--quick")
    assert ran.code == 3 and "manifest more than once: a/x (a) = b/y (b)" in ran.err
    (videos / "b/y.mp4").unlink()
    assert strmctl("prepare", videos, "--name", "ln", "--data", tmp_path / "data", *ONE).code == 0
    assert check(tmp_path / "data", "ln", "--quick").code == 0


def test_which_store(data, tmp_path):
    ran = strmctl("data", "check", "yours", "--data", data)
    assert (ran.code, ran.out) == (3, "") and "yours does not exist" in ran.err and "mine" in ran.err
    make_store(tmp_path / "data2")
    (tmp_path / "data2" / "mine").rename(data / "other")
    ran = strmctl("data", "check", "--data", data)
    assert ran.code == 3 and "mine, other" in ran.err
    ran = strmctl("data", "check", "--data", tmp_path / "nothing")
    assert ran.code == 3 and "strmctl prepare sprites" in ran.err
    (data / "other" / "manifest.csv").unlink()
    ran = strmctl("data", "check", "other", "--data", data)
    assert ran.code == 3 and "is not finished" in ran.err


def test_the_picture_and_its_path(data, tmp_path):
    ran = show(data)
    assert (ran.code, ran.out, ran.err) == (0, "mine-sheet.png\n", "")
    assert clips_shown(data) == [["run/a", "walk/a", "walk/b", "nod/a", "up/a", "up/b"]]
    sheet = np.rint(255 * matplotlib.image.imread(tmp_path / "here" / "mine-sheet.png")[..., :3]).astype(np.uint8)
    store = FrameStore.open(data, "mine")
    for line, clip in enumerate(["run/a", "walk/a", "walk/b", "nod/a", "up/a", "up/b"]):
        top = TOP + GAP + line * (HEIGHT + 2 * GAP)
        for column, picture in enumerate(small_pictures(store, store.by_id[clip], count=8, height=96, width=172)):
            left = EDGE + TEXT_WIDTH + GAP + column * (128 + GAP)
            np.testing.assert_array_equal(sheet[top : top + HEIGHT, left : left + 128], picture)
    before = (tmp_path / "here" / "mine-sheet.png").read_bytes()
    assert "is replaced" in show(data).err and (tmp_path / "here" / "mine-sheet.png").read_bytes() == before


def test_small_pictures_are_the_frames_in_time_with_their_proportions(data):
    folder = data / "mine"
    frames = [np.full((200, 100, 3), (0, 10 * number, 250), np.uint8) for number in range(20)]  # BGR: red
    digest = write_clip(folder, "up/a", [cv2.imencode(".jpg", frame)[1].tobytes() for frame in frames])
    change(folder, "up/a", frames=20, sha256=digest)
    store = FrameStore.open(data, "mine")
    pictures = small_pictures(store, store.by_id["up/a"], count=8, height=96, width=172)
    assert {picture.shape for picture in pictures} == {(96, 48, 3)}
    means = np.array([picture.mean(axis=(0, 1)) for picture in pictures])
    np.testing.assert_allclose(means[:, 0], 250, atol=3)
    np.testing.assert_allclose(means[:, 1] / 10, [1, 3, 5, 8, 10, 13, 15, 18], atol=0.4)


@pytest.mark.parametrize(
    ("words", "clips"),
    [
        (("--per-class", "1"), ["run/a", "walk/b", "nod/a", "sit/10", "up/b"]),
        (("--subset", "test"), ["up/a", "up/b"]),
        (("--classes", "UP, run"), ["run/a", "up/a", "up/b"]),
        (("--classes", "up,falling, then walking,nod"), ["walk/a", "nod/a", "up/a", "up/b"]),
        (("--classes", "sit", "--per-class", "4"), ["sit/02", "sit/07", "sit/12", "sit/17"]),
        (("nod/a", "run/a"), ["nod/a", "run/a"]),
    ],
)
def test_which_clips_are_shown(data, words, clips):
    folder = data / "mine"
    add(folder, *[row_of(folder, f"sit/{n:02d}", "val", images_of(50)) for n in range(20)])
    if "up,falling, then walking,nod" in words:
        change(folder, "walk/a", cls="Falling, then walking")
    assert clips_shown(data, *words) == [clips]


def test_the_last_part_of_an_id_is_enough_where_it_is_unique(data):
    folder = data / "mine"
    add(folder, row_of(folder, "sit/v_1", "val", images_of(50)))
    assert clips_shown(data, "v_1", "up/b") == [["sit/v_1", "up/b"]]
    ran = show(data, "a")
    assert ran.code == 3 and "fits 4 clips" in ran.err and "nod/a, run/a, up/a, walk/a" in ran.err
    ran = show(data, "sit/v_2")
    assert ran.code == 3 and "no clip 'sit/v_2'" in ran.err and "sit/v_1" in ran.err
    ran = show(data, "--subset", "val", "--classes", "up")
    assert ran.code == 3 and "has no clip of a class 'up' here" in ran.err and "it has: nod, sit" in ran.err
    ran = show(data, "--classes", "up,walks")
    assert ran.code == 3 and "'walks'" in ran.err and "did you mean walk?" in ran.err


def test_several_sheets_are_numbered(data, tmp_path):
    ran = show(data, "--most", "4", "--out", tmp_path / "new" / "look.png")
    assert ran.out.splitlines() == [str(tmp_path / "new" / f"look-0{number}.png") for number in (1, 2)]
    heights = [matplotlib.image.imread(path).shape[0] for path in ran.out.splitlines()]
    assert heights[0] - heights[1] == 2 * (HEIGHT + 2 * GAP)
    assert clips_shown(data, "--most", "4")[1] == ["up/a", "up/b"]


def test_failed_clips_are_shown_when_they_are_named(data):
    folder = data / "mine"
    add(folder, row_of(folder, "walk/bad", "train", [], reason="not a video"))
    assert "walk/bad" not in clips_shown(data, "--per-class", "9")[0]
    ran = show(data, "walk/bad")
    assert (ran.code, ran.out) == (0, "mine-sheet.png\n")


def test_damaged_clips_do_not_keep_others_from_being_shown(data, tmp_path):
    archive_path(data / "mine", "walk/a").unlink()
    change(data / "mine", "up/a", sha256=write_clip(data / "mine", "up/a", [b"text"] * 9))
    ran = show(data)
    assert (ran.code, ran.out) == (3, "mine-sheet.png\n")
    errors = [line for line in ran.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2 and "walk/a" in errors[0] and "up/a" in errors[1]
    assert "strmctl data check mine" in ran.err
    assert len(show(data, "--json").json()["unreadable"]) == 2


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("--out", "look.jpg"), "--out look.png"),
        (("up/a", "--subset", "test"), "--subset chooses clips"),
        (("up/a", "--per-class", "3"), "--per-class chooses clips"),
        (("--per-class", "0"), "0 is not in the range"),
    ],
)
def test_what_makes_no_sense_is_exit_2(data, tmp_path, words, part):
    ran = show(data, *words)
    assert (ran.code, ran.out) == (2, "") and part in ran.err
    assert list((tmp_path / "here").iterdir()) == []


@pytest.mark.parametrize("word", ["check", "show"])
def test_help_needs_nothing_heavy(word):
    code = (
        "import sys\nfrom strmctl.cli.commands.data import command\n"
        f"command.main([{word!r}, '--help'], standalone_mode=False)\n"
        "print(sorted({'cv2', 'torch', 'numpy', 'matplotlib'} & sys.modules.keys()))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"strmctl data {word}" in ran.stdout and ran.stdout.splitlines()[-1] == "[]"
