"""Which files are examples and videos to label, and what is said of folders that make no sense."""

import os
import re
import shutil
from pathlib import Path

import pytest

from strmctl.classify.examples import copies, find_examples, find_videos
from strmctl.datasets.names import BAD_NAME
from strmctl.errors import DataError, UsageError


def files(folder: Path, *names: str) -> Path:
    """Files, each with another content; nothing here decodes them."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def test_the_topmost_folders_are_the_classes_and_litter_is_left_out(tmp_path):
    folder = files(
        tmp_path,
        *("wave/b.mp4", "wave/a.MOV", "wave/2024/c.avi", "sit/1.mkv"),
        *(".hidden/x.mp4", "__MACOSX/x.mp4", "wave/._a.mp4", "wave/Thumbs.db", "wave/song.mp3", "loose.mp4"),
    )
    found = find_examples(folder)
    assert [(example.clip, example.cls) for example in found.clips] == [
        *(("sit/1.mkv", "sit"), ("wave/2024/c.avi", "wave"), ("wave/a.MOV", "wave"), ("wave/b.mp4", "wave"))
    ]
    assert found.classes == ["sit", "wave"]
    notes = "\n".join(found.notes)
    assert "wave/song.mp3 (no video suffix)" in notes and "loose.mp4 (not in a class folder)" in notes


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "no clip of the examples"),
        (("readme.txt",), "no clip of the examples"),
        (("a.mp4", "b.mp4"), "not in a class folder"),
        (("wave/1.mp4", "wave/2.mp4"), "have one class alone, wave"),
        (("wave/1.mp4", "sit/1.mp4", "run/.keep"), "no video of class run"),
        (("wave/1.mp4", "sit/1.mp4", "run/song.mp3"), r"no video of class run \(run/song.mp3: no video suffix\)"),
        (("wave/1.mp4", "sit/1.mp4", "a/x.part", "b/y.txt"), "no video of class a, b"),
        (("wave/1.mp4", "Wave/2.mp4", "sit/1.mp4"), "differ in spelling alone: Wave, wave"),
        (("wave/1.mp4", "stand up/2.mp4", "stand_Up/1.mp4"), "differ in spelling alone: stand up, stand_Up"),
    ],
)
def test_folders_that_make_no_sense_are_refused_with_the_reason(tmp_path, names, message):
    with pytest.raises(DataError, match=message) as caught:
        find_examples(files(tmp_path / "examples", *names) if names else tmp_path)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "shown"), [("new\nline", "new?line"), ("tab\there", "tab?here"), (os.fsdecode(b"b\xe4r"), "b?r")]
)
def test_a_class_with_a_name_that_is_not_taken_is_refused_with_the_reason(tmp_path, name, shown):
    folder = files(tmp_path, "sit/1.mp4", "wave/1.mp4")
    (folder / name).mkdir()
    (folder / name / "1.mp4").write_text("of that class")
    with pytest.raises(DataError, match=re.escape(f"no video of class {shown} ({shown}/1.mp4: {BAD_NAME})")):
        find_examples(folder)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match="no folder of videos at"):
        find_examples(tmp_path / "none")


def test_the_same_video_in_two_classes_is_refused_whatever_its_name(tmp_path):
    files(tmp_path, "wave/1.mp4", "wave/2.mp4", "sit/1.mp4")
    shutil.copy(tmp_path / "wave" / "2.mp4", tmp_path / "sit" / "other.avi")
    with pytest.raises(DataError, match=r"two classes: sit/other\.avi and wave/2\.mp4"):
        find_examples(tmp_path)


def test_the_same_video_twice_in_a_class_counts_once(tmp_path):
    files(tmp_path, "wave/1.mp4", "sit/1.mp4")
    shutil.copy(tmp_path / "wave" / "1.mp4", tmp_path / "wave" / "3.mp4")
    (tmp_path / "wave" / "2.mp4").symlink_to(tmp_path / "wave" / "1.mp4")
    found = find_examples(tmp_path)
    assert [example.clip for example in found.clips] == ["sit/1.mp4", "wave/1.mp4"]
    assert [note.split(" is ")[0] for note in found.notes] == ["wave/2.mp4", "wave/3.mp4"]


@pytest.mark.parametrize(
    ("group_by", "sources"),
    [
        (None, ["sit/a_01.mp4", "wave/g02", "Some_film", "wave/x_01.mp4"]),
        (r"_(\d+)", ["01", "wave/v_wave_g02_c01.avi", "1", "01"]),
        (r"[^/]+$", ["a_01.mp4", "v_wave_g02_c01.avi", "Some_film_wave_f_nm_np1_fr_med_1.avi", "x_01.mp4"]),
        ("Some_film", ["sit/a_01.mp4", "wave/v_wave_g02_c01.avi", "Some_film", "wave/x_01.mp4"]),
    ],
)
def test_sources_come_from_file_names_or_from_a_regular_expression(tmp_path, group_by, sources):
    names = ("sit/a_01.mp4", "wave/v_wave_g02_c01.avi", "wave/Some_film_wave_f_nm_np1_fr_med_1.avi", "wave/x_01.mp4")
    found = {example.clip: example.source for example in find_examples(files(tmp_path, *names), group_by).clips}
    assert [found[name] for name in names] == sources


@pytest.mark.parametrize("cls", ["pullup", "pull up", "Klimmzüge (100 %)", "sports", "u"])
def test_clips_of_hmdb51_keep_their_source_in_a_folder_of_another_name(tmp_path, cls):
    clips = ("100_pullups_pullup_f_nm_np1_fr_med_1", "100_pullups_pullup_u_cm_np2_ba_goo_0")
    other = "20_Marine_Corps_Pull_Ups_pullup_f_cm_np1_ba_bad_3"
    names = [f"{cls}/{name}.avi" for name in (*clips, other)]
    found = [
        example.source for example in find_examples(files(tmp_path, *names, "sit/1.avi")).clips if example.cls == cls
    ]
    assert len(found) == 3 and found[0] == found[1] != found[2]


@pytest.mark.parametrize(("group_by", "message"), [("(", "is malformed"), ("nowhere", "fits no example: sit/1.mp4")])
def test_a_regular_expression_that_is_of_no_use_is_refused(tmp_path, group_by, message):
    with pytest.raises(UsageError, match=message):
        find_examples(files(tmp_path, "wave/1.mp4", "sit/1.mp4"), group_by)


def test_videos_are_files_as_named_and_all_below_folders_once(tmp_path):
    folder = files(tmp_path, "in/b.mp4", "in/deep/a.avi", "in/.x/c.mp4", "in/notes.txt", "song.mp3")
    videos, notes = find_videos(
        [tmp_path / "song.mp3", folder / "in", tmp_path / "in" / "b.mp4", tmp_path / "gone.mp4"]
    )
    assert [str(video.relative_to(tmp_path)) for video in videos] == [
        *("song.mp3", "in/b.mp4", "in/deep/a.avi", "gone.mp4")
    ]
    assert notes == []
    with pytest.raises(DataError, match=r"no clip of the videos to label in .*\(1 files: no video suffix\)"):
        find_videos([files(tmp_path / "empty", "readme.md")])


def test_videos_that_are_examples_are_found_by_their_bytes(tmp_path):
    examples = find_examples(files(tmp_path / "examples", "wave/1.mp4", "sit/1.mp4"))
    shutil.copy(tmp_path / "examples" / "wave" / "1.mp4", tmp_path / "new.avi")
    (tmp_path / "alike.mp4").write_text("wave/2.mp4")  # of an equal size
    os.mkfifo(tmp_path / "pipe.mp4")
    videos = [tmp_path / name for name in ("new.avi", "alike.mp4", "pipe.mp4", "gone.mp4")]
    assert copies(videos, examples) == {tmp_path / "new.avi": "wave/1.mp4"}
