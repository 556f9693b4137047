import pytest

from strmctl.errors import DataError
from strmctl.frames.store.store import FrameStore
from strmctl.frames.store.usable_clips import usable_clips
from tests.frames.store.test_store import ROW


def store(tmp_path, subset, *, classes=None):
    """A store whose only clip is of class `a`, in `subset`."""
    row = type(ROW)(**{**vars(ROW), "subset": subset})
    return FrameStore(tmp_path / "s", {"dataset": "s", "classes": classes or {}}, [row], "")


def test_classes_without_a_clip_are_an_error_or_are_dropped(tmp_path):
    frames = store(tmp_path, "train", classes={"train": ["a", "b"]})
    with pytest.raises(DataError, match="1 of 2 train classes of s have no usable clip: b"):
        usable_clips(frames, "train", missing_classes="error")
    assert usable_clips(frames, "train", missing_classes="drop") == ({"a": ["a/x"]}, ["b"])


def test_a_validation_split_may_lose_all_its_classes(tmp_path):
    frames = store(tmp_path, "train", classes={"train": ["a"], "val": ["b", "c"], "test": ["d"]})
    assert usable_clips(frames, "val", missing_classes="drop") == ({}, ["b", "c"])
    with pytest.raises(DataError, match="no usable clip in its val split"):
        usable_clips(frames, "val", missing_classes="error")
    for subset, other in (("test", "train"), ("train", "test")):
        frames = store(tmp_path, other, classes={subset: ["d"]})
        with pytest.raises(DataError, match=f"no usable clip in its {subset} split"):
            usable_clips(frames, subset, missing_classes="drop")


@pytest.mark.parametrize("missing_classes", ["error", "drop"])
def test_a_split_without_validation_is_none(tmp_path, missing_classes):
    frames = store(tmp_path, "train", classes={"train": ["a"]})
    assert usable_clips(frames, "val", missing_classes=missing_classes) == ({}, [])
