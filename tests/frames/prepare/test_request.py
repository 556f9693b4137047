import shlex
from pathlib import Path

import pytest

from strmctl.cli.commands import prepare as cli
from strmctl.datasets.catalogue import DATA_SETS
from strmctl.errors import DataError, UsageError
from strmctl.frames.prepare.prepare import plan, prepare
from strmctl.frames.prepare.request import Request, look_up
from strmctl.frames.store.settings import prepare_command, read_settings, write_settings
from strmctl.frames.store.store import FrameStore
from tests.videos_for_tests import write_video


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "ucf101"}, "data set of its own"),
        ({"name": "../x"}, "cannot name a frame store"),
        ({"name": "videos"}, "cannot name a frame store"),
        ({"flat": True, "split_file": Path("x.yaml")}, "--flat means no classes"),
        ({"videos": Path("x")}, "--videos is for a data set"),
        ({"annotations": Path("x")}, "--annotations is for ssv2"),
        ({"seed": 1}, "--seed is for sprites"),
        ({"frames": 7}, "--frames below 8"),
        ({"what": "nothing"}, "unknown data set 'nothing'"),
        ({"what": "ucf101", "flat": True}, "--flat is for a folder"),
    ],
)
def test_options_that_do_not_go_together(tmp_path, values, message):
    request = {"what": f"{tmp_path}", "name": "mine", "data_dir": tmp_path / "data", **values}
    with pytest.raises(UsageError, match=message):
        look_up(Request(**request))


def test_a_file_is_no_folder_of_videos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "a.mp4")
    for what in ("a.mp4", "./a.mp4"):
        for name in (None, "mine"):
            with pytest.raises(DataError, match=r"a\.mp4 is a file, not a folder of videos"):
                look_up(Request(what, name=name))


def request_of(command: str) -> Request:
    """What the command line makes of a command."""
    program, name, *words = shlex.split(command)
    assert (program, name) == ("strmctl", "prepare")
    values = cli.command.make_context("prepare", words).params
    return Request(**{key: value for key, value in values.items() if key in vars(Request("x"))})


@pytest.fixture
def videos(tmp_path):
    """Class folders `walk` and `run` of a clip each, beside a split and a list."""
    for cls in ("walk", "run"):
        write_video(tmp_path / "my videos" / cls / "0.mp4")
    (tmp_path / "mine.yaml").write_text("subsets: {train: [walk], test: [run]}\n")
    (tmp_path / "other.yaml").write_text("subsets: {train: [run], test: [walk]}\n")
    (tmp_path / "list.txt").write_text("walk/0\n")
    return tmp_path / "my videos"


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"split_file": "mine.yaml"},
        {"flat": True},
        {"list_file": "list.txt", "size": "48x32", "quality": 70, "frames": 9},
        {"name": "of mine", "split_file": "mine.yaml"},
        {"what": "taken", "name": None, "frames_from": "frames.zip", "list_file": "list.txt"},
        {"what": "ucf101", "name": None, "frames_from": "frames"},
        {"what": "ucf101", "name": "u", "videos": "my videos", "split_file": "mine.yaml", "size": "32"},
        {"what": "ssv2", "name": None, "videos": "clips", "annotations": "labels", "frames": 16},
        {"what": "sprites", "name": None, "seed": 7},
        {"what": "sprites", "name": "kept", "size": "48"},
    ],
)
def test_the_command_of_a_store_asks_for_the_same_again(videos, tmp_path, monkeypatch, values):
    monkeypatch.chdir(tmp_path)
    named = ("videos", "annotations", "frames_from", "split_file", "list_file")
    paths = {key: Path(value) for key, value in values.items() if key in named}
    asked = Request(**({"what": "./my videos", "name": "mine", "data_dir": tmp_path} | values | paths))
    job = look_up(asked)
    originals, command = job.originals.absolute(), prepare_command(job.folder, job.settings)
    monkeypatch.chdir(videos)  # the folder that it is given in does not matter
    again = look_up(request_of(command))
    assert again.settings == job.settings and again.folder == job.folder
    assert again.originals.absolute() == originals
    assert again.split == job.split


def test_the_command_of_a_data_set_is_short(tmp_path):
    job = look_up(Request("ucf101"))
    assert prepare_command(job.folder, job.settings) == "strmctl prepare ucf101"
    job = look_up(Request("sprites", seed=0))
    assert prepare_command(job.folder, job.settings) == "strmctl prepare sprites"


@pytest.mark.parametrize(
    ("made", "asked", "message"),
    [
        ({"split_file": "mine.yaml"}, {}, r"split mine, now none"),
        ({"split_file": "mine.yaml"}, {"split_file": "other.yaml"}, r"split mine, now other"),
        ({"split_file": "mine.yaml"}, {"flat": True}, r"split mine, now none; class folders, now --flat"),
        ({"list_file": "list.txt"}, {}, r"list list\.txt, now none"),
        ({}, {"flat": True}, r"class folders, now --flat"),
    ],
)
def test_a_store_does_not_lose_what_it_was_made_with(videos, tmp_path, made, asked, message):
    def request(values):
        paths = {key: tmp_path / value if key != "flat" else value for key, value in values.items()}
        return Request(f"{videos}", name="mine", data_dir=tmp_path / "data", size="32", **paths)

    write_video(videos / "loose.mp4")
    prepare(request(made))
    before = (tmp_path / "data" / "mine" / "manifest.csv").read_bytes()
    for attempt in (prepare, plan):
        with pytest.raises(UsageError, match=message) as caught:
            attempt(request(asked))
    assert "--redo" in caught.value.hint
    assert FrameStore.open(tmp_path / "data", "mine").prepare_command in caught.value.hint
    assert (tmp_path / "data" / "mine" / "manifest.csv").read_bytes() == before
    assert prepare(request(made)).skipped > 0
    prepare(request(asked), redo=True)


def test_a_store_of_an_older_version_keeps_its_classes_too(videos, tmp_path):
    made = Request(f"{videos}", name="mine", data_dir=tmp_path, size="32", split_file=tmp_path / "mine.yaml")
    prepare(made)
    settings = read_settings(tmp_path / "mine")
    write_settings(tmp_path / "mine", {key: value for key, value in settings.items() if key != "request"})
    store = FrameStore.open(tmp_path, "mine")
    assert store.prepare_command == f"strmctl prepare FOLDER --name mine --data {tmp_path} --size 32"
    with pytest.raises(UsageError, match="split mine, now none"):
        prepare(Request(f"{videos}", name="mine", data_dir=tmp_path, size="32"))
    assert prepare(made).skipped == 2
    assert read_settings(tmp_path / "mine") == settings


def test_results_say_when_the_clips_are_not_those_of_the_benchmark(tmp_path):
    write_video(tmp_path / "videos" / "kinetics100" / "busking" / "-a_b_000001_000011.mp4")
    listed, split = tmp_path / "list.txt", tmp_path / "other.yaml"
    listed.write_text("busking/-a_b_000001_000011\n")
    split.write_text("subsets: {test: [busking]}\n")
    names = [
        prepare(
            Request("kinetics100", data_dir=tmp_path, list_file=list_file, split_file=split_file), redo=redo
        ).display_name
        for list_file, split_file, redo in ((None, None, False), (listed, None, False), (listed, split, True))
    ]
    assert names == ["kinetics100 (all clips)", "kinetics100", "kinetics100 (split other)"]
    assert FrameStore.open(tmp_path, "kinetics100").display_name == "kinetics100 (split other)"


def test_every_data_set_has_a_home():
    assert all(dataset.home for dataset in DATA_SETS.values())
