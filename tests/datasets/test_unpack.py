import io
import os
import shutil
import tarfile
import zipfile

import pytest

from strmctl.datasets.download import unpack
from strmctl.errors import DataError, OutputError


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
            entry.mode = 0o4755
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
    """Path below the folder -> content."""
    assert not any(path.is_symlink() for path in folder.rglob("*"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def place(tmp_path):
    """A folder of its own to unpack in, so that whatever is written beside it shows."""
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


def unpacked(place, content):
    archive = place.parent / "archive"
    archive.write_bytes(content)
    left_out = unpack(archive, place / "videos", classes=["a", "wave"])
    assert [path.name for path in place.iterdir()] == ["videos"]
    return files(place / "videos"), left_out


@pytest.mark.parametrize("pack", [zip_of, tar_of, tgz_of])
@pytest.mark.parametrize("wrapping", ["", "UCF-101/", "x/y/UCF-101/"])
def test_files_come_out_as_they_went_in_without_folders_around_the_classes(place, pack, wrapping):
    for members in ({"a/x.avi": b"x" * 100_000}, {"a/x.avi": b"x", "a/y.avi": b"", "b/z.avi": b"z"}):
        found = unpacked(place, pack({f"{wrapping}{name}": content for name, content in members.items()}))
        assert found == (members, [])
        shutil.rmtree(place / "videos")


@pytest.mark.parametrize("outer", [zip_of, tar_of])
@pytest.mark.parametrize(("inner", "suffix"), [(zip_of, "zip"), (tar_of, "tar"), (tgz_of, "tar.gz"), (tgz_of, "TGZ")])
def test_an_archive_per_class_becomes_a_folder_per_class(place, outer, inner, suffix):
    content = outer(
        {
            f"brush_hair.{suffix}": inner({"brush_hair/a.avi": b"a", "./brush_hair/b.avi": b"b"}),
            f"wave.{suffix}": inner({"c.avi": b"c"}),
            f"sub/sit.{suffix}": inner({"other/d.avi": b"d"}),
        }
    )
    members = {"brush_hair/a.avi": b"a", "brush_hair/b.avi": b"b", "wave/c.avi": b"c", "sub/sit/other/d.avi": b"d"}
    assert unpacked(place, content) == (members, [])


def test_an_inner_archive_joins_a_folder_of_its_name_and_replaces_nothing(place):
    inner = zip_of({"wave/a.avi": b"inner", "wave/b.avi": b"b"})
    found, _ = unpacked(place, zip_of({"wave/a.avi": b"outer", "wave.zip": inner}))
    assert found == {"wave/a.avi": b"outer", "wave/b.avi": b"b"}


def test_what_systems_leave_behind_stands_in_the_way_of_nothing(place):
    """Neither of the folder around the classes, nor of the archives in it."""
    left = {f"{name}/1.mp4": b"" for name in ("__MACOSX", "@eaDir", "$RECYCLE.BIN")} | {
        "Thumbs.db": b"",
        ".DS_Store": b"",
    }
    resource = {"__MACOSX/UCF-101/._wave.zip": b"no archive", "UCF-101/._wave.zip": b"no archive"}
    inner = zip_of({"wave/a.avi": b"a", "__MACOSX/wave/._a.avi": b""})
    found, left_out = unpacked(place, zip_of(left | resource | {"UCF-101/wave.zip": inner, "UCF-101/a/b.avi": b"b"}))
    assert left_out == [] and {name for name in found if "._" not in name} == {"wave/a.avi", "a/b.avi"}


def test_archives_in_archives_end(place):
    content = b"clip"
    for _ in range(9):
        content = zip_of({"a.zip": content, "b": b""})
    found, left_out = unpacked(place, content)
    assert found.keys() == {"b", "a/b", "a/a/b", "a/a/a/b", "a/a/a/a.zip"}
    assert left_out == ["a.zip: left packed: too many archives in archives"]


@pytest.mark.parametrize("name", ["...zip", ".zip", "..tar", "taken.zip"])
def test_an_inner_archive_without_a_usable_name_stays_as_it_is(place, name):
    members = {name: zip_of({"evil.avi": b"e"}), "taken": b""}
    assert unpacked(place, zip_of(members)) == (members, [])


@pytest.mark.parametrize("pack", [zip_of, tar_of])
@pytest.mark.parametrize("wrap", [lambda evil: evil, lambda evil: zip_of({"a.avi": b"a", "wave.tar": evil})])
@pytest.mark.parametrize("name", ["../evil.avi", "a/../../evil.avi", "a/.."])
def test_an_archive_that_would_write_outside_is_refused(place, pack, wrap, name):
    (place.parent / "archive").write_bytes(wrap(pack({"good.avi": b"g", name: b"evil"})))
    with pytest.raises(DataError, match=r"Path contains '\.\.'"):
        unpack(place.parent / "archive", place / "videos")
    assert list(place.rglob("*")) == [] and len(list(place.parent.iterdir())) == 2


ATTACKS = [  # what a tar holds, given a folder outside; what bsdtar says, or what is left out
    (lambda outside: [("link", (tarfile.SYMTYPE, outside)), ("link/x", b"x")], "Cannot extract through symlink"),
    (lambda outside: [("link", (tarfile.LNKTYPE, f"{outside}/victim")), ("link", b"x")], "Hard-link target"),
    (lambda outside: [("link", (tarfile.LNKTYPE, "../../../outside/victim")), ("link", b"x")], "Path contains"),
    (lambda outside: [("link", (tarfile.SYMTYPE, f"{outside}/victim")), ("link", b"x")], []),
    (lambda outside: [("link", (tarfile.SYMTYPE, outside)), ("link.zip", zip_of({"victim": b"x"}))], ["link"]),
    (  # a link in one inner archive, through which the next would be unpacked
        lambda outside: [
            ("link.tar", tar_of({"link": (tarfile.SYMTYPE, outside)})),
            ("link.zip", zip_of({"victim": b"x"})),
        ],
        ["link"],
    ),
    (lambda outside: [("pipe", (tarfile.FIFOTYPE, ""))], ["pipe"]),
]


@pytest.mark.parametrize(("members", "result"), ATTACKS)
def test_nothing_is_written_through_a_link_and_links_are_left_out(place, members, result):
    outside = place.parent / "outside"
    outside.mkdir()
    (outside / "victim").write_bytes(b"mine")
    content = tar_of([*members(str(outside)), ("z.avi", b"z")])
    if isinstance(result, str):
        with pytest.raises(DataError, match=result):
            unpacked(place, content)
    else:
        found, left_out = unpacked(place, content)
        assert found["z.avi"] == b"z" and left_out == [f"{name}: neither a file nor a folder" for name in result]
        assert (place / "videos" / "z.avi").stat().st_mode & 0o6000 == 0
    assert files(outside) == {"victim": b"mine"}


def test_odd_names_are_kept(place):
    names = ["new\nline.avi", "ünïcode.avi", "-rf", "@x", "caf\udce9.avi", "back\\slash.avi", "a" * 200 + "/b.avi", " "]
    members = {name: name.encode(errors="replace") for name in [*names, f"{place}/evil.avi"]}
    inside = {name.removeprefix("/"): content for name, content in members.items()}  # an absolute name stays inside
    assert unpacked(place, tar_of(members)) == (inside, [])


CLIP = bytes(range(1, 256)) * 300


def damaged(content):
    return content[:20_000] + b"\0" * 10 + content[20_010:]


def encrypted(content):
    content = bytearray(content)
    for mark, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(mark) + flags] |= 1
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (damaged(zip_of({"a.avi": CLIP})), "CRC"),
        (tgz_of({"a.avi": CLIP})[:-300], "truncated"),
        (tar_of({"a.avi": CLIP})[:9_000], "[Tt]runcated"),
        (encrypted(zip_of({"a.avi": CLIP})), "passphrase"),
        (tar_of({"a" * 300: b""}), "too long"),
        (b"<html>not found</html>" * 100, "Unrecognized"),
        (b"", "empty"),
        (zip_of({"good/a.avi": CLIP, "bad.zip": damaged(zip_of({"a.avi": CLIP}))}), "bad.zip.*CRC"),
    ],
    ids=["damaged", "cut off", "cut off too", "encrypted", "long name", "web page", "empty", "damaged inside"],
)
def test_what_cannot_be_unpacked_leaves_nothing(place, content, reason):
    with pytest.raises(DataError, match=f"{place.parent}/archive cannot be unpacked: .*{reason}") as caught:
        unpacked(place, content)
    assert "--videos" in caught.value.hint
    assert list(place.iterdir()) == []


