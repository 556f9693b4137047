import threading
import tracemalloc
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from strmctl.errors import DataError
from strmctl.frames.in_place import extracted
from strmctl.frames.in_place.extracted import ExtractedFrames
from strmctl.frames.in_place.image_names import NOT_AN_IMAGE, natural_order
from tests.frames.in_place.frames_for_tests import CLIP, frames_of, huge, image, three_clips, write_tree, write_zip


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_folder_and_a_zip_of_the_same_frames_are_twins(tmp_path, method):
    files = three_clips()
    tree = ExtractedFrames(write_tree(tmp_path / "tree", files))
    packed = ExtractedFrames(write_zip(tmp_path / "all.ZIP", files, method))
    assert tree.clips() == packed.clips() == [CLIP, "top/archery/v_2", "top/müsli essen/é 3"]
    assert tree.ignored == packed.ignored == [("top/archery/notes.txt", NOT_AN_IMAGE)]
    for clip in tree.clips():
        names = tree.images(clip)
        assert names == packed.images(clip)
        positions = [len(names) - 1, 0, 0, 1]
        assert tree.read(clip, positions) == [files[f"{clip}/{names[at]}"] for at in positions]
        assert tree.read(clip, positions) == packed.read(clip, positions)
        described = tree.describe(clip)
        assert described == packed.describe(clip)
        assert (described.frames, described.width, described.height, described.reason) == (len(names), 32, 24, "")
        assert tree.digest(clip) == packed.digest(clip) == described.sha256
    assert tree.images(CLIP) == [f"{number}.jpg" for number in range(1, 13)]


def test_natural_order():
    ordered = ["1.jpg", "02.jpg", "2.jpg", "9.jpg", "10.jpg", "frame_9_b2.png", "frame_9_b10.png", "frame_10.png"]
    backwards = ordered[::-1]
    assert sorted(backwards, key=natural_order) == ordered
    long, longer = "9" * 5000 + ".jpg", "1" + "0" * 5000 + ".jpg"  # more digits than Python turns into a number
    assert sorted([longer, long], key=natural_order) == [long, longer]


