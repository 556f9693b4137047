"""Checks of stores that are broken on purpose."""

import os
import zipfile
from dataclasses import replace

import cv2
import numpy as np
import pytest

from strmctl.data import check_clips
from strmctl.data.archives import archive_path, writing_archive
from strmctl.data.check import check
from strmctl.data.check_clips import CLIPS_PER_TASK
from strmctl.data.manifest import ClipRow, write_manifest
from strmctl.data.store import FrameStore
from strmctl.data.store_settings import write_settings
from strmctl.paths import write_text
from strmctl.provenance import sha256_of

SPLIT = "subsets:\n  train: {walk: 2, run: 1}\n  val: {nod: 1}\n  test: {up: 2}\n"
CLIPS = {"walk/a": "train", "walk/b": "train", "run/a": "train", "nod/a": "val", "up/a": "test", "up/b": "test"}


def jpeg(seed, size=(32, 24)):
    pixels = np.random.Generator(np.random.Philox(seed)).integers(0, 256, (4, 4, 3), np.uint8)
    return cv2.imencode(".jpg", cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC))[1].tobytes()


def images_of(seed, frames=9):
    return [jpeg(1000 * seed + number) for number in range(frames)]


def write_clip(folder, clip, images):
    with writing_archive(archive_path(folder, clip)) as archive:
        for image in images:
            archive.add(image)
    return archive.sha256


def row_of(folder, clip, subset, images, **values):
    digest = write_clip(folder, clip, images) if images else ""
    status = "failed" if not images else "short" if len(images) < 8 else "ok"
    cls = clip.split("/")[0]
    row = ClipRow(clip, cls, subset, clip, len(images), 64, 48, 12.0, f"{clip}.mp4", "", "opencv", status, "", digest)
    return replace(row, **values)


def make_store(data_dir, *, split=SPLIT, **settings):
    """A store `mine` that has nothing wrong."""
    folder = data_dir / "mine"
    rows = [row_of(folder, clip, subset, images_of(seed)) for seed, (clip, subset) in enumerate(CLIPS.items())]
    request = {"folder": "/videos"}
    if split:
        write_text(data_dir / "mine.yaml", split)
        request["split"] = str(data_dir / "mine.yaml")
    write_settings(folder, {"dataset": "mine", "split": "mine" if split else None, "request": request, **settings})
    write_manifest(folder, rows)
    return folder


def change(folder, clip, **values):
    """Changes one row of the manifest."""
    rows = FrameStore.open(folder.parent, folder.name).rows
    write_manifest(folder, [replace(row, **values) if row.clip == clip else row for row in rows])


def add(folder, *rows):
    write_manifest(folder, [*FrameStore.open(folder.parent, folder.name).rows, *rows])


def check_of(folder, **options):
    return check(FrameStore.open(folder.parent, folder.name), **options)


def kinds(findings):
    return [finding.kind for finding in findings]


@pytest.fixture
def folder(tmp_path):
    return make_store(tmp_path)


def test_a_store_that_is_whole(folder):
    seen = []
    result = check_of(folder, progress=lambda *told: seen.append(told))
    assert (result.problems, result.notes, result.duplicates, result.sources) == ([], [], [], None)
    assert [(c.subset, c.cls, c.expected, c.found, c.usable) for c in result.classes] == [
        ("train", "run", 1, 1, 1),
        ("train", "walk", 2, 2, 2),
        ("val", "nod", 1, 1, 1),
        ("test", "up", 2, 2, 2),
    ]
    assert not any(count.remarkable for count in result.classes)
    assert seen[-1] == (6, 6, "")


@pytest.mark.parametrize("quick", [False, True])
def test_frames_that_are_gone(folder, quick):
    archive_path(folder, "walk/b").unlink()
    result = check_of(folder, quick=quick)
    (problem,) = result.problems
    assert (problem.kind, problem.count) == ("damaged", 1) and problem.items[0].startswith("walk/b: ")
    assert problem.mend.startswith("run `strmctl prepare /videos") and "--redo" not in problem.mend
    walk = next(count for count in result.classes if count.cls == "walk")
    assert (walk.found, walk.damaged, walk.usable) == (2, 1, 1)


@pytest.mark.parametrize("position", [3, 40, 2000, -5])
def test_one_flipped_byte(folder, position):
    path = archive_path(folder, "up/a")
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)
    (problem,) = check_of(folder).problems
    assert problem.kind == "damaged" and problem.items == [
        "up/a: its frames are not those of the manifest: their SHA-256 differs"
    ]


def test_a_flipped_byte_of_a_middle_frame_is_what_a_quick_check_does_not_see(folder):
    path = archive_path(folder, "up/a")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    quick = check_of(folder, quick=True)
    assert quick.problems == [] and quick.duplicates is None and quick.quick
    assert kinds(check_of(folder).problems) == ["damaged"]


