import hashlib
import multiprocessing
import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from strmctl.datasets.splits import load_split
from strmctl.datasets.sprites import render as sprites
from strmctl.datasets.sprites.motions import MOTIONS
from strmctl.datasets.sprites.objects import bystanders
from strmctl.draws import Draws
from strmctl.errors import OutputError

PAIRS = [(first, second) for first, second in load_split("sprites").opposites]


def read(path):
    video = cv2.VideoCapture(str(path))
    frames = []
    while (got := video.read())[0]:
        frames.append(got[1])
    return np.stack(frames)


def centre(scene, t, which=0):
    thing = scene(t)[which]
    return np.array([thing.x, thing.y])


def test_the_motions_are_those_of_the_split():
    split = load_split("sprites")
    assert sorted(MOTIONS) == sorted(name for classes in split.subsets.values() for name in classes)
    assert [len(split.subsets[subset]) for subset in ("train", "val", "test")] == [20, 6, 12]
    assert all(count == sprites.CLIPS_PER_CLASS for names in split.subsets.values() for count in names.values())


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_an_opposite_is_the_same_motion_backwards(first, second):
    """For equal draws, what the second shows at t is what the first shows at 1 - t or its mirrored path."""
    one, two = MOTIONS[first](Draws("pair")), MOTIONS[second](Draws("pair"))
    for t in (0.0, 0.1, 0.37, 0.5, 0.8, 1.0):
        for a, b in zip(one(1 - t), two(t), strict=True):
            if first in STRAIGHT:  # drawn from opposite directions: the path mirrored in its own middle
                assert abs((a.x + a.y) - (b.x + b.y)) < 12
            else:
                assert a == b


STRAIGHT = {"up", "down", "left", "right", "diagonal_up_left", "diagonal_up_right"}


@pytest.mark.parametrize(
    ("name", "direction"),
    [("up", (0, -1)), ("down", (0, 1)), ("left", (-1, 0)), ("right", (1, 0)), ("diagonal_up_left", (-1, -1))],
)
def test_names_say_where_things_go(name, direction):
    for number in range(20):
        scene = MOTIONS[name](Draws(name, number))
        moved = centre(scene, 1.0) - centre(scene, 0.0)
        assert np.dot(moved, direction) / np.linalg.norm(direction) > 20
        assert abs(np.cross(np.append(moved, 0), np.append(direction, 0))[2]) < 1e-9


def test_clockwise_is_clockwise_as_seen():
    scene = MOTIONS["orbit_clockwise"](Draws("orbit"))
    hub = centre(scene, 0.5, 0)
    before, after = (centre(scene, t, 1) - hub for t in (0.45, 0.55))
    assert before[0] * after[1] - before[1] * after[0] > 0  # y grows downwards
    turning = MOTIONS["turn_clockwise"](Draws("turn"))
    assert turning(1.0)[0].angle > turning(0.0)[0].angle


def test_sizes_distances_and_opacity_follow_the_names():
    for number in range(10):
        grow = MOTIONS["grow"](Draws("grow", number))
        assert grow(1.0)[0].radius > 1.9 * grow(0.0)[0].radius
        approach = MOTIONS["approach"](Draws("approach", number))
        gaps = [np.linalg.norm(centre(approach, t, 0) - centre(approach, t, 1)) for t in (0.0, 1.0)]
        assert gaps[0] > gaps[1] + 15
        appear = MOTIONS["appear"](Draws("appear", number))
        assert (appear(0.0)[0].alpha, appear(1.0)[0].alpha) == (0.0, 1.0)
        drop = MOTIONS["drop"](Draws("drop", number))
        assert drop(1.0)[1].y > drop(0.0)[1].y + 17
        assert drop(1.0)[1].y < drop(1.0)[0].y


def test_the_number_of_objects_does_not_tell_one_mover_from_two():
    for name, motion in MOTIONS.items():
        for number in range(5):
            moving = len(motion(Draws(name, number))(0.5))
            assert moving + len(bystanders(Draws(name, number), moving=moving)) == 2


def test_a_clip_is_a_function_of_seed_class_and_number():
    clip = sprites.render_clip("grow", 3)
    assert clip.shape == (16, 64, 64, 3)
    assert clip.dtype == np.uint8
    assert np.array_equal(clip, sprites.render_clip("grow", 3))
    for other in (("shrink", 3, 0), ("grow", 4, 0), ("grow", 3, 1)):
        assert not np.array_equal(clip, sprites.render_clip(*other[:2], seed=other[2]))


def test_rendering_twice_gives_the_same_files(tmp_path):
    for folder in ("a", "b"):
        sprites.render(tmp_path / folder, classes=["up", "pulse"], clips=2)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.mp4"))
    assert len(files) == 4
    for name in files:
        a, b = (hashlib.sha256((tmp_path / folder / name).read_bytes()).digest() for folder in ("a", "b"))
        assert a == b
    frames = read(tmp_path / "a" / files[0])
    assert frames.shape == (16, 64, 64, 3)
    meant = sprites.render_clip(files[0].parent.name, int(files[0].stem)).astype(int)
    assert np.abs(frames.astype(int) - meant).mean() < 8  # what mp4v loses


