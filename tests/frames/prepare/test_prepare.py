import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from strmctl.errors import DataError, UsageError
from strmctl.frames.prepare import prepare as preparation
from strmctl.frames.prepare.prepare import Request, plan, prepare
from strmctl.frames.store.manifest import JOURNAL
from strmctl.frames.store.store import FrameStore
from strmctl.videos.frame_positions import even_positions
from tests.videos_for_tests import NOT_A_VIDEO, write_video


@pytest.fixture
def request_(tmp_path):
    """Class folders `walk` (3 clips) and `run` (2 clips, one of 5 frames), to be stored as `mine`."""
    videos = tmp_path / "videos"
    for number in range(3):
        write_video(videos / "walk" / f"{number}.mp4", seed=number)
    write_video(videos / "run" / "0.avi", seed=7, codec="MJPG", frames=20)
    write_video(videos / "run" / "1.mp4", seed=8, frames=5)
    return Request(f"{videos}", data_dir=tmp_path / "data", name="mine", size="32")


def digests(folder: Path) -> dict[str, str]:
    """Every file below a folder with the hash of its content."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def change(request: Request, **values) -> Request:
    return Request(**{**vars(request), **values})


def test_frames_are_those_of_the_video(request_):
    result = prepare(request_)
    assert (result.clips, result.done, result.skipped, result.short, result.failed) == (5, 5, 0, ["run/1"], [])
    store = FrameStore.open(request_.data_dir, "mine")
    assert [(row.clip, row.cls, row.frames, row.status) for row in store.rows] == [
        ("run/0", "run", 20, "ok"),
        ("run/1", "run", 5, "short"),
        ("walk/0", "walk", 16, "ok"),
        ("walk/1", "walk", 16, "ok"),
        ("walk/2", "walk", 16, "ok"),
    ]
    row = store.by_id["run/0"]
    assert (row.width, row.height, row.fps, row.source, row.reason) == (64, 48, 12.0, "run/0.avi", "")
    assert store.clips("") == {"run": ["run/0"], "walk": ["walk/0", "walk/1", "walk/2"]}
    capture = cv2.VideoCapture(str(Path(request_.what) / "run" / "0.avi"))
    originals = [capture.read()[1] for _ in range(20)]
    for position, jpeg in zip((3, 19), store.read("run/0", [3, 19]), strict=True):
        stored = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        expected = cv2.resize(originals[position], (43, 32)).astype(int)  # shorter side 32
        assert stored.shape == (32, 43, 3) and np.abs(stored - expected).mean() < 10
    assert result.bytes == sum(path.stat().st_size for path in (request_.data_dir / "mine").rglob("*.zip"))


def test_bytes_do_not_depend_on_the_run_or_the_number_of_workers(request_, tmp_path):
    prepare(request_)
    prepare(change(request_, data_dir=tmp_path / "again"), workers=2)
    assert digests(tmp_path / "data") == digests(tmp_path / "again")
    assert set(digests(tmp_path / "data" / "mine")) >= {"manifest.csv", "store.json", "frames/walk/0.zip"}


def test_bad_files_are_rows_with_a_reason_and_the_rest_is_done(request_):
    videos = Path(request_.what)
    (videos / "walk" / "text.mp4").write_text("not a video\n" * 50)
    (videos / "walk" / "empty.mp4").touch()
    (videos / "walk" / "notes.txt").touch()
    result = prepare(request_)
    assert result.done == 5 and result.ignored == {"no video suffix": ["walk/notes.txt"]}
    assert result.failed == [
        ("walk/empty", "the file is empty"),
        ("walk/text", NOT_A_VIDEO),
    ]
    rows = FrameStore.open(request_.data_dir, "mine").by_id
    assert (rows["walk/text"].status, rows["walk/text"].frames, rows["walk/text"].sha256) == ("failed", 0, "")
    assert rows["walk/text"].reason == NOT_A_VIDEO

    write_video(videos / "walk" / "text.mp4", seed=9)  # failed clips are tried again
    result = prepare(request_)
    assert (result.done, result.skipped, result.failed) == (6, 5, [("walk/empty", "the file is empty")])


def test_what_is_intact_is_left_alone_and_what_is_damaged_is_rebuilt(request_):
    prepare(request_)
    folder = request_.data_dir / "mine"
    before, times = digests(folder), {path: path.stat().st_mtime_ns for path in folder.rglob("*.zip")}
    damaged, missing = folder / "frames" / "walk" / "0.zip", folder / "frames" / "walk" / "1.zip"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"X")
    missing.unlink()
    result = prepare(request_)
    assert (result.done, result.skipped) == (5, 3)
    assert digests(folder) == before
    untouched = [path for path in times if path not in (damaged, missing)]
    assert all(path.stat().st_mtime_ns == times[path] for path in untouched) and len(untouched) == 3
    assert prepare(request_).skipped == 5


def test_a_killed_run_goes_on_where_it_was(tmp_path):
    for number in range(24):
        write_video(tmp_path / "videos" / f"{number}.avi", frames=30, size=(320, 240), seed=number, codec="MJPG")
    words = ["prepare", str(tmp_path / "videos"), "--name", "k", "--flat", "--workers", "2"]
    command = [sys.executable, "-m", "strmctl", *words, "--data", str(tmp_path / "killed")]
    journal = tmp_path / "killed" / "k" / JOURNAL
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        end = time.monotonic() + 30
        while time.monotonic() < end and not (journal.is_file() and len(journal.read_text().split()) > 3):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=20)  # stdout is at its end when the workers, which share it, have ended as well
    assert journal.is_file() and not (journal.parent / "manifest.csv").exists()
    with journal.open("a") as lines:
        lines.write('["cut", "of')
    request = Request(str(tmp_path / "videos"), data_dir=tmp_path / "killed", name="k", flat=True)
    result = prepare(request)
    assert 0 < result.skipped < 24 == result.done
    assert not journal.exists()
    prepare(change(request, data_dir=tmp_path / "whole"))
    assert digests(tmp_path / "killed") == digests(tmp_path / "whole")


def test_an_interruption_keeps_what_was_finished(request_):
    def interrupt(done, total, note):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(request_, workers=2, progress=interrupt)
    folder = request_.data_dir / "mine"
    assert not (folder / "manifest.csv").exists() and list(folder.rglob("*.part")) == []
    with pytest.raises(DataError, match="is not finished"):
        FrameStore.open(request_.data_dir, "mine")
    result = prepare(request_)
    assert (result.done, result.skipped) == (5, 2)


def test_other_settings_need_redo_or_another_name(request_):
    prepare(request_)
    wider = change(request_, size="48x32", quality=50)
    with pytest.raises(UsageError, match=r"made with size 32, now 48x32; quality 90, now 50") as caught:
        prepare(wider)
    assert "--redo" in caught.value.hint and "--name" in caught.value.hint
    prepare(change(wider, name="wide"))
    assert prepare(wider, redo=True).skipped == 0
    mine, wide = (FrameStore.open(request_.data_dir, name) for name in ("mine", "wide"))
    assert mine.manifest_sha256 == wide.manifest_sha256 and mine.settings["size"] == "48x32"
    pixels = cv2.imdecode(np.frombuffer(mine.read("walk/0", [0])[0], np.uint8), cv2.IMREAD_COLOR)
    assert pixels.shape == (32, 48, 3)


def test_damaged_settings_are_named_and_redo_makes_them_again(request_):
    prepare(request_)
    folder = request_.data_dir / "mine"
    whole = (folder / "store.json").read_text()
    for content in ("", "[]", '{"classes": 5}'):
        (folder / "store.json").write_text(content)
        for work in (prepare, plan):
            with pytest.raises(DataError, match=r"store\.json is (damaged|not what was written there)") as caught:
                work(request_)
            assert caught.value.hint.startswith("run `strmctl prepare ") and "--redo`" in caught.value.hint
        prepare(request_, redo=True)
        assert (folder / "store.json").read_text() == whole


def test_a_number_of_frames(request_):
    prepare(change(request_, frames=8, name="eight"))
    prepare(request_)
    eight, every = (FrameStore.open(request_.data_dir, name) for name in ("eight", "mine"))
    assert {row.clip: (row.frames, row.status) for row in eight.rows}["run/1"] == (5, "short")
    assert eight.read("run/0", range(8)) == every.read("run/0", even_positions(20, 8))


def test_a_clip_whose_original_is_gone_leaves_the_manifest_only(request_):
    prepare(request_)
    (Path(request_.what) / "walk" / "0.mp4").unlink()
    result = prepare(request_)
    assert (result.clips, result.dropped) == (4, 1)
    assert "walk/0" not in FrameStore.open(request_.data_dir, "mine").by_id
    assert (request_.data_dir / "mine" / "frames" / "walk" / "0.zip").is_file()
    prepare(request_, redo=True)
    assert not (request_.data_dir / "mine" / "frames" / "walk" / "0.zip").exists()


def test_another_original_of_the_same_name_is_extracted(request_):
    prepare(request_)
    path = Path(request_.what) / "walk" / "0.mp4"
    path.unlink()
    write_video(path.with_suffix(".avi"), seed=60, codec="MJPG", frames=12)
    assert prepare(request_).skipped == 4
    write_video(Path(request_.what) / "walk" / "1.mp4", frames=30, seed=61)  # of the same name and another content
    assert prepare(request_).skipped == 4
    rows = FrameStore.open(request_.data_dir, "mine").by_id
    assert (rows["walk/0"].source, rows["walk/0"].frames, rows["walk/1"].frames) == ("walk/0.avi", 12, 30)


def test_another_split_changes_rows_but_extracts_nothing(request_, tmp_path):
    prepare(request_)
    split = tmp_path / "split.yaml"
    split.write_text("subsets:\n  train: [Walk]\n  test: [run, jump]\n")
    result = prepare(change(request_, split_file=split))
    assert (result.skipped, result.missing_classes) == (5, ["jump"])
    store = FrameStore.open(request_.data_dir, "mine")
    assert store.clips("train") == {"Walk": ["walk/0", "walk/1", "walk/2"]} and store.clips("test") == {
        "run": ["run/0"]
    }
    assert store.settings["classes"] == {"train": ["Walk"], "val": [], "test": ["jump", "run"]}
    assert [(count.subset, count.clips, count.short, count.frames) for count in result.subsets] == [
        ("train", 3, 0, 48),
        ("test", 2, 1, 25),
    ]


def test_colliding_names_have_a_zip_each(request_):
    write_video(Path(request_.what) / "walk" / "0.avi", seed=50, codec="MJPG")
    prepare(request_)
    store = FrameStore.open(request_.data_dir, "mine")
    assert {"walk/0.avi", "walk/0.mp4"} <= store.by_id.keys() and "walk/0" not in store.by_id
    assert store.read("walk/0.avi", [0]) != store.read("walk/0.mp4", [0])


@pytest.mark.parametrize("workers", [1, 2])
def test_a_folder_that_cannot_be_written_surfaces(request_, workers):
    frames = request_.data_dir / "mine" / "frames"
    frames.mkdir(parents=True)
    (frames / "walk").write_text("a file where a folder should be")
    with pytest.raises(OSError, match=r"exists|directory") as caught:
        prepare(request_, workers=workers)
    assert Path(caught.value.filename) == frames / "walk"
    assert not (frames.parent / "manifest.csv").exists() and list(frames.rglob("*.part")) == []


def test_plan_writes_nothing_and_knows_what_is_there(request_):
    result = plan(request_)
    assert not request_.data_dir.exists()
    assert (result.clips, result.skipped, result.dry_run) == (5, 0, True)
    assert {cls: clips for count in result.subsets for cls, clips in count.classes.items()} == {"run": 2, "walk": 3}
    after = prepare(request_)
    assert 0.8 * after.bytes < result.bytes < after.bytes  # the zips have headers
    write_video(Path(request_.what) / "walk" / "9.mp4")
    before = digests(request_.data_dir)
    result = plan(request_)
    assert (result.clips, result.skipped) == (6, 5) and digests(request_.data_dir) == before


def test_sprites_are_rendered_first(tmp_path, monkeypatch):
    def render(folder, *, seed, workers, progress):
        rendered.append((folder, seed, workers))
        for cls in ("up", "down"):
            write_video(folder / cls / "000.mp4", size=(64, 64), seed=seed)

    rendered = []
    monkeypatch.setattr(preparation, "render_sprites", render)
    assert plan(Request("sprites", data_dir=tmp_path)).to_render == 1520 and not rendered
    result = prepare(Request("sprites", data_dir=tmp_path))
    assert rendered == [(tmp_path / "videos" / "sprites", 0, 1)]
    assert (result.done, len(result.missing_classes)) == (2, 36)
    store = FrameStore.open(tmp_path, "sprites")
    assert store.settings["size"] == "64" and store.settings["seed"] == 0
    assert store.clips("test") == {"down": ["down/000"], "up": ["up/000"]}
    with pytest.raises(UsageError, match="seed 0, now 3"):
        prepare(Request("sprites", data_dir=tmp_path, seed=3))
    prepare(Request("sprites", data_dir=tmp_path, seed=3, name="three"))
    assert rendered[1:] == [(tmp_path / "videos" / "sprites_seed3", 3, 1)]