def test_what_a_killed_run_left_is_thrown_away_and_hidden_files_stay(place):
    (place / ".videos.unpacking-1" / "UCF-101").mkdir(parents=True)
    (place / "videos").mkdir()
    (place / "videos" / ".DS_Store").touch()
    assert unpacked(place, zip_of({"a.avi": b"a"})) == ({"a.avi": b"a", ".DS_Store": b""}, [])


def a_bsdtar(folder, monkeypatch, script):
    """Puts a program in place of bsdtar."""
    (folder / "bin").mkdir()
    (folder / "bin" / "bsdtar").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "bin" / "bsdtar").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}/bin:{os.environ['PATH']}")


def test_an_interruption_ends_bsdtar_and_leaves_no_half_data_set(place, tmp_path, monkeypatch):
    a_bsdtar(tmp_path, monkeypatch, f"echo $$ > {tmp_path}/pid; exec sleep 60")
    (tmp_path / "archive").write_bytes(zip_of({"a.avi": CLIP}))
    told = []

    def interrupt(*report):
        told.append(report)
        if len(told) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack(tmp_path / "archive", place / "videos", progress=interrupt)
    assert told == [(0, 2, "unpacking archive")] * 2 and list(place.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_full_disk_is_said(place, tmp_path, monkeypatch):
    (tmp_path / "archive").write_bytes(zip_of({"a.avi": CLIP}))
    with monkeypatch.context() as small:
        free = shutil.disk_usage(place)._replace(free=len(CLIP) - 1)
        small.setattr(shutil, "disk_usage", lambda path: free)
        with pytest.raises(OutputError, match=r"has 0.1 MB free; archive needs 0.1 MB more"):
            unpack(tmp_path / "archive", place / "videos")
    a_bsdtar(tmp_path, monkeypatch, "echo 'bsdtar: a.avi: Write failed: No space left on device' >&2; exit 1")
    with pytest.raises(OSError, match=r"No space left on device.*videos"):
        unpack(tmp_path / "archive", place / "videos")
    assert list(place.iterdir()) == []


def test_tar_will_do_where_it_is_bsdtar_and_else_the_package_is_named(place, tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    gnu_tar, bsdtar = shutil.which("tar"), shutil.which("bsdtar")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin")
    (tmp_path / "bin" / "tar").symlink_to(gnu_tar)
    (tmp_path / "archive").write_bytes(zip_of({"a.avi": b"a"}))
    with pytest.raises(DataError, match="bsdtar is not installed") as caught:
        unpack(tmp_path / "archive", place / "videos")
    assert "apt install libarchive-tools" in caught.value.hint
    (tmp_path / "bin" / "tar").unlink()
    (tmp_path / "bin" / "tar").symlink_to(bsdtar)
    assert unpacked(place, zip_of({"a.avi": b"a"})) == ({"a.avi": b"a"}, [])