def test_rendering_goes_on_where_it_was(tmp_path):
    sprites.render(tmp_path, classes=["up"], clips=3)
    kept, lost = tmp_path / "up" / "000.mp4", tmp_path / "up" / "002.mp4"
    before = kept.stat().st_mtime_ns
    content = lost.read_bytes()
    lost.unlink()
    told = []
    sprites.render(tmp_path, classes=["up"], clips=3, progress=lambda *report: told.append(report))
    assert kept.stat().st_mtime_ns == before
    assert lost.read_bytes() == content
    assert told[0][:2] == (2, 3)
    assert told[-1][:2] == (3, 3)


def test_another_seed_replaces_all(tmp_path):
    sprites.render(tmp_path, classes=["up"], clips=1)
    first = (tmp_path / "up" / "000.mp4").read_bytes()
    sprites.render(tmp_path, classes=["up"], clips=1, seed=1)
    assert (tmp_path / "up" / "000.mp4").read_bytes() != first


def test_what_says_how_they_were_rendered_may_be_damaged(tmp_path):
    sprites.render(tmp_path, classes=["up"], clips=1)
    before = (tmp_path / "sprites.yaml").read_bytes()
    for content in (b"", b"\xff\0", before[:-3]):
        (tmp_path / "sprites.yaml").write_bytes(content)
        sprites.render(tmp_path, classes=["up"], clips=1)
        assert (tmp_path / "sprites.yaml").read_bytes() == before


def test_one_worker_is_this_process(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a process was started")

    threads = cv2.getNumThreads()
    with monkeypatch.context() as patch:
        patch.setattr(multiprocessing.get_context("spawn"), "Process", refuse)
        sprites.render(tmp_path / "one", classes=["up"], clips=2)
    assert cv2.getNumThreads() == threads
    sprites.render(tmp_path / "two", classes=["up"], clips=2, workers=2)
    for name in ("000.mp4", "001.mp4"):
        assert (tmp_path / "one" / "up" / name).read_bytes() == (tmp_path / "two" / "up" / name).read_bytes()


def test_an_interruption_does_not_wait_for_the_rest(tmp_path):
    def interrupt(done, total, note):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sprites.render(tmp_path, workers=2, progress=interrupt)
    assert 20 <= len(list(tmp_path.glob("*/[0-9]*.mp4"))) < 200
    assert not multiprocessing.active_children()


class DeadlyPath(type(Path())):
    """A folder that ends any process that it is handed to."""

    def __reduce__(self):
        return os._exit, (3,)


def test_a_killed_worker_is_an_error_that_names_the_folder(tmp_path):
    with pytest.raises(OutputError, match="was killed") as caught:
        sprites.render(DeadlyPath(tmp_path / "here"), classes=["up"], clips=2, workers=2)
    assert str(tmp_path / "here") in caught.value.message


@pytest.mark.parametrize(
    ("name", "moving"),
    [("drop", 1), ("orbit_clockwise", 1), ("cross", 2), ("split", 2), ("turn_clockwise", 1), ("push", 2), ("grow", 1)],
)
def test_boxes_are_around_what_changes_when_the_moving_objects_are_left_out(monkeypatch, name, moving):
    for number in range(3):
        boxes, frames = sprites.moving_boxes(name, number, seed=5), sprites.render_clip(name, number, seed=5)
        assert boxes.shape == (16, moving, 4)

        def without(draws, original=MOTIONS[name]):
            scene = original(draws)
            idle = [all(scene(t / 15)[which] == one for t in range(16)) for which, one in enumerate(scene(0))]
            return lambda t: [
                one if rests else replace(one, alpha=0) for one, rests in zip(scene(t), idle, strict=True)
            ]

        with monkeypatch.context() as patch:
            patch.setitem(sprites.MOTIONS, name, without)
            empty = sprites.render_clip(name, number, seed=5)
        for index in range(16):
            changed = (np.abs(frames[index].astype(int) - empty[index]) > 20).any(axis=2)
            rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
            seen = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
            own = boxes[index]
            whole = np.array([*own[:, :2].min(axis=0), *own[:, 2:].max(axis=0)]).clip(0, 64)
            np.testing.assert_allclose(seen, whole, atol=2.5)  # edges are smooth, twice


def test_an_invisible_object_has_no_box_and_one_that_stands_still_has():
    boxes = sprites.moving_boxes("appear", 0)
    shown = ~np.isnan(boxes).any(axis=(1, 2))
    assert not shown[0] and shown[-1] and np.all(np.diff(shown.astype(int)) >= 0)
    still = sprites.moving_boxes("still", 0)
    assert still.shape == (16, 1, 4) and np.ptp(still, axis=0).max() < 4.1  # the camera drifts
    assert not np.array_equal(boxes, sprites.moving_boxes("appear", 0, seed=1), equal_nan=True)
