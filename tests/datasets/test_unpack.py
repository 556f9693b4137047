import io
import os
import shutil
import tarfile
import zipfile

import pytest

from strmctl.datasets.unpack import unpack
from strmctl.errors import DataError, OutputError

pytestmark = pytest.mark.skipif(shutil.which("bsdtar") is None, reason="bsdtar is not installed")


def zip_of(members):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return archive.getvalue()


def tar_of(members, mode="w"):
    """A tar; a content may be bytes, or (type of the member, where it links to)."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode=mode, encoding="utf-8", errors="surrogateescape") as file:
        for name, content in members if isinstance(members, list) else members.items():
            entry = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                entry.size = len(content)
                file.addfile(entry, io.BytesIO(content))
            else:
                entry.type, entry.linkname = content
                file.addfile(entry)
    return archive.getvalue()


def tgz_of(members):
    return tar_of(members, "w:gz")


def files(folder):
    """Path below the folder -> content; bytes as paths, so that every name is shown."""
    root = os.fsencode(folder)
    found = {}
    for parent, _, names in os.walk(root):
        for name in names:
            path = os.path.join(parent, name)  # noqa: PTH118 - a Path takes no bytes
            with open(path, "rb") as file:  # noqa: PTH123
                found[os.path.relpath(path, root)] = file.read()
    return found


@pytest.fixture
def place(tmp_path):
    """A folder of its own to unpack in, so that whatever is written beside it shows."""
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


def unpacked(place, content, name="archive.zip"):
    archive = place.parent / name
    archive.write_bytes(content)
    skipped = unpack(archive, place / "videos")
    assert [path.name for path in place.iterdir()] == ["videos"]
    return files(place / "videos"), skipped


@pytest.mark.parametrize("pack", [zip_of, tar_of, tgz_of])
def test_files_come_out_as_they_went_in(place, pack):
    members = {"UCF-101/a/x.avi": b"x" * 100_000, "UCF-101/a/y.avi": b"", "UCF-101/b/z.avi": b"z"}
    found, skipped = unpacked(place, pack(members))
    assert found == {name.encode(): content for name, content in members.items()}
    assert skipped == []


@pytest.mark.parametrize("outer", [zip_of, tar_of])
@pytest.mark.parametrize(("inner", "suffix"), [(zip_of, "zip"), (tar_of, "tar"), (tgz_of, "tar.gz"), (tgz_of, "TGZ")])
def test_an_archive_per_class_becomes_a_folder_per_class(place, outer, inner, suffix):
    content = outer(
        {
            f"brush_hair.{suffix}": inner({"brush_hair/a.avi": b"a", "brush_hair/b.avi": b"b"}),
            f"wave.{suffix}": inner({"c.avi": b"c"}),
            f"sub/sit.{suffix}": inner({"other/d.avi": b"d"}),
        }
    )
    found, skipped = unpacked(place, content)
    assert found == {
        b"brush_hair/a.avi": b"a",
        b"brush_hair/b.avi": b"b",
        b"wave/c.avi": b"c",
        b"sub/sit/other/d.avi": b"d",
    }
    assert skipped == []


def test_an_inner_archive_joins_a_folder_of_its_name_and_replaces_nothing(place):
    inner = zip_of({"wave/a.avi": b"inner", "wave/b.avi": b"b", "README": b"r"})
    found, skipped = unpacked(place, zip_of({"wave/a.avi": b"outer", "wave.zip": inner}))
    assert found == {b"wave/a.avi": b"outer", b"wave/b.avi": b"b", b"wave/README": b"r"}
    assert [name for name, _ in skipped] == ["a.avi"]


def test_archives_in_archives_end(place):
    content = b"clip"
    for _ in range(9):
        content = zip_of({"a.zip": content})
    found, skipped = unpacked(place, content)
    assert len(found) == 1
    assert len(skipped) == 1
    assert "too many" in skipped[0].reason


@pytest.mark.parametrize("name", ["...zip", ".zip", "..tar"])
def test_an_inner_archive_without_a_usable_name_stays_as_it_is(place, name):
    inner = zip_of({"evil.avi": b"e"})
    assert unpacked(place, zip_of({name: inner})) == ({name.encode(): inner}, [])


@pytest.mark.parametrize("pack", [zip_of, tar_of])
@pytest.mark.parametrize("name", ["../evil.avi", "a/../../evil.avi", "a/..", "{outside}/evil.avi"])
def test_no_member_is_written_outside(place, pack, name):
    name = name.format(outside=place.parent / "outside")
    found, skipped = unpacked(place, pack({"good.avi": b"g", name: b"evil", "last.avi": b"l"}))
    assert found == {b"good.avi": b"g", b"last.avi": b"l"}
    assert [entry.name for entry in skipped] == [name]
    assert sorted(path.name for path in place.parent.iterdir()) == ["archive.zip", "place"]


def test_an_inner_archive_writes_nothing_outside_either(place):
    found, skipped = unpacked(place, zip_of({"wave.tar": tar_of({"../evil.avi": b"e", "a.avi": b"a"})}))
    assert found == {b"wave/a.avi": b"a"}
    assert [entry.name for entry in skipped] == ["wave.tar: ../evil.avi"]


def test_nothing_is_written_through_a_link(place):
    outside = place.parent / "outside"
    outside.mkdir()
    (outside / "victim").write_bytes(b"mine")
    content = tar_of(
        [
            ("link", (tarfile.SYMTYPE, str(outside))),
            ("link/through.avi", b"t"),
            ("file", (tarfile.SYMTYPE, str(outside / "victim"))),
            ("file", b"overwritten"),
            ("hard", (tarfile.LNKTYPE, str(outside / "victim"))),
            ("hard", b"overwritten"),
            ("relative", (tarfile.LNKTYPE, "../../outside/victim")),
            ("pipe", (tarfile.FIFOTYPE, "")),
            ("device", (tarfile.CHRTYPE, "")),
        ]
    )
    found, skipped = unpacked(place, content, "archive.tar")
    assert found == {b"link/through.avi": b"t", b"file": b"overwritten", b"hard": b"overwritten"}
    assert files(outside) == {b"victim": b"mine"}
    assert [entry.name for entry in skipped] == ["link", "file", "hard", "relative", "pipe", "device"]
    assert not any(path.is_symlink() for path in place.rglob("*"))
    assert all(path.stat().st_nlink == 1 for path in place.rglob("*") if path.is_file())


def test_odd_names_are_kept(place):
    names = ["new\nline.avi", "ünïcode.avi", "-rf", "@x", "caf\udce9.avi", "back\\slash.avi", "a" * 200 + "/b.avi", " "]
    found, skipped = unpacked(place, tar_of({name: name.encode(errors="replace") for name in names}), "archive.tar")
    assert found == {os.fsencode(name): name.encode(errors="replace") for name in names}
    assert skipped == []


def test_a_name_that_is_too_long_or_taken_is_skipped_and_printable(place):
    members = [("a\nb" + "x" * 300, b"1"), ("same", b"first"), ("same", b"second"), ("same/below", b"3"), ("z", b"z")]
    found, skipped = unpacked(place, tar_of(members), "archive.tar")
    assert found == {b"same": b"first", b"z": b"z"}
    assert len(skipped) == 3
    assert skipped[0].name.startswith("a\\nbxxx")


def test_an_executable_is_unpacked_as_a_plain_file(place):
    entry = tarfile.TarInfo("run.sh")
    entry.size, entry.mode = 1, 0o4777
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as file:
        file.addfile(entry, io.BytesIO(b"x"))
    unpacked(place, content.getvalue(), "archive.tar")
    assert (place / "videos" / "run.sh").stat().st_mode & 0o7111 == 0


def damaged(content):
    return content[:20_000] + b"\0" * 10 + content[20_010:]


def encrypted(content):
    content = bytearray(content)
    for mark, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(mark) + flags] |= 1
    return bytes(content)


CLIP = bytes(range(1, 256)) * 300


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (damaged(zip_of({"a.avi": CLIP})), "CRC"),
        (tgz_of({"a.avi": CLIP})[:-300], "truncated"),
        (tar_of({"a.avi": CLIP})[:9_000], "[Tt]runcated"),
        (encrypted(zip_of({"a.avi": CLIP})), "passphrase"),
        (b"<html>not found</html>" * 100, "Unrecognized"),
        (b"", "empty"),
        (zip_of({"good/a.avi": CLIP, "bad.zip": damaged(zip_of({"a.avi": CLIP}))}), "bad.zip.*CRC"),
    ],
    ids=["damaged", "cut off", "cut off too", "encrypted", "web page", "empty", "damaged inside"],
)
def test_what_cannot_be_unpacked_leaves_nothing(place, content, reason):
    archive = place.parent / "archive.bin"
    archive.write_bytes(content)
    with pytest.raises(DataError, match=reason) as caught:
        unpack(archive, place / "videos")
    assert str(archive) in caught.value.message
    assert "--videos" in caught.value.hint
    assert [path for path in place.iterdir() if "lock" not in path.name] == []


def test_what_a_killed_run_left_is_thrown_away(place):
    left = place / ".videos.unpacking" / "UCF-101"
    left.mkdir(parents=True)
    (left / "half.avi").write_bytes(b"ha")
    (place / "videos").mkdir()  # empty
    assert unpacked(place, zip_of({"a.avi": b"a"})) == ({b"a.avi": b"a"}, [])


def test_an_interruption_leaves_no_half_data_set(place):
    archive = place.parent / "archive.tar"
    archive.write_bytes(tar_of({"a.avi": b"a", "b.avi": b"b"}))

    def interrupt(done, total, note):
        if total:  # the first member is written
            assert files(place / ".videos.unpacking")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack(archive, place / "videos", progress=interrupt)
    assert not (place / "videos").exists()
    assert not (place / ".videos.unpacking").exists()


def test_a_folder_that_holds_something_is_not_touched(place):
    (place / "videos").mkdir()
    (place / "videos" / "mine.avi").write_bytes(b"m")
    archive = place.parent / "archive.zip"
    archive.write_bytes(zip_of({"mine.avi": b"other"}))
    with pytest.raises(DataError, match="not empty"):
        unpack(archive, place / "videos")
    assert files(place / "videos") == {b"mine.avi": b"m"}


def test_too_little_room_is_said_before_anything_is_written(place, monkeypatch):
    free = shutil.disk_usage(place)._replace(free=len(CLIP) - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: free)
    archive = place.parent / "archive.zip"
    archive.write_bytes(zip_of({"a.avi": CLIP}))
    with pytest.raises(OutputError, match="unpacks to"):
        unpack(archive, place / "videos")
    assert not (place / "videos").exists()


def test_progress_ends_at_all_bytes(place):
    archive = place.parent / "archive.zip"
    archive.write_bytes(zip_of({"a.avi": CLIP, "b.avi": b"b"}))
    told = []
    unpack(archive, place / "videos", progress=lambda *report: told.append(report))
    assert told[-1] == (len(CLIP) + 1, len(CLIP) + 1, "archive.zip")


def test_without_bsdtar_the_package_is_named(place, monkeypatch):
    archive = place.parent / "archive.zip"
    archive.write_bytes(zip_of({"a.avi": b"a"}))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DataError, match="bsdtar is not installed") as caught:
        unpack(archive, place / "videos")
    assert "apt install libarchive-tools" in caught.value.hint
    assert list(place.iterdir()) == []
