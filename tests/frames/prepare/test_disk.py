"""Room on the disk: estimated, looked at on the way, and a disk that becomes full at any write."""

import errno
import os
import shutil
import subprocess
from collections import namedtuple
from pathlib import Path

import pytest

from strmctl import disk
from strmctl.disk import RESERVE, check_room, free_bytes, megabytes
from strmctl.errors import DataError, ExitCode, OutputError
from strmctl.frames.prepare import prepare as preparation
from strmctl.frames.prepare.prepare import SAMPLE, Request, plan, prepare
from strmctl.frames.store import manifest
from strmctl.frames.store.clip_zip import ArchiveWriter
from strmctl.frames.store.manifest import JOURNAL, MANIFEST
from strmctl.frames.store.store import FrameStore
from tests.frames.prepare.test_prepare import change, digests
from tests.videos_for_tests import strmctl, write_video

pytestmark = pytest.mark.slow

Usage = namedtuple("Usage", "total used free")
CLIPS = 2 * SAMPLE  # every second one is in the sample


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Twice the clips from which the space is estimated; tests read them."""
    folder = tmp_path_factory.mktemp("disk") / "videos"
    for number in range(CLIPS):
        write_video(folder / f"{number:02d}.mp4", seed=number, frames=8)
    return folder


@pytest.fixture
def request_(videos, tmp_path):
    return Request(f"{videos}", data_dir=tmp_path / "data", name="mine", flat=True, size="32")


@pytest.fixture(scope="module")
def expected(videos, tmp_path_factory):
    """The files of an undisturbed run."""
    folder = tmp_path_factory.mktemp("undisturbed")
    prepare(Request(f"{videos}", data_dir=folder, name="mine", flat=True, size="32"))
    return digests(folder)


def let_free(monkeypatch, free):
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda folder: Usage(10**12, 10**12 - free, free))


def nothing_half_written(folder):
    """Whether all that lies in a data folder is whole: no temporary files, and no manifest before the end."""
    names = [path.name for path in folder.rglob("*") if path.is_file()]
    return not any(name.endswith(".part") for name in names) and MANIFEST not in names


def test_room_for_what_is_to_come_and_a_little_more(tmp_path, monkeypatch):
    let_free(monkeypatch, RESERVE + 1000)
    check_room(tmp_path, 1000, done=1, total=2)
    with pytest.raises(OutputError):
        check_room(tmp_path, 1001, done=1, total=2)
    let_free(monkeypatch, 0)
    check_room(tmp_path, 0, done=2, total=2)  # all is there: nothing is gained by stopping now


def test_the_free_space_of_a_folder_that_is_not_there_yet(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda folder: asked.append(folder) or Usage(9, 4, 5))
    assert free_bytes(tmp_path / "a" / "b" / "c") == 5 and asked == [tmp_path]
    monkeypatch.chdir(tmp_path)
    assert free_bytes(Path("data/ucf101")) == 5 and asked[1:] == [Path()]


def test_bytes_as_people_say_them():
    said = [megabytes(number) for number in (0, 3_249_000, 999_900_000, 1_400_000_000, 2_000_000_000_000)]
    assert said == ["0.0 MB", "3.2 MB", "999.9 MB", "1.4 GB", "2000.0 GB"]


@pytest.mark.parametrize("workers", [1, 2])
def test_too_little_room_is_found_after_the_first_clips(request_, expected, monkeypatch, workers):
    with monkeypatch.context() as patched:
        let_free(patched, RESERVE)
        with pytest.raises(OutputError) as caught:
            prepare(request_, workers=workers)
    sizes = [path.stat().st_size for path in request_.data_dir.rglob("*.zip")]
    if workers == 1:  # with two, others are under way
        assert len(sizes) == SAMPLE
        assert f"mine has 64.0 MB free, and about {megabytes(sum(sizes))} more are needed" in caught.value.message
    assert f"stopped after {SAMPLE} of {CLIPS} clips, which are kept" in caught.value.message
    assert "64.0 MB that stay free" in caught.value.message
    assert "--frames 8" in caught.value.hint and "the same command goes on" in caught.value.hint
    assert caught.value.exit_code == ExitCode.UNEXPECTED
    assert SAMPLE <= len(sizes) < CLIPS and nothing_half_written(request_.data_dir)
    with pytest.raises(DataError):
        FrameStore.open(request_.data_dir, "mine")
    result = prepare(request_, workers=workers)
    assert (result.skipped, result.done) == (SAMPLE, CLIPS) and digests(request_.data_dir) == expected


def test_the_disk_is_looked_at_again_on_the_way(request_, monkeypatch):
    monkeypatch.setattr(preparation, "SAMPLE", 10)
    monkeypatch.setattr(preparation, "LOOK", 15)
    seen = []

    def usage(folder):
        seen.append(folder)
        return Usage(10**12, 0, 10**12 if len(seen) < 2 else RESERVE)

    monkeypatch.setattr(disk.shutil, "disk_usage", usage)
    with pytest.raises(OutputError, match=rf"stopped after {10 + 15} of {CLIPS} clips"):
        prepare(request_)


def test_few_clips_that_all_fit_and_clips_that_are_there_need_no_reserve(request_, tmp_path, monkeypatch):
    write_video(tmp_path / "few" / "a.mp4")
    prepare(request_)
    let_free(monkeypatch, 5_000_000)
    assert prepare(change(request_, what=f"{tmp_path / 'few'}", name="few")).done == 1
    let_free(monkeypatch, 0)
    assert prepare(request_).skipped == CLIPS


def test_the_command_line_says_it_and_goes_on(request_, expected, monkeypatch):
    words = ("prepare", request_.what, "--name", "mine", "--flat", "--size", "32", "--data", request_.data_dir)
    with monkeypatch.context() as patched:
        let_free(patched, RESERVE)
        planned = strmctl(*words, "--dry-run")
        assert planned.code == 0 and "warning: there is too little room" in planned.err
        ran = strmctl(*words, "--workers", "1")
    assert (ran.code, ran.out) == (1, "") and f"stopped after {SAMPLE} of {CLIPS} clips" in ran.err
    assert "defect" not in ran.err
    assert "too little room" not in strmctl(*words, "--dry-run").err
    assert strmctl(*words, "--workers", "1").code == 0 and digests(request_.data_dir) == expected


def full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def over_quota(*_):
    raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))


def half_line(file, line):
    """A journal line of which the disk takes the beginning."""
    file.write(line[:9])
    file.flush()
    full()


def after(number, first, then):
    """A function that is `first` for some calls, and `then` from there on."""
    calls = []

    def call(*arguments, **named):
        calls.append(arguments)
        return (first if len(calls) <= number else then)(*arguments, **named)

    return call


@pytest.mark.parametrize(
    ("where", "calls", "fails", "finished"),
    [
        ((ArchiveWriter, "add"), 8 * 2 + 3, full, 2),  # the third clip, after three of its frames
        ((manifest, "add_line"), 1 + 3, full, 3),  # a journal begins with an empty line
        ((manifest, "add_line"), 1 + 3, half_line, 3),
        ((manifest, "add_line"), 1, over_quota, 0),
    ],
    ids=["frame", "journal", "half a line", "quota"],
)
def test_a_disk_that_becomes_full_on_the_way(request_, expected, monkeypatch, where, calls, fails, finished):  # noqa: PLR0917
    for again in (1, 2):  # in the second run, what follows on a line that was cut counts
        with monkeypatch.context() as patched:
            patched.setattr(*where, after(calls, getattr(*where), fails))
            with pytest.raises(OutputError, match=rf"is full: stopped after {finished} of {CLIPS} clips") as caught:
                prepare(request_)
        assert "the same command goes on" in caught.value.hint
        assert nothing_half_written(request_.data_dir)
        whole = {path: digest for path, digest in digests(request_.data_dir).items() if path.endswith(".zip")}
        assert whole.items() <= expected.items() and finished <= len(whole) <= again * (finished + 1)
    result = prepare(request_)
    assert (result.skipped, result.done) == (2 * finished, CLIPS) and digests(request_.data_dir) == expected


@pytest.mark.parametrize("name", ["write_manifest", "write_settings"])
@pytest.mark.parametrize("there", [False, True])
def test_a_disk_that_is_full_at_the_end(request_, expected, monkeypatch, name, there):
    if there:
        prepare(request_)
        next(request_.data_dir.rglob("07.zip")).unlink()
    before = digests(request_.data_dir) if there else {}
    original = getattr(preparation, name)

    class FullFile(type(Path())):
        def write_bytes(self, content):
            super().write_bytes(content[: len(content) // 2])
            full()

    def half_written(folder, *arguments):
        with monkeypatch.context() as halved:
            halved.setattr("strmctl.paths.Path", FullFile)
            original(folder, *arguments)

    first = 1 if name == "write_settings" and not there else 0  # settings are written at the start, too
    with monkeypatch.context() as patched:
        patched.setattr(preparation, name, after(first, original, half_written))
        with pytest.raises(OSError, match="No space left") as caught:
            prepare(request_)
    assert Path(caught.value.filename).name == (MANIFEST if name == "write_manifest" else "store.json")
    left = {path: digest for path, digest in digests(request_.data_dir).items() if not path.endswith(JOURNAL)}
    assert left.items() <= expected.items()
    assert not there or left == before | {"mine/frames/07.zip": expected["mine/frames/07.zip"]}
    assert prepare(request_).skipped == CLIPS and digests(request_.data_dir) == expected


@pytest.mark.parametrize("frames", [8, None])
def test_the_estimate_of_a_dry_run_is_what_is_written(tmp_path, request_, frames):
    for number in range(45):
        size = ((320, 240), (426, 240), (160, 120))[number % 3]
        codec, suffix = (("MJPG", ".avi"), ("mp4v", ".mp4"))[number % 2]
        write_video(tmp_path / "varied" / f"{number:02d}{suffix}", 8 + 3 * (number % 7), size, 12, number, codec)
    varied = change(request_, what=f"{tmp_path / 'varied'}", frames=frames, size="128")
    planned = plan(varied)
    assert not varied.data_dir.exists()
    written = prepare(varied).bytes
    assert abs(planned.bytes - written) < 0.2 * written
    assert abs(plan(varied).bytes - written) < 0.2 * written  # with all of it there


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if not hasattr(os, "geteuid") or os.geteuid() or shutil.which("mount") is None:
        pytest.skip("mounting needs the rights of root")
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_disk_that_is_really_small(small_disk, request_, tmp_path, workers):
    for number in range(12):  # fewer than a sample: nothing is estimated before the disk is full
        write_video(tmp_path / "large" / f"{number}.mp4", seed=number, frames=40, size=(320, 240))
    asked = change(request_, what=f"{tmp_path / 'large'}", size="240", data_dir=small_disk / "data")
    whole = change(asked, data_dir=tmp_path / "undisturbed")
    assert prepare(whole).bytes > 2_500_000
    with pytest.raises(OutputError, match=r"is full: stopped after \d+ of 12 clips") as caught:
        prepare(asked, workers=workers)
    assert nothing_half_written(small_disk)
    kept = {name: digest for name, digest in digests(asked.data_dir).items() if name.endswith(".zip")}
    expected = digests(whole.data_dir)
    assert 0 < len(kept) < 12 and kept.items() <= expected.items(), caught.value
    subprocess.run(["mount", "-o", "remount,size=200m", str(small_disk)], check=True)
    assert prepare(asked, workers=workers).skipped > 0
    assert digests(asked.data_dir) == expected
