import io
import struct
import tracemalloc
import zipfile

import pytest

from strmctl.errors import DataError
from strmctl.frames.in_place.extracted import ExtractedFrames
from tests.frames.in_place.frames_for_tests import image, three_clips, write_zip


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content[:-1], "not a zip file"),
        (lambda content: content[: len(content) // 2], "not a zip file"),
        (lambda content: b"", "not a zip file"),
        (lambda content: b"Rar!" * 999, "not a zip file"),
        (lambda content: content[:300] + content[400:], "directory is not where it should be"),
        (lambda content: content.replace(b"PK\1\2", b"PK\1\3", 1), r"the directory of .* is damaged"),
        (lambda content: content[:-10] + b"\xff\xff\xff\x7f" + content[-6:], "directory is not where it should be"),
    ],
)
def test_a_damaged_zip_is_a_data_error_with_a_hint(tmp_path, damage, message):
    files = three_clips()
    path = write_zip(tmp_path / "all.zip", files)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=message) as caught:
        ExtractedFrames(path)
    assert "again" in caught.value.hint


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_damaged_image_in_a_zip_is_noticed(tmp_path, method):
    files = {f"c/v/{number}.jpg": image(number) for number in range(3)}
    path = write_zip(tmp_path / "all.zip", files, method)
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        entry = archive.getinfo("c/v/1.jpg")
    content[entry.header_offset + 30 + len("c/v/1.jpg") + entry.compress_size // 2] ^= 1
    path.write_bytes(content)
    frames = ExtractedFrames(path)
    assert frames.read("c/v", [0, 2]) == [files["c/v/0.jpg"], files["c/v/2.jpg"]]
    with pytest.raises(DataError, match=r"clip c/v in .*: 1\.jpg is damaged"):
        frames.read("c/v", [1])
    with pytest.raises(DataError, match=r"^1\.jpg is damaged"):
        frames.describe("c/v")


def test_a_part_of_a_zip_in_several_parts(tmp_path):
    content = bytearray(write_zip(tmp_path / "all.zip", {"c/v/1.jpg": image(1)}).read_bytes())
    content[content.index(b"PK\5\6") + 4] = 1  # the number of this part, counted from 0
    (tmp_path / "all.zip").write_bytes(content)
    with pytest.raises(DataError, match="one part of a zip file in several parts") as caught:
        ExtractedFrames(tmp_path / "all.zip")
    assert "join" in caught.value.hint


@pytest.mark.parametrize(
    ("content", "method", "declared", "message"),
    [
        (bytes(20_000_000), zipfile.ZIP_DEFLATED, 1000, "is damaged"),
        (bytes(20_000_000), zipfile.ZIP_DEFLATED, 4_000_000_000, "has more than 256 MB"),
        (image(1), zipfile.ZIP_STORED, 200_000_000, "is not where"),
    ],
    ids=["grows", "too large", "smaller"],
)
def test_a_member_of_another_size_than_it_says_takes_no_memory(tmp_path, content, method, declared, message):
    path = write_zip(tmp_path / "all.zip", {"c/v/1.jpg": content}, method)
    size = struct.pack("<L", len(content))
    path.write_bytes(path.read_bytes().replace(size, struct.pack("<L", declared)))
    frames = ExtractedFrames(path)
    tracemalloc.start()
    with pytest.raises(DataError, match=rf"1\.jpg {message}"):
        frames.describe("c/v")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3_000_000


def test_encrypted_members_and_unknown_methods(tmp_path):
    path = write_zip(tmp_path / "lzma.zip", {"c/v/1.jpg": image(0)}, zipfile.ZIP_LZMA)
    with pytest.raises(DataError, match="packed by method 14") as caught:
        ExtractedFrames(path).read("c/v", [0])
    assert "unpack" in caught.value.hint
    content = bytearray(write_zip(tmp_path / "all.zip", {"c/v/1.jpg": image(0)}).read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "all.zip").write_bytes(content)
    with pytest.raises(DataError, match=r"1\.jpg is encrypted"):
        ExtractedFrames(tmp_path / "all.zip").describe("c/v")


def test_large_zips_comments_and_bytes_before_the_zip(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        for limit, value in (("ZIP64_LIMIT", 50), ("ZIP_FILECOUNT_LIMIT", 2)):
            patch.setattr(zipfile, limit, value)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for number in range(5):
                archive.writestr(zipfile.ZipInfo(f"c/v/{number}.jpg"), image(number))
            archive.comment = b"PK, and so on " * 9
    assert b"PK\6\6" in buffer.getvalue()
    (tmp_path / "all.zip").write_bytes(b"#!/bin/sh\n" * 7 + buffer.getvalue())
    frames = ExtractedFrames(tmp_path / "all.zip")
    assert frames.read("c/v", range(5)) == [image(number) for number in range(5)]


def test_an_offset_in_the_extra_field(tmp_path):
    path = write_zip(tmp_path / "all.zip", {"c/v/1.jpg": image(1)})
    content = bytearray(path.read_bytes())
    record, end = content.index(b"PK\1\2"), content.index(b"PK\5\6")
    content[record + 30 : record + 32] = struct.pack("<H", 20)  # bytes of the extra field
    content[record + 42 : record + 46] = b"\xff" * 4  # the offset stands there
    content[end + 12 : end + 16] = struct.pack("<L", end - record + 20)

    def at(offset):
        other = struct.pack("<HHL", 9, 4, 0)  # a value of another kind comes first
        path.write_bytes(content[:end] + other + struct.pack("<HHQ", 1, 8, offset) + content[end:])
        return ExtractedFrames(path)

    assert at(0).read("c/v", [0]) == [image(1)]
    with pytest.raises(DataError, match=r"1\.jpg is not where"):
        at((1 << 64) - 1).read("c/v", [0])  # no file is that long
