"""Checks of the classes and the numbers of clips that a split expects."""

from dataclasses import replace

import pytest

from strmctl.frames.check.check import check
from strmctl.frames.store.clip_zip import archive_path
from strmctl.frames.store.manifest import write_manifest
from strmctl.frames.store.settings import write_settings
from strmctl.frames.store.store import FrameStore
from tests.frames.check.test_check import add, change, change_settings, check_of, images_of, kinds, make_store, row_of


def test_fewer_clips_than_published_and_classes_without_any(folder):
    rows = FrameStore.open(folder.parent, "mine").rows
    write_manifest(folder, [row for row in rows if row.clip not in ("walk/b", "nod/a")])
    for name in (".DS_Store", "Thumbs.db", "._a.zip"):  # no word about them
        (folder / "frames" / "walk" / name).touch()
    result = check_of(folder)
    found = {problem.kind: (problem.count, problem.items) for problem in result.problems}
    assert found == {
        "missing_classes": (1, ["val: nod (0 clips found)"]),
        "missing_clips": (2, ["train: walk (1 of 2)", "val: nod (0 of 1)"]),
    }
    assert {note.kind: note.items for note in result.notes} == {
        "unknown_files": ["frames/nod/a.zip", "frames/walk/b.zip"]
    }


@pytest.mark.parametrize(("dataset", "problems"), [("mine", []), ("kinetics100", ["missing_clips"])])
def test_a_list_of_ones_own_may_ask_for_fewer(folder, dataset, problems):
    request = {"folder": "/videos", "split": str(folder.parent / "mine.yaml"), "list": "/some.txt"}
    change_settings(folder, dataset=dataset, request=request)
    rows = FrameStore.open(folder.parent, "mine").rows
    write_manifest(folder, [row for row in rows if row.clip != "walk/b"])
    archive_path(folder, "walk/b").unlink()
    result = check_of(folder)
    assert kinds(result.problems) == problems
    assert kinds(result.notes) == ([] if problems else ["not_listed"])


def test_more_clips_than_published_are_told(folder):
    add(folder, row_of(folder, "run/b", "train", images_of(20)), row_of(folder, "run/c", "train", images_of(21)))
    result = check_of(folder)
    assert result.problems == []
    assert [(note.kind, note.count, note.items) for note in result.notes] == [
        ("more_clips", 2, ["train: run (3, published 1)"])
    ]


def test_failed_short_and_odd_clips(folder):
    rows = [row for row in FrameStore.open(folder.parent, "mine").rows if row.clip not in ("walk/b", "nod/a")]
    rows += [row_of(folder, "walk/b", "train", images_of(1, frames=5)), row_of(folder, "nod/a", "val", [])]
    archive_path(folder, "nod/a").unlink()
    write_manifest(folder, rows)
    change(folder, "nod/a", reason="not a video")
    change(folder, "up/a", reason="damaged: 28 of 50 frames")
    result = check_of(folder)
    assert {problem.kind: problem.items for problem in result.problems} == {
        "missing_classes": ["val: nod (1 clip found)"],
        "failed": ["nod/a: not a video"],
    }
    assert {note.kind: note.items for note in result.notes} == {
        "short": ["walk/b: 5 frames"],
        "odd": ["up/a: damaged: 28 of 50 frames"],
    }
    counts = {count.cls: (count.found, count.failed, count.short, count.usable) for count in result.classes}
    assert counts["walk"] == (2, 0, 1, 1) and counts["nod"] == (1, 1, 0, 0)


def test_without_a_split_nothing_is_expected(tmp_path):
    folder = make_store(tmp_path, split=None)
    rows = FrameStore.open(tmp_path, "mine").rows
    write_manifest(folder, [replace(row, subset="", cls="") for row in rows])
    result = check_of(folder)
    assert (result.problems, result.notes) == ([], [])
    assert [(c.subset, c.cls, c.expected, c.found) for c in result.classes] == [("", "", None, 6)]


def test_a_split_file_that_is_gone(folder):
    (folder.parent / "mine.yaml").unlink()
    change_settings(folder, classes={"train": ["run", "sit", "walk"], "val": ["nod"], "test": ["up"]})
    result = check_of(folder)
    assert [(p.kind, p.items) for p in result.problems] == [("missing_classes", ["train: sit (0 clips found)"])]
    assert kinds(result.notes) == ["split", "not_published"] and "mine.yaml" in result.notes[0].message


def test_the_published_counts_of_a_data_set_are_those_of_its_split(tmp_path):
    folder = tmp_path / "ucf101"
    write_settings(folder, {"dataset": "ucf101", "split": "ucf101"})
    write_manifest(folder, [row_of(folder, "Archery/a", "train", images_of(0))])
    missing = {problem.kind: problem for problem in check_of(folder).problems}
    assert missing["missing_clips"].count == 9154 + 1421 + 2745 - 1
    assert missing["missing_classes"].count == 100


@pytest.mark.parametrize(
    ("classes", "items"),
    [
        (
            {"train": ["run", "walking"], "val": ["nod"], "test": ["up"]},
            ["train: walking (only in store.json)", "train: walk (only in the split)"],
        ),
        (
            {"train": ["run", "up", "walk"], "val": ["nod"], "test": []},
            ["train: up (only in store.json)", "test: up (only in the split)"],
        ),
        ({"train": ["run"], "val": ["nod"], "test": ["up"]}, ["train: walk (only in the split)"]),
    ],
    ids=["renamed", "moved", "removed"],
)
@pytest.mark.parametrize("quick", [False, True])
def test_classes_of_the_settings_that_are_not_those_of_the_split(folder, classes, items, quick):
    change_settings(folder, classes=classes)
    (problem,) = check_of(folder, quick=quick).problems
    assert (problem.kind, problem.count, problem.items) == ("other_classes", len(items), items)
    assert problem.mend.startswith("run `strmctl prepare /videos") and "--redo" not in problem.mend


def test_a_store_without_a_split_has_no_classes(tmp_path):
    folder = make_store(tmp_path, split=None, classes={"train": ["walk"]})
    assert ("other_classes", ["train: walk (only in store.json)"]) in [
        (problem.kind, problem.items) for problem in check_of(folder).problems
    ]


@pytest.mark.parametrize("elsewhere", [None, "/frames.zip"])
def test_what_is_missing_or_failed_is_put_where_the_others_lie(folder, elsewhere):
    store = FrameStore.open(folder.parent, "mine")
    if elsewhere:
        store.settings["frames_from"] = elsewhere
    rows = [row for row in store.rows if row.clip not in ("walk/b", "nod/a")]
    rows = [replace(row, status="failed", reason="no images") for row in rows]
    mends = {problem.kind: problem.mend for problem in check(FrameStore(folder, store.settings, rows, "")).problems}
    put = f"put their frames into {elsewhere}" if elsewhere else "put their videos where the others lie"
    mend = f"mend the images in {elsewhere}" if elsewhere else "replace their videos"
    run = f", then run `{store.prepare_command}`"
    assert mends == {"missing_classes": put + run, "missing_clips": put + run, "failed": mend + run}
