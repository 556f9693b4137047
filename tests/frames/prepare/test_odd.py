"""Folders that hold what nobody would put into a data set."""

from pathlib import Path

import av
import pytest

from strmctl.frames.prepare.prepare import Request, prepare
from strmctl.frames.store.manifest import JOURNAL
from strmctl.frames.store.store import FrameStore
from strmctl.videos.decode import decode
from strmctl.videos.extract import extract
from strmctl.videos.mp4_header import shown_seconds
from tests.videos_for_tests import pictures_of, write_odd_video, write_video

SHARED_VIDEOS = Path(__file__).parents[3].parent / "shared" / "videos"


def test_a_file_that_lacks_frames_is_kept_with_a_note(tmp_path):
    path = write_video(tmp_path / "videos" / "a.avi", frames=40, codec="MJPG")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    result = prepare(Request(str(path.parent), data_dir=tmp_path, name="odd", flat=True))
    row = FrameStore.open(tmp_path, "odd").by_id["a"]
    assert row.status == "ok" and 8 <= row.frames < 36
    assert result.odd == [("a", f"damaged: {row.frames} of 40 frames")]


def cut_without_encoding(path: Path, first: int) -> Path:
    """A copy whose first frames are hidden by an edit list, as `ffmpeg -ss … -c copy` cuts."""
    target = path.with_name(f"cut_{path.name}")
    with av.open(str(path)) as source, av.open(str(target), "w") as cut:
        stream = cut.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                shift = round(first / 12 / packet.time_base)
                packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, stream
                cut.mux(packet)
    return target


def test_frames_that_an_edit_list_hides_are_not_missing(tmp_path):
    whole = write_odd_video(tmp_path / "a.mp4", pictures_of(60), codec="libx264")
    cut = cut_without_encoding(whole, 20)
    assert decode(cut).declared == 60 and shown_seconds(cut) == pytest.approx(40 / 12, abs=0.01)
    for frames, kept in ((None, 40), (8, 8)):
        images = []
        found = extract(cut, size=48, quality=90, frames=frames, keep=images.append)
        assert (found.decoded, len(images), found.remarks) == (40, kept, [])
    assert shown_seconds(whole) == pytest.approx(60 / 12, abs=0.01)


def test_a_video_that_shows_few_frames_to_its_end_is_not_damaged(tmp_path):
    stamps = [*range(0, 200, 8), *range(200, 2000, 200)]
    path = write_odd_video(tmp_path / "a.mkv", pictures_of(len(stamps)), stamps=stamps)
    found = extract(path, size=48, quality=90, frames=None, keep=lambda jpeg: None)
    assert found.decoded == len(stamps) < 0.7 * found.video.declared and found.remarks == []
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found = extract(path, size=48, quality=90, frames=None, keep=lambda jpeg: None)
    assert found.remarks == [f"damaged: {found.decoded} of {found.video.declared} frames"]


@pytest.mark.parametrize(
    "content", [b"", b"no film", b"\0\0\0\x08moov", b"\0\0\0\1moov" + b"\xff" * 8, b"\0\0\0\x10moov\0\0\0\0mvhd"]
)
def test_what_is_no_mp4_does_not_say_how_long_it_is(tmp_path, content):
    (tmp_path / "a.mp4").write_bytes(content)
    assert shown_seconds(tmp_path / "a.mp4") is None
    assert shown_seconds(write_video(tmp_path / "a.avi", codec="MJPG")) is None
    assert shown_seconds(tmp_path / "none.mp4") is None


@pytest.mark.skipif(not SHARED_VIDEOS.is_dir(), reason="the real videos in ../shared/videos are not here")
def test_real_odd_videos(tmp_path):
    result = prepare(Request(str(SHARED_VIDEOS), data_dir=tmp_path, name="odd", flat=True, size="64"))
    rows = FrameStore.open(tmp_path, "odd").rows
    ignored = [name for names in result.ignored.values() for name in names]
    assert sorted([*(row.source for row in rows), *ignored]) == sorted(path.name for path in SHARED_VIDEOS.iterdir())
    assert all((row.frames > 0) == (row.status != "failed") == (row.sha256 != "") for row in rows)
    assert all(row.reason for row in rows if row.status == "failed")
    statuses = {row.source: row.status for row in rows}
    assert statuses["nasa_13013.mp4"] == statuses["h265_video.mp4"] == statuses["corrupted.mp4"] == "ok"
    assert statuses["unordered.mov"] == statuses["video_90.mov"] == "short"


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
