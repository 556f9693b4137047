"""Lists in other forms than one clip a line: what is meant is read, and the rest is shown."""

import json

import pytest

from strmctl.datasets.lists import match_list
from tests.small_world import class_folders, prepare, refused
from tests.videos_for_tests import strmctl

FOUND = {
    "Side Kick/v_kick_g01.mp4": "Side Kick",
    "Side Kick/v_kick_g02.mp4": "Side Kick",
    "walk/v_walk_g01.mp4": "walk",
    "walk/v_walk_g02.mp4": "walk",
    "walk/other.mp4": "walk",
}
WANTED = ["Side Kick/v_kick_g01.mp4", "Side Kick/v_kick_g02.mp4", "walk/v_walk_g01.mp4", "walk/v_walk_g02.mp4"]
PAIRS = [(source.split("/")[0], source.split("/")[1].removesuffix(".mp4")) for source in WANTED]


def lines(form, head=""):
    return head + "".join(f"{form(cls, clip)}\n" for cls, clip in PAIRS)


FORMS = {
    "quotes": lines(lambda cls, clip: f'"{cls}/{clip}.mp4"'),
    "single quotes": lines(lambda cls, clip: f"'{cls}/{clip}'"),
    "class; clip": lines(lambda cls, clip: f"{cls}; {clip}.avi"),
    "clip;class;label": lines(lambda cls, clip: f"{clip};{cls};{len(cls)}"),
    "tabs": lines(lambda cls, clip: f"{clip}.mp4\t{cls}"),
    "tabs, label first": lines(lambda cls, clip: f"{len(cls)}\t{cls}\t{clip}"),
    "bars": lines(lambda cls, clip: f"{cls}|{clip}"),
    "commas": lines(lambda cls, clip: f"{clip}.mp4,{cls}"),
    "quoted cells": lines(lambda cls, clip: f'"{clip}","{cls}",3'),
    "header": lines(lambda cls, clip: f"{cls}/{clip}", "path\n"),
    "header of two columns": lines(lambda cls, clip: f"{cls}/{clip},3", "Video Path,Label\n"),
    "header and class": lines(lambda cls, clip: f"{clip};{cls}", "video;label\n"),
    "header in another language": lines(lambda cls, clip: f"{clip};{cls}", "Datei;Klasse\n"),
    "class beside class folder": lines(lambda cls, clip: f"{cls},videos/{cls}/{clip}.mp4"),
    "backslashes": lines(lambda cls, clip: f"{cls}\\{clip}.mp4"),
    "a Windows path": lines(lambda cls, clip: f"D:\\data\\videos\\{cls}\\{clip}.avi 7"),
    "quoted Windows path": lines(lambda cls, clip: f'"D:\\data\\{cls}\\{clip}.avi"'),
    "absolute": lines(lambda cls, clip: f"/data/videos/{cls}/{clip}.mkv"),
    "label in front": lines(lambda cls, clip: f"12 {cls}/{clip}.mp4"),
    "label and comma in front": lines(lambda cls, clip: f"12,{cls}/{clip}.mp4"),
    "blanks": lines(lambda cls, clip: f"{cls} {clip}.mp4"),
    "blanks, clip first": lines(lambda cls, clip: f"{clip} {cls} 4"),
    "Windows line ends": lines(lambda cls, clip: f'"{cls}/{clip}"').replace("\n", "\r\n"),
    "JSON of strings": json.dumps([f"{cls}/{clip}.mp4" for cls, clip in PAIRS]),
    "JSON of class and clip": json.dumps([[cls, clip] for cls, clip in PAIRS], indent=1),
    "JSON of objects": json.dumps([{"id": 1, "video": f"{clip}.mp4", "label": cls} for cls, clip in PAIRS]),
    "JSON of classes": json.dumps(
        {"Side Kick": ["v_kick_g01", "v_kick_g02"], "walk": ["v_walk_g01.mp4", "v_walk_g02"]}
    ),
    "JSON of subsets": json.dumps({"test": [f"{cls}/{clip}" for cls, clip in PAIRS], "val": []}),
    "JSON, clip -> class": json.dumps({clip: cls for cls, clip in PAIRS}),
    "JSON, clip -> object": json.dumps({clip: {"subset": "x", "annotations": {"label": cls}} for cls, clip in PAIRS}),
    "JSON lines": "".join(json.dumps({"clip": clip, "class": cls}) + "\n" for cls, clip in PAIRS),
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("form", FORMS)
def test_what_is_meant_is_read(tmp_path, form, encoding):
    (tmp_path / "list").write_bytes(FORMS[form].encode(encoding))
    match = match_list(FOUND, tmp_path / "list")
    assert sorted(match.chosen) == WANTED and match.missing == [], match
    assert match.counts == {"Side Kick": (2, 0), "walk": (2, 0)}


def test_clips_that_are_not_there_are_missing_in_every_form(tmp_path):
    text = lines(lambda cls, clip: f"{clip};{cls}") + "v_walk_g03;walk\nv_run_g01;run\n"
    (tmp_path / "list").write_text(text)
    match = match_list(FOUND, tmp_path / "list")
    assert sorted(match.chosen) == WANTED and match.missing == ["walk/v_walk_g03", "run/v_run_g01"]
    assert match.counts["walk"] == (3, 1) and match.counts["run"] == (1, 1)


def test_the_same_clip_name_in_two_classes_is_told_apart_by_the_class_column(tmp_path):
    found = {"a/1.mp4": "a", "b/1.mp4": "b"}
    for text in ("1;a\n", "a,1.mp4\n", '{"1": "a"}', "1.mp4\ta\n"):
        (tmp_path / "list").write_text(text)
        assert match_list(found, tmp_path / "list").chosen == {"a/1.mp4": "a"}, text


NOTHING = {
    "another folder": ("run/7\nrun/8\n", "run/7"),
    "numbers": ("7\n8\n", "7"),
    "prose": ("These are the clips of our paper.\n", "These are the clips of our paper."),
    "JSON of something else": ('{"version": 3}', '{"version": 3}'),
    "broken JSON": ('["hop/0",\n', '["hop/0",'),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("listed")
    class_folders(made / "clips", ["hop", "jump"], clips=2)
    return made


@pytest.mark.parametrize("form", NOTHING)
def test_a_list_of_which_nothing_fits_shows_its_first_line_and_what_would_fit(folder, form):
    text, first = NOTHING[form]
    listed = folder / "list.txt"
    listed.write_text(text)
    words = (folder / "clips", "--name", "mine", "--list", listed, "--data", folder / "data")
    ran = strmctl("prepare", *words, "--dry-run")
    refused(ran, 3, f"no line of the list {listed} fits a file", f"the first is `{first}`", "the file most like it is ")
    listed.write_text(ran.err.split("such as `")[1].split("`")[0])  # what the hint says
    prepare(*words, "--dry-run")


def test_a_list_without_a_clip(folder):
    (folder / "list.txt").write_text("# nothing\n")
    words = (folder / "clips", "--name", "mine", "--list", folder / "list.txt", "--data", folder / "data")
    refused(strmctl("prepare", *words), 3, "names no clip", "lines such as `hop/0`")
