"""Checks of clips whose frames are gone, damaged, or not those of the manifest."""

from dataclasses import replace

import pytest

from strmctl.frames.check import clips as check_clips
from strmctl.frames.check.check import check
from strmctl.frames.in_place.image_headers import image_header
from strmctl.frames.prepare.prepare import prepare
from strmctl.frames.prepare.request import Request
from strmctl.frames.store.clip_zip import archive_path
from strmctl.frames.store.store import FrameStore
from strmctl.videos import pixels
from strmctl.videos.frame_positions import even_positions
from tests.frames.check.test_check import change, check_of, images_of, jpeg, kinds, write_clip
from tests.frames.in_place.frames_for_tests import huge, image, write_tree

LONG = 40  # frames, of which most are not decoded
OTHER = jpeg(7, size=(24, 32))


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("content", [None, b"text"])
def test_frames_that_are_gone(folder, quick, content):
    archive_path(folder, "walk/b").unlink()
    if content:
        archive_path(folder, "walk/b").write_bytes(content)
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


def put(folder, images):
    """Puts these in the place of a clip's frames; the manifest agrees."""
    change(folder, "walk/b", sha256=write_clip(folder, "walk/b", images), frames=len(images))


@pytest.mark.parametrize("frame", [0, 20, 22, 39])
@pytest.mark.parametrize("share", [0.1, 0.99])
def test_a_truncated_frame_whose_digest_fits(folder, frame, share):
    assert {20, 22} & {*even_positions(LONG, 8)} == {22}
    images = images_of(1, frames=LONG)
    images[frame] = images[frame][: int(len(images[frame]) * share)]
    put(folder, images)
    reason = "is neither a JPEG nor a PNG image" if share == 0.1 else "is cut off"
    (problem,) = check_of(folder).problems
    assert (problem.kind, problem.items) == ("unreadable", [f"walk/b: frame {frame + 1} of {LONG} {reason}"])
    assert "--redo" in problem.mend  # prepare keeps what fits its digest


def test_a_frame_that_begins_and_ends_well_and_cannot_be_decoded(folder):
    images = images_of(1)
    images[4] = images[4][: image_header(images[4]).start + 20] + b"\xff\xd9"
    put(folder, images)
    assert [p.items for p in check_of(folder).problems] == [["walk/b: frame 5 of 9 cannot be decoded"]]


def images_with(*, frames=9, **others):
    """Images of a clip, of which some are replaced: `_3=content` for that at position 3."""
    images = images_of(1, frames=frames)
    for position, content in others.items():
        images[int(position[1:])] = content
    return images


def test_all_frames_are_read_a_few_at_a_time_and_few_are_decoded(folder, monkeypatch):
    put(folder, images_of(1, frames=LONG))
    before = check_clips.check_clips(FrameStore.open(folder.parent, "mine"), workers=1, quick=False, progress=print)
    read, decoded, decode, store_read = [], [], pixels.decode_frames, FrameStore.read

    def reading(store, clip, positions):
        read.extend([[*positions]] if clip == "walk/b" else [])
        return store_read(store, clip, positions)

    monkeypatch.setattr(check_clips, "IMAGES_AT_A_TIME", 7)
    monkeypatch.setattr(FrameStore, "read", reading)
    monkeypatch.setattr(pixels, "decode_frames", lambda images: decoded.append(len(images)) or decode(images))
    store = FrameStore.open(folder.parent, "mine")
    assert check_clips.check_clips(store, workers=1, quick=False, progress=print) == before
    assert [position for positions in read for position in positions] == [*range(LONG)]
    assert max(map(len, read)) == 7
    expected = 5 * len({0, *even_positions(9, 8), 8}) + len({0, *even_positions(LONG, 8), LONG - 1})
    assert sum(decoded) == expected


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_truncated_frame_that_lies_elsewhere(tmp_path, suffix):
    files = {f"walk/a/{number:02d}{suffix}": image(number, suffix=suffix) for number in range(LONG)}
    frames = write_tree(tmp_path / "frames", files)
    prepare(Request(what="taken", data_dir=tmp_path / "data", frames_from=frames))
    folder = tmp_path / "data" / "taken"
    assert check_of(folder).problems == []
    path = frames / f"walk/a/20{suffix}"
    path.write_bytes(path.read_bytes()[:-12])
    change(folder, "walk/a", sha256=FrameStore.open(folder.parent, "taken").digest("walk/a"))
    (problem,) = check_of(folder).problems
    assert problem.items == [f"walk/a: frame 21 of {LONG} is cut off"]
    assert problem.mend.startswith(f"mend the images in {frames}, then run ")


@pytest.mark.parametrize(
    ("images", "frames", "reason"),
    [
        (images_with(_8=OTHER), 9, "walk/b: frame 9 of 9 has 24x32 pixels, the first has 32x24"),
        (images_with(frames=LONG, _20=OTHER), LONG, "walk/b: frame 21 of 40 has 24x32 pixels, the first has 32x24"),
        (images_with(frames=LONG, _20=b"text"), LONG, "walk/b: frame 21 of 40 is neither a JPEG nor a PNG image"),
        (images_with(_4=huge("jpg")), 9, "walk/b: frame 5 of 9 declares 40000x40000 pixels"),
        (images_of(1), 8, "walk/b: there are 9 frames, and the manifest says 8"),
        (images_of(1), 10, "walk/b: there are 9 frames, and the manifest says 10"),
        (images_with(_0=b""), 9, "walk/b: frame 1 of 9 is neither a JPEG nor a PNG image"),
    ],
    ids=["sizes", "size between", "text between", "huge", "more", "fewer", "empty"],
)
def test_frames_that_are_not_what_the_manifest_says(folder, images, frames, reason):
    change(folder, "walk/b", sha256=write_clip(folder, "walk/b", images), frames=frames)
    assert [(p.kind, p.items) for p in check_of(folder).problems] == [("unreadable", [reason])]


def test_frames_that_lie_elsewhere_are_mended_there(folder):
    settings = FrameStore.open(folder.parent, "mine").settings
    store = FrameStore(folder, {**settings, "frames_from": "/frames"}, FrameStore.open(folder.parent, "mine").rows, "")
    store.rows[0] = replace(store.rows[0], sha256="00")
    (problem,) = [problem for problem in check(store).problems if problem.kind == "damaged"]
    assert problem.mend.startswith("mend the images in /frames, then run `strmctl prepare")
