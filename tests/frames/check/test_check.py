"""Checks of stores: whole ones, by several processes, interrupted; and stores that are broken on purpose."""

import os
from dataclasses import replace

import cv2
import numpy as np
import pytest

from strmctl.datasets.splits import SUBSETS, load_split
from strmctl.frames.check import clips as check_clips
from strmctl.frames.check.check import check
from strmctl.frames.check.clips import CLIPS_PER_TASK
from strmctl.frames.store.clip_zip import archive_path, writing_archive
from strmctl.frames.store.manifest import ClipRow, write_manifest
from strmctl.frames.store.settings import write_settings
from strmctl.frames.store.store import FrameStore
from strmctl.paths import write_text

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
    row = ClipRow(
        clip=clip,
        cls=cls,
        subset=subset,
        group=clip,
        frames=len(images),
        width=64,
        height=48,
        fps=12.0,
        source=f"{clip}.mp4",
        target="",
        bytes=1000,
        decoder="opencv",
        status=status,
        reason="",
        sha256=digest,
    )
    return replace(row, **values)


def make_store(data_dir, *, split=SPLIT, **settings):
    """A store `mine` that has nothing wrong."""
    folder = data_dir / "mine"
    rows = [row_of(folder, clip, subset, images_of(seed)) for seed, (clip, subset) in enumerate(CLIPS.items())]
    values = {"dataset": "mine", "split": None, "classes": {}, "request": {"folder": "/videos"}}
    if split:
        path = data_dir / "mine.yaml"
        write_text(path, split)
        classes = {subset: load_split(path).classes(subset) for subset in SUBSETS}
        values |= {"split": "mine", "classes": classes, "request": {"folder": "/videos", "split": str(path)}}
    write_settings(folder, {**values, **settings})
    write_manifest(folder, rows)
    return folder


def change(folder, clip, **values):
    """Changes one row of the manifest."""
    rows = FrameStore.open(folder.parent, folder.name).rows
    write_manifest(folder, [replace(row, **values) if row.clip == clip else row for row in rows])


def change_settings(folder, **values):
    write_settings(folder, {**FrameStore.open(folder.parent, folder.name).settings, **values})


def add(folder, *rows):
    write_manifest(folder, [*FrameStore.open(folder.parent, folder.name).rows, *rows])


def check_of(folder, **options):
    return check(FrameStore.open(folder.parent, folder.name), **options)


def kinds(findings):
    return [finding.kind for finding in findings]


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


@pytest.mark.parametrize("quick", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_processes_find_the_same_as_this_one(tmp_path, quick):
    folder = make_store(tmp_path, split=None)
    add(folder, *[row_of(folder, f"walk/{n:03d}", "train", images_of(n // 2)) for n in range(10, 10 + CLIPS_PER_TASK)])
    archive_path(folder, "walk/a").unlink()
    alone, seen = check_of(folder, quick=quick), []
    together = check_of(folder, quick=quick, workers=2, progress=lambda *report: seen.append(report))
    assert together == alone and (quick or len(alone.duplicates) == CLIPS_PER_TASK // 2)
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