@pytest.mark.parametrize("frame", [0, 4, 8])
def test_a_truncated_frame_whose_digest_fits(folder, frame):
    images = images_of(1)
    images[frame] = images[frame][: len(images[frame]) * 2 // 3]
    change(folder, "walk/b", sha256=write_clip(folder, "walk/b", images))
    (problem,) = check_of(folder).problems
    assert (problem.kind, problem.items) == ("unreadable", [f"walk/b: frame {frame + 1} of 9 cannot be decoded"])
    assert "--redo" in problem.mend  # prepare keeps what fits its digest


def test_a_decoder_that_fills_up_what_is_missing_hides_nothing(folder, monkeypatch):
    monkeypatch.setattr("strmctl.data.clips.decode_jpeg", None)  # OpenCV warns and goes on
    images = images_of(1)
    images[4] = images[4][:-40]
    change(folder, "walk/b", sha256=write_clip(folder, "walk/b", images))
    assert [(p.kind, p.count) for p in check_of(folder).problems] == [("unreadable", 1)]


@pytest.mark.parametrize(
    ("images", "frames", "reason"),
    [
        ([*images_of(1)[:8], jpeg(7, size=(24, 32))], 9, "walk/b: its frames differ in size: 24x32, 32x24"),
        (images_of(1), 8, "walk/b: it holds more frames than the 8 that the manifest says"),
        (images_of(1), 10, "walk/b: There is no item named '00010.jpg' in the archive"),
        (images_of(1), 0, "walk/b: the manifest says 0 frames"),
        ([b"", *images_of(1)[1:]], 9, "walk/b: frame 1 of 9 cannot be decoded"),
    ],
    ids=["sizes", "more", "fewer", "none", "empty"],
)
def test_frames_that_are_not_what_the_manifest_says(folder, images, frames, reason):
    change(folder, "walk/b", sha256=write_clip(folder, "walk/b", images), frames=frames)
    assert [(p.kind, p.items) for p in check_of(folder).problems] == [("unreadable", [reason])]


def test_a_file_that_is_no_zip(folder):
    archive_path(folder, "walk/b").write_bytes(b"text")
    assert [p.items[0][:7] for p in check_of(folder, quick=True).problems] == ["walk/b:"]


def test_an_id_that_leads_out_of_the_store(folder):
    add(folder, replace(FrameStore.open(folder.parent, "mine").by_id["walk/b"], clip="../walk/b", source="other.mp4"))
    (problem,) = [p for p in check_of(folder).problems if p.kind == "damaged"]
    assert "would lead out of the store" in problem.items[0]


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


def test_fewer_clips_than_published_and_classes_without_any(folder):
    rows = FrameStore.open(folder.parent, "mine").rows
    write_manifest(folder, [row for row in rows if row.clip not in ("walk/b", "nod/a")])
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
    write_settings(folder, {"dataset": dataset, "split": "mine", "request": request})
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
    settings = FrameStore.open(folder.parent, "mine").settings
    write_settings(folder, {**settings, "classes": {"train": ["run", "sit", "walk"], "val": ["nod"], "test": ["up"]}})
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


def test_processes_find_the_same_as_this_one(tmp_path):
    folder = make_store(tmp_path, split=None)
    add(folder, *[row_of(folder, f"walk/{n:03d}", "train", images_of(n // 2)) for n in range(10, 10 + CLIPS_PER_TASK)])
    archive_path(folder, "walk/a").unlink()
    alone, seen = check_of(folder), []
    together = check_of(folder, workers=2, progress=lambda done, total, note: seen.append((done, total, note)))
    assert together == alone and len(alone.duplicates) == CLIPS_PER_TASK // 2
    assert seen[-1] == (6 + CLIPS_PER_TASK, 6 + CLIPS_PER_TASK, "1 damaged")


def _crash_on_nod(task):
    if any(row.clip == "nod/a" for row in task.part.rows):
        os.abort()
    return [check_clips.ClipCheck(row.clip) for row in task.part.rows]


def test_a_clip_that_kills_the_decoder_is_found_among_its_neighbours(folder, monkeypatch):
    monkeypatch.setattr(check_clips, "_look_at_all", _crash_on_nod)
    looked = check_clips.check_clips(
        FrameStore.open(folder.parent, "mine"), workers=2, quick=True, progress=lambda *_: None
    )
    assert len(looked) == 6 and [clip for clip, found in looked.items() if found.wrong] == ["nod/a"]
    assert looked["nod/a"].wrong == "crashed"


def test_an_interruption_ends_the_check(folder):
    def interrupt(done, total, note):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check_of(folder, workers=2, quick=True, progress=interrupt)


def test_nothing_is_written(folder):
    archive_path(folder, "walk/b").write_bytes(b"text")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    check_of(folder)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_frames_that_lie_elsewhere_are_mended_there(folder):
    settings = FrameStore.open(folder.parent, "mine").settings
    store = FrameStore(folder, {**settings, "frames_from": "/frames"}, FrameStore.open(folder.parent, "mine").rows, "")
    store.rows[0] = replace(store.rows[0], sha256="00")
    (problem,) = [problem for problem in check(store).problems if problem.kind == "damaged"]
    assert problem.mend.startswith("mend the images in /frames, then run `strmctl prepare")
