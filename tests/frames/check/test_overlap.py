"""Checks of clips that share a class, a file, pixels or a source video."""

import zipfile

import cv2
import numpy as np
import pytest

from strmctl.frames.check.clips import check_clips
from strmctl.frames.check.overlap import duplicate_findings, find_duplicates
from strmctl.frames.store.clip_zip import archive_path
from strmctl.frames.store.store import FrameStore
from strmctl.provenance import sha256_of
from tests.frames.check.test_check import (
    add,
    change,
    change_settings,
    check_of,
    images_of,
    row_of,
    write_clip,
)


def test_clips_that_show_the_same(folder):
    """Other bytes of the zip do not make two clips different."""
    add(folder, row_of(folder, "walk/copy", "train", images_of(0)))
    change(folder, "up/b", sha256=write_clip(folder, "up/b", images_of(2)))
    path = archive_path(folder, "up/b")
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"other bytes, same pixels"
    change(folder, "up/b", sha256=sha256_of(path))
    result = check_of(folder)
    assert [[row.clip for row in group] for group in result.duplicates] == [["run/a", "up/b"], ["walk/a", "walk/copy"]]
    assert [(p.kind, p.count, p.items) for p in result.problems] == [
        ("duplicates_across", 1, ["run/a (run, train) = up/b (up, test)"]),
        ("duplicates_within", 1, ["walk/a (walk, train) = walk/copy (walk, train)"]),
    ]
    assert check_of(folder, quick=True).problems == []


def test_the_order_of_frames_and_their_shape_tell_clips_apart(folder):
    black = [cv2.imencode(".jpg", np.zeros((*size, 3), np.uint8))[1].tobytes() for size in ((24, 32), (32, 24))]
    add(
        folder,
        row_of(folder, "walk/backward", "train", images_of(0)[::-1]),
        row_of(folder, "walk/lying", "train", [black[0]] * 9),
        row_of(folder, "walk/standing", "train", [black[1]] * 9),
        row_of(folder, "walk/longer", "train", [black[1]] * 12),
    )
    assert [[row.clip for row in group] for group in check_of(folder).duplicates] == [["walk/longer", "walk/standing"]]


def test_a_class_in_two_subsets(folder):
    add(folder, row_of(folder, "Up/c", "val", images_of(20)))
    problems = {problem.kind: problem.items for problem in check_of(folder).problems}
    assert problems == {"unknown_classes": ["val: Up (1 clip)"], "shared_classes": ["Up (val) = up (test)"]}


def test_a_class_of_another_subset_than_the_split_says(folder):
    change(folder, "nod/a", subset="test")
    problems = {problem.kind: problem.items for problem in check_of(folder).problems}
    assert problems["unknown_classes"] == ["test: nod (1 clip)"]
    assert problems["missing_classes"] == ["val: nod (0 clips found)"] and "shared_classes" not in problems


def test_a_clip_that_stands_there_twice(folder):
    add(folder, row_of(folder, "up/A", "train", images_of(20), source="other.mp4"))
    change(folder, "nod/a", source="walk/a.mp4")
    (problem,) = [problem for problem in check_of(folder).problems if problem.kind == "shared_clips"]
    assert problem.items == ["up/A (up, train) = up/a (up, test)", "nod/a (nod, val) = walk/a (walk, train)"]


def test_links_to_one_file_are_one_clip(folder):
    for clip in ("nod/a", "up/b"):
        change(folder, clip, target="/elsewhere/x.mp4")
    assert [(p.kind, p.items) for p in check_of(folder).problems] == [
        ("shared_clips", ["nod/a (nod, val) = up/b (up, test)"])
    ]


@pytest.mark.parametrize("where", ["folder", "videos", None])
@pytest.mark.parametrize("top_is_a_link", [False, True])
def test_a_link_to_a_file_of_the_video_folder_is_that_file(folder, where, top_is_a_link):
    videos = folder.parent / "videos" / "mine" if where is None else folder.parent / "elsewhere"
    real = folder.parent.resolve() / "disk" if top_is_a_link else videos.resolve()
    real.mkdir(parents=True)
    if top_is_a_link:
        videos.parent.mkdir(exist_ok=True)
        videos.symlink_to(real)
    request = FrameStore.open(folder.parent, "mine").settings["request"]
    del request["folder"]
    change_settings(folder, request=request | ({where: str(videos)} if where else {}))
    change(folder, "nod/a", target=str(real / "up/b.mp4"))
    change(folder, "up/a", target=str(real / "up/c.mp4"))  # no clip of its own
    for quick in (False, True):
        (problem,) = check_of(folder, quick=quick).problems
        assert (problem.kind, problem.items) == ("shared_clips", ["nod/a (nod, val) = up/b (up, test)"])
    assert problem.mend.startswith("keep one video of each")


def test_files_of_the_same_name_in_different_folders_are_two(folder):
    change(folder, "nod/a", target="/elsewhere/up/b.mp4")
    assert check_of(folder).problems == []


def test_the_same_frames_that_lie_elsewhere_are_mended_there(folder):
    change(folder, "up/b", sha256=write_clip(folder, "up/b", images_of(2)))
    store = FrameStore.open(folder.parent, "mine")
    looked = check_clips(store, workers=1, quick=False, progress=print)
    store.settings["frames_from"] = "/frames.zip"
    (problem,) = [it for it in duplicate_findings(store, find_duplicates(store, looked)) if it.count]
    assert problem.mend.startswith("keep the frames of one of each in /frames.zip (or list those to keep")


def test_source_videos_across_subsets_are_told_and_are_no_problem(folder):
    for clip, group in {"walk/a": "g1", "run/a": "g1", "up/a": "g1", "up/b": "g2", "walk/b": "g3"}.items():
        change(folder, clip, group=group)
    result = check_of(folder)
    assert result.problems == [] and (result.sources.total, result.sources.shared) == (
        4,
        {"g1": {"train": 2, "test": 1}},
    )
    (note,) = result.notes
    assert note.message == "1 of 4 source videos have clips in more than one subset"
    assert note.items == ["g1 (2 train, 1 test)"]
