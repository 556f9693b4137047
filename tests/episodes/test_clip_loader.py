from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from strmctl.draws import Draws
from strmctl.episodes.clip_loader import ClipLoader, rate_note
from strmctl.errors import DataError
from strmctl.frames.store.settings import DEFAULTS
from strmctl.videos import pixels
from strmctl.videos.decode import decode
from strmctl.videos.extract import extract
from strmctl.videos.frame_positions import even_positions
from strmctl.videos.read_video import read_video
from tests.videos_for_tests import write_video


class MemoryStore:
    """A store whose frame f of a clip is grey level 10·f on the left half and black on the right."""

    prepare_command = "strmctl prepare memory"

    name, folder, settings, keeps_all = "memory", Path("data/memory"), {}, True

    def __init__(self, count=20, height=32, width=48, fps=12.0):
        self.by_id = {"clip": SimpleNamespace(clip="clip", frames=count, fps=fps, status="ok")}
        self.rows = list(self.by_id.values())
        self.shape = height, width
        self.asked = []

    def read(self, clip, positions):
        self.asked.append(list(positions))
        frames = []
        for position in positions:
            frame = np.zeros((*self.shape, 3), np.uint8)
            frame[:, : self.shape[1] // 2] = 10 * position
            frames.append(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes())
        return frames


def loader(store, **changes):
    return ClipLoader(store, **({"frames": 8, "size": 32, "crop": 24, "flip": False} | changes))


def test_test_clips_are_centre_crops():
    clip = loader(MemoryStore()).load("clip")
    assert clip.shape == (8, 3, 24, 24)
    assert clip.dtype == torch.uint8
    for frame, position in zip(clip, even_positions(20, 8), strict=True):
        assert abs(int(frame[0, 12, 2]) - 10 * position) <= 2
        assert frame[0, 12, 20] <= 2  # the edge lies in the middle
        assert abs(int(frame[0, 12, 10]) - 10 * position) <= 4


def test_frames_are_resized_by_the_shorter_side():
    clip = loader(MemoryStore(height=64, width=96), size=32, crop=32).load("clip")
    assert clip.shape == (8, 3, 32, 32)
    assert abs(int(clip[7, 0, 16, 4]) - 10 * 18) <= 2
    assert clip[7, 0, 16, 28] <= 2  # crops from 8 to 40 of 48 columns: the edge at 24 lies at 16


def test_one_crop_and_one_flip_for_all_frames_of_a_clip():
    store = MemoryStore(count=9, width=40)
    flipped = lefts = 0
    for number in range(60):
        clip = loader(store, flip=True).load("clip", Draws("clip", number)).float()
        bright = clip[-1, 0, 0] > 20
        edges = [(frame[0, 0] > 0.5 * frame[0, 0].max()).tolist() for frame in clip[3:]]
        assert all(edge == edges[0] for edge in edges)
        flipped += bool(bright[-1])
        lefts += bool(bright[0])
    assert 15 < flipped < 45
    assert flipped + lefts == 60


def test_without_flip_left_stays_left():
    store = MemoryStore(count=9, width=40)
    for number in range(30):
        assert loader(store).load("clip", Draws(number))[-1, 0, 0, 0] > 20


def test_a_clip_is_a_function_of_its_draws():
    store = MemoryStore()
    first, again, other = (loader(store, flip=True).load("clip", Draws(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_control_orders():
    store = MemoryStore()
    natural = even_positions(20, 8)
    loader(store, order="repeated").load("clip")
    loader(store, order="shuffled").load("clip")
    loader(store, order="shuffled").load("clip")
    repeated, shuffled, again = store.asked
    assert repeated == [natural[4]] * 8
    assert shuffled != natural
    assert sorted(shuffled) == natural
    assert again == shuffled


def test_frames_at_a_rate_are_the_middle_in_a_test_and_anywhere_in_training():
    store = MemoryStore(count=25)
    loader(store, rate=4).load("clip")
    loader(store, rate=4, order="repeated").load("clip")
    for number in range(60):
        loader(store, rate=4).load("clip", Draws(number))
    middle, repeated, *drawn = store.asked
    assert middle == list(range(1, 23, 3)) and repeated == [middle[4]] * 8
    assert {tuple(position - one[0] for position in one) for one in drawn} == {tuple(range(0, 22, 3))}
    assert {one[0] for one in drawn} == set(range(4))


def test_frames_at_a_rate_need_a_store_of_whole_videos_whose_rates_are_known():
    unknown, some, elsewhere = MemoryStore(fps=0.0), MemoryStore(), MemoryStore()
    some.settings, some.keeps_all = {"frames": 8}, False
    elsewhere.settings, elsewhere.keeps_all = {"frames_from": "/frames"}, False
    for store, message, hint in (
        (unknown, "and 1 of 1 in memory do not: clip", "run `strmctl prepare memory`"),
        (some, "the frame store memory keeps 8 of each", "memory --redo` keeps all"),
        (elsewhere, "the frame store memory has frames that were extracted before", "prepare the videos"),
    ):
        with pytest.raises(DataError, match=message) as caught:
            loader(store, rate=4)
        assert hint in caught.value.hint and "`--set input.rate=null`" in caught.value.hint
        loader(store)
    unknown.rows[0].status, unknown.rows[0].frames = "short", 5  # never sampled; `viz` draws it
    assert loader(unknown, rate=4).positions("clip") == even_positions(5, 8)


def test_many_clips_keep_their_order():
    store = MemoryStore()
    with ThreadPoolExecutor(3) as pool:
        many = loader(store).load_many(["clip"] * 5, pool, [Draws(i) for i in range(5)])
    for number in range(5):
        assert torch.equal(many[number], loader(store).load("clip", Draws(number)))


def test_a_truncated_frame_names_the_clip_and_the_command():
    store = MemoryStore()
    store.read = lambda clip, positions: [b"\xff\xd8\xff\xe0 no picture"] * len(positions)
    with pytest.raises(DataError, match="clip clip") as caught:
        loader(store).load("clip")
    assert "strmctl prepare memory" in caught.value.hint


def picture() -> bytes:
    """A JPEG whose channels differ: red grows rightwards, green downwards, blue is 40."""
    frame = np.full((48, 64, 3), 40, np.uint8)
    frame[..., 2], frame[..., 1] = np.linspace(0, 255, 64), np.linspace(0, 255, 48)[:, None]
    return cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def test_opencv_decodes_as_torchvision_does(monkeypatch):
    with_torchvision = pixels.decode_frames([picture()] * 2)
    monkeypatch.delattr("torchvision.io.decode_jpeg")  # as once torchvision has dropped it
    with_opencv = pixels.decode_frames([picture()] * 2)
    assert with_opencv.shape == (2, 3, 48, 64) and with_opencv.dtype == torch.uint8
    assert (with_opencv.int() - with_torchvision.int()).abs().max() <= 4
    red, green, blue = with_opencv[0].float().mean(dim=(1, 2))
    assert abs(red - 127) < 3 and abs(green - 127) < 3 and abs(blue - 40) < 3
    assert with_opencv[0, 0, 24, 60] > 200
    assert with_opencv[0, 0, 24, 3] < 60
    for damaged in (b"\xff\xd8\xff\xe0 no picture", b""):
        with pytest.raises(DataError, match="cannot be decoded"):
            store = MemoryStore()
            store.read = lambda clip, positions, image=damaged: [image] * len(positions)
            loader(store).load("clip")


@pytest.mark.parametrize(("count", "frames"), [(40, 8), (9, 8), (3, 8), (2, 8), (50, 16)])
def test_a_video_is_read_as_if_all_of_it_had_been_stored(tmp_path, monkeypatch, count, frames):
    path, every, written = write_video(tmp_path / "a.avi", frames=count, codec="MJPG"), [], []
    extract(path, size=32, quality=DEFAULTS["quality"], frames=None, keep=every.append)
    imencode = cv2.imencode
    monkeypatch.setattr(cv2, "imencode", lambda *args: written.append(1) or imencode(*args))
    clip = read_video(path, frames=frames, size=32, crop=24)
    expected = pixels.decode_frames([every[position] for position in even_positions(count, frames)])
    assert torch.equal(clip.pixels, pixels.centre_crop(expected, 24))
    assert (clip.positions, clip.count, clip.fps) == (even_positions(count, frames), count, 12.0)
    assert len(written) <= frames  # and no frame more is kept in memory


def test_a_video_of_a_single_frame_is_an_error(tmp_path):
    path = write_video(tmp_path / "a.avi", frames=1, codec="MJPG")
    with pytest.raises(DataError, match="single frame"):
        read_video(path, frames=8, size=32, crop=24)


def test_clips_that_do_not_fit_the_rate_are_named():
    store = MemoryStore()
    shapes = ((40, 10.0), (5, 10.0), (40, 3.0))  # frames, frames per second
    rows = {f"{n}/{fps}": SimpleNamespace(clip=f"{n}/{fps}", frames=n, fps=fps) for n, fps in shapes}
    store.by_id = store.by_id | rows
    taken = loader(store, rate=4)
    assert taken.ill_fitting(rows) == ["5/10.0", "40/3.0"]  # too short; a frame would be taken twice
    note = rate_note(taken, list(rows))
    assert (
        note.startswith("note: 2 of 3 clips do not fit `input.rate`: where 8 frames at 4 a second") and "5/10.0" in note
    )
    assert rate_note(taken, ["40/10.0"]) == "" == rate_note(loader(store), list(rows))


@pytest.mark.parametrize("rate", [2, 3, 5.5, 12, 30])
@pytest.mark.parametrize(("count", "frames"), [(60, 8), (19, 8), (5, 8), (2, 8)])
def test_a_video_is_read_at_a_rate_as_if_all_of_it_had_been_stored(tmp_path, count, frames, rate):
    path, every = write_video(tmp_path / "a.avi", frames=count, codec="MJPG"), []
    extract(path, size=32, quality=DEFAULTS["quality"], frames=None, keep=every.append)
    store = MemoryStore(count)
    store.read = lambda clip, positions: [every[position] for position in positions]
    stored = loader(store, frames=frames, rate=rate)
    clip = read_video(path, frames=frames, size=32, crop=24, rate=rate)
    assert clip.positions == stored.positions("clip") and torch.equal(clip.pixels, stored.load("clip"))
    span = read_video(path, frames=frames, size=32, crop=24, rate=rate, start=0)
    assert span.positions == clip.positions and torch.equal(span.pixels, clip.pixels)


@pytest.mark.parametrize("start", [None, 0.5])
def test_a_video_that_does_not_say_its_rate_cannot_be_read_at_one(tmp_path, monkeypatch, start):
    path = write_video(tmp_path / "a.avi", codec="MJPG")
    for module in ("extract", "read_video"):
        target = f"strmctl.videos.{module}.decode"
        monkeypatch.setattr(target, lambda path: replace(decode(path), fps=0.0))
    with pytest.raises(DataError, match=r"a\.avi cannot be read: it does not say how many frames per second"):
        read_video(path, frames=8, size=32, crop=24, rate=4, start=start)
    assert read_video(path, frames=8, size=32, crop=24, start=start).count > 2
