import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from strmctl.errors import DataError
from strmctl.frames.store.clip_zip import archive_path, writing_archive
from strmctl.frames.store.manifest import ClipRow, read_manifest, write_manifest
from strmctl.frames.store.settings import write_settings
from strmctl.frames.store.store import FrameStore
from strmctl.provenance import sha256_of

ROW = ClipRow("a/x", "a", "train", "a/g1", 9, 64, 48, 12.5, "a/x.avi", "", 2048, "opencv 5", "ok", "", "00ff" * 16)


def write_archive(folder, clip, images):
    with writing_archive(archive_path(folder, clip)) as archive:
        for image in images:
            archive.add(image)
    return archive


@pytest.fixture
def folder(tmp_path):
    """A store `s` of one clip, `a/x`, of 9 frames that are no images: the store does not look into them."""
    folder = tmp_path / "s"
    write_archive(folder, "a/x", [b"frame %d" % number for number in range(9)])
    write_manifest(folder, [ROW])
    write_settings(folder, {"dataset": "s", "display_name": "s (all clips)", "size": "64"})
    return folder


def test_the_same_frames_give_the_same_bytes_at_any_time(tmp_path, monkeypatch):
    first = write_archive(tmp_path, "one", [b"a", b"b" * 999])
    monkeypatch.setattr(time, "time", lambda: 2e9)
    second = write_archive(tmp_path, "two", [b"a", b"b" * 999])
    assert archive_path(tmp_path, "one").read_bytes() == archive_path(tmp_path, "two").read_bytes()
    assert first.sha256 == second.sha256 == sha256_of(archive_path(tmp_path, "one"))
    with zipfile.ZipFile(archive_path(tmp_path, "one")) as archive:
        kinds = {(entry.date_time, entry.compress_type, entry.create_system) for entry in archive.infolist()}
        assert archive.namelist() == ["00001.jpg", "00002.jpg"]
    assert kinds == {((1980, 1, 1, 0, 0, 0), zipfile.ZIP_STORED, 3)}


def test_a_failure_leaves_no_archive(tmp_path):
    with pytest.raises(DataError, match="in the middle"), writing_archive(archive_path(tmp_path, "a/x")) as archive:
        archive.add(b"frame")
        raise DataError("in the middle")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


ROWS = {
    "status": ("9,64,48,12.5,a/x.avi,,2048,opencv 5,ok", "9,64,48,12.5,a/x.avi,,2048,opencv 5,fine"),
    "subset": ("train", "training"),
    "fps": ("12.5", "nan"),
    "frames": ("g1,9", "g1,-9"),
    "too few": (",00ff", ""),
    "text": ("g1,9", "g1,nine"),
}


@pytest.mark.parametrize("change", ROWS)
def test_a_row_of_the_manifest_that_was_not_written_so_is_named(folder, change):
    path = folder / "manifest.csv"
    text = path.read_text()
    old, new = ROWS[change]
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    with pytest.raises(DataError, match=r"manifest\.csv is damaged") as caught:
        FrameStore.open(folder.parent, "s")
    assert "--redo" in caught.value.hint
    path.write_text(text + text.splitlines()[-1] + "\n")
    with pytest.raises(DataError, match="a clip stands twice"):
        FrameStore.open(folder.parent, "s")


SETTINGS = [b"", b"\xff", b"[]", b"[" * 100_000, b'{"classes": {"train": 5}}', b'{"request": "x"}', b'{"dataset": 3}']


@pytest.mark.parametrize("content", [*SETTINGS, None])
def test_settings_that_were_not_written_so_are_named(folder, content):
    (folder / "store.json").unlink()
    (folder / "store.json").mkdir() if content is None else (folder / "store.json").write_bytes(content)
    with pytest.raises(DataError, match=r"store\.json") as caught:
        FrameStore.open(folder.parent, "s")
    assert "--redo" in caught.value.hint


def test_threads_read_at_the_same_time(folder):
    store = FrameStore.open(folder.parent, "s")
    assert store.read("a/x", [8, 0, 0]) == [b"frame 8", b"frame 0", b"frame 0"]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda position: store.read("a/x", [position]), [n % 9 for n in range(200)]))
    assert results == [[b"frame %d" % (n % 9)] for n in range(200)]


def test_open_reads_names_settings_and_rows(folder):
    store = FrameStore.open(folder.parent, "s")
    assert (store.name, store.display_name, store.settings["size"]) == ("s", "s (all clips)", "64")
    assert store.rows == [ROW] and store.by_id == {"a/x": ROW}
    assert store.manifest_sha256 == sha256_of(folder / "manifest.csv")


