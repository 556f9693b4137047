"""A folder of one's own: its name, and the split that is drawn for it."""

import pytest

from strmctl.datasets.splits import load_split
from strmctl.frames.store.store import FrameStore
from tests.small_world import class_folders, refused
from tests.videos_for_tests import strmctl, write_video

CLASSES = ["clap", "crawl", "hop", "jump", "run", "sit"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder, with `my clips/` of six classes."""
    class_folders(tmp_path / "my clips", CLASSES, clips=1)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def prepare(*words):
    return strmctl("prepare", *words, "--size", 32, "--workers", 1)


@pytest.mark.parametrize("what", ["./my clips", "my clips/", "my clips"])
def test_the_store_is_called_like_the_folder(folder, what):
    assert prepare(what).code == 0
    assert FrameStore.names(folder / "data") == ["my_clips"]
    assert len(FrameStore.open(folder / "data", "my_clips").rows) == len(CLASSES)


def test_names_that_a_folder_cannot_give(folder, monkeypatch):
    (folder / "my clips").rename(folder / "ucf101")
    refused(prepare("./ucf101"), 2, "ucf101 is a data set of its own", "strmctl prepare ucf101 --videos ./ucf101")
    (folder / "ucf101").rename(folder / "videos")
    refused(prepare("./videos"), 2, "gives the frame store no name", "--name mine")
    (folder / "videos").rename(folder / "...")
    refused(prepare("./..."), 2, "gives the frame store no name")
    (folder / "...").rename(folder / "Tänze (2024)")
    monkeypatch.chdir(folder / "Tänze (2024)")
    assert prepare(".", "--data", "../data").code == 0
    assert FrameStore.names(folder / "data") == ["Tänze_2024"]


def test_another_folder_of_the_same_name_is_not_mixed_up_with_it(folder):
    assert prepare("./my clips").code == 0
    class_folders(folder / "other" / "my clips", ["fly"], clips=1)
    refused(prepare("other/my clips"), 2, "was made with folder", "other/my clips", "--name")
    assert len(FrameStore.open(folder / "data", "my_clips").rows) == len(CLASSES)
    (folder / "my clips").rename(folder / "moved")
    assert prepare("./moved", "--name", "my_clips").code == 0  # whoever names it knows


def test_a_split_is_drawn_and_stays(folder):
    words = ("./my clips", "--split", "50/0/50", "--seed", 2)
    dry = prepare(*words, "--dry-run")
    assert dry.code == 0 and "would be drawn by class: train 3, test 3" in dry.err and not (folder / "data").exists()
    ran = prepare(*words)
    path = folder / "data" / "my_clips-split.yaml"
    assert ran.code == 0 and "data/my_clips-split.yaml was drawn by class: train 3, test 3" in ran.err
    split = load_split(path)
    drawn = {name: split.classes(name) for name in split.subsets}
    store = FrameStore.open(folder / "data", "my_clips")
    assert {name: sorted(store.clips(name)) for name in drawn} == drawn
    assert store.settings["request"]["split"] == str(path)  # so that its own command works

    class_folders(folder / "my clips", ["new"], clips=1)
    before = path.read_bytes()
    again = prepare(*words, "--json")
    assert again.code == 0 and path.read_bytes() == before
    assert again.json()["unsplit_classes"] == ["new"] and not again.json()["split_drawn"]
    assert "1 class came after the split was drawn" in prepare(*words).err
    refused(prepare("./my clips", "--split", "60/0/40"), 2, "drawn by class: 50/0/50, seed 2, not", "--split data/my_c")
    assert prepare("./my clips", "--split", "data/my_clips-split.yaml").code == 0
    path.unlink()
    assert prepare(*words, "--redo").code == 0
    assert load_split(path).subset_of("new")


def test_shards_of_a_drawn_split_share_it(folder):
    words = ("./my clips", "--split", "50/0/50")
    for shard in ("1/2", "2/2"):
        assert prepare(*words, "--shard", shard).code == 0
    assert prepare(*words, "--merge").code == 0
    assert len(FrameStore.open(folder / "data", "my_clips").clips("train")) == 3


@pytest.mark.parametrize(
    ("words", "code", "parts"),
    [
        (("./my clips", "--split", "60/20/10"), 2, ("add up to 100", "--split 67/22/11")),
        (("ucf101", "--split", "60/20/20"), 2, ("a split is drawn for a folder",)),
        (("./my clips", "--flat", "--split", "60/20/20"), 2, ("--flat means no classes",)),
        (("./few", "--split", "60/20/20"), 2, ("4 classes are too few", "--split 80/0/20")),
        (("./one", "--split", "60/20/20"), 2, ("1 classes are too few", "4 at least")),
    ],
)
def test_splits_that_cannot_be_drawn(folder, words, code, parts):
    class_folders(folder / "few", CLASSES[:4], clips=1)
    write_video(folder / "one" / "clap" / "0.mp4")
    refused(prepare(*words), code, *parts)
    assert not (folder / "data").exists()
