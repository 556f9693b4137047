"""Folders that hold what nobody would put into a data set."""

from pathlib import Path

import pytest

from strmctl.data.prepare import Request, prepare
from strmctl.data.shards import JOURNAL
from strmctl.data.store import FrameStore
from tests.videos_for_tests import write_video

SHARED_VIDEOS = Path(__file__).parents[2].parent / "shared" / "videos"


def test_a_file_that_lacks_frames_is_kept_with_a_note(tmp_path):
    path = write_video(tmp_path / "videos" / "a.avi", frames=40, codec="MJPG")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    result = prepare(Request(str(path.parent), data_dir=tmp_path, name="odd", flat=True))
    row = FrameStore.open(tmp_path, "odd").by_id["a"]
    assert row.status == "ok" and 8 <= row.frames < 36
    assert result.odd == [("a", f"damaged: {row.frames} of 40 frames")]


def check_odd_folder(videos: Path, data: Path) -> dict[str, str]:
    """Prepares a flat folder; every file in it must be a row or ignored with a reason."""
    result = prepare(Request(str(videos), data_dir=data, name="odd", flat=True, size="64"))
    rows = FrameStore.open(data, "odd").rows
    ignored = [name for names in result.ignored.values() for name in names]
    assert sorted([*(row.source for row in rows), *ignored]) == sorted(path.name for path in videos.iterdir())
    assert all((row.frames > 0) == (row.status != "failed") == (row.sha256 != "") for row in rows)
    assert all(row.reason for row in rows if row.status == "failed")
    return {row.source: row.status for row in rows}


@pytest.mark.skipif(not SHARED_VIDEOS.is_dir(), reason="the real videos in ../shared/videos are not here")
def test_real_odd_videos(tmp_path):
    statuses = check_odd_folder(SHARED_VIDEOS, tmp_path)
    assert statuses["nasa_13013.mp4"] == statuses["h265_video.mp4"] == statuses["corrupted.mp4"] == "ok"
    assert statuses["unordered.mov"] == statuses["video_90.mov"] == "short"


def test_odd_videos_of_our_own(tmp_path):
    videos = tmp_path / "videos"
    write_video(videos / "good.mp4")
    write_video(videos / "four.mov", frames=4)
    cut = write_video(videos / "cut.avi", frames=40, codec="MJPG")
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    (videos / "text.mkv").write_text("text")
    (videos / "README.md").write_text("text")
    assert check_odd_folder(videos, tmp_path) == {
        "good.mp4": "ok",
        "four.mov": "short",
        "cut.avi": "ok",
        "text.mkv": "failed",
    }


@pytest.mark.parametrize("workers", [1, 2])
def test_a_name_that_is_too_long_is_a_row_with_a_reason(tmp_path, workers):
    write_video(tmp_path / "videos" / "good.mp4")
    long = "?" * 100  # each is written as %3F
    write_video(tmp_path / "videos" / "long.mp4").rename(tmp_path / "videos" / f"{long}.mp4")
    request = Request(str(tmp_path / "videos"), data_dir=tmp_path, name="odd", flat=True)
    for _ in range(2):
        result = prepare(request, workers=workers)
        assert result.failed == [(long, "the name is too long for a file of the store")] and result.done == 1
    rows = FrameStore.open(tmp_path, "odd").by_id
    assert (rows[long].status, rows[long].frames, rows["good"].status) == ("failed", 0, "ok")
    assert not list((tmp_path / "odd").rglob("*.part"))


def test_a_journal_that_is_gone_at_the_end_is_no_error(tmp_path):
    write_video(tmp_path / "videos" / "a.mp4")
    request = Request(str(tmp_path / "videos"), data_dir=tmp_path, name="odd", flat=True)
    journal = tmp_path / "odd" / JOURNAL
    assert prepare(request, progress=lambda done, total, note: journal.unlink()).done == 1


def test_the_journal_keeps_names_with_odd_line_ends(tmp_path):
    def interrupt(done, total, note):
        raise KeyboardInterrupt

    write_video(tmp_path / "videos" / "a\u2028b.mp4")
    request = Request(str(tmp_path / "videos"), data_dir=tmp_path, name="odd", flat=True)
    with pytest.raises(KeyboardInterrupt):
        prepare(request, progress=interrupt)
    assert prepare(request).skipped == 1
    assert prepare(request).skipped == 1