def test_clips_are_sorted_and_only_those_that_can_be_sampled(folder):
    rows = [
        replace(ROW, clip=clip, cls=cls, subset=subset, status=status, **values)
        for clip, cls, subset, status, values in (
            ("b/10", "b", "test", "ok", {}),
            ("a/2", "a", "test", "ok", {}),
            ("a/10", "a", "test", "ok", {}),
            ("a/3", "a", "test", "short", {"frames": 3}),
            ("b/4", "b", "test", "failed", {"frames": 0, "sha256": ""}),
            ("c/5", "c", "train", "ok", {}),
        )
    ]
    write_manifest(folder, rows)
    store = FrameStore.open(folder.parent, "s")
    assert list(store.clips("test").items()) == [("a", ["a/10", "a/2"]), ("b", ["b/10"])]
    assert store.clips("train") == {"c": ["c/5"]} and store.clips("val") == {}
    write_manifest(folder, [ROW, replace(ROW, clip="a/y"), replace(ROW, clip="b/z", group="")])
    assert FrameStore.open(folder.parent, "s").groups == {"a/x": "a/g1", "a/y": "a/g1", "b/z": "b/z"}


def test_the_manifest_keeps_odd_values(tmp_path):
    rows = [replace(ROW, clip="b", fps=29.97), replace(ROW, clip='a,"1"', reason="two\nlines\r, é", cls="x, y")]
    write_manifest(tmp_path, rows)
    assert read_manifest(tmp_path) == rows[::-1]
    header = (tmp_path / "manifest.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header == "clip,class,subset,group,frames,width,height,fps,source,target,bytes,decoder,status,reason,sha256"


@pytest.mark.parametrize(
    "content", ["", "a,b\n", "{good}\nx,a,train\n", "{good}\nx,a,t,g,many,1,1,1.0,s,d,ok,,0\n", "\xff"]
)
def test_a_damaged_manifest_is_a_data_error(folder, content):
    good = (folder / "manifest.csv").read_text().splitlines()[0]
    (folder / "manifest.csv").write_bytes(content.replace("{good}", good).encode("latin-1"))
    with pytest.raises(DataError, match=r"manifest\.csv") as caught:
        FrameStore.open(folder.parent, "s")
    assert "--redo" in caught.value.hint


def test_damage_names_the_clip_and_the_command(folder):
    store = FrameStore.open(folder.parent, "s")
    with pytest.raises(DataError, match=r"00010\.jpg"):
        store.read("a/x", [9])
    path = archive_path(folder, "a/x")
    content = path.read_bytes()
    position = content.index(b"frame 4")
    for damaged in (content[:-40], content[:position] + b"X" + content[position + 1 :], b""):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="clip a/x") as caught:
            store.read("a/x", [4])
        assert f"strmctl prepare FOLDER --name s --data {folder.parent}" in caught.value.hint
    path.unlink()
    with pytest.raises(DataError, match="clip a/x"):
        store.read("a/x", [4])


def test_a_store_that_is_missing_or_unfinished_says_how_to_make_it(tmp_path):
    with pytest.raises(DataError, match="does not exist") as caught:
        FrameStore.open(tmp_path, "ucf101")
    assert caught.value.hint == f"run `strmctl prepare ucf101 --data {tmp_path}`"
    write_settings(tmp_path / "small", {"dataset": "ucf101"})
    with pytest.raises(DataError, match="is not finished") as caught:
        FrameStore.open(tmp_path, "small")
    assert caught.value.hint == f"run `strmctl prepare ucf101 --name small --data {tmp_path}`"
    write_manifest(tmp_path / "lost", [ROW])
    with pytest.raises(DataError, match=r"has no store\.json") as caught:
        FrameStore.open(tmp_path, "lost")
    assert "--redo" in caught.value.hint


@pytest.mark.parametrize("clip", ["", "/etc/passwd", "../x", "a/../../x", "a//b", "./a", "a/"])
def test_no_clip_leads_out_of_the_store(tmp_path, clip):
    with pytest.raises(DataError, match="not a clip id"):
        archive_path(tmp_path, clip)


def test_names_that_windows_forbids_are_written_differently_and_stay_apart(tmp_path):
    clips = ["a:b", "a%3Ab", "a?b", "C:\\x", "..\\x", 'q"uote', "plain -name_1"]
    names = [archive_path(tmp_path, clip).relative_to(tmp_path / "frames").as_posix() for clip in clips]
    assert len(set(names)) == len(clips) and names[-1] == "plain -name_1.zip"
    assert not any(sign in "".join(names) for sign in ':?"\\')