@pytest.mark.parametrize("kind", ["folder", "zip"])
@pytest.mark.parametrize("second", ["c/v/1.png", "c/v/1.JPG", "c/v/1.jpeg"])
def test_two_images_of_the_same_frame_are_an_error(tmp_path, kind, second):
    frames = frames_of(kind, tmp_path, {"c/v/1.jpg": image(0), second: image(1)})
    with pytest.raises(DataError, match=r"clip c/v in .* are the same frame"):
        frames.images("c/v")
    with pytest.raises(DataError, match="are the same frame"):
        frames.describe("c/v")


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_what_is_not_there_is_a_data_error(tmp_path, kind):
    files = three_clips()
    frames = frames_of(kind, tmp_path, files)
    for clip in ("top/archery/none", "top/archery", "", "../tree/top/archery/v_1", "/", "top//archery/v_1"):
        with pytest.raises(DataError):
            frames.images(clip)
    for position in (12, -1):
        with pytest.raises(DataError, match="of 12"):
            frames.read(CLIP, [0, position])
    with pytest.raises(DataError, match="no frames at"):
        ExtractedFrames(tmp_path / "nowhere")


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_any_change_changes_the_digest(tmp_path, kind):
    original = {f"c/v/{number}.jpg": image(number) for number in range(4)}
    changed = bytearray(original["c/v/2.jpg"])
    changed[-20] ^= 1
    names = list(original)
    variants = [
        original,
        original | {"c/v/2.jpg": bytes(changed)},
        {name.replace("3", "4"): content for name, content in original.items()},  # renamed, in the same order
        dict(zip(names, [original[name] for name in (names[1], names[0], *names[2:])], strict=True)),
        {name: original[name] for name in names[:3]},
        {"c/v/0.jpg": b"1.jpg".join(original[name] for name in names[:2])}
        | {name: original[name] for name in names[2:]},
        # a boundary that shifts: the bytes one after another stay the same
        original
        | {"c/v/0.jpg": original["c/v/0.jpg"] + original["c/v/1.jpg"][:1], "c/v/1.jpg": original[names[1]][1:]},
    ]
    digests = []
    for number, files in enumerate(variants):
        (tmp_path / str(number)).mkdir()
        digests.append(frames_of(kind, tmp_path / str(number), files).digest("c/v"))
    assert len(set(digests)) == len(variants)
    (tmp_path / "again").mkdir()
    assert frames_of(kind, tmp_path / "again", dict(reversed(original.items()))).digest("c/v") == digests[0]


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_threads_read_at_the_same_time(tmp_path, kind, monkeypatch):
    files = three_clips()
    monkeypatch.setattr(extracted, "LISTINGS", 1)  # so that clips push each other out
    frames = frames_of(kind, tmp_path, files)
    wanted = [(CLIP, number % 12) if number % 2 else ("top/archery/v_2", number % 9) for number in range(300)]
    start = threading.Barrier(8)  # so that the first reads, which build the index, meet

    def read(clip, position, first):
        if first:
            start.wait(10)
        return frames.read(clip, [position])[0]

    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(read, *zip(*wanted, strict=True), [True] * 8 + [False] * 292))
    listed = {clip: frames.images(clip) for clip, _ in wanted}
    assert got == [files[f"{clip}/{listed[clip][position]}"] for clip, position in wanted]


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_what_is_wrong_with_some_images(tmp_path, kind):
    good = {f"c/v/{number}.jpg": image(number) for number in range(5)}

    def reason(name, **changes):
        (tmp_path / name).mkdir()
        files = good | {f"c/v/{number[1:]}.jpg": content for number, content in changes.items()}
        described = frames_of(kind, tmp_path / name, files).describe("c/v")
        assert (described.frames, described.width, described.height) == (5, 32, 24)
        return described.reason

    assert reason("good", _3=image(3, suffix=".png")) == ""  # what it is decides, not what it is called
    assert reason("empty", _0=b"", _3=b"") == "2 of 5 images are empty"
    assert reason("text", _4=b"not an image") == "1 of 5 images are no images"
    assert reason("sizes", _2=image(2, (24, 32))) == "1 of 5 images are not 32x24: sizes differ"
    assert reason("cut", _1=image(1)[:-9]) == "1 of 5 images are cut off"
    assert reason("png", _1=image(1, suffix=".png")[:-9]) == "1 of 5 images are cut off"
    assert reason("both", _1=b"", _2=image(1)[:-9]) == "1 of 5 images are empty; 1 of 5 images are cut off"


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_clips_that_cannot_be_used(tmp_path, kind):
    files = {"c/empty/1.jpg": b"", "c/empty/2.jpg": b"", "c/text/1.jpg": b"no image", "c/text/2.jpg": image(2)}
    frames = frames_of(kind, tmp_path, files)
    with pytest.raises(DataError, match=r"^all images are empty$"):
        frames.describe("c/empty")
    with pytest.raises(DataError, match=r"^1\.jpg is neither a JPEG nor a PNG image$"):
        frames.digest("c/text")


@pytest.mark.parametrize("kind", ["jpg", "png"])
@pytest.mark.parametrize("number", [0, 2])
def test_a_header_that_declares_a_huge_image_takes_no_memory(tmp_path, kind, number):
    files = {f"c/v/{index}.{kind}": image(index, suffix=f".{kind}") for index in range(3)}
    frames = frames_of("folder", tmp_path, files | {f"c/v/{number}.{kind}": huge(kind)})
    tracemalloc.start()
    with pytest.raises(DataError, match=rf"{number}\.{kind} declares 40000x40000 pixels, more than 64 megapixels"):
        frames.describe("c/v")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000
