"""A store in a fold: the same frames, other subsets; and what its name says."""

from strmctl.frames.store.fold import in_fold
from strmctl.frames.store.store import FrameStore
from strmctl.frames.store.usable_clips import usable_clips
from tests.small_world import CLASSES, edit_manifest, prepare

ALL = sorted(name for names in CLASSES.values() for name in names)


def test_the_subsets_of_a_fold(store):
    seen = []
    for number in (1, 2):
        fold = in_fold(store, number=number, folds=2, seed=0)
        parts = {subset: fold.clips(subset) for subset in CLASSES}
        assert {subset: sorted(names) for subset, names in parts.items()} == fold.settings["classes"]
        assert len(parts["test"]) == 4 and len(parts["val"]) == len(CLASSES["val"]) and len(parts["train"]) == 2
        assert sorted(name for names in parts.values() for name in names) == ALL
        assert all(len(ids) == 3 for names in parts.values() for ids in names.values())
        assert fold.display_name == f"mine, fold {number} of 2" and fold.name == "mine"
        assert fold.manifest_sha256 == store.manifest_sha256 and fold.groups == store.groups
        assert fold.prepare_command == store.prepare_command
        clip = next(iter(parts["test"].values()))[0]
        assert fold.read(clip, [0]) == store.read(clip, [0])
        seen += parts["test"]
    assert sorted(seen) == ALL
    assert sorted(store.clips("test")) == sorted(CLASSES["test"]), "the store itself stays"


def test_classes_whose_videos_are_missing_keep_their_fold(own_data):
    whole = FrameStore.open(own_data, "mine")
    edit_manifest(own_data, without="walk/")
    partly = FrameStore.open(own_data, "mine")
    for number in (1, 2, 3):
        folds = [in_fold(store, number=number, folds=3, seed=1) for store in (whole, partly)]
        assert folds[0].settings["classes"] == folds[1].settings["classes"]
        for subset in CLASSES:
            found, missing = usable_clips(folds[1], subset, missing_classes="drop")
            assert sorted([*found, *missing]) == folds[0].settings["classes"][subset]
            assert missing == (["walk"] if "walk" in folds[0].settings["classes"][subset] else [])


def test_a_store_without_a_split(data, tmp_path):
    prepare(data.parent / "my videos", "--name", "plain", "--data", tmp_path)
    plain = FrameStore.open(tmp_path, "plain")
    assert not any(plain.clips(subset) for subset in CLASSES)
    fold = in_fold(plain, number=2, folds=2, seed=0)
    assert [len(fold.clips(subset)) for subset in ("train", "val", "test")] == [4, 0, 4]
