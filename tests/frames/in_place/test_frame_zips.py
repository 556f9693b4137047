import tracemalloc
import zipfile

import pytest

from strmctl.datasets.names import BAD_NAME
from strmctl.errors import DataError
from strmctl.frames.in_place import frame_zips
from strmctl.frames.in_place.extracted import ExtractedFrames, opened
from strmctl.frames.in_place.frame_zips import LEADS_OUT, LINK
from strmctl.frames.in_place.image_names import NO_CLIP_FOLDER
from tests.frames.in_place.frames_for_tests import CLIP, frames_of, image, three_clips, write_zip


def test_the_directory_of_a_zip_is_read_once(tmp_path, monkeypatch):
    files = three_clips()
    frames = frames_of("zip", tmp_path, files)
    read = []
    original = frame_zips.next_member
    monkeypatch.setattr(frame_zips, "next_member", lambda file: read.append(1) or original(file))
    for position in range(12):
        frames.read(CLIP, [position])
    assert len(read) == 12  # the records of the clip, once; the zip has twenty-eight
    assert len({opened(frames.path).digest(CLIP) for _ in range(3)}) == 1 and len(read) == 12 + len(files) + 12


def test_an_index_takes_little_memory(tmp_path):
    files = {f"c/v_{number // 50}/{number % 50:05d}.jpg": b"" for number in range(5000)}
    path = write_zip(tmp_path / "all.zip", files)
    tracemalloc.start()
    frames = ExtractedFrames(path)
    taken, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(frames.clips()) == 100
    assert taken < 50 * 5000 and peak < taken + (1 << 20)  # bytes; zipfile takes over 600 a member


def test_a_zip_damaged_later_fails_when_it_is_read(tmp_path):
    frames = frames_of("zip", tmp_path, three_clips())
    assert opened(frames.path) is opened(frames.path)
    frames.path.write_bytes(b"")
    with pytest.raises(DataError, match="damaged"):
        frames.read(CLIP, [0])


def test_of_two_members_of_one_name_the_last_counts(tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        for seed in (1, 2):
            archive.writestr("c/v/1.jpg", image(seed))
    assert ExtractedFrames(tmp_path / "all.zip").read("c/v", [0]) == [image(2)]


def test_members_that_lead_out_are_never_touched(tmp_path):
    outside = ["../c/v/1.jpg", "c/../../v/1.jpg", "/c/v/1.jpg", "c/v\\1.jpg", "C:/v/1.jpg", "..\\c\\v\\1.jpg"]
    link = zipfile.ZipInfo("c/v/7.jpg")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    files = {"./c/v/1.jpg": image(1), "2.jpg": b"", "c/v\n/3.jpg": b"", link: b"/etc/passwd"}
    frames = ExtractedFrames(write_zip(tmp_path / "all.zip", files | dict.fromkeys(outside, b"")))
    assert frames.clips() == ["c/v"] and frames.images("c/v") == ["1.jpg"]
    assert frames.ignored == sorted(
        [
            *((name, LEADS_OUT) for name in outside),
            ("2.jpg", NO_CLIP_FOLDER),
            ("c/v?/3.jpg", BAD_NAME),
            ("c/v/7.jpg", LINK),
        ]
    )
    for clip in ("..", "../c/v", "/c/v", "c/../../v"):
        with pytest.raises(DataError):
            frames.read(clip, [0])


def test_names_in_a_zip_that_are_not_valid_unicode(tmp_path):
    path = write_zip(
        tmp_path / "all.zip", {"c/\u00fcv/1.jpg": image(1), "c/w/\u00fc.jpg": image(2), "c/w/1.jpg": image(3)}
    )
    content = path.read_bytes().replace("w/\u00fc.jpg".encode(), b"w/\xfc\xff.jpg")
    path.write_bytes(content)
    frames = ExtractedFrames(path)
    assert frames.clips() == ["c/w", "c/\u00fcv"] and frames.images("c/w") == ["1.jpg"]
    assert frames.ignored == [("c/w/\ufffd\ufffd.jpg", BAD_NAME)]
